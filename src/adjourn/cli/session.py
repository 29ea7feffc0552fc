"""How a client command is made: its options for the connection and --json, the API and the screen.

The options may stand anywhere: `adjourn --url U apps list`, `adjourn apps list --url U`. The last one counts.
"""

import os
import sys
from collections.abc import Callable, Collection
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from adjourn.cli.commands import add_command
from adjourn.cli.failure import Exit, Failure, failure_of
from adjourn.cli.screen import Screen
from adjourn.client import Platform
from adjourn.errors import AdjournError

__all__ = [
    "AppId",
    "Json",
    "Key",
    "Limit",
    "Offset",
    "Session",
    "Url",
    "Wait",
    "Yes",
    "command",
    "given_changes",
    "given_options",
    "group",
    "wants_json",
]

T = TypeVar("T")

_DEFAULT_URL = "http://127.0.0.1:8080"
_PANEL = "Connection and output"
_TIMEOUT = 60.0  # seconds, for each of connecting, sending and reading

Url = Annotated[
    str | None,
    typer.Option(
        help=f"Where the server is; else ADJOURN_URL, else {_DEFAULT_URL}.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        help="The platform key; else ADJOURN_PLATFORM_KEY, which other users of the machine do not see.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print the API's own JSON and nothing else; errors are JSON too, on standard error.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]

Limit = Annotated[int, typer.Option(min=1, max=100, help="How many to show.")]
Offset = Annotated[int, typer.Option(min=0, help="How many to skip.")]
AppId = Annotated[str, typer.Argument(metavar="APP_ID", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait", help="Follow it to its end.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.", show_default=False)]


class _Given(msgspec.Struct, frozen=True):
    """What the options said so far, from left to right."""

    url: str | None = None
    platform_key: str | None = None
    as_json: bool = False

    def then(self, url: str | None, platform_key: str | None, as_json: bool) -> "_Given":
        return _Given(
            self.url if url is None else url,
            self.platform_key if platform_key is None else platform_key,
            self.as_json or as_json,
        )


class Session:
    """One run of a client command. It tries once: who runs it sees at once that a server is not there."""

    def __init__(self, given: _Given, screen: Screen) -> None:
        key = given.platform_key or os.environ.get("ADJOURN_PLATFORM_KEY", "")
        if not key:
            raise Failure(
                Exit.WRONG,
                "no platform key: set ADJOURN_PLATFORM_KEY to the key that `adjourn serve` showed when it "
                "first started (or give --platform-key)",
            )
        self.screen = screen
        self.as_json = given.as_json
        self.api = Platform(
            key=key,
            base_url=given.url or os.environ.get("ADJOURN_URL") or _DEFAULT_URL,
            timeout=_TIMEOUT,
            retries=0,
            trust_env=False,
            on_answer=self._keep_answer,
        )
        self._answer = b""

    def _keep_answer(self, body: bytes) -> None:
        self._answer = body

    def show(self, result: T, human: Callable[[T], None]) -> None:
        """The result of the latest call: its JSON as it came, or what `human` makes of it."""
        if not self.as_json:
            human(result)
        elif self._answer:
            self.screen.raw(self._answer)

    def show_done(self, text: str) -> None:
        """That a call was done which has no result; nothing with --json."""
        if not self.as_json:
            self.screen.line(text)

    def agreed(self, what: str, details: Callable[[], str]) -> bool:
        """Ask before something that cannot be undone. Raises Failure where there is no terminal to ask at."""
        if not sys.stdin.isatty():
            raise Failure(Exit.WRONG, f"this {what}, and there is no terminal to ask at: give --yes")
        self.screen.note(details())
        return typer.confirm("Go on?", err=True)


def given_changes(clearable: Collection[str], **form: Any) -> dict[str, Any]:
    """What is to be changed: what is not None; an empty text clears a field that can be. Raises Failure."""
    given = {
        name: None if value == "" and name in clearable else value
        for name, value in form.items()
        if value is not None
    }
    if not given:
        raise Failure(Exit.WRONG, "nothing to change: --help lists what there is")
    return given


def given_options(
    ctx: typer.Context, *, url: Url = None, platform_key: Key = None, as_json: Json = False
) -> None:
    before: _Given = ctx.obj or _Given()
    ctx.obj = before.then(url, platform_key, as_json)


def wants_json(ctx: typer.Context, as_json: bool = False) -> bool:
    """For a command that asks no server: whether --json stands before it, or behind it as `as_json`.

    What it raises is told as JSON then (root.py).
    """
    root = ctx.find_root()
    given: _Given = (root.obj or _Given()).then(None, None, as_json)
    root.obj = given
    return given.as_json


def group(about: str) -> typer.Typer:
    """A group of client commands."""
    return typer.Typer(help=about, callback=given_options, no_args_is_help=True)


def command(
    group: typer.Typer, name: str
) -> Callable[[Callable[..., Exit | None]], Callable[..., Exit | None]]:
    """Make a client command of a function whose first parameter is the Session.

    Its other parameters are the command's; the connection's are added here. It returns its exit code,
    None for 0, and may raise AdjournError.
    """

    def decorate(body: Callable[..., Exit | None]) -> Callable[..., Exit | None]:
        def run(ctx: typer.Context, shared: dict[str, Any], own: dict[str, Any]) -> None:
            given = (ctx.obj or _Given()).then(**shared)
            raise typer.Exit(_run(given, lambda session: body(session, **own)))

        add_command(group, name, body, shared_by=given_options, run=run)
        return body

    return decorate


def _run(given: _Given, body: Callable[[Session], Exit | None]) -> Exit:
    screen = Screen()
    try:
        session = Session(given, screen)
        with session.api:
            return body(session) or Exit.DONE
    except AdjournError as exc:
        failure = failure_of(exc)
        screen.failure(failure, as_json=given.as_json)
        return failure.exit_code

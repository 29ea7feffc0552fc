"""How a command of `adjourn inbox` is made: which inbox it looks at, --json, and how it ends.

The options may stand anywhere: before the command, or behind it; the last one counts.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
import typer

from adjourn.cli.commands import add_command
from adjourn.cli.failure import Exit, Failure
from adjourn.cli.inbox.naming import DEFAULT_FILE, VARIABLE, find_url
from adjourn.cli.screen import Screen
from adjourn.config import without_password
from adjourn.errors import AdjournError, NotFound, StorageError
from adjourn.storage.base import Receipts
from adjourn.storage.inbox import open_receipts

__all__ = ["AppDir", "Given", "Json", "Named", "Session", "command", "ended", "given", "inbox"]

_PANEL = "Inbox and output"

AppDir = Annotated[
    str | None,
    typer.Option(
        "--app-dir",
        metavar="FOLDER",
        help="Where MODULE is looked for first; else this folder.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print JSON and nothing else; errors are JSON too, on standard error.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Named = Annotated[
    str | None,
    typer.Option(
        "--inbox",
        metavar="MODULE:INBOX",
        help="The inbox in your code, like myapp:inbox.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
_Url = Annotated[
    str | None,
    typer.Option(
        help=f"Its database instead; else {VARIABLE}, else {DEFAULT_FILE} in this folder.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]


class Given(msgspec.Struct, frozen=True):
    """What the options said so far, from left to right."""

    named: str | None = None
    url: str | None = None
    app_dir: str | None = None
    as_json: bool = False


class Session:
    """One run of a command: the inbox's store, which is open, and the screen."""

    def __init__(self, receipts: Receipts, screen: Screen, *, url: str, as_json: bool) -> None:
        self.receipts = receipts
        self.screen = screen
        self.shown_url = without_password(url)
        self.as_json = as_json

    def show(self, result: object, human: Callable[[], None]) -> None:
        """The result as JSON, or what `human` shows of it."""
        if self.as_json:
            self.screen.raw(msgspec.json.encode(result))
        else:
            human()

    def agreed(self, what: str) -> bool:
        """Ask before what should not happen by mistake. Raises Failure where there is no terminal."""
        if not sys.stdin.isatty():
            raise Failure(Exit.WRONG, f"this {what}, and there is no terminal to ask at: give --yes")
        self.screen.note(f"this {what}")
        return typer.confirm("Go on?", err=True)


def _given_options(
    ctx: typer.Context,
    *,
    named: Named = None,
    url: _Url = None,
    app_dir: AppDir = None,
    as_json: Json = False,
) -> None:
    ctx.obj = given(ctx, named=named, url=url, app_dir=app_dir, as_json=as_json)


def given(
    ctx: typer.Context,
    *,
    named: str | None = None,
    url: str | None = None,
    app_dir: str | None = None,
    as_json: bool = False,
) -> Given:
    """These, and what stood before them: `adjourn --url U --json inbox list` counts, too."""
    before = ctx.obj
    if not isinstance(before, Given):
        before = Given() if before is None else Given(url=before.url, as_json=before.as_json)
    return Given(
        before.named if named is None else named,
        before.url if url is None else url,
        before.app_dir if app_dir is None else app_dir,
        before.as_json or as_json,
    )


inbox = typer.Typer(
    help="A receiver's inbox: handle what it keeps, look at it, have it handled anew.",
    callback=_given_options,
    no_args_is_help=True,
)

Body = Callable[..., Awaitable[Exit | None]]


def command(name: str) -> Callable[[Body], Body]:
    """Make a command of a coroutine function whose first parameter is the Session.

    Its other parameters are the command's; those that name the inbox are added here. It returns its exit
    code, None for 0, and may raise AdjournError.
    """

    def decorate(body: Body) -> Body:
        def run(ctx: typer.Context, shared: dict[str, Any], own: dict[str, Any]) -> None:
            so_far = given(ctx, **shared)
            raise typer.Exit(ended(lambda: asyncio.run(_run(so_far, body, own)), as_json=so_far.as_json))

        add_command(inbox, name, body, shared_by=_given_options, run=run)
        return body

    return decorate


async def _run(given: Given, body: Body, options: dict[str, Any]) -> Exit:
    url = find_url(given.named, given.url, app_dir=given.app_dir or ".")
    receipts = await open_receipts(url, create=False)
    try:
        session = Session(receipts, Screen(), url=url, as_json=given.as_json)
        return await body(session, **options) or Exit.DONE
    finally:
        await receipts.close()


def ended(run: Callable[[], Exit], *, as_json: bool) -> Exit:
    """The exit code of what `run` does; what it raises is told on standard error."""
    screen = Screen()
    try:
        return run()
    except AdjournError as exc:
        failure = _failure_of(exc)
        screen.failure(failure, as_json=as_json)
        return failure.exit_code


def _failure_of(exc: AdjournError) -> Failure:
    match exc:
        case Failure():
            return exc
        case StorageError():
            return Failure(Exit.UNREACHABLE, str(exc))
        case NotFound():
            return Failure(Exit.REFUSED, str(exc))
        case _:
            return Failure(Exit.WRONG, str(exc))

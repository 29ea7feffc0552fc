"""The command line: every group and command, and how it ends."""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from adjourn import __version__
from adjourn.cli import apps_credentials, apps_import, apps_webhooks, connections, publish
from adjourn.cli.apps import apps
from adjourn.cli.asyncapi import asyncapi
from adjourn.cli.automations import automations
from adjourn.cli.deliveries import deliveries
from adjourn.cli.event_types import types
from adjourn.cli.events import events
from adjourn.cli.failure import Exit, Failure, failure_of
from adjourn.cli.inbox import inbox
from adjourn.cli.listen import listen
from adjourn.cli.replays import replays
from adjourn.cli.samples import samples
from adjourn.cli.screen import Screen
from adjourn.cli.session import Json, Key, Url, given_options, wants_json
from adjourn.cli.simulate import simulate
from adjourn.cli.verify import verify
from adjourn.errors import AdjournError

__all__ = ["run"]

_NO_SERVER: str | None = None
try:
    from adjourn.cli import serve
    from adjourn.cli.demo import demo
except ModuleNotFoundError as exc:
    if exc.name is None or exc.name.partition(".")[0] == "adjourn":
        raise  # a fault of ours, nothing that could be installed
    _NO_SERVER = exc.name

_INTERRUPTED = 130  # what a shell calls a program that Ctrl-C ended

_HELP = """Webhooks for meetings: send them, receive them, never lose one.

`adjourn demo` shows it all, `adjourn serve` runs the server; the other commands ask a server that runs, which
they find by ADJOURN_URL and ADJOURN_PLATFORM_KEY. `inbox`, `listen`, `simulate` and `verify` are for whoever
receives webhooks, and ask no server.

**Exit codes**: 0, it is done; 1, the server refused it, or there is no such thing; 2, wrong usage or
settings; 3, the server cannot be reached or cannot take it now, so try again; 130, ended by Ctrl-C.

**Output**: results go to standard output, all else to standard error. With `--json` a result is the API's own
JSON, and an error is `{"code", "error", "message", ...}` on standard error; wrong usage is told in words.
"""


def _version(asked: bool) -> None:
    if asked:
        Screen().line(f"adjourn {__version__}")
        raise typer.Exit


_ANY_OPTIONS = {"ignore_unknown_options": True, "allow_extra_args": True}


def _needs_server(ctx: typer.Context) -> None:
    """Needs pip install 'adjourn[server]'."""
    reason = f"`adjourn {ctx.info_name}` needs pip install 'adjourn[server]' ({_NO_SERVER} is missing)"
    raise Failure(Exit.WRONG, reason)


def _options(
    ctx: typer.Context,
    *,
    url: Url = None,
    platform_key: Key = None,
    as_json: Json = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version.", show_default=False
        ),
    ] = False,
) -> None:
    given_options(ctx, url=url, platform_key=platform_key, as_json=as_json)


class _Root(TyperGroup):
    """Errors as JSON where that is asked for; and without what typer's library puts before a reason."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except typer.BadParameter as exc:
            exc.message = exc.message.removeprefix("Value error, ")
            raise
        except AdjournError as exc:
            failure = failure_of(exc)
            Screen().failure(failure, as_json=wants_json(ctx))
            raise typer.Exit(failure.exit_code) from exc


@cache
def _command() -> Any:
    """Built once: the groups are made with their modules, and what is registered stays."""
    return typer.main.get_command(_root())


def _root() -> typer.Typer:
    root = typer.Typer(
        cls=_Root,
        help=_HELP,
        callback=_options,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,  # it would show local variables, and so secrets
    )
    if _NO_SERVER is None:
        root.command("demo")(demo)
    root.command("verify")(verify)
    root.command("listen")(listen)
    root.command("simulate")(simulate)
    root.command("samples")(samples)
    root.command("asyncapi")(asyncapi)
    if _NO_SERVER is None:
        serve.register(root)
    else:
        for name in ("demo", "serve", "worker", "secret-key"):
            root.command(name, context_settings=_ANY_OPTIONS)(_needs_server)
    publish.register(root)
    connections.register(root)
    for more in (apps_webhooks, apps_credentials, apps_import):
        more.register(apps)
    root.add_typer(apps, name="apps")
    root.add_typer(connections.connections, name="connections")
    root.add_typer(automations, name="automations")
    root.add_typer(events, name="events")
    root.add_typer(deliveries, name="deliveries")
    root.add_typer(replays, name="replays")
    root.add_typer(types, name="types")
    root.add_typer(inbox, name="inbox")
    return root


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code. It never raises for what a user can bring about."""
    try:
        _command().main(args=list(argv), prog_name="adjourn")
    except SystemExit as exc:
        return int(exc.code or Exit.DONE)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return Exit.DONE

"""`adjourn serve`, `adjourn worker` and `adjourn secret-key`."""

import asyncio
import os
from typing import Annotated, Any

import typer
from cryptography.fernet import Fernet

from adjourn.cli.screen import Screen
from adjourn.config import Secret, Settings
from adjourn.logs import set_up_logging
from adjourn.server import deliver, run_loop
from adjourn.server import serve as run_server
from adjourn.supervisor import deliver_with_many, serve_with_many

__all__ = ["register"]


def register(root: typer.Typer) -> None:
    root.command("serve")(serve)
    root.command("worker")(worker)
    root.command("secret-key")(secret_key)


def _flag(about: str, variable: str, default: str | None = None) -> Any:
    """A setting's option. Its environment variable is read by Settings, not here."""
    shown = f"ADJOURN_{variable}" if default is None else f"ADJOURN_{variable}; default {default}"
    return typer.Option(help=f"{about} ({shown})", show_default=False)


_DatabaseUrl = Annotated[
    str | None,
    _flag(
        "Where everything is kept; or postgresql://user:password@host/database.",
        "DATABASE_URL",
        "sqlite:///adjourn.db",
    ),
]
_Workers = Annotated[
    str | None, _flag("How many processes share the work; above 1 with PostgreSQL alone.", "WORKERS", "1")
]
_RetryDelays = Annotated[
    str | None,
    _flag(
        "Seconds from each failed attempt to the next, like 60,300,1800.",
        "RETRY_DELAYS",
        "the documented ones",
    ),
]
_AllowNetworks = Annotated[
    str | None,
    _flag("Private networks that may be sent to, like 10.0.0.0/8,::1.", "ALLOW_NETWORKS", "none"),
]


def serve(
    *,
    database_url: _DatabaseUrl = None,
    workers: _Workers = None,
    host: Annotated[str | None, _flag("The address to listen on.", "HOST", "127.0.0.1")] = None,
    port: Annotated[str | None, _flag("The port; 0 for any that is free.", "PORT", "8080")] = None,
    retry_delays: _RetryDelays = None,
    allow_networks: _AllowNetworks = None,
    platform_key: Annotated[
        str | None,
        _flag(
            "The key of the platform API.", "PLATFORM_KEY", "one is made at the first start and shown once"
        ),
    ] = None,
) -> None:
    """Run the server until Ctrl-C or SIGTERM.

    Every option has a variable of the environment, which it wins over. Mail, rate limits, auto-disable and
    trusted proxies are set by the environment only: docs/operating.md lists every variable. So is
    ADJOURN_SECRET_KEY, which encrypts the secrets that are stored; without it a key is made beside the
    SQLite file. With PostgreSQL it must be set, and be the same on every node.

    With --workers it is as many processes on one port: one that dies is started again, and what it held
    goes out at once. Several nodes may share one database, behind a load balancer.
    """
    settings, environ = _settings(
        database_url=database_url,
        workers=workers,
        host=host,
        port=port,
        retry_delays=retry_delays,
        allow_networks=allow_networks,
        platform_key=platform_key,
    )
    if settings.workers > 1:
        set_up_logging("node")
        asyncio.run(serve_with_many(settings, environ, on_ready=_tell_ready))
    else:
        set_up_logging()
        run_loop(run_server(settings, on_ready=_tell_ready))


def worker(
    *,
    database_url: Annotated[
        str | None, _flag("postgresql://user:password@host/database.", "DATABASE_URL")
    ] = None,
    workers: _Workers = None,
    retry_delays: _RetryDelays = None,
    allow_networks: _AllowNetworks = None,
) -> None:
    """Run a node that only delivers, until Ctrl-C or SIGTERM.

    It answers no requests. It takes up what waits in the PostgreSQL database: retries, backlogs, bursts that
    servers have no room for, and what nodes that died have left. Its settings are those of `adjourn serve`.
    """
    settings, environ = _settings(
        database_url=database_url,
        workers=workers,
        retry_delays=retry_delays,
        allow_networks=allow_networks,
    )

    def tell_ready() -> None:
        count = f" with {settings.workers} processes" if settings.workers > 1 else ""
        Screen().note(f"Adjourn delivers{count} what waits in {settings.shown_url} (Ctrl-C stops it)")

    if settings.workers > 1:
        set_up_logging("node")
        asyncio.run(deliver_with_many(settings, environ, on_ready=tell_ready))
    else:
        set_up_logging()
        run_loop(deliver(settings, on_ready=tell_ready))


def _settings(**flags: str | None) -> tuple[Settings, dict[str, str]]:
    """And the environment that gives the same settings to other processes. Raises ConfigError."""
    given = {f"ADJOURN_{name.upper()}": value for name, value in flags.items() if value}
    environ = {**os.environ, **given}
    return Settings.from_environ(environ), environ


def _tell_ready(url: str, made_key: Secret | None) -> None:
    screen = Screen()
    if made_key is not None:
        screen.note("a platform key was made; it is shown this once, and this is how commands get it:")
        screen.note(f"    export ADJOURN_PLATFORM_KEY={made_key.reveal()}", style="bold")
    screen.note(f"Adjourn is listening on {url} (Ctrl-C stops it)")


def secret_key() -> None:
    """Print a new key for ADJOURN_SECRET_KEY, which encrypts the secrets that are stored.

    Several keys, separated by commas, are a rotation: the first encrypts, any decrypts.
    """
    Screen().line(Fernet.generate_key().decode("ascii"))

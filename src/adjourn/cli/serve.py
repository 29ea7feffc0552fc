"""`adjourn serve` and `adjourn secret-key`."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer
from cryptography.fernet import Fernet

from adjourn.cli.screen import Screen
from adjourn.config import Secret, Settings
from adjourn.server import serve as run_server

try:
    from uvloop import run as _uvloop_run
except ImportError:  # there is none for Windows
    _run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
else:
    _run = _uvloop_run

__all__ = ["register"]


def register(root: typer.Typer) -> None:
    root.command("serve")(serve)
    root.command("secret-key")(secret_key)


def _flag(about: str, variable: str, default: str | None = None) -> Any:
    """A setting's option. Its environment variable is read by Settings, not here."""
    shown = f"ADJOURN_{variable}" if default is None else f"ADJOURN_{variable}; default {default}"
    return typer.Option(help=f"{about} ({shown})", show_default=False)


def serve(
    *,
    database_url: Annotated[
        str | None, _flag("Where everything is kept.", "DATABASE_URL", "sqlite:///adjourn.db")
    ] = None,
    host: Annotated[str | None, _flag("The address to listen on.", "HOST", "127.0.0.1")] = None,
    port: Annotated[str | None, _flag("The port; 0 for any that is free.", "PORT", "8080")] = None,
    retry_delays: Annotated[
        str | None,
        _flag(
            "Seconds from each failed attempt to the next, like 60,300,1800.",
            "RETRY_DELAYS",
            "the documented ones",
        ),
    ] = None,
    allow_networks: Annotated[
        str | None,
        _flag("Private networks that may be sent to, like 10.0.0.0/8,::1.", "ALLOW_NETWORKS", "none"),
    ] = None,
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
    database.
    """
    settings = Settings.from_environ(
        os.environ,
        database_url=database_url,
        host=host,
        port=port,
        retry_delays=retry_delays,
        allow_networks=allow_networks,
        platform_key=platform_key,
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    _run(run_server(settings, on_ready=_tell_ready))


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

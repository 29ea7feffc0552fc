"""One process of a node: listen, deliver, drain, until it is asked to stop."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from adjourn.api.app import build_app
from adjourn.api.limits import Windows
from adjourn.api.straight import StraightProtocol
from adjourn.config import Secret, Settings
from adjourn.errors import ConfigError
from adjourn.listening import listen, raise_open_files, url_of
from adjourn.wiring import Engine, open_engine

try:
    from uvloop import run as _uvloop_run
except ImportError:  # there is none for Windows
    run_loop: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
else:
    run_loop = _uvloop_run

__all__ = ["Stop", "deliver", "needs_postgres", "run", "run_loop", "serve"]

_COLLECT_AFTER = 10_000  # new objects
_REQUESTS_END_WITHIN = 10  # seconds, once asked to stop

Ready = Callable[[str, Secret | None], None]


class Stop:
    """Who asks a process to stop: a signal, or whoever calls `ask`."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._tell: Callable[[], None] = lambda: None

    def heed_signals(self) -> None:
        """Be asked by SIGTERM and SIGINT from now on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ask)

    def ask(self) -> None:
        self._asked.set()
        self._tell()

    def on_ask(self, tell: Callable[[], None]) -> None:
        """Call `tell` each time it is asked."""
        self._tell = tell

    async def wait(self) -> None:
        await self._asked.wait()


async def serve(settings: Settings, *, on_ready: Ready) -> None:
    """Serve in this process until SIGTERM or SIGINT; a second one does not wait for requests under way.

    `on_ready` gets the URL, and the platform key if it was made just now. Raises ConfigError.
    """
    raise_open_files()
    (listener,) = listen(settings.host, settings.port)
    try:
        engine = await open_engine(settings)
    except BaseException:
        listener.close()
        raise
    await run(engine, listener, Stop(), on_ready=lambda: on_ready(url_of(listener), engine.made_key))


async def deliver(settings: Settings, *, on_ready: Callable[[], None]) -> None:
    """Deliver in this process what others take in, until SIGTERM or SIGINT. Raises ConfigError."""
    needs_postgres(settings)
    raise_open_files()
    await run(await open_engine(settings), None, Stop(), on_ready=on_ready)


def needs_postgres(settings: Settings) -> None:
    """Raises ConfigError: a process that only delivers would keep the server out of a SQLite file."""
    if not settings.is_postgres:
        raise ConfigError(
            "a worker needs PostgreSQL (ADJOURN_DATABASE_URL): a SQLite file serves one process"
        )


async def run(
    engine: Engine,
    listener: socket.socket | None,
    stop: Stop,
    *,
    on_ready: Callable[[], None],
    windows: Windows | None = None,
) -> None:
    """Deliver, and answer requests where there is a listener, until it is asked to stop.

    `on_ready` is called once it heeds signals. `windows` are those of the rate limits.
    """
    try:
        await engine.start()
        _spare_collections()
        stop.heed_signals()  # before anybody is told that it runs
        if listener is None:
            on_ready()
            await stop.wait()
        else:
            http = _http(engine, windows)
            stop.on_ask(http.end)
            on_ready()
            await http.serve(sockets=[listener])
    finally:
        await engine.stop()


def _spare_collections() -> None:
    """What a started process consists of stays: looking through it for garbage cost a fifth of its CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)


def _http(engine: Engine, windows: Windows | None) -> "_Uvicorn":
    settings = engine.settings
    return _Uvicorn(
        uvicorn.Config(
            build_app(engine, windows=windows),
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="none",
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),  # anyone else can send them, too
            forwarded_allow_ips=[str(each) for each in settings.trusted_proxies],
            timeout_graceful_shutdown=_REQUESTS_END_WITHIN,
            http=StraightProtocol,
        )
    )


class _Uvicorn(uvicorn.Server):
    """uvicorn raises the signal again once it has stopped; ours has work left to do then."""

    def end(self) -> None:
        self.force_exit = self.should_exit  # at the second time
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

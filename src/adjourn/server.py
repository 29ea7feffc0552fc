"""Run a server until it is asked to stop: listen, deliver, drain."""

import asyncio
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from adjourn.api.app import build_app
from adjourn.api.protocol import BoundedProtocol
from adjourn.config import Secret, Settings
from adjourn.errors import ConfigError
from adjourn.wiring import open_engine

__all__ = ["serve"]

_REQUESTS_END_WITHIN = 10  # seconds, once asked to stop
_BACKLOG = 2048  # connections not yet accepted

Ready = Callable[[str, Secret | None], None]


async def serve(settings: Settings, *, on_ready: Ready) -> None:
    """Serve until SIGTERM or SIGINT; a second one does not wait for requests under way.

    `on_ready` gets the URL, and the platform key if it was made just now. Raises ConfigError.
    """
    _raise_open_files()
    listener = _listen(settings.host, settings.port)
    try:
        engine = await open_engine(settings)
    except BaseException:
        listener.close()
        raise
    http = _Uvicorn(
        uvicorn.Config(
            build_app(engine),
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="none",
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),  # anyone else can send them, too
            forwarded_allow_ips=[str(each) for each in settings.trusted_proxies],
            timeout_graceful_shutdown=_REQUESTS_END_WITHIN,
            http=BoundedProtocol,
        )
    )
    await engine.start()
    http.heed_signals()  # before anybody is told that it listens
    try:
        on_ready(_url(listener), engine.made_key)
        await http.serve(sockets=[listener])
    finally:
        await engine.stop()


class _Uvicorn(uvicorn.Server):
    """uvicorn raises the signal again once it has stopped; ours has work left to do then."""

    def heed_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    listener = None
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as exc:
        if listener is not None:
            listener.close()
        raise ConfigError(f"cannot listen on {host} port {port}: {exc.strerror}") from exc
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _raise_open_files() -> None:
    """As many sockets as the system lets us have: each attempt in flight is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

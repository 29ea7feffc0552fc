"""Real servers on a free port of loopback: uvicorn, aiohttp's and Werkzeug's, each in a thread.

`python -m tests.receiving.adapters.servers MODULE` serves an example.
"""

import asyncio
import importlib
import socket
import sys
import threading
from collections.abc import Iterable
from typing import Any, Protocol

import uvicorn
from aiohttp import web
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from adjourn import Inbox

__all__ = ["PATIENCE", "Aiohttp", "Server", "Uvicorn", "Werkzeug"]

PATIENCE = 30.0  # seconds, for what comes at once


class Server(Protocol):
    port: int

    def stop(self) -> None:
        """Until all that it did is over."""


class Uvicorn:
    """In a thread with a loop of its own."""

    def __init__(self, application: Any, *, lifespan: str = "on") -> None:
        listening = _listen()
        self.port = listening.getsockname()[1]
        config = uvicorn.Config(application, log_config=None, lifespan=lifespan)  # type: ignore[arg-type]
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=[[listening]])
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        _join(self._thread)


class Aiohttp:
    def __init__(self, application: web.Application) -> None:
        self._listening = _listen()
        self.port = self._listening.getsockname()[1]
        self._application = application
        self._ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=[self._serve()])
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(self._application)
        await runner.setup()
        await web.SockSite(runner, self._listening).start()
        self._ready.set()
        await self._stopped.wait()
        await runner.cleanup()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        _join(self._thread)


class _Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class Werkzeug:
    """A thread for each connection; `stop` waits for them."""

    def __init__(self, application: Any, inboxes: Iterable[Inbox]) -> None:
        self._server = ThreadedWSGIServer("127.0.0.1", 0, application, _Silent)
        self._server.daemon_threads = False
        self.port = self._server.port
        self._inboxes = list(inboxes)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        _join(self._thread)
        for inbox in self._inboxes:
            inbox.background.stop()


def _listen() -> socket.socket:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.listen()
    return listening


def _join(thread: threading.Thread) -> None:
    thread.join(PATIENCE)
    assert not thread.is_alive()


def main(name: str) -> None:
    """Serve that example's application until standard input ends; first it prints its port."""
    example = importlib.import_module(name)
    server: Server
    if name.endswith("aiohttp_app"):
        server = Aiohttp(example.app)
    elif name.endswith(("flask_app", "django_app")):
        application = example.app if name.endswith("flask_app") else example.application
        server = Werkzeug(application, [])  # the end of the process closes the inbox
    else:
        server = Uvicorn(example.app)
    print(server.port, flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main(sys.argv[1])

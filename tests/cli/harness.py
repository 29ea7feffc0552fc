"""A real server in its own thread, an endpoint beside it, and the command line against them."""

import asyncio
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import socket
from typing import Any, NamedTuple

import pytest
import uvicorn
from tests.api.harness import framework

from adjourn.api.app import build_app
from adjourn.cli import main
from adjourn.config import Settings
from adjourn.wiring import open_engine

KEY = "pk_test"
WITHIN = 60  # seconds: for whatever may never come


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Cli:
    """`cli(...)` runs a command; `cli.json(...)` runs it with --json and decodes what it prints."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *argv: str, stdin: str | None = None) -> Ran:
        if stdin is not None:
            self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        self._capsys.readouterr()
        code = main(list(argv))
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)

    def json(self, *argv: str) -> Any:
        ran = self(*argv, "--json")
        assert ran.code == 0, ran.err
        assert ran.err == ""
        return ran.json

    def make_app(self, *argv: str, name: str = "Acme") -> str:
        """The id of a new app."""
        made = self.json(
            "apps", "create", name, "--company", "Acme Inc.", "--email", "dev@acme.example", *argv
        )
        return str(made["app"]["id"])


class Endpoint:
    """Answers every request with `status` and `body`. `url` is its own."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.body = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        answer = b"HTTP/1.1 %d Status\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
        writer.write(answer % (self.status, len(self.body), self.body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@contextmanager
def free_listener() -> Iterator[socket]:
    with socket() as listener:
        listener.settimeout(WITHIN)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


@contextmanager
def in_thread(run: "Callable[[Stop], Any]") -> Iterator[None]:
    """Run a coroutine function in a thread of its own until the block ends; its errors are the test's."""
    stop = Stop()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(run(stop))
        except BaseException as exc:
            failures.append(exc)
        finally:
            stop.started.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert stop.started.wait(WITHIN)
    try:
        if not failures:
            yield
    finally:
        stop()
        thread.join(WITHIN)
    assert not thread.is_alive(), "the server does not stop"
    if failures:
        raise failures[0]


class Stop:
    """Called from the test's thread; `wait` is for the other."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: asyncio.Event | None = None

    def __call__(self) -> None:
        if self._loop is not None and self._asked is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._asked.set)

    async def wait(self) -> None:
        self._loop, self._asked = asyncio.get_running_loop(), asyncio.Event()
        self.started.set()
        await self._asked.wait()


async def serve(settings: Settings, listener: socket, endpoint: Endpoint, stop: Stop) -> None:
    engine = await open_engine(settings)
    await engine.start()
    app = build_app(engine, framework=framework())
    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False)
    config.load()
    front = uvicorn.Server(config)
    front.lifespan = config.lifespan_class(config)
    receiver = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{receiver.sockets[0].getsockname()[1]}/hook"
    await front.startup(sockets=[listener])  # not serve(): it looks ten times a second whether it is to stop
    try:
        await stop.wait()
    finally:
        await front.shutdown(sockets=[listener])
        await engine.stop()
        receiver.close()
        await receiver.wait_closed()

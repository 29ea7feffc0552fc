"""What the tests of the senders share: servers on loopback that do as told, and a loop that watches."""

import asyncio
import gc
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import timedelta
from ipaddress import ip_network
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from bench.aiohttp_sender import AiohttpSender
from tests.sending.harness import DEADLINE, eventually

from adjourn.sending.addresses import AddressRule
from adjourn.sending.http1 import Http1Sender
from adjourn.sending.policy import Reply
from adjourn.sending.sender import LookUp, Request, Sender, header_lines, look_up

__all__ = [
    "LOOPBACK",
    "OK",
    "Handle",
    "Main",
    "MakeLoop",
    "Peer",
    "Run",
    "Server",
    "answers",
    "make_sender",
    "misbehaves",
    "reply_of",
    "resets",
    "run_watched",
    "says_once",
    "sending",
    "serving",
    "split",
    "to",
]

LOOPBACK = AddressRule([ip_network("127.0.0.0/8"), ip_network("::1/128")])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Main = Callable[[], Coroutine[Any, Any, None]]
Run = Callable[[Main], None]
MakeLoop = Callable[[], asyncio.AbstractEventLoop] | None
Handle = Callable[["Peer"], Awaitable[None]]

_kind: ContextVar[str] = ContextVar("kind")  # of the sender that the running test is about


def run_watched(
    main: Main, *, kind: str, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None
) -> None:
    """Runs a test's coroutine; nothing may be left open, running or unheard of."""
    complaints: list[dict[str, Any]] = []

    async def watched() -> None:
        _kind.set(kind)
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(2 * DEADLINE):
            await main()
            await eventually(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        gc.collect()
        await asyncio.sleep(0)

    gc.freeze()  # what was there before is not looked at, which takes most of the time
    try:
        with warnings.catch_warnings(), asyncio.Runner(loop_factory=loop_factory) as runner:
            warnings.simplefilter("error")
            runner.run(watched())
        gc.collect()
    finally:
        gc.unfreeze()
    assert complaints == []


def make_sender(
    rule: AddressRule = LOOPBACK, look_up: LookUp = look_up, tls: ssl.SSLContext | None = None
) -> Sender:
    """Of the kind that the running test is about."""
    if _kind.get() == "aiohttp":
        return AiohttpSender(rule, look_up=look_up, tls=tls)
    return Http1Sender(rule, look_up=look_up, tls=tls, sweep=0.01)


@asynccontextmanager
async def sending(
    rule: AddressRule = LOOPBACK, look_up: LookUp = look_up, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Sender]:
    sender = make_sender(rule, look_up, tls)
    try:
        yield sender
    finally:
        await sender.close()


class Peer:
    """One connection, seen from the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: "Server") -> None:
        self.reader = reader
        self.writer = writer
        self.server = server

    async def request(self) -> bytes | None:
        """The next request, to the end of its body; None when there is none."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        whole = head + await self.reader.readexactly(length)
        self.server.requests.append(whole)
        return whole

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


class Server:
    """What came in, and over how many connections; `trespasses` came over one that was in doubt."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.trespasses: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.said_later = 0
        self.flooded = 0  # bytes
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@asynccontextmanager
async def serving(
    handle: Handle, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server()
    tasks: set[asyncio.Task[None] | None] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        server.connections += 1
        server.open += 1
        try:
            await handle(Peer(reader, writer, server))
        except (ConnectionError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            server.open -= 1
            writer.close()

    listener = await asyncio.start_server(connected, host, port, ssl=tls, limit=1 << 20)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
        await listener.wait_closed()


def answers(*replies: bytes) -> Handle:
    """A server that answers the nth request of a connection with the nth reply, or the last."""

    async def handle(peer: Peer) -> None:
        count = 0
        while await peer.request() is not None:
            await peer.say(replies[min(count, len(replies) - 1)])
            count += 1

    return handle


def says_once(reply: bytes) -> Handle:
    """A server that takes a request, says something, and closes the connection."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(reply)

    return handle


def misbehaves(reply: bytes, *, later: bytes = b"", takes: bool = True) -> Handle:
    """A server that says something doubtful, `later` in a packet of its own, and looks for what still comes.

    `takes`: it reads the request before. No other request may come over that connection.
    """

    async def handle(peer: Peer) -> None:
        if takes:
            await peer.request()
        await peer.say(reply)
        if later:
            await asyncio.sleep(0)
            await peer.say(later)
            peer.server.said_later += 1
        seen = await peer.reader.read(-1)
        if seen.count(b"POST /") > (0 if takes else 1):
            peer.server.trespasses.append(seen)

    return handle


def resets(peer: Peer) -> None:
    """End a connection as a crash does."""
    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    peer.writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger)
    peer.writer.transport.abort()


def to(url: str, body: bytes = b'{"a":1}', *, seconds: float = DEADLINE) -> Request:
    return Request(
        url=url,
        lines=header_lines(
            {"Content-Type": "application/json", "User-Agent": "Adjourn/test", "webhook-id": "e1"}
        ),
        body=body,
        timeout=timedelta(seconds=seconds),
    )


async def reply_of(handle: Handle, *, seconds: float = DEADLINE) -> Reply:
    """What one attempt to such a server comes to."""
    async with serving(handle) as server, sending() as sender:
        return await sender.send(to(server.url, seconds=seconds))


def split(request: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    pairs = [line.split(b": ", 1) for line in lines]
    assert len({name.lower() for name, _ in pairs}) == len(pairs), "no header twice"
    return first, {name.lower(): value for name, value in pairs}, body

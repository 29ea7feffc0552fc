"""The sender's contract: one HTTP request to one endpoint. It never raises: whatever happens is a Reply."""

import asyncio
import logging
import socket
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec

from adjourn.sending.policy import Reply
from adjourn.sending.replies import NOT_MADE, failed

__all__ = [
    "MOST_ADDRESSES",
    "NAME_KEPT",
    "RESOLVERS",
    "UNSENT_FOR",
    "LookUp",
    "Request",
    "Sender",
    "SenderOfTasks",
    "UnderWay",
    "header_lines",
    "look_up",
]

_log = logging.getLogger(__name__)

RESOLVERS = 32  # threads: a name server that hangs holds one for each host
NAME_KEPT = 10.0  # seconds that a resolved name is used for new connections
MOST_ADDRESSES = 8  # of a name that are tried: its owner may list thousands
UNSENT_FOR = 60_000  # milliseconds that bytes may wait for a peer that takes none, closed or not


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What goes out: `lines` are all headers but the host and the length, each with its CRLF.

    They are written as they are: make them by `header_lines`, or of what cannot break out of its line.
    """

    url: str
    lines: str
    body: bytes
    timeout: timedelta
    method: str = "POST"

    @property
    def headers(self) -> dict[str, str]:
        pairs = (line.partition(": ") for line in self.lines.split("\r\n")[:-1])
        return {name: value for name, _, value in pairs}


def header_lines(headers: Mapping[str, str]) -> str:
    """Raises ValueError where a header would break out of its line."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if not lines.count("\r") == lines.count("\n") == len(headers) or "\0" in lines:
        raise ValueError("a header holds a line break or a NUL")
    return lines


class UnderWay(Protocol):
    """Something that was begun."""

    def cancel(self) -> object:
        """Let it end without a word. Does nothing where it has ended."""


class Sender(Protocol):
    @abstractmethod
    def start(self, request: Request, done: Callable[[Reply], None]) -> UnderWay:
        """Begin one attempt, and call `done` when it has ended: later or before this returns.

        Redirects are not followed. Never raises, and `done` must not.
        """

    async def send(self, request: Request) -> Reply:
        """Make one attempt. Never raises but when cancelled."""
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        attempt = self.start(request, lambda given: None if reply.done() else reply.set_result(given))
        try:
            return await reply
        finally:
            attempt.cancel()

    @abstractmethod
    async def close(self) -> None: ...


class SenderOfTasks(Sender):
    """A sender whose `send` is a coroutine, each in a task of its own."""

    def start(self, request: Request, done: Callable[[Reply], None]) -> UnderWay:
        return asyncio.get_running_loop().create_task(self._tell(request, done))

    @abstractmethod
    async def send(self, request: Request) -> Reply: ...

    async def _tell(self, request: Request, done: Callable[[Reply], None]) -> None:
        try:
            reply = await self.send(request)
        except Exception:  # a fault of ours
            _log.exception("an attempt could not be made")
            reply = failed(NOT_MADE)
        done(reply)


LookUp = Callable[[str], Sequence[tuple[socket.AddressFamily, str]]]
"""The addresses of a host name. May block; raises OSError or UnicodeError."""


def look_up(host: str) -> Sequence[tuple[socket.AddressFamily, str]]:
    """As the system resolves it."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [(family, str(address[0])) for family, _, _, _, address in found]

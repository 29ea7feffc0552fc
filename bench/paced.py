"""Publishing at a steady rate, whatever the answers take, and when each 202 came."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.ways import KEY

__all__ = ["Request", "publish_paced"]

_CONNECTIONS = 60
_ENDS_WITHIN = 30  # seconds, for the last answers

Request = Callable[[int], tuple[str, bytes]]
"""The path and body of the request with that number."""


def publish_paced(urls: Sequence[str], request: Request, *, per_s: float, seconds: float) -> list[int]:
    """Ask the servers in turn; when the 202 to each request came, CLOCK_MONOTONIC in ns.

    Raises RuntimeError for any other answer.
    """
    return uvloop.run(_publish(urls, request, per_s, seconds))


async def _publish(urls: Sequence[str], request: Request, per_s: float, seconds: float) -> list[int]:
    loop = asyncio.get_running_loop()
    answers = _Answers()
    for number in range(_CONNECTIONS):
        parts = urlsplit(urls[number % len(urls)])
        assert parts.hostname is not None
        assert parts.port is not None
        await loop.create_connection(lambda: _Asking(answers), parts.hostname, parts.port)
    count = max(round(per_s * seconds), 1)
    began = loop.time()
    for number in range(count):
        due = began + number / per_s
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        answers.ask(number, *request(number))
    async with asyncio.timeout(_ENDS_WITHIN):
        await answers.wait_for(count)
    return [answers.at[number] for number in range(count)]


class _Answers:
    def __init__(self) -> None:
        self.at: dict[int, int] = {}
        self._idle: deque[_Asking] = deque()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._wrong: bytes | None = None
        self._all: list[_Asking] = []
        self._wanted = -1
        self._all_came = asyncio.Event()

    def ask(self, number: int, path: str, body: bytes) -> None:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._waiting.append((number, head.encode() + body))
        self._go_on()

    def enter(self, connection: "_Asking") -> None:
        self._all.append(connection)
        self.free(connection)

    def free(self, connection: "_Asking") -> None:
        self._idle.append(connection)
        self._go_on()

    def note(self, number: int, answer: bytes) -> None:
        self.at[number] = time.monotonic_ns()
        if not answer.startswith(b"HTTP/1.1 202"):
            self._wrong = answer
        if len(self.at) == self._wanted:
            self._all_came.set()

    async def wait_for(self, count: int) -> None:
        """Until so many came; then the connections are closed. Raises RuntimeError."""
        self._wanted = count
        if len(self.at) < count:
            await self._all_came.wait()
        for each in self._all:
            each.close()
        if self._wrong is not None:
            raise RuntimeError(f"not accepted: {self._wrong[:500]!r}")

    def _go_on(self) -> None:
        while self._idle and self._waiting:
            self._idle.popleft().ask(*self._waiting.popleft())


class _Asking(asyncio.Protocol):
    def __init__(self, answers: _Answers) -> None:
        self._answers = answers
        self._buffer = b""
        self._number = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._answers.enter(self)

    def ask(self, number: int, request: bytes) -> None:
        self._number = number
        self._transport.write(request)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        length = int(head[head.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
        if len(self._buffer) >= end + 4 + length:
            self._answers.note(self._number, self._buffer)
            self._buffer = b""
            self._answers.free(self)

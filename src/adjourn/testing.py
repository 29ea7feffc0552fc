"""What you need to test against Adjourn: a real HTTP endpoint on loopback that records what it gets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

__all__ = ["LocalEndpoint", "Received", "local_endpoint"]

_LONGEST_HEAD = 64 << 10  # bytes
_END_OF_HEAD = b"\r\n\r\n"


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came in. `at` is `time.monotonic()`; headers are as sent, in order."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float

    def header(self, name: str) -> str | None:
        """The first header of that name; case does not matter."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


Answer = Callable[[Received], int]
"""The status to answer a request with."""


class LocalEndpoint:
    """Records each request, and answers with the status that `answer` gives; `paused` answers wait."""

    def __init__(self, answer: Answer = lambda received: 200) -> None:
        self.received: list[Received] = []
        self.url = ""
        self._answer = answer
        self._more = asyncio.Condition()
        self._going = asyncio.Event()
        self._going.set()

    def pause(self) -> None:
        """Take requests in, and let their senders wait for the answer."""
        self._going.clear()

    def resume(self) -> None:
        self._going.set()

    async def wait_for(self, count: int, *, within: float = 10.0) -> list[Received]:
        """Until so many requests came in all. Raises TimeoutError after `within` seconds."""
        async with asyncio.timeout(within), self._more:
            await self._more.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept open for as many requests as come."""
        try:
            while (received := await _read_request(reader)) is not None:
                async with self._more:
                    self.received.append(received)
                    self._more.notify_all()
                status = self._answer(received)
                await self._going.wait()
                writer.write(b"HTTP/1.1 %d Status\r\nContent-Length: 0\r\n\r\n" % status)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the sender went away
        finally:
            writer.close()


@asynccontextmanager
async def local_endpoint(answer: Answer = lambda received: 200) -> AsyncIterator[LocalEndpoint]:
    """An endpoint on a free port of 127.0.0.1, for as long as the block runs; `url` is its own."""
    endpoint = LocalEndpoint(answer)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, limit=_LONGEST_HEAD)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield endpoint
    finally:
        endpoint.resume()
        server.close()


async def _read_request(reader: asyncio.StreamReader) -> Received | None:
    """The next request, or None at the end of the connection."""
    try:
        head = await reader.readuntil(_END_OF_HEAD)
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    method, path, _ = first.split(" ", 2)
    body = await reader.readexactly(length)
    return Received(method=method, path=path, headers=headers, body=body, at=time.monotonic())

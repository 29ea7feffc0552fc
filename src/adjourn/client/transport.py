"""How a client reaches its server: blocking or async, and what either can be told.

The exchange is written once, in coroutines. Those of a blocking client never wait: they run in one step.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import httpx

from adjourn.client.call import Call
from adjourn.client.exchange import Exchange, Identified, Options, checked_headers, checked_url

__all__ = ["AsyncOptions", "AsyncTransport", "SyncOptions", "SyncTransport"]

T = TypeVar("T")
Item = TypeVar("Item", bound=Identified)

_TIMEOUT = 30.0  # seconds


class SyncOptions(Options, total=False):
    transport: httpx.BaseTransport  # instead of connections of its own
    sleep: Callable[[float], None]  # seconds


class AsyncOptions(Options, total=False):
    transport: httpx.AsyncBaseTransport  # instead of connections of its own
    sleep: Callable[[float], Awaitable[None]]  # seconds


def _trusted(url: str, options: Options) -> ssl.SSLContext | bool:
    """Nobody, where no TLS is spoken, to a server or a proxy: to read who is trusted takes 20 ms."""
    if url.startswith("http:") and not options.get("trust_env", True):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return True


class SyncTransport:
    """A client whose calls block."""

    def __init__(self, base: tuple[str, str], headers: Mapping[str, str], options: SyncOptions) -> None:
        self._url = checked_url(base[0])
        self._http = httpx.Client(
            base_url=self._url + base[1],
            headers=checked_headers(headers),
            timeout=options.get("timeout", _TIMEOUT),
            transport=options.get("transport"),
            trust_env=options.get("trust_env", True),
            verify=_trusted(self._url, options),
        )
        wire = _SyncWire(self._http, options.get("sleep", time.sleep))
        self._exchange = Exchange(self._url, wire, options)

    def ask(self, call: Call[T]) -> T:
        """Make a call. Raises ClientError."""
        return _ran(self._exchange.run(call))

    def each(self, call: Call[T], items: Callable[[T], Sequence[Item]]) -> Iterator[Item]:
        """Every item of a list, from that page on, all read before the first is given. Raises ClientError."""
        yield from _ran(self._exchange.run_all(call, items))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"


class AsyncTransport:
    """A client whose calls are awaited."""

    def __init__(self, base: tuple[str, str], headers: Mapping[str, str], options: AsyncOptions) -> None:
        self._url = checked_url(base[0])
        self._http = httpx.AsyncClient(
            base_url=self._url + base[1],
            headers=checked_headers(headers),
            timeout=options.get("timeout", _TIMEOUT),
            transport=options.get("transport"),
            trust_env=options.get("trust_env", True),
            verify=_trusted(self._url, options),
        )
        wire = _AsyncWire(self._http, options.get("sleep", asyncio.sleep))
        self._exchange = Exchange(self._url, wire, options)

    async def ask(self, call: Call[T]) -> T:
        """Make a call. Raises ClientError."""
        return await self._exchange.run(call)

    async def each(self, call: Call[T], items: Callable[[T], Sequence[Item]]) -> AsyncIterator[Item]:
        """Every item of a list, from that page on, all read before the first is given. Raises ClientError."""
        for item in await self._exchange.run_all(call, items):
            yield item

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"


class _SyncWire:
    def __init__(self, http: httpx.Client, sleep: Callable[[float], None]) -> None:
        self.build = http.build_request
        self._http = http
        self._sleep = sleep

    async def send(self, request: httpx.Request) -> httpx.Response:
        return self._http.send(request)

    async def sleep(self, seconds: float) -> None:
        self._sleep(seconds)


class _AsyncWire:
    def __init__(self, http: httpx.AsyncClient, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.build = http.build_request
        self._http = http
        self._sleep = sleep

    async def send(self, request: httpx.Request) -> httpx.Response:
        return await self._http.send(request)

    async def sleep(self, seconds: float) -> None:
        await self._sleep(seconds)


def _ran(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise RuntimeError("a blocking client's coroutine waited")

"""`Sender` over aiohttp: the reference that our own sender is held against (tests, bench)."""

import asyncio
import io
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from adjourn.sending.addresses import AddressRule
from adjourn.sending.policy import Reply
from adjourn.sending.replies import (
    MOST_INTERIM,
    NO_ANSWER,
    READ,
    answered,
    broke,
    failed,
    in_words,
    of_os_error,
    timed_out,
)
from adjourn.sending.sender import (
    MOST_ADDRESSES,
    NAME_KEPT,
    RESOLVERS,
    UNSENT_FOR,
    LookUp,
    Request,
    SenderOfTasks,
    look_up,
)

__all__ = ["AiohttpSender"]

_SocketFamily = socket.AddressFamily
_AddressInfo = tuple[int | _SocketFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]

# Set for each exchange; True once it opened a connection, and did not use a kept one.
_dialled: ContextVar[list[bool]] = ContextVar("dialled")


class _Sessions(NamedTuple):
    """`kept` uses a connection again where it can, `fresh` never does."""

    resolver: "_CheckedResolver"
    kept: aiohttp.ClientSession
    fresh: aiohttp.ClientSession


class _Response(aiohttp.ClientResponse):
    """Bears a few interim answers (1xx) before the answer. aiohttp itself would bear any number."""

    _interim = 0

    @property  # aiohttp looks at it once for each interim answer, and for nothing else
    def _continue(self) -> None:  # type: ignore[override]
        self._interim += 1
        if self._interim > MOST_INTERIM:
            raise aiohttp.ClientError(f"more than {MOST_INTERIM} interim (1xx) answers")


class AiohttpSender(SenderOfTasks):
    """`Sender` over aiohttp: kept connections; each address is checked where the socket to it is made."""

    def __init__(
        self, rule: AddressRule, *, look_up: LookUp = look_up, tls: ssl.SSLContext | None = None
    ) -> None:
        self._rule = rule
        self._look_up = look_up
        self._tls = tls
        self._sessions: _Sessions | None = None

    async def send(self, request: Request) -> Reply:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + request.timeout.total_seconds()
        sessions = self._sessions or self._open()
        dialled = [False]
        _dialled.set(dialled)
        try:
            try:
                return await _exchange(sessions.kept, request, ends_at - loop.time())
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as exc:
                if dialled[0] or not _says_nothing(exc):
                    raise
            # The endpoint had closed the kept connection: no attempt was made yet.
            return await _exchange(sessions.fresh, request, ends_at - loop.time())
        except TimeoutError:
            return timed_out(request.timeout)
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as exc:
            return failed(_in_words(exc))

    async def close(self) -> None:
        if self._sessions is not None:
            sessions, self._sessions = self._sessions, None
            await sessions.kept.close()
            await sessions.fresh.close()
            await sessions.resolver.close()

    def _open(self) -> _Sessions:
        resolver = _CheckedResolver(self._rule, self._look_up)
        self._sessions = _Sessions(
            resolver, self._session(resolver, fresh=False), self._session(resolver, fresh=True)
        )
        return self._sessions

    def _session(self, resolver: AbstractResolver, *, fresh: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=resolver,
            ssl=self._tls or True,
            ttl_dns_cache=int(NAME_KEPT),
            limit=0,
            force_close=fresh,
            socket_factory=self._make_socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=["Accept", "Accept-Encoding"],
            read_bufsize=READ,
        )

    def _make_socket(self, info: _AddressInfo) -> socket.socket:
        """For the very address that is connected to next, however the URL spells it."""
        family, kind, proto, _, address = info
        self._rule.check(str(address[0]))
        made = socket.socket(family, kind, proto)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_FOR)
        _dialled.get()[0] = True
        return made


class _CheckedResolver(AbstractResolver):
    """Resolves in threads of its own. A name with any address that the rule refuses is refused whole."""

    def __init__(self, rule: AddressRule, look_up: LookUp) -> None:
        self._rule = rule
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(RESOLVERS, "resolve")

    async def resolve(
        self, host: str, port: int = 0, family: _SocketFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._look_up, host)
        for _, address in found:
            self._rule.check_found(host, address)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=family,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for family, address in found[:MOST_ADDRESSES]
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _exchange(session: aiohttp.ClientSession, request: Request, seconds: float) -> Reply:
    if seconds <= 0:
        raise TimeoutError
    async with session.request(
        request.method,
        URL(request.url, encoded=True),
        data=io.BytesIO(request.body),  # aiohttp warns of bytes from 1 MiB on
        headers={**request.headers, "Content-Length": str(len(request.body))},
        allow_redirects=False,
        # Without a threshold, aiohttp would round the moment up to a whole second.
        timeout=aiohttp.ClientTimeout(total=seconds, ceil_threshold=seconds + 1),
    ) as response:
        return await _read(response)


async def _read(response: aiohttp.ClientResponse) -> Reply:
    """The status decides; what of the body comes in time is kept, and a longer one ends the connection."""
    start = bytearray()
    try:
        while len(start) < READ and (chunk := await response.content.readany()):
            start += chunk
    except (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError):
        response.close()
    return answered(response.status, response.reason or "", response.headers.items(), bytes(start))


def _says_nothing(exc: aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) -> bool:
    """Whether the connection ended before any of the answer came.

    Where it was reset this cannot be told; a second copy carries the same event_id.
    """
    if isinstance(exc, aiohttp.ServerDisconnectedError):
        return isinstance(exc.message, str)  # else: the part of an answer that came
    return not isinstance(exc, aiohttp.ClientConnectorError)


def _in_words(exc: Exception) -> str:
    """An error for the partner to read: what failed, without our own insides."""
    cause: BaseException | None = exc
    while cause is not None:
        # Some of aiohttp's are SSLErrors too, but without what those tell.
        if not isinstance(cause, aiohttp.ClientError) and (words := in_words(cause)) is not None:
            return words
        cause = cause.__cause__ or cause.__context__
    match exc:
        case aiohttp.ServerDisconnectedError():
            return NO_ANSWER
        case aiohttp.ClientConnectorError(os_error=error):
            return f"cannot connect: {of_os_error(error)}"
        case aiohttp.ClientResponseError():
            return f"not an HTTP answer: {' '.join(exc.message.split())}"
        case aiohttp.InvalidURL():
            return "the URL cannot be connected to: write an IPv4 address as four numbers"
        case aiohttp.ClientOSError():
            return broke(exc)
    return f"{type(exc).__name__}: {exc}"

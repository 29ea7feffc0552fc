"""One HTTP request to one endpoint. It never raises: whatever happens is a Reply."""

import asyncio
import io
import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from adjourn.sending.addresses import AddressRefused, AddressRule
from adjourn.sending.policy import Reply

__all__ = ["AiohttpSender", "LookUp", "Request", "Sender", "look_up"]

_KEPT = 4096  # bytes of a response's body that are kept
_READ = 65536  # bytes of it that are read, so that the connection can serve again
_KEPT_HEADERS = 40  # of a response
_LONGEST_KEPT = 1024  # characters of a header's value, and of an error
_RETRY_AFTER = "retry-after"  # kept wherever it stands: the policy reads it
_RESOLVERS = 32  # threads: a name server that hangs holds one for each host
_NAME_KEPT = 10  # seconds that a resolved name is used for new connections
_MOST_ADDRESSES = 8  # of a name that are tried: its owner may list thousands
_MOST_INTERIM = 8  # 1xx answers before the answer
_UNSENT_FOR = 60_000  # milliseconds that bytes may wait for a peer that takes none, closed or not

_SocketFamily = socket.AddressFamily
_AddressInfo = tuple[int | _SocketFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What goes out: `headers` name everything but the host and the length."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: timedelta
    method: str = "POST"


class Sender(Protocol):
    async def send(self, request: Request) -> Reply:
        """Make one attempt. Redirects are not followed. Never raises but when cancelled."""

    async def close(self) -> None: ...


LookUp = Callable[[str], Sequence[tuple[_SocketFamily, str]]]
"""The addresses of a host name. May block; raises OSError or UnicodeError."""


def look_up(host: str) -> Sequence[tuple[_SocketFamily, str]]:
    """As the system resolves it."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [(family, str(address[0])) for family, _, _, _, address in found]


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
        if self._interim > _MOST_INTERIM:
            raise aiohttp.ClientError(f"more than {_MOST_INTERIM} interim (1xx) answers")


class AiohttpSender:
    """`Sender` over aiohttp: kept connections; each address is checked where the socket to it is made."""

    def __init__(self, rule: AddressRule, *, look_up: LookUp = look_up) -> None:
        self._rule = rule
        self._look_up = look_up
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
            return Reply(error=f"timed out after {request.timeout.total_seconds():g} s", timed_out=True)
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as exc:
            return Reply(error=_tidy(_in_words(exc)))

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
            ttl_dns_cache=_NAME_KEPT,
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
            read_bufsize=_READ,
        )

    def _make_socket(self, info: _AddressInfo) -> socket.socket:
        """For the very address that is connected to next, however the URL spells it."""
        family, kind, proto, _, address = info
        self._rule.check(str(address[0]))
        made = socket.socket(family, kind, proto)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNSENT_FOR)
        _dialled.get()[0] = True
        return made


class _CheckedResolver(AbstractResolver):
    """Resolves in threads of its own. A name with any address that the rule refuses is refused whole."""

    def __init__(self, rule: AddressRule, look_up: LookUp) -> None:
        self._rule = rule
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(_RESOLVERS, "resolve")

    async def resolve(
        self, host: str, port: int = 0, family: _SocketFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = (await loop.run_in_executor(self._threads, self._look_up, host))[:_MOST_ADDRESSES]
        for _, address in found:
            self._rule.check(address)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=family,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for family, address in found
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
        while len(start) < _READ and (chunk := await response.content.readany()):
            start += chunk
    except (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError):
        response.close()
    failed = not 200 <= response.status < 300
    return Reply(
        status=response.status,
        error=_tidy(f"HTTP {response.status} {response.reason or ''}".strip()) if failed else "",
        headers=_kept_headers(response.headers),
        start=bytes(start[:_KEPT]),
    )


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name.lower(): _tidy(value) for name, value in list(headers.items())[:_KEPT_HEADERS]}
    if (asked := headers.get(_RETRY_AFTER)) is not None:
        kept[_RETRY_AFTER] = _tidy(asked)
    return kept


def _tidy(text: str) -> str:
    """Short, and without the surrogates that stand for bytes which are no UTF-8: no store takes those."""
    return text[:_LONGEST_KEPT].encode("utf-8", "surrogateescape").decode("utf-8", "replace")


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
        if (words := _of_cause(cause)) is not None:
            return words
        cause = cause.__cause__ or cause.__context__
    match exc:
        case aiohttp.ServerDisconnectedError():
            return "the endpoint closed the connection without an answer"
        case aiohttp.ClientConnectorError(os_error=error):
            return f"cannot connect: {_of_os_error(error)}"
        case aiohttp.ClientResponseError():
            return f"not an HTTP answer: {' '.join(exc.message.split())}"
        case aiohttp.InvalidURL():
            return "the URL cannot be connected to: write an IPv4 address as four numbers"
        case aiohttp.ClientOSError():
            return f"the connection broke: {_of_os_error(exc)}"
    return f"{type(exc).__name__}: {exc}"


def _of_cause(cause: BaseException) -> str | None:
    match cause:
        case aiohttp.ClientError():
            return None  # some are SSLErrors too, but without what those tell
        case AddressRefused():
            return str(cause)
        case socket.gaierror():
            return f"the host name does not resolve: {cause.strerror}"
        case UnicodeError():
            return "the host name is not a valid one"
        case ssl.SSLCertVerificationError():
            return f"TLS: the certificate does not verify: {cause.verify_message}"
        case ssl.SSLError():
            return f"TLS: {cause.reason or 'the handshake failed'}"
    return None


def _of_os_error(exc: OSError) -> str:
    return os.strerror(exc.errno) if exc.errno else exc.strerror or str(exc)

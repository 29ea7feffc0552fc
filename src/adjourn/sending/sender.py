"""One HTTP request to one endpoint. It never raises: whatever happens is a Reply."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Protocol

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from adjourn.sending.addresses import AddressRefused, AddressRule
from adjourn.sending.policy import Reply

__all__ = ["AiohttpSender", "Request", "Sender"]

_KEPT = 4096  # bytes of a response's body that are kept
_READ = 65536  # bytes of it that are read, so that the connection can serve again
_KEPT_HEADERS = 40  # of a response
_RESOLVERS = 32  # threads: a name server that hangs holds one for each host
_NAME_KEPT = 10  # seconds that a resolved name is used for new connections


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


class AiohttpSender:
    """`Sender` over aiohttp: kept connections, addresses checked as they are resolved."""

    def __init__(self, rule: AddressRule) -> None:
        self._rule = rule
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request) -> Reply:
        url = URL(request.url, encoded=True)
        try:
            self._check_literal(url)
            async with self._open().request(
                request.method,
                url,
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=request.timeout.total_seconds()),
            ) as response:
                return await _read(response)
        except TimeoutError:
            return Reply(error=f"timed out after {request.timeout.total_seconds():g} s", timed_out=True)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Reply(error=_in_words(exc))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_CheckedResolver(self._rule), ttl_dns_cache=_NAME_KEPT, limit=0
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=["Accept", "Accept-Encoding"],
                read_bufsize=_READ,
            )
        return self._session

    def _check_literal(self, url: URL) -> None:
        """aiohttp resolves names only, so an address written in the URL is checked here."""
        host = url.raw_host or ""
        if ":" in host or host.replace(".", "").isdigit():
            self._check_host(host)

    def _check_host(self, host: str) -> None:
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        except OSError:
            return  # an unusual spelling: it goes through the resolver
        self._rule.check(host)


class _CheckedResolver(AbstractResolver):
    """Resolves in threads of its own, and lets through only addresses that pass the rule."""

    def __init__(self, rule: AddressRule) -> None:
        self._rule = rule
        self._threads = ThreadPoolExecutor(_RESOLVERS, "resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
        for address in found:
            self._rule.check(address["host"])
        return found

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=family,
            proto=proto,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for family, _, proto, _, address in found
    ]


async def _read(response: aiohttp.ClientResponse) -> Reply:
    """The status decides; what of the body comes in time is kept, and a longer one ends the connection."""
    start = bytearray()
    try:
        while len(start) < _READ and (chunk := await response.content.readany()):
            start += chunk
    except (aiohttp.ClientError, OSError, TimeoutError):
        response.close()
    headers = {name.lower(): value for name, value in list(response.headers.items())[:_KEPT_HEADERS]}
    return Reply(
        status=response.status,
        error=""
        if 200 <= response.status < 300
        else f"HTTP {response.status} {response.reason or ''}".strip(),
        headers=headers,
        start=bytes(start[:_KEPT]),
    )


def _in_words(exc: Exception) -> str:
    """An error for the partner to read: what failed, without our own insides."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return str(cause)
        if isinstance(cause, socket.gaierror):
            return f"the host name does not resolve: {cause.strerror}"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS: the certificate does not verify: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {cause.reason or 'the handshake failed'}"
        cause = cause.__cause__ or cause.__context__
    if isinstance(exc, aiohttp.ServerDisconnectedError):
        return "the endpoint closed the connection without an answer"
    if isinstance(exc, aiohttp.ClientConnectorError):
        return f"cannot connect: {exc.os_error.strerror or exc.os_error}"
    if isinstance(exc, aiohttp.ClientResponseError):
        return f"not an HTTP answer: {exc.message}"
    return f"{type(exc).__name__}: {exc}"

"""A request goes on to an app as it came, and the app's answer goes back."""

import time
from collections.abc import Callable, Sequence

import httpx
from msgspec import Struct

from adjourn.cli.answers import read_start

__all__ = ["Answer", "Forwarded", "Forwarder"]

TIMEOUT = 30.0  # seconds, as the vendors wait: CONTRACTS 1.5, 2
_LONGEST_ANSWER = 4 << 20  # bytes

# RFC 9110, section 7.6.1, and what is this request's own
_OF_THE_HOP = {
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


class Answer(Struct, frozen=True, kw_only=True):
    """What the sender gets."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Forwarded(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came back: `status` is 0 where nothing did, and `fault` says why."""

    status: int
    ms: int
    fault: str = ""


class Forwarder:
    """Sends to one URL. Connections are kept; redirects are passed back. Safe to share between threads."""

    def __init__(
        self, url: str, *, timeout: float = TIMEOUT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._clock = clock
        self._client = httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def forward(
        self, method: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[Forwarded, Answer]:
        """The same bytes and headers, but those of the connection. 502 where no answer came."""
        start = self._clock()
        try:
            answer = self._ask(method, headers, body)
            fault = ""
        except (httpx.HTTPError, httpx.StreamError) as exc:
            answer = Answer(status=502)
            fault = self._name(exc)
        ms = round((self._clock() - start) * 1000)
        return Forwarded(status=0 if fault else answer.status, ms=ms, fault=fault), answer

    def _ask(self, method: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        until = self._clock() + self._timeout
        kept = _of_the_end(headers)
        request = httpx.Request(
            method,
            self._url,
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept],
            content=body,
            extensions={"timeout": httpx.Timeout(self._timeout).as_dict()},
        )
        response = self._client.send(request, stream=True)
        try:
            content = read_start(response, longest=_LONGEST_ANSWER + 1, until=until, clock=self._clock)
        finally:
            response.close()
        if len(content) > _LONGEST_ANSWER:
            raise httpx.ReadError(f"its answer is longer than {_LONGEST_ANSWER >> 20} MiB")
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw]
        return Answer(status=response.status_code, headers=_of_the_end(pairs), body=content)

    def _name(self, exc: Exception) -> str:
        if isinstance(exc, httpx.ConnectError):
            return f"nothing answers at {self._url}: {exc}"
        if isinstance(exc, httpx.TimeoutException):
            return f"no answer within {self._timeout:g} s"
        return str(exc) or "the connection was closed"


def _of_the_end(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Without those of one connection, and those that `Connection` names."""
    named = ",".join(value for name, value in headers if name.lower() == "connection").lower()
    dropped = _OF_THE_HOP.union(each.strip() for each in named.split(","))
    return tuple(pair for pair in headers if pair[0].lower() not in dropped)

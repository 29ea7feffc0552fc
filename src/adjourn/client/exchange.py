"""Requests made of calls, results made of answers, and the tries between: the one place that knows httpx.

Written once, as coroutines. A blocking client runs them with a `Wire` whose awaits never wait (transport.py).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from typing import Protocol, TypedDict, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import msgspec
from msgspec import UNSET

from adjourn import __version__
from adjourn.client.call import Call, following
from adjourn.client.decoding import decoded
from adjourn.client.errors import ClientError, ConnectionFailed, TimedOut, UnexpectedAnswer, error_class
from adjourn.client.retries import retry_after, wait_before
from adjourn.errors import ConfigError, Fault

__all__ = ["Exchange", "Identified", "Options", "Wire", "checked_headers", "checked_url"]

T = TypeVar("T")
Item = TypeVar("Item", bound="Identified")

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)


class Identified(Protocol):
    """What lists hold."""

    @property
    def id(self) -> str: ...


class Wire(Protocol):
    """What differs between a blocking client and an async one."""

    def build(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> httpx.Request: ...
    async def send(self, request: httpx.Request) -> httpx.Response: ...
    async def sleep(self, seconds: float) -> None: ...


class _Problem(msgspec.Struct, frozen=True):
    """An error's body; a vendor's may have less of it."""

    code: str = ""
    error: str = ""
    message: str = ""
    request_id: str | None = None
    faults: tuple[Fault, ...] = ()
    reference: str = ""
    valid_event_types: tuple[str, ...] = ()


class Options(TypedDict, total=False):
    """What every client can be told."""

    timeout: float  # seconds, for each of connecting, sending and reading; default 30
    trust_env: bool  # whether the environment may name a proxy; default True
    retries: int  # of a call, at most; default 3
    rng: Random  # spreads the retries
    on_answer: Callable[[bytes], None]  # gets the body of each call that succeeds


class Exchange:
    """With one server. `url` is for messages: the wire knows where it leads."""

    def __init__(self, url: str, wire: Wire, options: Options) -> None:
        self._url = url
        self._wire = wire
        self._retries = options.get("retries", 3)
        self._rng = options.get("rng") or Random()  # noqa: S311 - guards nothing
        self._on_answer = options.get("on_answer")

    async def run(self, call: Call[T]) -> T:
        """The call's result, after as many tries as it takes and may take. Raises ClientError."""
        with self._translated():
            request = self._request(call)
        retry_no = 0
        while True:
            try:
                return await self._try(request, call.result)
            except ClientError as exc:
                retry_no += 1
                wait = wait_before(retry_no, exc, self._rng)
                if wait is None or retry_no > self._retries:
                    raise
            await self._wire.sleep(wait)

    async def run_all(self, call: Call[T], items: Callable[[T], Sequence[Item]]) -> list[Item]:
        """The items of that page and of all that follow, each once by its id. Raises ClientError."""
        found: dict[str, Item] = {}
        upcoming: Call[T] | None = call
        while upcoming is not None:
            page = await self.run(upcoming)
            found.update((item.id, item) for item in items(page))
            upcoming = following(upcoming, page, len(items(page)))
        return [*found.values()]

    def _request(self, call: Call[T]) -> httpx.Request:
        """The same for every try, and so with the same Idempotency-Key."""
        headers: dict[str, str] = {}
        if call.method == "POST":
            headers["Idempotency-Key"] = call.idempotency_key or str(uuid4())
        content = None
        if call.body is not UNSET:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(call.body)
        query = {name: _in_query(value) for name, value in call.query.items() if value is not None}
        return self._wire.build(call.method, call.url_path, params=query, headers=headers, content=content)

    async def _try(self, request: httpx.Request, result: type[T]) -> T:
        with self._translated():
            response = await self._wire.send(request)
        if not response.is_success:
            raise self._refusal(response)
        value = self._decoded(response, result)
        if self._on_answer is not None:
            self._on_answer(response.content)
        return value

    def _decoded(self, response: httpx.Response, result: type[T]) -> T:
        body = response.content if response.content and result is not type(None) else b"null"
        try:
            return decoded(body, result)
        except _UNREADABLE as exc:
            raise self._stranger(response, f": {exc}") from exc

    def _refusal(self, response: httpx.Response) -> ClientError:
        status = response.status_code
        problem = _problem(response.content)
        message = problem.message or problem.error or problem.code
        if status < 400 or not (message or status == 429 or status >= 500):
            return self._stranger(response)
        return error_class(status)(
            message or f"{self._url} answered {status}",
            code=problem.code,
            status=status,
            request_id=problem.request_id or response.headers.get("x-request-id"),
            faults=problem.faults,
            reference=f"{self._url}{problem.reference}" if problem.reference.startswith("/") else None,
            valid_event_types=problem.valid_event_types,
            retry_after=retry_after(response.headers, datetime.now(UTC)),
            body=response.content if message else b"",
        )

    def _stranger(self, response: httpx.Response, more: str = "") -> ClientError:
        message = f"{self._url} answered {response.status_code}, and not as this API does{more}"
        return UnexpectedAnswer(message, status=response.status_code)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """httpx's errors as ours."""
        try:
            yield
        except httpx.TimeoutException as exc:
            raise TimedOut(f"no answer from {self._url} in time; it may still have been done") from exc
        except httpx.RequestError as exc:
            raise ConnectionFailed(f"cannot reach {self._url}: {exc}") from exc
        except (httpx.InvalidURL, UnicodeError) as exc:
            raise ConfigError(f"cannot ask {self._url}: {exc}") from exc


def checked_url(url: str) -> str:
    """Without a slash at its end. Raises ConfigError for what is no http(s) URL of a server."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        fine = fine and not ("@" in parts.netloc or parts.query or parts.fragment)
    except ValueError:
        fine = False
    if not fine:
        raise ConfigError("the server's URL must look like http://127.0.0.1:8080, without user or query")
    return url.rstrip("/")


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """With our own. Raises ConfigError for a key that no header can hold."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise ConfigError(f"what goes into {name} must be printable ASCII")
    return {"User-Agent": f"adjourn/{__version__}", "Accept": "application/json", **headers}


def _problem(body: bytes) -> _Problem:
    """An empty one where the body is none."""
    try:
        return decoded(body, _Problem)
    except _UNREADABLE:
        return _Problem()


def _in_query(value: object) -> str:
    """A date-time as RFC 3339."""
    return value.isoformat() if isinstance(value, datetime) else str(value)

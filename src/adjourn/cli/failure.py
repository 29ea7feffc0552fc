"""The platform API for the commands: the one module that knows httpx.

Whatever goes wrong becomes a Failure, which knows the exit code of the command.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from adjourn.config import Secret
from adjourn.errors import AdjournError, Fault

__all__ = ["Api", "Exit", "Failure", "Reply"]

_BASE = "/v1/platform"
_TIMEOUT = 60.0  # seconds, for each of connecting, sending and reading
_DOTS = {".", ".."}  # a path may be shortened by them, and then names something else


class Exit(IntEnum):
    """The exit codes; `adjourn --help` explains them."""

    DONE = 0
    REFUSED = 1
    WRONG = 2
    UNREACHABLE = 3


class Failure(AdjournError):
    """The command cannot do it. `body` is the API's own error, where there is one."""

    def __init__(
        self,
        exit_code: Exit,
        message: str,
        *,
        faults: Sequence[Fault] = (),
        status: int | None = None,
        request_id: str | None = None,
        body: bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.faults = tuple(faults)
        self.status = status
        self.request_id = request_id
        self.code = {Exit.WRONG: "usage", Exit.UNREACHABLE: "unreachable"}.get(exit_code, "refused")
        self.body = body

    @property
    def json(self) -> bytes:
        """As JSON: the API's own where it came from there, else like it."""
        if self.body is not None:
            return self.body
        text = str(self)
        error = {"code": self.code, "error": text, "message": text}
        return msgspec.json.encode({**error, "faults": self.faults} if self.faults else error)


class Reply(msgspec.Struct, frozen=True):
    """What the API answered: its bytes, and the same decoded (None for an empty body)."""

    body: bytes
    value: Any


class _Problem(msgspec.Struct, frozen=True):
    message: str
    request_id: str | None = None
    faults: tuple[Fault, ...] = ()


class Api:
    """One server's platform API. Every method raises Failure.

    `parts` are the segments of a path; an id among them may hold any character.
    """

    def __init__(self, url: str, key: Secret) -> None:
        self._url = url.rstrip("/")
        _check_url(url)
        if not (key.reveal().isascii() and key.reveal().isprintable()):
            raise Failure(Exit.WRONG, "the platform key must be printable ASCII")
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key.reveal()}"}, timeout=_TIMEOUT, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._client.close()

    def get(self, *parts: str, **query: str | int | None) -> Reply:
        return self._call("GET", parts, query=query)

    def post(self, *parts: str, body: object = None, idempotency_key: str | None = None) -> Reply:
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._call("POST", parts, body=body, headers=headers)

    def put(self, *parts: str, body: object) -> Reply:
        return self._call("PUT", parts, body=body)

    def patch(self, *parts: str, body: object) -> Reply:
        return self._call("PATCH", parts, body=body)

    def delete(self, *parts: str) -> Reply:
        return self._call("DELETE", parts)

    def _call(
        self,
        method: str,
        parts: Sequence[str],
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        path = "".join(f"/{_segment(part)}" for part in parts)
        try:
            response = self._client.request(
                method,
                f"{self._url}{_BASE}{path}",
                params={name: value for name, value in (query or {}).items() if value is not None},
                content=None if body is None else msgspec.json.encode(body),
                headers={**({} if body is None else {"Content-Type": "application/json"}), **(headers or {})},
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as exc:
            raise Failure(Exit.WRONG, f"cannot ask {self._url}: {exc}") from exc
        except httpx.TimeoutException as exc:
            raise Failure(
                Exit.UNREACHABLE,
                f"no answer from {self._url} within {_TIMEOUT:.0f} s; it may still have done it",
            ) from exc
        except httpx.RequestError as exc:
            raise Failure(Exit.UNREACHABLE, f"cannot reach {self._url}: {exc}") from exc
        return self._read(response.status_code, response.content)

    def _read(self, status: int, body: bytes) -> Reply:
        if not 200 <= status < 300:
            raise self._refusal(status, body)
        try:
            return Reply(body, msgspec.json.decode(body) if body else None)
        except msgspec.DecodeError as exc:
            raise self._stranger(status) from exc

    def _refusal(self, status: int, body: bytes) -> Failure:
        try:
            problem = msgspec.json.decode(body, type=_Problem)
        except msgspec.MsgspecError:
            return self._stranger(status)
        message = problem.message
        if status == 401:
            message = f"the server at {self._url} does not know this platform key (ADJOURN_PLATFORM_KEY)"
        return Failure(
            _exit_code(status),
            message,
            faults=problem.faults,
            status=status,
            request_id=problem.request_id,
            body=body,
        )

    def _stranger(self, status: int) -> Failure:
        message = f"{self._url} answered {status}, and not as Adjourn does: is ADJOURN_URL right?"
        return Failure(_exit_code(status), message, status=status)


def _exit_code(status: int) -> Exit:
    return Exit.UNREACHABLE if status >= 500 or status == 429 else Exit.REFUSED


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise Failure(Exit.WRONG, f"the server's URL must look like http://127.0.0.1:8080, got {url!r}")


def _segment(part: str) -> str:
    if not part or part in _DOTS:
        raise Failure(Exit.WRONG, f"{part!r} cannot be an id")
    try:
        return quote(part, safe="")
    except UnicodeEncodeError:
        raise Failure(Exit.WRONG, f"{part!r} is no text in UTF-8") from None

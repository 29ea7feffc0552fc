"""Every error as its answer: `{code, error, message, request_id}` with the status of CONTRACTS 1.7."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec
from litestar.exceptions import HTTPException

from adjourn import errors
from adjourn.api.references import reference_of, reference_of_error
from adjourn.errors import AdjournError, CatalogError, Conflict, Fault, InputError
from adjourn.providers import Provider

__all__ = [
    "Answer",
    "Problem",
    "Problems",
    "Unauthorized",
    "UnknownEventType",
    "as_problem",
    "problem_answer",
]

_log = logging.getLogger(__name__)

# By class, the nearest first: each leaf of the error tree that a request can end in.
_STATUS: Mapping[type[AdjournError], int] = {
    errors.JsonError: 400,
    errors.TooLarge: 413,
    errors.InputError: 400,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.StorageError: 503,
}
_CODES: Mapping[int, str] = {
    400: "invalid_request_body",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "idempotency_key_reused",
    429: "rate_limit_exceeded",
    503: "unavailable",
}
_MOST_IN_TEXT = 20  # faults that the text names
_MOST_FAULTS = 100  # that the answer lists
_RETRY_SOON = {"Retry-After": "1"}  # seconds


class Answer(msgspec.Struct, frozen=True):
    """A whole response: its body is JSON, or empty."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


Problems = Callable[[Exception, str], Answer]
"""What is answered to an error, by the request's id."""


class Problem(AdjournError):
    """An error that knows its own status: what HTTP itself finds wrong with a request."""

    def __init__(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = _CODES.get(status, "internal_error")
        self.headers = headers or {}
        self.more = more


class UnknownEventType(Problem):
    """400 for event types that are none, at `faults`: it lists those there are."""

    def __init__(self, faults: Sequence[Fault], *, providers: Collection[Provider]) -> None:
        only = next(iter(providers)) if len(providers) == 1 else None
        super().__init__(
            400,
            _listed(faults),
            faults=faults[:_MOST_FAULTS],
            reference=reference_of(only),
            valid_event_types=[*dict.fromkeys(name for each in providers for name in each.event_types)],
        )
        self.code = InputError.code


class Unauthorized(Problem):
    """401. It says what to send, never what was wrong with it."""

    def __init__(self, message: str, *, scheme: str) -> None:
        super().__init__(401, message, headers={"WWW-Authenticate": scheme})


def as_problem(exc: Exception) -> Problem:
    """The problem that an exception is for the caller. One of ours that nobody expected is logged."""
    match exc:
        case Problem():
            return exc
        case AdjournError() if (status := _status(exc)) is not None:
            return _from_tree(exc, status)
        case HTTPException():
            return _from_framework(exc)
        case _:
            _log.error("unexpected error", exc_info=exc)
            return Problem(500, "an unexpected error; it is in the server's log under this request_id")


def problem_answer(exc: Exception, request_id: str) -> Answer:
    problem = as_problem(exc)
    body = {
        "code": problem.code,
        "error": str(problem),
        "message": str(problem),
        "request_id": request_id,
        **problem.more,
    }
    return Answer(problem.status, msgspec.json.encode(body), problem.headers)


def _status(exc: AdjournError) -> int | None:
    return next((status for kind, status in _STATUS.items() if isinstance(exc, kind)), None)


def _from_tree(exc: AdjournError, status: int) -> Problem:
    text = str(exc)
    more: dict[str, object] = {}
    if isinstance(exc, Conflict) and exc.faults:
        more["faults"] = exc.faults
    if isinstance(exc, InputError) and exc.faults:
        text = _listed(exc.faults)
        more["faults"] = exc.faults[:_MOST_FAULTS]
    if isinstance(exc, CatalogError):
        more["reference"] = reference_of_error(exc)
    headers = _RETRY_SOON if status == 503 else {}
    if status == 503:
        _log.warning("refused for now: %s", exc)
        text = (
            "the server cannot tell whether this was done; ask again with the same Idempotency-Key"
            if isinstance(exc, errors.InDoubt)
            else "the server cannot take this now; nothing was stored, try again"
        )
    problem = Problem(status, text, headers=headers, **more)
    problem.code = exc.code
    return problem


def _listed(faults: Sequence[Fault]) -> str:
    text = "; ".join(_in_words(fault) for fault in faults[:_MOST_IN_TEXT])
    return text if len(faults) <= _MOST_IN_TEXT else f"{text}; and {len(faults) - _MOST_IN_TEXT:,} more"


def _in_words(fault: Fault) -> str:
    return fault.reason if fault.path == "$" else f"{fault.path}: {fault.reason}"


def _from_framework(exc: HTTPException) -> Problem:
    headers = dict(exc.headers or {})
    if exc.status_code == 404:
        return Problem(404, "no such path")
    if exc.status_code == 405:
        return Problem(405, "not a method of this path; see the Allow header", headers=headers)
    return Problem(exc.status_code, exc.detail, headers=headers)

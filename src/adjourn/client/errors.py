"""What can go wrong with a call: one leaf for each decision a caller can take.

ClientError
├── BadRequest         400, 413, 415, 422 ...: the call is wrong as it is; `faults` name the fields
├── Unauthorized       401: the key is wrong
├── Forbidden          403: the key is right, the app may not do this now
├── NotFound           404: nothing by that id
├── Conflict           409: it exists already, or its state forbids the call
├── RateLimited        429: ask again after `retry_after` seconds
├── Unavailable        5xx: ask again later
├── ConnectionFailed   no answer came; what was asked may still have been done
│   └── TimedOut       ... within the timeout
└── UnexpectedAnswer   an answer, and not of this API: is base_url right?

RateLimited, Unavailable and ConnectionFailed come once the retries are used up. A wrong base_url or key is a
ConfigError, an id that no path can hold an InputError: both before anything is sent.
"""

from collections.abc import Sequence

from adjourn.errors import AdjournError, Fault

__all__ = [
    "BadRequest",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Forbidden",
    "NotFound",
    "RateLimited",
    "TimedOut",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "error_class",
]


class ClientError(AdjournError):
    """A call that did not get its result.

    `code`, `request_id` and `faults` are the API's own where it said them; `body` is its error as it came.
    `status` is None where no answer came. `retry_after`: seconds, where the answer has the header.
    `reference`: the page about the event type concerned. `valid_event_types`: all there are, where a filter
    named an unknown one.
    """

    code = "client_error"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        status: int | None = None,
        request_id: str | None = None,
        faults: Sequence[Fault] = (),
        reference: str | None = None,
        valid_event_types: Sequence[str] = (),
        retry_after: float | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.status = status
        self.request_id = request_id
        self.faults = tuple(faults)
        self.reference = reference
        self.valid_event_types = tuple(valid_event_types)
        self.retry_after = retry_after
        self.body = body


class BadRequest(ClientError):
    code = "validation_error"


class Unauthorized(ClientError):
    code = "unauthorized"


class Forbidden(ClientError):
    code = "forbidden"


class NotFound(ClientError):
    code = "not_found"


class Conflict(ClientError):
    code = "conflict"


class RateLimited(ClientError):
    code = "rate_limit_exceeded"


class Unavailable(ClientError):
    code = "unavailable"


class ConnectionFailed(ClientError):
    code = "connection_failed"


class TimedOut(ConnectionFailed):
    code = "timed_out"


class UnexpectedAnswer(ClientError):
    code = "unexpected_answer"


_BY_STATUS = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 429: RateLimited}


def error_class(status: int) -> type[ClientError]:
    """That of an answer of 400 and above."""
    return Unavailable if status >= 500 else _BY_STATUS.get(status, BadRequest)

"""How a command ends that cannot do what it is asked for: a Failure, which knows the exit code."""

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from adjourn.client import (
    ClientError,
    ConnectionFailed,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from adjourn.errors import AdjournError, Fault, StorageError

__all__ = ["Exit", "Failure", "failure_of"]


class Exit(IntEnum):
    """The exit codes; `adjourn --help` explains them."""

    DONE = 0
    REFUSED = 1
    WRONG = 2
    UNREACHABLE = 3


class Failure(AdjournError):
    """The command cannot do it. `hint`: what helps. `body` is the API's own error, where there is one."""

    def __init__(
        self,
        exit_code: Exit,
        message: str,
        *,
        faults: Sequence[Fault] = (),
        status: int | None = None,
        request_id: str | None = None,
        hint: str = "",
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.faults = tuple(faults)
        self.status = status
        self.request_id = request_id
        self.code = {Exit.WRONG: "usage", Exit.UNREACHABLE: "unreachable"}.get(exit_code, "refused")
        self.hint = hint
        self.body = body

    @property
    def json(self) -> bytes:
        """As JSON: the API's own where it came from there, else like it."""
        if self.body:
            return self.body
        text = str(self)
        error = {"code": self.code, "error": text, "message": text}
        return msgspec.json.encode({**error, "faults": self.faults} if self.faults else error)


def failure_of(exc: AdjournError) -> Failure:
    """What the client, the store or a setting could not do, as the command's own."""
    if isinstance(exc, Failure):
        return exc
    if not isinstance(exc, ClientError):
        return Failure(Exit.UNREACHABLE if isinstance(exc, StorageError) else Exit.WRONG, str(exc))
    later = isinstance(exc, RateLimited | Unavailable | ConnectionFailed)
    return Failure(
        Exit.UNREACHABLE if later else Exit.REFUSED,
        _message(exc),
        faults=exc.faults,
        status=exc.status,
        request_id=exc.request_id,
        hint=_hint(exc),
        body=exc.body,
    )


def _hint(exc: ClientError) -> str:
    hints = ["`adjourn types list` shows the event types there are"] if exc.valid_event_types else []
    return "; ".join([*hints, *([f"see {exc.reference}"] if exc.reference else [])])


def _message(exc: ClientError) -> str:
    match exc:
        case Unauthorized():
            return "the server does not know this platform key (ADJOURN_PLATFORM_KEY)"
        case UnexpectedAnswer():
            return f"{exc}: is ADJOURN_URL right?"
        case _:
            return str(exc)

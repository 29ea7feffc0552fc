"""The error tree: one leaf for each decision a caller can take.

AdjournError
├── InputError            the caller's input is wrong; fix it and ask again
│   ├── JsonError         the body is not the JSON that Adjourn takes
│   ├── CatalogError      data that the catalog refuses: every fault, each with its JSON path
│   ├── EventError        a webhook that is no event of its vendor: nothing to handle, and no retry mends it
│   └── TooLarge          more than one request may carry
├── NotFound              nothing by that id
├── Conflict              it exists already, or its state forbids the call
├── VerificationError     a webhook that cannot be trusted; names the cause
├── DeadLetter            raised by a user's handler: no retry would mend it
├── ConfigError           a setting is wrong or missing; the process cannot start
└── StorageError          the store could not do it; nothing was changed, safe to retry
    └── InDoubt           it may have done it all the same: the answer was lost
"""

from collections.abc import Sequence

import msgspec

__all__ = [
    "AdjournError",
    "CatalogError",
    "ConfigError",
    "Conflict",
    "DeadLetter",
    "EventError",
    "Fault",
    "InDoubt",
    "InputError",
    "JsonError",
    "NotFound",
    "StorageError",
    "TooLarge",
    "VerificationError",
]


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with an input: where (a JSON path such as `$.data.title`) and why."""

    path: str
    reason: str


class AdjournError(Exception):
    """The root. `code` is stable: programs may compare it, people read the message."""

    code = "adjourn_error"


class InputError(AdjournError):
    """The caller's input is wrong. `faults` names each field at fault; may be empty."""

    code = "validation_error"

    def __init__(self, message: str, *, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class JsonError(InputError):
    """The text is not JSON, or is JSON that two readers would read differently."""

    code = "invalid_request_body"


class CatalogError(InputError):
    """The catalog of a provider refuses an event: its type is unknown, or its data has faults."""

    def __init__(self, event_type: str, *, faults: Sequence[Fault], provider: str) -> None:
        listed = "; ".join(f"{fault.path}: {fault.reason}" for fault in faults)
        super().__init__(f"{event_type}: {listed}", faults=faults)
        self.event_type = event_type
        self.provider = provider


class EventError(InputError):
    """A webhook whose body is no event of its vendor, whoever signed it. `event_type`: where it has one."""

    code = "malformed_event"

    def __init__(self, faults: Sequence[Fault], *, event_type: str | None = None) -> None:
        listed = "; ".join(f"{fault.path}: {fault.reason}" for fault in faults)
        super().__init__(f"{event_type or 'the body'}: {listed}", faults=faults)
        self.event_type = event_type


class TooLarge(InputError):
    """More than one request may carry, in bytes or in deliveries."""

    code = "payload_too_large"


class NotFound(AdjournError):
    """Nothing by that id: `noun` is what was looked for."""

    code = "not_found"

    def __init__(self, noun: str, key: str) -> None:
        super().__init__(f"no {noun} with id {key!r}")
        self.noun = noun
        self.key = key


class Conflict(AdjournError):
    """It exists already, or its state forbids what was asked. `faults` names the field that is taken."""

    code = "conflict"

    def __init__(self, message: str, *, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class VerificationError(AdjournError):
    """A webhook that cannot be trusted. `code` names the cause; the message explains it.

    Codes: missing_header, malformed_header, unknown_scheme, timestamp_out_of_tolerance,
    signature_mismatch, malformed_body.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def hint(self) -> str:
        """The likely cause, and what to do about it: for the log, never for the answer. "": none is known."""
        return ""


class DeadLetter(AdjournError):
    """Raise it in a handler of an inbox for what no retry would mend: the receipt is dead at once."""

    code = "dead_letter"


class ConfigError(AdjournError):
    """A setting is wrong or missing: the process cannot start until it is mended."""

    code = "config_error"


class StorageError(AdjournError):
    """The store could not do it. Nothing was changed: safe to retry."""

    code = "unavailable"


class InDoubt(StorageError):
    """The store did it or not; which of the two cannot be told now. Asking again may do it twice."""

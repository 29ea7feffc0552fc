"""Webhooks for meetings: send them, receive them, never lose one.

What a receiver needs has its names here. They are loaded when they are asked for: `import adjourn` loads
nothing, and the receiver needs msgspec and the standard library alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adjourn.config import Secret
    from adjourn.errors import (
        AdjournError,
        ConfigError,
        DeadLetter,
        EventError,
        StorageError,
        VerificationError,
    )
    from adjourn.models import Receipt
    from adjourn.providers import (
        CalendarChanged,
        CalendarInstance,
        MeetingEnded,
        Person,
        UnknownEvent,
        contio,
        meetingbaas,
        quil,
    )
    from adjourn.receiving import Inbox, Received, Receiver, Refused
    from adjourn.storage.base import Kept

__all__ = [
    "AdjournError",
    "CalendarChanged",
    "CalendarInstance",
    "ConfigError",
    "DeadLetter",
    "EventError",
    "Inbox",
    "Kept",
    "MeetingEnded",
    "Person",
    "Receipt",
    "Received",
    "Receiver",
    "Refused",
    "Secret",
    "StorageError",
    "UnknownEvent",
    "VerificationError",
    "__version__",
    "contio",
    "meetingbaas",
    "quil",
]

__version__ = "0.1.0"

_HOMES = {
    "adjourn.config": ["Secret"],
    "adjourn.errors": [
        "AdjournError",
        "ConfigError",
        "DeadLetter",
        "EventError",
        "StorageError",
        "VerificationError",
    ],
    "adjourn.models": ["Receipt"],
    "adjourn.providers": ["CalendarChanged", "CalendarInstance", "MeetingEnded", "Person", "UnknownEvent"],
    "adjourn.receiving": ["Inbox", "Received", "Receiver", "Refused"],
    "adjourn.storage.base": ["Kept"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_VENDORS = ["contio", "meetingbaas", "quil"]

if not TYPE_CHECKING:  # a type checker would take every name for one of ours

    def __getattr__(name):
        if name in _VENDORS:
            found = import_module(f"adjourn.providers.{name}")
        elif name in _HOME_OF:
            found = getattr(import_module(_HOME_OF[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found  # asked for once
        return found

    def __dir__():
        return sorted({*globals(), *__all__})

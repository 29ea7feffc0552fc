"""A body that was received, as a typed event. Lenient: a vendor may add types and keys at any time.

The first step behind the signature (signing/). Pure.
"""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Union

import msgspec
from msgspec import Struct

from adjourn.errors import EventError, Fault

__all__ = ["EventReader", "ReceivedEvent", "UnknownEvent"]

_BODY = "body"  # where an event keeps what it was read from

_MISSING = re.compile(r"Object missing required field `(.+)`")
_AT = " - at `"


class ReceivedEvent(Struct, frozen=True, dict=True):
    """What typed events are made of: each knows all that came, whatever its struct has of it."""

    @cached_property
    def raw(self) -> dict[str, Any]:
        """The event's whole JSON as it came, with what the catalog has not."""
        body = self.__dict__.get(_BODY)
        found: dict[str, Any] = msgspec.to_builtins(self) if body is None else msgspec.json.decode(body)
        return found


class UnknownEvent(Struct, frozen=True):
    """An event of a type that the catalog has not, perhaps a newer one. `raw` is its whole JSON."""

    event_type: str
    raw: dict[str, Any]


class EventReader:
    """Reads one vendor's events.

    `events` are their structs by type, each tagged with it; `aliases` the types by their old names. `mend`
    brings what the vendor sends in several forms into that of the struct: given a type as it was received,
    and the JSON of the event, it returns the JSON to read.
    """

    def __init__(
        self,
        events: Mapping[str, type[Struct]],
        *,
        aliases: Mapping[str, str],
        mend: Callable[[str, dict[str, Any]], dict[str, Any]],
    ) -> None:
        self._events = events
        self._aliases = aliases
        self._mend = mend
        self._tag = str(next(iter(events.values())).__struct_config__.tag_field)
        self._keeps_body = all(issubclass(event, ReceivedEvent) for event in events.values())
        self._decode = msgspec.json.Decoder(Union[tuple(events.values())]).decode  # noqa: UP007 - made of a tuple

    def read(self, body: bytes) -> Struct:
        """One of `events`, or an UnknownEvent. Raises EventError, and nothing else."""
        try:
            event: Struct = self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            event = self._read_at_length(body)
        if self._keeps_body and type(event) is not UnknownEvent:
            event.__dict__[_BODY] = body
        return event

    def _read_at_length(self, body: bytes) -> Struct:
        try:
            raw = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise EventError([Fault("$", f"is not JSON: {exc}")]) from exc
        if not isinstance(raw, dict):
            raise EventError([Fault("$", "must be an object")])
        name = raw.get(self._tag)
        if not isinstance(name, str):
            reason = "must be a string" if self._tag in raw else "is required"
            raise EventError([Fault(f"$.{self._tag}", reason)])
        known = self._aliases.get(name, name)
        if known not in self._events:
            return UnknownEvent(name, raw)
        mended = self._mend(name, raw) | {self._tag: known}
        try:
            event: Struct = msgspec.convert(mended, self._events[known])
        except msgspec.ValidationError as exc:
            raise EventError([_fault(str(exc))], event_type=known) from exc
        return event


def _fault(message: str) -> Fault:
    """What msgspec says: the reason, and the path where that is not the whole."""
    reason, _, path = message.removesuffix("`").partition(_AT)
    if not path:
        reason, path = message, "$"
    if missing := _MISSING.fullmatch(reason):
        return Fault(f"{path}.{missing[1]}", "is required")
    return Fault(path, reason)

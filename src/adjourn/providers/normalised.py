"""One form for what several vendors tell: a meeting that has ended, a calendar that has changed.

Each vendor's `normalise` fills it (docs/events.md has the table). A field that a vendor does not send, or
sends as null, is None; an empty list is one that it sent. Nothing is guessed: no field is made of what means
something else.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

from adjourn.errors import EventError, Fault

__all__ = [
    "CalendarChanged",
    "CalendarInstance",
    "MeetingEnded",
    "Person",
    "later",
    "read_moment",
    "read_span",
]


class Person(Struct, frozen=True, kw_only=True):
    """Someone in a meeting. `id` is what the vendor knows them by: a number, a phone number, a user's id."""

    name: str | None = None
    id: str | None = None


class MeetingEnded(Struct, frozen=True, kw_only=True):
    """A meeting is over, and what was made of it can be fetched.

    `meeting_id` is the vendor's; where a bot recorded it and the vendor has no id of the meeting, the bot's.
    `available_at` says when the recording, the transcript or the notes were there. Links cease to work at
    `expires_at`; None: they last. `raw` is the vendor's own event.
    """

    provider: str
    meeting_id: str
    calendar_event_id: str | None = None
    title: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    available_at: datetime | None = None
    duration: timedelta | None = None
    organiser: Person | None = None
    participants: tuple[Person, ...] | None = None
    recording_url: str | None = None
    transcript_url: str | None = None
    summary: str | None = None
    action_items_url: str | None = None
    expires_at: datetime | None = None
    raw: Struct


class CalendarInstance(Struct, frozen=True, kw_only=True):
    """One occurrence of a calendar event, as it is now."""

    id: str
    title: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_all_day: bool | None = None
    status: Literal["confirmed", "cancelled", "tentative"] | None = None
    meeting_url: str | None = None
    attendee_count: int | None = None


class CalendarChanged(Struct, frozen=True, kw_only=True):
    """Events were created, updated or deleted in a calendar: `instances` are those concerned.

    `raw` is the vendor's own event.
    """

    provider: str
    change: Literal["created", "updated", "deleted"]
    calendar_id: str | None = None
    series_id: str | None = None
    instances: tuple[CalendarInstance, ...]
    raw: Struct


def read_moment(text: str, *, path: str) -> datetime:
    """An ISO 8601 date-time in UTC; one without an offset is taken for UTC. Raises EventError."""
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise EventError([Fault(path, f"is no date-time: {text[:64]!r}")]) from None


def read_span(count: int, unit: timedelta, *, path: str) -> timedelta:
    """So many units. Raises EventError for more than a timedelta holds."""
    try:
        return count * unit
    except OverflowError:
        raise EventError([Fault(path, "is out of range")]) from None


def later(moment: datetime, by: timedelta, *, path: str) -> datetime:
    """So much later. Raises EventError for what no datetime holds."""
    try:
        return moment + by
    except OverflowError:
        raise EventError([Fault(path, "is out of range")]) from None

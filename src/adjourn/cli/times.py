"""Moments that options name. Pure."""

import re
from datetime import UTC, datetime, timedelta

from adjourn.cli.failure import Exit, Failure

__all__ = ["read_time"]

_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_time(text: str, *, now: datetime) -> datetime:
    """A date (midnight UTC), RFC 3339 with an offset, or as long before now: 90m, 2h, 3d.

    Raises Failure.
    """
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    forms = "a date like 2026-01-15, a time like 2026-01-15T10:30:00Z or +02:00, or how long ago: 90m, 2h, 3d"
    raise Failure(Exit.WRONG, f"{text!r} is no time: give {forms}")

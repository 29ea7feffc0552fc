"""The times of one sample: consistent by their names, so that what starts ends later and is sent last.

walk.py asks for the moments of one struct's fields, and for their spelling. Pure.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import IntEnum

from adjourn.documents.samples.values import Scene

__all__ = ["duration_of", "is_time", "moments", "spelled"]


class _Phase(IntEnum):
    """What comes after what."""

    CREATED = 0
    START = 1
    END = 2
    DONE = 3
    SENT = 4
    PLANNED = 5


_PHASES = (
    ("created", _Phase.CREATED),
    ("scheduled", _Phase.PLANNED),
    ("start", _Phase.START),
    ("joined", _Phase.START),
    ("end", _Phase.END),
    ("exited", _Phase.END),
    ("activity", _Phase.END),
    ("sent", _Phase.SENT),
)

# Where something goes on that has started, what was created is the report of it.
_REPORTED = {_Phase.CREATED: _Phase.DONE}

_UNITS: Mapping[str, timedelta] = {
    "duration_seconds": timedelta(seconds=1),
    "duration_ms": timedelta(milliseconds=1),
}


def _phase(name: str) -> _Phase:
    return next((phase for word, phase in _PHASES if word in name), _Phase.DONE)


def is_time(name: str) -> bool:
    """Whether an integer of that name, in snake case, is a moment, in Unix seconds."""
    return name.endswith(("_at", "_time"))


def moments(names: Collection[str], scene: Scene, *, inside: bool) -> dict[str, datetime]:
    """The moment of each field of one object, by its name in snake case; what is over is so at scene.at.

    An object that has a start and an end and no other time is a plan, and lies ahead. One `inside` another
    that has a start alone tells of something that has gone on for a while.
    """
    phases = {name: _phase(name) for name in names}
    if _Phase.START in phases.values() and _Phase.END not in phases.values():
        phases = {name: _REPORTED.get(phase, phase) for name, phase in phases.items()}
    at = scene.at
    if {*phases.values()} == {_Phase.START, _Phase.END}:
        at += timedelta(minutes=15 * (200 + scene.below(1000)))
    found = {_Phase.PLANNED: scene.at + timedelta(minutes=15 * (1 + scene.below(600)))}
    for phase in sorted({*phases.values()} - {_Phase.PLANNED}, reverse=True):
        is_last = len(found) == 1 and not (inside and phase is _Phase.START)
        at = found[phase] = at - _gap(phase, scene, is_last=is_last)
    return {name: found[phase] for name, phase in phases.items()}


def _gap(phase: _Phase, scene: Scene, *, is_last: bool) -> timedelta:
    """How long before what comes next in the same object; `is_last`: nothing does."""
    if phase is _Phase.SENT or is_last:
        return timedelta(milliseconds=scene.below(900))
    match phase:
        case _Phase.START:
            return timedelta(seconds=900 + scene.below(4500), milliseconds=scene.below(1000))
        case _Phase.CREATED:
            return timedelta(minutes=1 + scene.below(3 * 1440))
        case _:
            return timedelta(seconds=5 + scene.below(300), milliseconds=scene.below(1000))


def duration_of(name: str, given: Mapping[str, datetime]) -> int | None:
    """What a field of that name counts, between the start and the end there are; None where it is no such."""
    starts = [at for each, at in given.items() if _phase(each) is _Phase.START]
    ends = [at for each, at in given.items() if _phase(each) is _Phase.END]
    if name not in _UNITS or not starts or not ends:
        return None
    return (max(ends) - min(starts)) // _UNITS[name]


def spelled(at: datetime, digits: int = 3) -> str:
    """RFC 3339 in UTC, with so many digits of the second's fraction, 0 to 9."""
    whole = at.replace(tzinfo=None, microsecond=0).isoformat()
    return f"{whole}.{f'{at.microsecond:06}000'[:digits]}Z" if digits else f"{whole}Z"

"""A webhook filter as it comes in: CONTRACTS 1.6."""

from adjourn.api.bodies import FilterBody
from adjourn.api.problems import UnknownEventType
from adjourn.errors import Fault
from adjourn.models import Filter
from adjourn.providers import Provider

__all__ = ["read_filter"]

_LONGEST = 100  # characters of a name that a fault repeats


def read_filter(body: FilterBody, provider: Provider, *, path: str = "$") -> Filter:
    """The filter under today's names, without the types that are always delivered. `path`: where it stands.

    Raises UnknownEventType.
    """
    found = [provider.resolve(each) for each in body.events]
    faults = [
        Fault(f"{path}.events[{index}]", f"unknown event type {body.events[index][:_LONGEST]!r}")
        for index, event_type in enumerate(found)
        if event_type is None
    ]
    if faults:
        raise UnknownEventType(faults, providers=[provider])
    names = dict.fromkeys(each.name for each in found if each is not None)
    return Filter(body.type, tuple(each for each in names if each not in provider.always_delivered))

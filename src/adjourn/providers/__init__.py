"""What may be said, by whom: the catalogs of the vendors, and the check of data against them."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from adjourn.providers.normalised import CalendarChanged, CalendarInstance, MeetingEnded, Person
from adjourn.providers.provider import EventType, Provider, check_data, order_key
from adjourn.providers.reading import UnknownEvent

__all__ = [
    "PROVIDERS",
    "CalendarChanged",
    "CalendarInstance",
    "EventType",
    "MeetingEnded",
    "Person",
    "Provider",
    "UnknownEvent",
    "check_data",
    "order_key",
]


def _vendors() -> Iterator[Provider]:
    """Of each module beside this one that has a PROVIDER: so a vendor is one file."""
    for each in sorted(iter_modules(__path__), key=lambda found: found.name):
        provider = getattr(import_module(f"{__name__}.{each.name}"), "PROVIDER", None)
        if isinstance(provider, Provider):
            yield provider


PROVIDERS: Mapping[str, Provider] = MappingProxyType({provider.name: provider for provider in _vendors()})
"""Every provider by its name."""

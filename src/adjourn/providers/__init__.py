"""What may be said, by whom: the catalogs of the vendors, and the check of data against them."""

from collections.abc import Mapping
from types import MappingProxyType

from adjourn.providers import contio, meetingbaas, quil
from adjourn.providers.normalised import CalendarChanged, CalendarInstance, MeetingEnded, Person
from adjourn.providers.provider import EventType, Provider, check_data, order_key
from adjourn.providers.reading import UnknownEvent
from adjourn.providers.schema import event_schema, json_schema

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
    "contio",
    "event_schema",
    "json_schema",
    "meetingbaas",
    "order_key",
    "quil",
]

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {provider.name: provider for provider in (contio.PROVIDER, meetingbaas.PROVIDER, quil.PROVIDER)}
)
"""Every provider by its name."""

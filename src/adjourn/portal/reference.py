"""What the reference shows of a provider, made from its catalog, signer and policies. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from adjourn.documents import json_schema, sent_schema
from adjourn.documents.asyncapi import VERSIONS
from adjourn.documents.channels import Channel, channels
from adjourn.documents.example import EXAMPLE_SECRET
from adjourn.documents.fields import FieldRow, field_rows
from adjourn.documents.promises import promises
from adjourn.providers import EventType, Provider

__all__ = ["Page", "Section", "page"]


class Section(NamedTuple):
    """One event type."""

    event_type: EventType
    old_names: Sequence[str]
    sample: str
    fields: Sequence[FieldRow]


class Place(NamedTuple):
    """A kind of URL that events go to, and what may be counted on there."""

    channel: Channel
    example: Mapping[str, str]
    promises: Sequence[str]


class Page(NamedTuple):
    """`groups` are in the order of the vendor's index; `envelope` is what stands around the data of each."""

    provider: Provider
    groups: Mapping[str, Sequence[Section]]
    envelope: Sequence[FieldRow]
    places: Sequence[Place]
    versions: Sequence[str]
    secret: str


def page(provider: Provider) -> Page:
    """All that there is to say of a provider."""
    groups: dict[str, list[Section]] = {}
    for each in provider.event_types.values():
        groups.setdefault(each.group, []).append(_section(provider, each))
    return Page(
        provider=provider,
        groups=groups,
        envelope=[*_envelope(provider)],
        places=[_place(provider, each) for each in channels(provider)],
        versions=[*VERSIONS],
        secret=EXAMPLE_SECRET,
    )


def _section(provider: Provider, event_type: EventType) -> Section:
    return Section(
        event_type=event_type,
        old_names=[old for old, new in provider.aliases.items() if new == event_type.name],
        sample=json.dumps(event_type.sample, indent=2, ensure_ascii=False),
        fields=[*field_rows(json_schema(event_type))],
    )


def _envelope(provider: Provider) -> Iterator[FieldRow]:
    """Every field around the data; one that only some events have says which."""
    rows: dict[str, FieldRow] = {}
    having: dict[str, list[str]] = {}
    for each in provider.event_types.values():
        for row in field_rows(sent_schema(each)):
            if not row.path.startswith(("data.", "data[")):
                rows.setdefault(row.path, _of_any(row, each))
                having.setdefault(row.path, []).append(each.name)
    for path, row in rows.items():
        yield row if len(having[path]) == len(provider.event_types) else _of_some(row, having[path])


def _of_any(row: FieldRow, event_type: EventType) -> FieldRow:
    """Its type is another name in each event."""
    return row._replace(type="string") if row.type == event_type.name else row


def _of_some(row: FieldRow, names: Sequence[str]) -> FieldRow:
    return row._replace(description=f"{row.description.rstrip('.')}. Only in {', '.join(names)}.")


def _place(provider: Provider, channel: Channel) -> Place:
    policy = provider.policy
    if channel.name == "callback" and provider.callbacks is not None:
        policy = provider.callbacks.policy
    first = next(iter(channel.event_types.values()))
    return Place(channel, channel.example(first), promises(policy))

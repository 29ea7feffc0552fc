"""What was published, what became of it, and the catalog, as the APIs show them."""

from msgspec import UNSET, Struct

from adjourn.resources.common import Json, Maybe, Moment
from adjourn.resources.deliveries import Delivery

__all__ = [
    "Accepted",
    "AcceptedBatch",
    "Assigned",
    "Envelope",
    "EventType",
    "EventTypeInFull",
    "EventTypes",
    "Explanation",
    "Outcome",
    "Publication",
]


class Envelope(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event made for one (app, user)."""

    event_id: str
    partner_app_id: str
    delivery_ids: list[str]
    user_id: str | Maybe = UNSET


class Assigned(Struct, frozen=True, kw_only=True):
    """An automation that matched, and the assignment event published for it."""

    id: str
    automation_id: str
    confidence_score: float
    events: list[Envelope]


class Accepted(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The 202: it is on disk. `assignments` is there where `match_automations` was asked for."""

    id: str
    events: list[Envelope]
    assignments: list[Assigned] | Maybe = UNSET


class AcceptedBatch(Struct, frozen=True, kw_only=True):
    """One for each event of the batch, in its order."""

    events: list[Accepted]


class Publication(Struct, frozen=True, kw_only=True):
    """What was published, in a list. `envelopes` counts the events made of it."""

    id: str
    event_type: str
    provider: str
    timestamp: str
    published_at: Moment
    envelopes: int


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a publication for one (app, user), and why."""

    outcome: str
    reason: str
    partner_app_id: str | Maybe = UNSET
    partner_app_name: str | Maybe = UNSET
    user_id: str | Maybe = UNSET
    event_id: str | Maybe = UNSET
    deliveries: list[Delivery] | Maybe = UNSET


class Explanation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A publication whole: its data, its audience, and every outcome."""

    id: str
    event_type: str
    provider: str
    timestamp: str
    published_at: Moment
    audience: dict[str, list[str]]
    data: Json
    outcomes: list[Outcome]
    actor_user_id: str | Maybe = UNSET


class EventType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    provider: str
    group: str
    title: str
    description: str
    old_names: list[str]
    since: str | Maybe = UNSET
    note: str | Maybe = UNSET


class EventTypeInFull(EventType, frozen=True, kw_only=True, omit_defaults=True):
    """With the JSON Schema of its data and of the whole event, and a sample.

    `other_providers` have a type of that name too; they are asked for by theirs.
    """

    schema: Json
    event_schema: Json
    sample: Json
    other_providers: list[str] | Maybe = UNSET


class EventTypes(Struct, frozen=True, kw_only=True):
    items: list[EventType]
    total: int

"""What a provider may say: the nouns that every catalog is made of.

The lowest step of the flow: publishing resolves a type here before it checks the data, receiving finds the
struct to decode into, and the docs, the portal and the schemas read the rest. Pure: no I/O, no state.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct, UnsetType

from adjourn.check import check
from adjourn.config import Secret
from adjourn.errors import ConfigError, Fault
from adjourn.models import App, AppOptions, Audience, Policy
from adjourn.providers.normalised import CalendarChanged, MeetingEnded
from adjourn.providers.reading import EventReader
from adjourn.signing import SecretHeaderVerifier, Signer, UnsignedVerifier, Verified, Verifier

__all__ = [
    "Callbacks",
    "Count",
    "EventType",
    "Facts",
    "JsonObject",
    "NullableStr",
    "OptionalStr",
    "OwnForm",
    "Prepared",
    "Provider",
    "Timestamp",
    "Uri",
    "body_key",
    "check_data",
    "doc",
    "order_key",
    "unsigned_verifier",
]

JsonObject = dict[str, Any]
"""Foreign JSON, decoded."""

Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""An RFC 3339 date-time, kept as it is spelled."""

Uri = Annotated[str, Meta(extra_json_schema={"format": "uri"})]
"""An absolute URI, RFC 3986: what a link of another scheme than http is, its reader has to know."""

OptionalStr = str | UnsetType
"""May be absent; null is a fault."""

NullableStr = str | UnsetType | None
"""May be absent or null."""

Count = Annotated[int, Meta(ge=0)]


def doc(text: str) -> Meta:
    """The description of a field in a catalog: `title: Annotated[str, doc("Meeting title")]`."""
    return Meta(description=text)


@dataclass(frozen=True, kw_only=True)
class EventType:
    """One type of a catalog: what it means, its typed form, and a sample.

    `group` is its heading in the vendor's index; `since` the version that brought it, None where none is
    documented. `data` is the struct of the event's data, `event` that of the whole event. `received`
    describes what receivers may get in its stead, where vendors send more than one form.
    """

    name: str
    group: str
    title: str
    since: str | None
    description: str
    note: str | None
    data: type[Struct]
    event: type[Struct]
    received: type[Struct] | None = None
    sample: JsonObject = field(compare=False, repr=False)
    """A whole event as it goes over the wire. Shared: copy before changing it."""

    @property
    def sample_data(self) -> JsonObject:
        """The sample's data: what a publisher gives."""
        data: JsonObject = self.sample["data"]
        return data


class Facts(Struct, frozen=True, gc=False):
    """What an envelope says around its data. `user` is (id, email); `extra` is JSON, where it is given."""

    event_type: str
    event_id: str
    timestamp: str
    app_id: str
    user: tuple[str, str] | None
    actor_user_id: str | None
    extra: bytes | None = None


class Prepared(NamedTuple):
    """Published data in the form it is stored and sent in, and what is wrong with it."""

    data: JsonObject
    faults: list[Fault]


class OwnForm(NamedTuple):
    """An event as one app wants it: under an older name, or its data in another of the vendor's forms."""

    event_type: str
    data: JsonObject


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """How a vendor tells one subject's end (a bot's) to a URL of its own, beside the app's.

    Requests carry no signature, but the callback's secret, where it has one, in `secret_header`.
    """

    event_types: frozenset[str]
    policy: Policy
    secret_header: str


@dataclass(frozen=True, kw_only=True)
class Provider(ABC):
    """One vendor's contract: catalog, envelope, signature, delivery policy.

    `event_types` is read-only and in the order of the vendor's index. `aliases` maps an old type name to
    the name that took its place. No filter of an app ever stops a type in `always_delivered`. `options` is
    what the platform may set for an app of this provider. `source` names the vendor's document. `signature`
    tells receivers how its requests are proven, in sentences for the documents made from all this.
    """

    name: str
    title: str
    source: str
    signature: str
    event_types: Mapping[str, EventType]
    policy: Policy
    aliases: Mapping[str, str] = field(default_factory=dict)
    always_delivered: frozenset[str] = frozenset()
    options: type[AppOptions] = AppOptions
    callbacks: Callbacks | None = None

    def resolve(self, name: str) -> EventType | None:
        """The type by its name or by an old one; None when the catalog has no such type."""
        return self.event_types.get(self.aliases.get(name, name))

    # what publishing asks

    def prepare(self, name: str, data: JsonObject, *, path: str) -> Prepared:
        """Check data published under a name that resolves, and bring it into the form that is sent."""
        return Prepared(data, check_data(self.event_types[name], data, path=path))

    def check_audience(
        self, event_type: str, data: JsonObject, audience: Audience, actor_user_id: str | None
    ) -> list[str]:
        """Why this audience may not have this event: reasons; [] when it may."""
        return []

    def carries_extra(self, event_type: str) -> bool:
        """Whether the envelope carries what a publisher gives as `extra`."""
        return False

    def subject_of(self, event_type: str, data: JsonObject) -> str | None:
        """What later calls may name this event by: the bot that it is about; None where there is none."""
        return None

    def automation_of(self, event_type: str, data: JsonObject) -> str | None:
        """The automation that an event is addressed to: it goes to that one's app and URL alone."""
        return None

    def disconnected(self, connection_id: str, *, at: str) -> tuple[str, JsonObject] | None:
        """What tells an app that a user's connection has ended: type and data; None where nothing does."""
        return None

    def own_form(self, options: AppOptions, event_type: str, data: JsonObject) -> OwnForm | None:
        """The event as an app with such options gets it; None where that is how everyone does."""
        return None

    @abstractmethod
    def head(self, facts: Facts) -> bytes:
        """The envelope up to its data: `head + data + b"}"` is the body, canonical JSON."""

    @abstractmethod
    def signer(self, app: App, secrets: Sequence[Secret]) -> Signer:
        """What signs this app's requests: with the first secret, and by the others beside where it can.

        Raises ConfigError for a secret that the vendor's signature cannot use.
        """

    def links_expire_at(self, event_type: str, data: JsonObject) -> datetime | None:
        """When links in published data cease to work; None: they last, or there are none."""
        return None

    # what receiving asks

    @abstractmethod
    def verifier(self, *secrets: Secret | str) -> Verifier:
        """What tells this vendor's webhooks from anyone else's, by any of the secrets.

        Raises ConfigError for no secret, and for one that the vendor's signature cannot use.
        """

    def callback_verifier(self, *secrets: Secret | str, unsigned: bool = False) -> Verifier:
        """The same for callbacks. `unsigned`: anyone's pass, for callbacks that were given no secret.

        Raises ConfigError for no secret unless that is asked for, and for a vendor that has no callbacks.
        """
        if self.callbacks is None:
            raise ConfigError(f"{self.title} sends no callbacks")
        if not unsigned:
            return SecretHeaderVerifier(*secrets, header=self.callbacks.secret_header)
        return unsigned_verifier(*secrets)

    def read(self, body: bytes) -> Struct:
        """A body whose signature was verified, as one of `event_types`' events, or as an UnknownEvent.

        Lenient: formats are not checked, and keys that the catalog has not are in the event's `raw`. Raises
        EventError, and nothing else, for what is no JSON, and for a known type without what it must have.
        """
        return self.reader.read(body)

    @cached_property
    def reader(self) -> EventReader:
        """What `read` reads with."""
        events = {name: each.event for name, each in self.event_types.items()}
        return EventReader(events, aliases=self.aliases, mend=self.mend)

    def mend(self, name: str, event: JsonObject) -> JsonObject:
        """The JSON of an event received as `name`, in the form of its struct, if it can be had."""
        return event

    @abstractmethod
    def dedupe_key(self, event: Struct, verified: Verified, body: bytes) -> str:
        """What is the same each time an event is delivered to one receiver, and for no other event.

        `event` is what `read` made of `body`.
        """

    def normalise(self, event: Struct) -> MeetingEnded | CalendarChanged | None:
        """What an event that was read tells, in the form that all vendors share; None: nothing of the kind.

        Raises EventError for a time that is none.
        """
        return None


def unsigned_verifier(*secrets: Secret | str) -> Verifier:
    """What lets anyone's webhooks pass. Raises ConfigError for a secret: somebody expects it to count."""
    if secrets:
        raise ConfigError(
            "a webhook secret is given, and unsigned webhooks are asked for: it must be one of them"
        )
    return UnsignedVerifier()


def body_key(body: bytes) -> str:
    """What a body without any id is known by."""
    return f"sha256:{sha256(body).hexdigest()}"


def check_data(event_type: EventType, data: object, *, path: str = "$.data") -> list[Fault]:
    """Everything wrong with published data, each fault with its JSON path; [] when the catalog takes it."""
    return check(event_type.data, data, path=path)


def order_key(data: JsonObject) -> str | None:
    """What keeps events in order where an app asks for it: its meeting or its bot. None: unordered.

    The same for every provider: meeting_id (Contio), bot_id (Meeting BaaS), meeting.id (Quil).
    """
    meeting = data.get("meeting")
    nested = meeting.get("id") if isinstance(meeting, dict) else None
    for key in (data.get("meeting_id"), data.get("bot_id"), nested):
        if isinstance(key, str) and key:
            return key
    return None

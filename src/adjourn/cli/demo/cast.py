"""Who takes part in the demo of a provider: two apps that differ, and how their receiver checks what it gets.

The one module of the demo that names vendors; one that is not here is verified as its provider says.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from adjourn.documents.samples import data_samples
from adjourn.providers import EventType, Provider
from adjourn.providers.provider import JsonObject
from adjourn.signing import BodyHmacVerifier, ContioVerifier, StandardVerifier, Verifier
from adjourn.testing import RecordedRequest

__all__ = ["USERS", "Cast", "Player", "cast_of", "events_of"]

USERS = {"ana": "ana@example.com", "ben": "ben@example.com", "chloe": "chloe@example.com"}

_ENOUGH = 30  # events: a catalog with fewer types shows several of each

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Player:
    """One app: its options, who is connected, and what its receiver wants every request to pass."""

    name: str
    path: str
    about: str
    verifiers: Callable[[str], tuple[Verifier, ...]]
    """By the app's webhook secret."""
    options: Mapping[str, str]
    users: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cast:
    """`event_id` tells the event of a request with its body, decoded; `sample` is the type to try."""

    apps: tuple[Player, Player]
    event_id: Callable[[RecordedRequest, Json], str]
    sample: str = ""

    @property
    def has_users(self) -> bool:
        """Whether events are for users; else they are for the apps."""
        return any(app.users for app in self.apps)


def _pair(
    first: tuple[str, Callable[[str], tuple[Verifier, ...]]],
    second: tuple[str, Callable[[str], tuple[Verifier, ...]]],
    options: Mapping[str, str],
) -> tuple[Player, Player]:
    """Two apps without users; the second has options."""
    return (
        Player(name="Acme CRM", path="/acme", about=first[0], verifiers=first[1], options={}),
        Player(name="Notewell", path="/notewell", about=second[0], verifiers=second[1], options=options),
    )


def _contio(name: str, path: str, profile: str, users: tuple[str, ...]) -> Player:
    def verifiers(secret: str) -> tuple[Verifier, ...]:
        return ContioVerifier(secret, strict=profile == "documented"), StandardVerifier(secret)

    about = f"users {', '.join(users)}; signature profile {profile}"
    options = {"signature_profile": profile}
    return Player(name=name, path=path, about=about, verifiers=verifiers, options=options, users=users)


def _standard(secret: str) -> tuple[Verifier, ...]:
    return (StandardVerifier(secret),)


def _svix(secret: str) -> tuple[Verifier, ...]:
    return (StandardVerifier(secret, prefix="svix-"),)


def _hmac(secret: str) -> tuple[Verifier, ...]:
    return (BodyHmacVerifier(secret, header="X-Webhook-Signature"),)


_CASTS: Mapping[str, Cast] = {
    "contio": Cast(
        apps=(
            _contio("Acme CRM", "/acme", "documented", ("ana", "ben")),
            _contio("Notewell", "/notewell", "sdk", ("ana", "chloe")),
        ),
        event_id=lambda received, body: str(body["event_id"]),
        sample="meeting.completed",
    ),
    "meetingbaas": Cast(
        apps=_pair(
            ("Svix's headers; participants as objects", _svix),
            ("Svix's headers; participants by their names", _svix),
            {"participants": "names"},
        ),
        event_id=lambda received, body: received.header("svix-id") or "",
        sample="bot.completed",
    ),
    "quil": Cast(
        apps=_pair(
            ("Standard Webhooks", _standard),
            ("the body's HMAC-SHA256 in X-Webhook-Signature", _hmac),
            {"signature": "hmac-hex"},
        ),
        event_id=lambda received, body: str(body["id"]),
        sample="meeting.completed",
    ),
}


def cast_of(provider: Provider) -> Cast:
    return _CASTS.get(provider.name) or _anyone(provider)


def _anyone(provider: Provider) -> Cast:
    """Two apps that are alike. An event is known by the id in its headers, or in its body."""
    alike = (f"verified as {provider.title} says", lambda secret: (provider.verifier(secret),))

    def event_id(received: RecordedRequest, body: Json) -> str:
        named = (received.header(name) for name in ("webhook-id", "svix-id"))
        return next(filter(None, named), None) or str(body.get("id") or body.get("event_id"))

    return Cast(apps=_pair(alike, alike, {}), event_id=event_id)


def events_of(provider: Provider) -> list[tuple[EventType, JsonObject]]:
    """What the demo publishes: the vendor's own sample of each type, then others, until there are enough.

    Where the reference says since when a type is there, those that it has.
    """
    types = [*provider.event_types.values()]
    types = [each for each in types if each.since is not None] or types
    rounds = -(-_ENOUGH // len(types))
    made = [_several(provider, each, rounds) for each in types]
    return [event for each in zip(*made, strict=True) for event in zip(types, each, strict=True)]


def _several(provider: Provider, event_type: EventType, count: int) -> Iterator[JsonObject]:
    yield event_type.sample_data
    yield from islice(data_samples(provider, event_type, count=count), count - 1)

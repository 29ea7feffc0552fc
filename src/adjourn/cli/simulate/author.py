"""Events as a vendor makes them, and requests as it signs them: what a simulation sends. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from adjourn.cli.vendors import receiving_options
from adjourn.errors import VerificationError
from adjourn.models import AppOptions, Policy
from adjourn.providers import EventType, Provider
from adjourn.providers.provider import Callbacks, JsonObject
from adjourn.receiving.diagnosis import make_verifier
from adjourn.signing import TOLERANCE, new_secret, new_signing_key
from adjourn.testing import encode, sign

__all__ = ["Author", "Event", "Request"]

_PRIVATE_PREFIX = "whsk_"
_IDS = ("event_id", "id")  # where events have theirs; those that have none are known by their headers
_OLDEST = TOLERANCE / 2
_ONCE = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


class Event(Struct, frozen=True, kw_only=True):
    """One event. `id` is the same each time it is sent; `about` is what people call it."""

    id: str
    about: str
    body: bytes


class Request(Struct, frozen=True, kw_only=True):
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Author:
    """Writes one vendor's events and signs them, as its webhooks or its `callback`s are.

    `secret`: "" where nothing is signed. `options` are an app's. `new_id` gives an id that no event had
    before. Raises ConfigError for a secret or an option that the vendor's signature cannot use.
    """

    def __init__(
        self,
        provider: Provider,
        secret: str,
        *,
        options: Mapping[str, Any],
        callback: bool,
        new_id: Callable[[], str],
    ) -> None:
        self.provider = provider
        self.secret = secret
        self.callback = callback
        self._options = options
        self._new_id = new_id
        self._sign(b"{}", at=_ONCE, event_id="id")
        known = {"unsigned": not secret} if callback else receiving_options(provider, options)
        self._verifier = make_verifier(provider, [secret] if secret else [], callback=callback, **known)
        self.app_options: AppOptions = msgspec.convert(options, provider.options)

    @property
    def event_types(self) -> list[EventType]:
        """Those that are sent so."""
        types = [*self.provider.event_types.values()]
        callbacks = self._callbacks
        return types if callbacks is None else [each for each in types if each.name in callbacks.event_types]

    @property
    def _callbacks(self) -> Callbacks | None:
        return self.provider.callbacks if self.callback else None

    @property
    def _policy(self) -> Policy:
        return (self._callbacks or self.provider).policy

    @property
    def timeout(self) -> float:
        """Seconds that the vendor waits for an answer."""
        return self._policy.timeout.total_seconds()

    @property
    def first_retry(self) -> timedelta:
        """How long after the first attempt the second comes; no longer than a signature may be old."""
        return min(self._policy.retry_delays[0], _OLDEST)

    def write(self, event_type: EventType, content: JsonObject, *, about: str = "") -> Event:
        """An event that nobody has had: with an id of its own; a callback's is about a subject of its own."""
        event_id = self._new_id()
        content = content | {name: event_id for name in _IDS if isinstance(content.get(name), str)}
        if self.callback:
            content |= {"data": self._of_its_own(event_type, content["data"])}
        return Event(id=event_id, about=about or event_type.name, body=encode(content))

    def _of_its_own(self, event_type: EventType, data: JsonObject) -> JsonObject:
        """Callbacks have no id: their subject, a bot, tells them apart."""
        subject = self.provider.subject_of(event_type.name, data)
        ids = [name for name, value in data.items() if isinstance(value, str) and value.lower() == subject]
        return data | {name: self._new_id() for name in ids}

    def sign(self, event: Event, *, at: datetime, secret: str | None = None) -> Request:
        """An attempt to deliver it, at that time; signed by another secret, if one is given."""
        return Request(
            headers=tuple(self._sign(event.body, at=at, event_id=event.id, secret=secret).items()),
            body=event.body,
        )

    def _sign(self, body: bytes, *, at: datetime, event_id: str, secret: str | None = None) -> dict[str, str]:
        if self.callback and not self.secret:
            return {"Content-Type": "application/json"}
        options = {} if self.callback else self._options
        key = self.secret if secret is None else secret
        return sign(self.provider, body, key, at=at, event_id=event_id, callback=self.callback, **options)

    def wrong_secret(self) -> str:
        """Another of the same kind."""
        make = new_signing_key if self.secret.startswith(_PRIVATE_PREFIX) else new_secret
        return make().reveal()

    def proofs(self) -> tuple[Sequence[str], Sequence[str]]:
        """The names of the headers that sign, and of those that say when it was sent."""
        one = self._sign(b"{}", at=_ONCE, event_id="id")
        other = self._sign(b"{}", at=_ONCE, event_id="id", secret=self.wrong_secret())
        later = self._sign(b"{}", at=_ONCE + timedelta(seconds=1), event_id="id")
        signatures = [name for name in one if one[name] != other[name]]
        return signatures, [name for name in one if one[name] != later[name] and name not in signatures]

    def can_refuse(self, request: Request, *, now: datetime) -> bool:
        """Whether this vendor's signature gives a receiver the means to."""
        try:
            self._verifier.verify(request.headers, request.body, now=now)
        except VerificationError:
            return True
        return False

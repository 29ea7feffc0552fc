"""The first step of receiving: a request's headers and raw body in, a verified and typed event out.

What keeps events and handles them stands behind it. No I/O; the clock is read where no `now` is given.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, cached_property
from time import time
from typing import Any, Protocol

from msgspec import Struct

from adjourn.config import Secret
from adjourn.errors import ConfigError, EventError, Fault, VerificationError
from adjourn.providers import CalendarChanged, MeetingEnded, Provider, UnknownEvent
from adjourn.receiving.diagnosis import Case, Diagnosis, make_verifier, read_pairs
from adjourn.receiving.doctor import LONGEST_TRIED, diagnose
from adjourn.receiving.secret_forms import name_fault
from adjourn.signing import Headers, Verified, Verifier, seconds_of

__all__ = ["Received", "Receiver", "Refused", "Vendor"]


class Vendor(Protocol):
    """A module of `adjourn.providers`, as `contio` is."""

    @property
    def PROVIDER(self) -> Provider: ...  # noqa: N802 - a module's constant


class Received(Struct, frozen=True, kw_only=True):
    """A webhook that was verified and read.

    `event` is one of the vendor's event structs or an UnknownEvent. `id` is the same each time this event is
    delivered, and no other's of this provider: drop what you have had. `verified` says what the signature
    proves. `body` is the bytes as received; `received_at` is UTC.
    """

    vendor: Provider
    event: Struct
    id: str
    verified: Verified
    body: bytes
    came: datetime | float  # UTC, or Unix seconds: a datetime is made when one is asked for

    @property
    def received_at(self) -> datetime:
        return _moment(self.came)

    @property
    def provider(self) -> str:
        """The vendor's name: contio, say."""
        return self.vendor.name

    @property
    def event_type(self) -> str:
        """As the vendor names it: meeting.completed, say."""
        event = self.event
        return event.event_type if isinstance(event, UnknownEvent) else _tag_of(type(event))

    def normalise(self) -> MeetingEnded | CalendarChanged | None:
        """What it tells in the form that all vendors share (docs/events.md); None: nothing of the kind.

        Raises EventError for a time that is none.
        """
        return self.vendor.normalise(self.event)

    def __repr__(self) -> str:
        """Without the event: what people said in a meeting is not for the log."""
        kind = type(self.event).__name__
        return f"Received(provider={self.provider!r}, event={kind}(...), id={self.id!r})"


class Refused(VerificationError):
    """A webhook that cannot be trusted, and what may be the cause.

    The cause is looked for when it is asked for, and only then.
    """

    def __init__(self, case: Case) -> None:
        super().__init__(case.error.code, str(case.error))
        self._case = case

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """Bounded: some milliseconds at most, whatever came. For the log, never for the answer."""
        return self.diagnose(longest=LONGEST_TRIED)

    def diagnose(self, *, longest: int) -> Diagnosis:
        """The same, trying bodies of up to so many bytes in other forms."""
        return diagnose(self._case, longest=longest)

    @property
    def hint(self) -> str:
        return self.diagnosis.text


class Receiver:
    """Verifies and reads one vendor's webhooks.

    `vendor` is one of the vendors (`contio`, `meetingbaas`, `quil`); `secrets` are all that are still
    accepted. `callback_secrets` are those of the vendor's callbacks, where it has any (Meeting BaaS), or
    `unsigned_callbacks=True` lets callbacks pass that were given none. `options` are those of the
    provider's verifier: `strict=True` for Contio; `signature=`, `header=`, `prefix=`, `unsigned=True` for
    Quil. Nothing unsigned passes but by that name. Raises ConfigError for no secret, and for a secret or an
    option that the vendor's signature cannot use. Safe to share between threads.
    """

    def __init__(
        self,
        vendor: Provider | Vendor,
        secrets: Sequence[Secret | str] | Secret | str = (),
        *,
        callback_secrets: Sequence[Secret | str] | Secret | str = (),
        unsigned_callbacks: bool = False,
        **options: Any,
    ) -> None:
        self._provider = _provider(vendor)
        self._secrets = _read(secrets)
        self._callback_secrets = _read(callback_secrets)
        self._options = options
        callbacks = bool(self._callback_secrets) or unsigned_callbacks
        self._callback_options = {"unsigned": True} if unsigned_callbacks else {}
        self._read_body, self._dedupe_key = self._provider.reader.read, self._provider.dedupe_key
        self._webhooks: Verifier | None = None
        self._callbacks: Verifier | None = None
        if self._secrets or options or not callbacks:
            self._webhooks = self._make(self._secrets, callback=False, options=options)
        if callbacks:
            self._callbacks = self._make(
                self._callback_secrets, callback=True, options=self._callback_options
            )
        self._only = None if self._webhooks and self._callbacks else self._webhooks or self._callbacks

    @property
    def provider(self) -> Provider:
        return self._provider

    def receive(self, headers: Headers, body: bytes, *, now: datetime | None = None) -> Received:
        """One request: its headers as any framework has them, and the bytes of its body as they came.

        `now` is when it came; if it is not given, that is now.

        Raises VerificationError: answer a bare 401, and log the error with its `hint`. Raises EventError for
        a body that is signed, and still no event of this vendor: answer 400. Nothing else, whatever came.
        """
        came = time() if now is None else now.astimezone(UTC)
        at = seconds_of(came) if isinstance(came, datetime) else came
        if type(headers) is not dict and type(headers) is not list and isinstance(headers, Iterator):
            headers = tuple(headers)
        verifier = self._only or self._choose(headers)
        try:
            verified = verifier.verify_at(headers, body, at)
        except VerificationError as exc:
            raise self._refused(exc, headers, body, came, verifier) from None
        event = self._read_body(body)
        if verifier is self._callbacks:
            self._check_callback(event)
        key = self._dedupe_key(event, verified, body)
        return Received(vendor=self._provider, event=event, id=key, verified=verified, body=body, came=came)

    def _choose(self, headers: Headers) -> Verifier:
        """What verifies it, where both kinds may come. Any header of a webhook makes it one."""
        webhooks, callbacks = self._webhooks, self._callbacks
        assert webhooks is not None
        assert callbacks is not None
        names = {name for name, _ in read_pairs(headers)}
        if names.isdisjoint(webhooks.reads) and (not callbacks.reads or names.intersection(callbacks.reads)):
            return callbacks
        return webhooks

    def _check_callback(self, event: Struct) -> None:
        """Raises EventError for what this vendor tells by webhooks alone: callbacks prove less."""
        callbacks, name = self._provider.callbacks, event.__struct_config__.tag
        if isinstance(event, UnknownEvent) or callbacks is None or name in callbacks.event_types:
            return
        path = f"$.{event.__struct_config__.tag_field}"
        raise EventError([Fault(path, "is not sent to callbacks")], event_type=str(name))

    def _make(self, secrets: Sequence[Secret], *, callback: bool, options: Mapping[str, Any]) -> Verifier:
        try:
            return make_verifier(self._provider, secrets, callback=callback, **options)
        except ConfigError as exc:
            fault = next((found for each in secrets if (found := name_fault(each.reveal()))), None)
            if fault is None:
                raise
            raise ConfigError(f"{exc} (the secret {fault})") from None

    def _refused(
        self, error: VerificationError, headers: Headers, body: object, came: datetime | float, by: Verifier
    ) -> Refused:
        callback = by is self._callbacks
        both = (self._callback_secrets, self._secrets)
        secrets, others = both if callback else both[::-1]
        case = Case(
            provider=self._provider,
            verifier=by,
            secrets=secrets,
            others=others,
            options=self._callback_options if callback else self._options,
            callback=callback,
            headers=read_pairs(headers),
            body=body,
            now=_moment(came),
            error=error,
        )
        return Refused(case)


@cache  # a vendor's catalog has few
def _tag_of(kind: type[Struct]) -> str:
    return str(kind.__struct_config__.tag)


def _moment(came: datetime | float) -> datetime:
    return came if isinstance(came, datetime) else datetime.fromtimestamp(came, UTC)


def _provider(vendor: object) -> Provider:
    """Raises ConfigError for what is no vendor: its name, say."""
    found = getattr(vendor, "PROVIDER", vendor)
    if not isinstance(found, Provider):
        raise ConfigError(f"a receiver is of a vendor, as in Receiver(contio, ...), not of {vendor!r}")
    return found


def _read(secrets: Sequence[Secret | str] | Secret | str) -> tuple[Secret, ...]:
    """One or several. Raises ConfigError for one that is no text: of an unset variable, say."""
    given = [secrets] if isinstance(secrets, Secret | str) or secrets is None else [*secrets]
    if not all(isinstance(each, Secret | str) for each in given):
        raise ConfigError("a webhook secret is missing: it must be a text")
    return tuple(each if isinstance(each, Secret) else Secret(each) for each in given)

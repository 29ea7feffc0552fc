"""The demo's receiver: what it got, whether each request proves itself, and what is still to come."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from adjourn.cli.demo.cast import Cast
from adjourn.errors import VerificationError
from adjourn.providers import Provider
from adjourn.signing import SecretHeaderVerifier, Verifier
from adjourn.testing import RecordedRequest

__all__ = ["CALLBACK_PATH", "Arrivals"]

CALLBACK_PATH = "/callback"
_FAILING = 7  # of so many requests for something new, one is refused at first
_LATEST = 8  # shown


class Arrivals:
    """Envelopes are known by their event's id, callbacks by their subject's: `callback <id>`."""

    def __init__(self, provider: Provider, cast: Cast) -> None:
        self.accepted_at: dict[str, float] = {}
        self.first_at: dict[str, float] = {}
        self.tries: Counter[str] = Counter()
        self.delivered: set[str] = set()
        self.forged: list[str] = []
        self.latest: list[tuple[str, str, int]] = []
        self.callbacks = 0
        self._provider = provider
        self._cast = cast
        self._verifiers: dict[str, Sequence[Verifier]] = {}

    def trust(self, path: str, verifiers: Sequence[Verifier]) -> None:
        """Every request to that path has to pass each of them."""
        self._verifiers[path] = verifiers

    def trust_callbacks(self, secret: str) -> None:
        if self._provider.callbacks is not None:
            header = self._provider.callbacks.secret_header
            self.trust(CALLBACK_PATH, (SecretHeaderVerifier(secret, header=header),))

    def expect(self, event_ids: Sequence[str], *, callback_of: str | None = None, at: float) -> None:
        """What a 202 promised, which came at that moment (of time.monotonic)."""
        self.accepted_at |= dict.fromkeys(event_ids, at)
        if callback_of is not None:
            self.callbacks += 1
            self.accepted_at[f"callback {callback_of}"] = at

    def answer(self, received: RecordedRequest) -> int:
        """The receiver's answer: it refuses one in a few, the first time it comes."""
        key, event_type = self._read(received)
        self.tries[key] += 1
        self.first_at.setdefault(key, received.at)
        refused = self.tries[key] == 1 and len(self.first_at) % _FAILING == 0
        status = 503 if refused else 200
        if not refused:
            self.delivered.add(key)
        self.latest = [*self.latest[1 - _LATEST :], (event_type, received.path, status)]
        return status

    def _read(self, received: RecordedRequest) -> tuple[str, str]:
        body: dict[str, Any] = msgspec.json.decode(received.body)
        event_type = str(body[self._type_key])
        try:
            for verifier in self._verifiers[received.path]:
                verifier.verify(received.headers, received.body, now=datetime.now(UTC))
        except VerificationError as exc:
            self.forged.append(f"{event_type} at {received.path}: {exc}")
        if received.path == CALLBACK_PATH:
            return f"callback {self._provider.subject_of(event_type, body['data'])}", event_type
        return self._cast.event_id(received, body), event_type

    @property
    def _type_key(self) -> str:
        """Where a body says its type: the same in every event of a provider."""
        first = next(iter(self._provider.event_types.values()))
        return str(first.event.__struct_config__.tag_field)

    @property
    def expected(self) -> set[str]:
        return set(self.accepted_at)

    @property
    def complete(self) -> bool:
        return self.expected <= self.delivered

    @property
    def retried(self) -> int:
        return sum(1 for tries in self.tries.values() if tries > 1)

    def waits(self) -> list[float]:
        """Milliseconds from the 202 to the first arrival, ascending."""
        ids = self.expected & set(self.first_at)
        return sorted(max(self.first_at[each] - self.accepted_at[each], 0.0) * 1000 for each in ids)

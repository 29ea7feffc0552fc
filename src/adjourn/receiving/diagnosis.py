"""What is known of a webhook that was refused, and what is found out about it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct

from adjourn.config import Secret
from adjourn.errors import ConfigError, VerificationError
from adjourn.providers import Provider
from adjourn.receiving.allowance import Allowance
from adjourn.signing import Headers, Verifier

__all__ = ["Case", "Cause", "Diagnosis", "make_verifier", "read_pairs"]

Cause = Literal[
    "not_bytes",
    "empty_body",
    "body_rewritten",
    "body_encoded",
    "charset",
    "body_cut",
    "timestamp_unit",
    "clock",
    "header_names",
    "header_lost",
    "header_form",
    "no_signature",
    "other_sender",
    "options",
    "secret_form",
    "secret_mixed_up",
    "secret_rotated",
    "key_pair",
    "unknown",
]


_COST = 8 << 10  # the bytes whose hash takes as long as a try does beside it
_SLOWNESS = 4  # of each signature of a key pair: some 100 us, and more for a long body


class Diagnosis(Struct, frozen=True):
    """Why a webhook was refused, likely: `cause` is stable, `text` says it and what to do about it.

    `certain`: with that undone, the webhook verifies. None of it shows a
    secret; it is for the log all the same.
    """

    cause: Cause
    text: str
    certain: bool


@dataclass(frozen=True, kw_only=True)
class Case:
    """One webhook that was refused, and the means to try it under other conditions.

    `secrets` are those that it was verified by, `others` those of the receiver's other kind of requests
    (webhooks, callbacks). Header names are in lower case; a value may be anything that a framework gives.
    """

    provider: Provider
    verifier: Verifier = field(repr=False)
    secrets: tuple[Secret, ...]
    others: tuple[Secret, ...] = ()
    options: Mapping[str, Any]
    callback: bool
    headers: tuple[tuple[str, Any], ...] = field(repr=False)
    body: object = field(repr=False)
    now: datetime
    error: VerificationError
    allowance: Allowance = field(default_factory=Allowance, repr=False, compare=False)

    def find(self, name: str) -> str | None:
        """The first header of that name, if it is one text."""
        found = next(iter(self.list_values(name)), None)
        if isinstance(found, bytes):
            found = found.decode("latin-1")
        return found if isinstance(found, str) else None

    def list_values(self, name: str) -> list[Any]:
        """Of all headers of that name."""
        return self._values.get(name, [])

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self._values)

    @cached_property
    def _values(self) -> dict[str, list[Any]]:
        """By name: thousands of headers are gone through once, and not at every try."""
        found: dict[str, list[Any]] = {}
        for name, value in self.headers:
            found.setdefault(name, []).append(value)
        return found

    def at(self, now: datetime) -> "Case":
        """The same, had it come then."""
        return replace(self, now=now)

    def passes(
        self,
        *,
        by: Verifier | None = None,
        headers: Iterable[tuple[str, Any]] | None = None,
        body: bytes | None = None,
    ) -> bool:
        """Whether it verifies so. Compared in constant time, by the verifier itself.

        False, too, once the allowance is spent.
        """
        return self._passes(by or self.verifier, headers, body, keys=len(self.secrets) + len(self.others))

    def passes_by(self, secret: str, **options: Any) -> bool:
        """Whether it verifies by that secret alone, and with those options instead of the receiver's."""
        try:
            verifier = make_verifier(
                self.provider, [secret], callback=self.callback, **{**self.options, **options}
            )
        except ConfigError:
            return False
        return self._passes(verifier, None, None, keys=1)

    def _passes(
        self,
        by: Verifier,
        headers: Iterable[tuple[str, Any]] | None,
        body: bytes | None,
        *,
        keys: int,
    ) -> bool:
        tried: Any = self.body if body is None else body
        if not self.allowance.take(max(keys, 1) * (len(tried) + _COST) * self._slowness):
            return False
        if headers is None:
            headers = [(name, value) for name in by.reads for value in self.list_values(name)]
        try:
            by.verify(headers, tried, now=self.now)
        except VerificationError:
            return False
        return True

    @cached_property
    def _slowness(self) -> int:
        """Of a try, by the signatures that are given."""
        given = sum((self.find(name) or "").count("v1a,") for name in self.verifier.reads)
        return 1 + _SLOWNESS * given


def make_verifier(
    provider: Provider, secrets: Iterable[Secret | str], *, callback: bool = False, **options: Any
) -> Verifier:
    """The provider's own, of webhooks or of callbacks. Raises ConfigError, for an unknown option, too."""
    make: Any = provider.callback_verifier if callback else provider.verifier
    known = make.__kwdefaults__ or {}
    if unknown := sorted(options.keys() - known.keys()):
        there_are = ", ".join(known) or "none"
        raise ConfigError(f"{provider.title} has no option {unknown[0]!r}; there are: {there_are}")
    verifier: Verifier = make(*secrets, **options)
    return verifier


def read_pairs(headers: Headers) -> tuple[tuple[str, Any], ...]:
    """A request's headers, their names in lower case."""
    pairs: Iterable[tuple[Any, Any]] = headers.items() if isinstance(headers, Mapping) else headers
    return tuple((_text(name).lower(), value) for name, value in pairs)


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("latin-1")

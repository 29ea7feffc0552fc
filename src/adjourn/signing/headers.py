"""What the schemes read of a request's headers, and what they may write into them. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence

from adjourn.errors import ConfigError, VerificationError
from adjourn.header import find_name_fault, find_value_fault

__all__ = ["LONGEST_NAMED", "Headers", "Picked", "check_event_id", "check_name", "check_value"]

Headers = (
    Mapping[str, str]
    | Mapping[str, bytes]
    | Mapping[str, str | bytes]
    | Mapping[bytes, bytes]
    | Iterable[tuple[str | bytes, str | bytes]]
)
"""A request's headers as any framework has them, the raw pairs of ASGI included. Case does not matter."""

LONGEST_NAMED = 64  # characters of a header that an error repeats

_SIGNATURE_LIKE = re.compile(r"signature|timestamp|webhook|svix|hmac|secret")
_MOST_NAMED = 10  # header names that an error repeats


class Picked:
    """The headers that a scheme reads, each once, by lower-case name.

    Raises VerificationError (malformed_header) for one given twice with different values, or with anything
    but printable ASCII, a list as some frameworks have it included.
    """

    def __init__(self, headers: Headers, names: Sequence[str]) -> None:
        self._found: dict[str, str] = {}
        self._seen: set[str] = set()
        pairs: Iterable[tuple[str | bytes, str | bytes]]
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        for raw_name, raw_value in pairs:
            name = _latin1(raw_name).lower()
            if name in names:
                self._take(name, raw_value)
            elif _SIGNATURE_LIKE.search(name):
                self._seen.add(name)

    def _take(self, name: str, raw_value: object) -> None:
        if not isinstance(raw_value, str | bytes):
            kind = type(raw_value).__name__
            raise VerificationError("malformed_header", f"{name} must be one text, got {kind}")
        value = _latin1(raw_value)
        if not (value.isascii() and value.isprintable()):
            raise VerificationError("malformed_header", f"{name} is not printable ASCII")
        if self._found.setdefault(name, value) != value:
            raise VerificationError("malformed_header", f"{name} is given twice with different values")

    def find(self, name: str) -> str | None:
        return self._found.get(name)

    def require(self, *names: str) -> list[str]:
        """Their values. Raises VerificationError (missing_header) that names all missing."""
        if missing := [name for name in names if name not in self._found]:
            seen = sorted(self._seen.union(self._found))[:_MOST_NAMED]
            listed = ", ".join(ascii(name[:LONGEST_NAMED])[1:-1] for name in seen) or "none like them"
            raise VerificationError("missing_header", f"missing {', '.join(missing)}; seen: {listed}")
        return [self._found[name] for name in names]


def _latin1(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("latin-1")


def check_event_id(event_id: str) -> None:
    """Raises ValueError unless a header can carry it: visible ASCII, without spaces, not empty.

    More than caution: a line break in it would let its author write headers.
    """
    if not (event_id and event_id.isascii() and event_id.isprintable() and " " not in event_id):
        raise ValueError(f"an event_id must be visible ASCII without spaces, got {event_id!r}")


def check_name(name: str) -> None:
    """Raises ConfigError unless a scheme may have a header of that name: no other, nor the request's own."""
    if fault := find_name_fault(name):
        raise ConfigError(f"{name[:LONGEST_NAMED]!r} {fault}")


def check_value(value: str, what: str) -> None:
    """Raises ConfigError unless a header can carry it as it is. It may be a secret: no error shows it."""
    if fault := find_value_fault(value):
        raise ConfigError(f"{what} {fault}: it is sent in a header")

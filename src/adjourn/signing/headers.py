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

    __slots__ = ("_found", "_others")

    def __init__(self, headers: Headers, names: Sequence[str]) -> None:
        self._found: dict[str, str] = {}
        self._others: list[str] = []
        pairs: Iterable[tuple[str | bytes, str | bytes]]
        pairs = headers.items() if type(headers) is dict or isinstance(headers, Mapping) else headers
        for raw_name, raw_value in pairs:
            name = (raw_name if isinstance(raw_name, str) else raw_name.decode("latin-1")).lower()
            if name in names:
                self._take(name, raw_value)
            else:
                self._others.append(name)

    def _take(self, name: str, raw_value: object) -> None:
        if isinstance(raw_value, str):
            value = raw_value
        elif isinstance(raw_value, bytes):
            value = raw_value.decode("latin-1")
        else:
            kind = type(raw_value).__name__
            raise VerificationError("malformed_header", f"{name} must be one text, got {kind}")
        if not (value.isascii() and value.isprintable()):
            raise VerificationError("malformed_header", f"{name} is not printable ASCII")
        if self._found.setdefault(name, value) != value:
            raise VerificationError("malformed_header", f"{name} is given twice with different values")

    def find(self, name: str) -> str | None:
        return self._found.get(name)

    def require(self, *names: str) -> list[str]:
        """Their values. Raises VerificationError (missing_header) that names all missing."""
        try:
            return [self._found[name] for name in names]
        except KeyError:
            raise self._missing(names) from None

    def _missing(self, names: Sequence[str]) -> VerificationError:
        missing = [name for name in names if name not in self._found]
        like = {name for name in self._others if _SIGNATURE_LIKE.search(name)}
        seen = sorted(like.union(self._found))[:_MOST_NAMED]
        listed = ", ".join(ascii(name[:LONGEST_NAMED])[1:-1] for name in seen) or "none like them"
        return VerificationError("missing_header", f"missing {', '.join(missing)}; seen: {listed}")


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

"""What a signature scheme is, and what the schemes share.

Sending signs the stored body here at each attempt; receiving verifies here before anything is parsed. The
two directions are two protocols, since they hold different things: a signer one app's secret and its
profile, a verifier every secret still accepted. Pure: the time is an argument.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from math import ceil
from typing import Protocol

import msgspec

from adjourn.config import Secret
from adjourn.errors import ConfigError, VerificationError
from adjourn.signing.headers import LONGEST_NAMED, Headers

__all__ = [
    "TOLERANCE",
    "HmacSha256",
    "Signer",
    "Verified",
    "Verifier",
    "any_equal",
    "check_body",
    "find_timestamp",
    "moment",
    "reveal_all",
    "seconds_of",
    "timestamp_refusal",
]

TOLERANCE = timedelta(minutes=5)  # CONTRACTS 1.4 and 4: the same in both directions and both schemes

_TOLERANCE = TOLERANCE.total_seconds()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_TIMESTAMP = 11  # digits, to the year 5138: each is a datetime


class Verified(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the signature proves. None where it does not cover it: such a header may be anyone's."""

    scheme: str
    profile: str
    event_id: str | None = None
    timestamp: datetime | None = None


class Signer(Protocol):
    """Proves one sender's webhooks."""

    @abstractmethod
    def lines(self, body: bytes, *, event_id: str, timestamp: int) -> str:
        """The header lines that prove `body`, sent at `timestamp` (Unix seconds of this attempt).

        As they go out, each with the CRLF that ends it. Raises ValueError for an event_id that no header can
        carry (`check_event_id`), and nothing else.
        """

    def sign(self, body: bytes, *, event_id: str, timestamp: int) -> dict[str, str]:
        """The same as names and values."""
        lines = self.lines(body, event_id=event_id, timestamp=timestamp).split("\r\n")[:-1]
        pairs = (line.partition(": ") for line in lines)
        return {name: value for name, _, value in pairs}


class Verifier(Protocol):
    """Tells a sender's webhooks from anyone else's. `reads`: the headers it looks at, in lower case."""

    reads: Sequence[str]

    @abstractmethod
    def verify_at(self, headers: Headers, body: bytes, at: float, /) -> Verified:
        """What is proven about `body`, the bytes as received. `at` is when they came, in Unix seconds.

        Raises VerificationError, and nothing else.
        """

    def verify(self, headers: Headers, body: bytes, *, now: datetime) -> Verified:
        """The same; `now` is aware."""
        return self.verify_at(headers, body, seconds_of(now))


class HmacSha256:
    """One HMAC-SHA256 key (RFC 2104) with its two pads hashed once: 1 us a digest, against 2 (PERFORMANCE).

    Holds no key, only hash states, which show nothing in repr. Safe to share between threads.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = sha256().block_size
        padded = (key if len(key) <= block else sha256(key).digest()).ljust(block, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def check_body(body: object) -> None:
    """Raises VerificationError (malformed_body) for what a framework has already decoded or parsed."""
    if not isinstance(body, bytes):
        kind = type(body).__name__
        raise VerificationError("malformed_body", f"the body must be the bytes as received, got {kind}")


def seconds_of(now: datetime) -> float:
    """An aware datetime in Unix seconds. Raises TypeError for a naive one."""
    return (now - _EPOCH).total_seconds()


@lru_cache(maxsize=16)  # many webhooks are of one second
def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def find_timestamp(value: str, at: float) -> int | None:
    """The Unix seconds of a header, in ASCII; None when malformed, or further from `at` than TOLERANCE."""
    if len(value) <= _LONGEST_TIMESTAMP and value.isdigit():
        seconds = int(value)
        if -_TOLERANCE <= at - seconds <= _TOLERANCE:
            return seconds
    return None


def timestamp_refusal(name: str, value: str, at: float) -> VerificationError | None:
    """Why `find_timestamp` found none; None where it did."""
    if find_timestamp(value, at) is not None:
        return None
    if len(value) > _LONGEST_TIMESTAMP or not value.isdigit():
        given = repr(value[:LONGEST_NAMED])
        return VerificationError("malformed_header", f"{name} must be Unix seconds, got {given}")
    late = at - int(value)
    return VerificationError(
        "timestamp_out_of_tolerance",
        f"{name} is {ceil(abs(late))} s in the {'past' if late > 0 else 'future'}; "
        f"at most {_TOLERANCE:.0f} s are tolerated",
    )


def any_equal(expected: Iterable[bytes], given: Sequence[bytes]) -> bool:
    """Whether one of those given is one of those expected, each compared in constant time."""
    for one in expected:  # loops: any() costs more than a comparison
        for other in given:
            if compare_digest(one, other):
                return True
    return False


def reveal_all(secrets: Sequence[Secret | str]) -> list[str]:
    """The secrets as text. Raises ConfigError for none or an empty one: anyone could sign with that."""
    revealed = [secret.reveal() if isinstance(secret, Secret) else secret for secret in secrets]
    if not revealed or not all(revealed):
        raise ConfigError("a webhook secret is missing or empty")
    return revealed

"""Standard Webhooks 1.0, symmetric signatures (`v1`): CONTRACTS section 4.

A scheme of its own for receivers, and the second proof beside Contio's own signature.
"""

import re
import secrets
from base64 import b64decode, b64encode
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from adjourn.config import Secret
from adjourn.errors import ConfigError, VerificationError
from adjourn.signing.scheme import (
    Headers,
    HmacSha256,
    Picked,
    Signer,
    Verified,
    any_equal,
    check_body,
    check_event_id,
    read_timestamp,
    reveal_all,
)

__all__ = ["SECRET_PREFIX", "Bare", "StandardSigner", "StandardVerifier", "new_secret", "sign_standard"]

SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of a secret, none itself
_KEY_BYTES = range(24, 65)  # CONTRACTS 4: 24 to 64

_ENTRY = re.compile(r"(v[0-9]+[a-z]*),(\S+)")

Bare = Literal["base64", "utf-8"]
"""What a secret without `whsec_` is: base64, as Standard Webhooks says, or text whose bytes are the key."""


def new_secret(token_bytes: Callable[[int], bytes] = secrets.token_bytes) -> Secret:
    """`whsec_` and 32 random bytes in base64. `token_bytes(n)` gives n random bytes."""
    return Secret(SECRET_PREFIX + b64encode(token_bytes(32)).decode())


class StandardSigner(Signer):
    """Signs with every secret given: while one is rotated, receivers may hold either.

    `prefix` starts the header names. Raises ConfigError for a secret of the wrong form.
    """

    def __init__(self, *secrets: Secret | str, prefix: str = "webhook-", bare: Bare = "base64") -> None:
        self._keys = _keys(secrets, bare)
        self._prefix = prefix

    def lines(self, body: bytes, *, event_id: str, timestamp: int) -> str:
        """Three headers: id, timestamp and one `v1` signature for each secret."""
        return sign_standard(self._keys, body, event_id=event_id, timestamp=timestamp, prefix=self._prefix)


class StandardVerifier:
    """Accepts a `v1` signature by any of the secrets given; other versions are passed over.

    `prefix` starts the header names. Raises ConfigError for a secret of the wrong form.
    """

    def __init__(self, *secrets: Secret | str, prefix: str = "webhook-", bare: Bare = "base64") -> None:
        self._keys = _keys(secrets, bare)
        self._names = tuple(prefix.lower() + name for name in ("id", "timestamp", "signature"))

    def verify(self, headers: Headers, body: bytes, *, now: datetime) -> Verified:
        """The id and the timestamp are signed, and so proven. Raises VerificationError only."""
        check_body(body)
        event_id, sent, signature = Picked(headers, self._names).require(*self._names)
        given = _v1_signatures(self._names[2], signature)
        timestamp = read_timestamp(self._names[1], sent, now=now)
        head = f"{event_id}.{sent}.".encode()
        if not any_equal((b64encode(key.digest(head + body)) for key in self._keys), given):
            raise VerificationError(
                "signature_mismatch", f"no v1 signature in {self._names[2]} fits the body and a known secret"
            )
        return Verified(scheme="standard", profile="v1", event_id=event_id, timestamp=timestamp)


def sign_standard(
    keys: Sequence[HmacSha256], body: bytes, *, event_id: str, timestamp: int, prefix: str = "webhook-"
) -> str:
    """The three header lines, one signature for each key. Raises ValueError for an impossible event_id."""
    check_event_id(event_id)
    signed = f"{event_id}.{timestamp}.".encode() + body
    signature = " ".join(["v1," + b2a_base64(key.digest(signed), newline=False).decode() for key in keys])
    return f"{prefix}id: {event_id}\r\n{prefix}timestamp: {timestamp}\r\n{prefix}signature: {signature}\r\n"


def _v1_signatures(name: str, value: str) -> list[bytes]:
    entries = [match.groups() for entry in value.split() if (match := _ENTRY.fullmatch(entry))]
    if not entries:
        raise VerificationError("malformed_header", f"{name} has no signature of the form v1,<base64>")
    given = [signature.encode() for version, signature in entries if version == "v1"]
    if not given:
        versions = ", ".join(sorted({version for version, _ in entries})[:8])
        raise VerificationError("unknown_scheme", f"{name} has no v1 signature, only {versions[:64]}")
    return given


def _keys(secrets: Sequence[Secret | str], bare: Bare) -> tuple[HmacSha256, ...]:
    return tuple(HmacSha256(_key_bytes(secret, bare)) for secret in reveal_all(secrets))


def _key_bytes(secret: str, bare: Bare) -> bytes:
    if bare == "utf-8" and not secret.startswith(SECRET_PREFIX):
        return secret.encode("utf-8", "surrogatepass")
    try:
        key = b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        key = b""
    if len(key) not in _KEY_BYTES:
        # Not raised from the error above: nothing chained that could show the secret.
        raise ConfigError("a Standard Webhooks secret must be whsec_ and the base64 of 24 to 64 bytes")
    return key

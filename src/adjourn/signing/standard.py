"""Standard Webhooks 1.0, symmetric (`v1`) and asymmetric (`v1a`) signatures: CONTRACTS section 4.

A scheme of its own, Svix's under another prefix, and the second proof beside Contio's own signature.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from adjourn.config import Secret
from adjourn.errors import VerificationError
from adjourn.signing.headers import Headers, Picked, check_event_id, check_name
from adjourn.signing.keys import Bare, Signing, read_signing, read_verifying
from adjourn.signing.scheme import Signer, Verified, check_body, read_timestamp

__all__ = ["StandardSigner", "StandardVerifier", "sign_standard"]

_ENTRY = re.compile(r"(v[0-9]+[a-z]*),(\S+)")


class StandardSigner(Signer):
    """Signs with every secret given, `whsec_` and `whsk_`: while one is rotated, receivers may hold either.

    `prefix` starts the header names: "svix-" is Svix's own form. Raises ConfigError for a secret of the
    wrong form, and for a `whpk_`, which cannot sign.
    """

    def __init__(self, *secrets: Secret | str, prefix: str = "webhook-", bare: Bare = "base64") -> None:
        self._keys = read_signing(secrets, bare)
        check_name(prefix + "signature")
        self._prefix = prefix

    def lines(self, body: bytes, *, event_id: str, timestamp: int) -> str:
        """Three headers: id, timestamp and one signature for each secret."""
        return sign_standard(self._keys, body, event_id=event_id, timestamp=timestamp, prefix=self._prefix)


class StandardVerifier:
    """Accepts a `v1` signature by any `whsec_` given, a `v1a` one by any `whpk_` or `whsk_`.

    Each version is compared with keys of its own alone; other versions are passed over. `prefix` starts the
    header names. Raises ConfigError for a secret of the wrong form.
    """

    def __init__(self, *secrets: Secret | str, prefix: str = "webhook-", bare: Bare = "base64") -> None:
        self._keys = read_verifying(secrets, bare)
        check_name(prefix + "signature")
        self.reads = tuple(prefix.lower() + name for name in ("id", "timestamp", "signature"))
        self._kinds = frozenset(key.version for key in self._keys)
        self._versions = " or ".join(sorted(self._kinds))

    def verify(self, headers: Headers, body: bytes, *, now: datetime) -> Verified:
        """The id and the timestamp are signed, and so proven. Raises VerificationError only."""
        check_body(body)
        event_id, sent, signature = Picked(headers, self.reads).require(*self.reads)
        given = self._read(signature)
        timestamp = read_timestamp(self.reads[1], sent, now=now)
        signed = f"{event_id}.{sent}.".encode() + body
        for key in self._keys:
            if key.fits(signed, given.get(key.version, ())):
                return Verified(
                    scheme="standard", profile=key.version, event_id=event_id, timestamp=timestamp
                )
        raise VerificationError(
            "signature_mismatch",
            f"no {self._versions} signature in {self.reads[2]} fits the body and a known secret",
        )

    def _read(self, value: str) -> Mapping[str, Sequence[bytes]]:
        """The signatures given, by their version: one at least that a key here may fit."""
        version, _, signature = value.partition(",")
        if version in self._kinds and signature and " " not in signature:
            return {version: (signature.encode(),)}  # most have one
        name = self.reads[2]
        given: dict[str, list[bytes]] = {}
        for entry in value.split():
            if match := _ENTRY.fullmatch(entry):
                given.setdefault(match[1], []).append(match[2].encode())
        if not given:
            raise VerificationError("malformed_header", f"{name} has no signature of the form v1,<base64>")
        if self._kinds.isdisjoint(given):
            versions = ", ".join(sorted(given)[:8])[:64]
            raise VerificationError(
                "unknown_scheme", f"{name} has no {self._versions} signature, only {versions}"
            )
        return given


def sign_standard(
    keys: Sequence[Signing], body: bytes, *, event_id: str, timestamp: int, prefix: str = "webhook-"
) -> str:
    """The three header lines, one signature for each key. Raises ValueError for an impossible event_id."""
    check_event_id(event_id)
    signed = f"{event_id}.{timestamp}.".encode() + body
    signature = " ".join([key.entry(signed) for key in keys])
    return f"{prefix}id: {event_id}\r\n{prefix}timestamp: {timestamp}\r\n{prefix}signature: {signature}\r\n"

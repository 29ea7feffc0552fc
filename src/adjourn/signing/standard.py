"""Standard Webhooks 1.0, symmetric (`v1`) and asymmetric (`v1a`) signatures: CONTRACTS section 4.

A scheme of its own, Svix's under another prefix, and the second proof beside Contio's own signature.
"""

import re
from collections.abc import Sequence

from adjourn.config import Secret
from adjourn.errors import VerificationError
from adjourn.signing.headers import Headers, Picked, check_event_id, check_name
from adjourn.signing.keys import Bare, Signing, read_signing, read_verifying
from adjourn.signing.plain_headers import PlainHeaders
from adjourn.signing.scheme import (
    Signer,
    Verified,
    Verifier,
    check_body,
    find_timestamp,
    moment,
    timestamp_refusal,
)

__all__ = ["StandardSigner", "StandardVerifier", "sign_standard"]

_ENTRY = re.compile(r"(v[0-9]+[a-z]*),\S+")


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


class StandardVerifier(Verifier):
    """Accepts a `v1` signature by any `whsec_` given, a `v1a` one by any `whpk_` or `whsk_`.

    Each version is compared with keys of its own alone; other versions are passed over. `prefix` starts the
    header names. Raises ConfigError for a secret of the wrong form.
    """

    def __init__(self, *secrets: Secret | str, prefix: str = "webhook-", bare: Bare = "base64") -> None:
        self._keys = read_verifying(secrets, bare)
        check_name(prefix + "signature")
        self.reads = tuple(prefix.lower() + name for name in ("id", "timestamp", "signature"))
        self._plain = PlainHeaders(self.reads)
        self._kinds = frozenset(key.version for key in self._keys)
        self._versions = " or ".join(sorted(self._kinds))

    def verify_at(self, headers: Headers, body: bytes, at: float, /) -> Verified:
        """The id and the timestamp are signed, and so proven. Raises VerificationError only."""
        if type(body) is not bytes:
            check_body(body)
        event_id, sent, signature = self._plain.find(headers) or Picked(headers, self.reads).require(
            *self.reads
        )
        seconds = find_timestamp(sent, at)
        if seconds is not None:
            signed = f"{event_id}.{sent}.".encode() + body
            for key in self._keys:
                if key.fits(signed, signature):
                    return Verified(
                        scheme="standard", profile=key.version, event_id=event_id, timestamp=moment(seconds)
                    )
        raise self._refusal(sent, signature, at)

    def _refusal(self, sent: str, signature: str, at: float) -> VerificationError:
        """Why nothing fitted."""
        _, time_name, name = self.reads
        versions = {match[1] for entry in signature.split() if (match := _ENTRY.fullmatch(entry))}
        if not versions:
            return VerificationError("malformed_header", f"{name} has no signature of the form v1,<base64>")
        if self._kinds.isdisjoint(versions):
            listed = ", ".join(sorted(versions)[:8])[:64]
            return VerificationError(
                "unknown_scheme", f"{name} has no {self._versions} signature, only {listed}"
            )
        return timestamp_refusal(time_name, sent, at) or VerificationError(
            "signature_mismatch", f"no {self._versions} signature in {name} fits the body and a known secret"
        )


def sign_standard(
    keys: Sequence[Signing], body: bytes, *, event_id: str, timestamp: int, prefix: str = "webhook-"
) -> str:
    """The three header lines, one signature for each key. Raises ValueError for an impossible event_id."""
    check_event_id(event_id)
    signed = f"{event_id}.{timestamp}.".encode() + body
    signature = " ".join([key.entry(signed) for key in keys])
    return f"{prefix}id: {event_id}\r\n{prefix}timestamp: {timestamp}\r\n{prefix}signature: {signature}\r\n"

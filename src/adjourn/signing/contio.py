"""Contio's signature, both profiles, and the Standard Webhooks headers beside it: CONTRACTS 1.4."""

import re
from base64 import b64decode
from collections.abc import Sequence
from hmac import compare_digest

from adjourn.config import Secret
from adjourn.errors import VerificationError
from adjourn.models import SignatureProfile
from adjourn.signing.headers import Headers, Picked
from adjourn.signing.keys import SECRET_PREFIX, HmacKey, shared_secrets, whole
from adjourn.signing.plain_headers import PlainHeaders
from adjourn.signing.scheme import (
    HmacSha256,
    Signer,
    Verified,
    Verifier,
    check_body,
    find_timestamp,
    moment,
    timestamp_refusal,
)
from adjourn.signing.standard import sign_standard

__all__ = ["ContioSigner", "ContioVerifier"]

_SIGNATURE = "x-contio-signature"
_TIMESTAMP = "x-contio-timestamp"
_SDK_PREFIX = "sha256="

_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_OTHER_SCHEME = re.compile(r"([A-Za-z0-9]{1,16})[=,]")


class ContioSigner(Signer):
    """Signs as Contio does, in one of its profiles, with the Standard Webhooks headers beside.

    X-Contio-Signature keys on the UTF-8 bytes of the whole secret, `whsec_` included, as both vendor's page
    and SDK do. The Standard Webhooks headers key on the decoded bytes of `whsec_<base64>`, and where a
    secret has no such form, imported or misspelled (not base64, wrong padding, nothing at all), on the
    UTF-8 bytes of the whole: no form of a secret makes signing fail. Of several secrets the first signs
    X-Contio-Signature, which holds one signature, and each signs `webhook-signature`. Raises ConfigError
    for no secret, an empty one, or a key of Ed25519.
    """

    def __init__(
        self, *secrets: Secret | str, profile: SignatureProfile = SignatureProfile.DOCUMENTED
    ) -> None:
        revealed = shared_secrets(secrets, _SIGNATURE)
        self._profile = profile
        self._key = HmacSha256(whole(revealed[0]))
        self._standard_keys = [HmacKey(_decoded(secret)) for secret in revealed]

    def lines(self, body: bytes, *, event_id: str, timestamp: int) -> str:
        """Five headers: Contio's two, and the three of Standard Webhooks."""
        if self._profile == SignatureProfile.SDK:
            signature = _SDK_PREFIX + self._key.digest(body).hex()
        else:
            signature = self._key.digest(f"{timestamp}.".encode() + body).hex()
        standard = sign_standard(self._standard_keys, body, event_id=event_id, timestamp=timestamp)
        return f"X-Contio-Timestamp: {timestamp}\r\nX-Contio-Signature: {signature}\r\n{standard}"


class ContioVerifier(Verifier):
    """Accepts X-Contio-Signature by any secret given, in either profile; `strict`: as documented only.

    The sdk profile signs the body alone: it proves neither when it was sent nor that it is no replay, so
    the receiver must drop duplicates by the event_id in the body. Raises ConfigError as ContioSigner does.
    """

    reads = (_SIGNATURE, _TIMESTAMP)

    def __init__(self, *secrets: Secret | str, strict: bool = False) -> None:
        self._keys = tuple(HmacSha256(whole(secret)) for secret in shared_secrets(secrets, _SIGNATURE))
        self._strict = strict
        self._plain = PlainHeaders(self.reads)

    def verify_at(self, headers: Headers, body: bytes, at: float, /) -> Verified:
        """The timestamp is proven in the documented profile only. Raises VerificationError only."""
        if type(body) is not bytes:
            check_body(body)
        signature, sent = self._plain.find(headers) or _pick(headers)
        if signature.startswith(_SDK_PREFIX):
            return self._verify_sdk(signature.removeprefix(_SDK_PREFIX), body)
        seconds = find_timestamp(sent, at)
        if seconds is not None and self._fits(signature, f"{sent}.".encode() + body):
            return Verified(scheme="contio", profile=SignatureProfile.DOCUMENTED, timestamp=moment(seconds))
        raise timestamp_refusal(_TIMESTAMP, sent, at) or _refusal(signature)

    def _verify_sdk(self, signature: str, body: bytes) -> Verified:
        if self._strict:
            raise VerificationError(
                "unknown_scheme",
                f"{_SIGNATURE} is of the sdk profile, and only the documented one is accepted",
            )
        if self._fits(signature, body):
            return Verified(scheme="contio", profile=SignatureProfile.SDK)
        raise _refusal(signature)

    def _fits(self, signature: str, message: bytes) -> bool:
        given = signature.lower()
        for key in self._keys:  # any() costs more than a comparison
            if fits := compare_digest(key.digest(message).hex(), given):
                break
        return fits


def _pick(headers: Headers) -> Sequence[str]:
    """Signature and timestamp; the sdk profile needs none."""
    picked = Picked(headers, ContioVerifier.reads)
    signature = picked.find(_SIGNATURE)
    if signature is not None and signature.startswith(_SDK_PREFIX):
        return signature, ""
    return picked.require(_SIGNATURE, _TIMESTAMP)


def _refusal(signature: str) -> VerificationError:
    """Why a signature fitted nothing."""
    if _HEX.fullmatch(signature):
        return VerificationError(
            "signature_mismatch", f"{_SIGNATURE} fits neither the body nor any known secret"
        )
    if other := _OTHER_SCHEME.match(signature):
        return VerificationError("unknown_scheme", f"{_SIGNATURE} is of an unknown kind, {other[1]}")
    return VerificationError("malformed_header", f"{_SIGNATURE} must be 64 hexadecimal digits")


def _decoded(secret: str) -> bytes:
    if not secret.startswith(SECRET_PREFIX):
        return whole(secret)
    try:
        return b64decode(secret.removeprefix(SECRET_PREFIX), validate=True) or whole(secret)
    except ValueError:
        return whole(secret)

"""The HMAC-SHA256 of the body alone, in one header: what most vendors without a scheme of their own do.

The key is the secret's UTF-8 bytes, all of them. It proves who sent the body, not when: whoever receives it
drops duplicates by the id in the body.
"""

import re
from base64 import b64decode
from binascii import b2a_base64
from typing import Literal

from adjourn.config import Secret
from adjourn.errors import ConfigError, VerificationError
from adjourn.signing.headers import Headers, Picked, check_name, check_value
from adjourn.signing.keys import shared_secrets, whole
from adjourn.signing.scheme import HmacSha256, Signer, Verified, Verifier, any_equal, check_body

__all__ = ["BodyHmacSigner", "BodyHmacVerifier", "Encoding"]

Encoding = Literal["hex", "base64"]

_HEX = re.compile(r"[0-9A-Fa-f]{64}")


class BodyHmacSigner(Signer):
    """Puts `prefix` and the HMAC-SHA256 of the body, in hex or base64, into the header of that name.

    Of several secrets the first signs: the header holds one signature. Raises ConfigError for no secret, an
    empty one or a key of Ed25519, and for a name or a prefix that no header can have.
    """

    def __init__(
        self, *secrets: Secret | str, header: str, encoding: Encoding = "hex", prefix: str = ""
    ) -> None:
        _check(header, encoding, prefix)
        self._key = HmacSha256(whole(shared_secrets(secrets, header)[0]))
        self._start = f"{header}: {prefix}"
        self._encoding = encoding

    def lines(self, body: bytes, *, event_id: str, timestamp: int) -> str:
        """One header."""
        digest = self._key.digest(body)
        in_hex = self._encoding == "hex"
        return f"{self._start}{digest.hex() if in_hex else b2a_base64(digest, newline=False).decode()}\r\n"


class BodyHmacVerifier(Verifier):
    """Accepts what BodyHmacSigner makes, by any of the secrets given; hex in either case.

    Raises ConfigError as BodyHmacSigner does.
    """

    def __init__(
        self, *secrets: Secret | str, header: str, encoding: Encoding = "hex", prefix: str = ""
    ) -> None:
        _check(header, encoding, prefix)
        self._keys = tuple(HmacSha256(whole(secret)) for secret in shared_secrets(secrets, header))
        self._name = header.lower()
        self.reads = (self._name,)
        self._encoding = encoding
        self._prefix = prefix

    def verify_at(self, headers: Headers, body: bytes, at: float, /) -> Verified:
        """The body alone is proven. Raises VerificationError only."""
        check_body(body)
        (value,) = Picked(headers, self.reads).require(self._name)
        given = [self._read(value)]
        if not any_equal((key.digest(body) for key in self._keys), given):
            raise VerificationError(
                "signature_mismatch", f"{self._name} fits neither the body nor any known secret"
            )
        return Verified(scheme="body-hmac", profile=self._encoding)

    def _read(self, value: str) -> bytes:
        if not value.startswith(self._prefix):
            raise VerificationError("unknown_scheme", f"{self._name} does not start with {self._prefix!r}")
        digest = _decoded(value.removeprefix(self._prefix), self._encoding)
        if len(digest) != 32:
            form = "64 hexadecimal digits" if self._encoding == "hex" else "32 bytes in base64"
            raise VerificationError("malformed_header", f"{self._name} must be {self._prefix}<{form}>")
        return digest


def _decoded(text: str, encoding: Encoding) -> bytes:
    if encoding == "hex":
        return bytes.fromhex(text) if _HEX.fullmatch(text) else b""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def _check(header: str, encoding: str, prefix: str) -> None:
    check_name(header)
    if encoding not in ("hex", "base64"):
        raise ConfigError(f"a signature is in hex or base64, not {encoding!r}")
    check_value(prefix + "0", "a signature's prefix")

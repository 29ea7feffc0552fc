"""Ed25519, the keys of `v1a` signatures.

The only module here that needs the package cryptography, and only once there is such a key: a receiver
with shared secrets does without it, and none of its modules is loaded.
"""

from base64 import b64decode
from binascii import b2a_base64
from typing import TYPE_CHECKING

from adjourn.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["KEY_BYTES", "PublicKey", "SigningKey"]

KEY_BYTES = 32  # of a seed, and of a public key: RFC 8032, section 5.1.5
_SIGNATURE_BYTES = 64
_MARK = "v1a,"
_MOST_TRIED = 32  # signatures of one webhook: each costs some 100 us, and anyone may send many

_MISSING = "a key of Ed25519 (whsk_, whpk_) needs the package cryptography: pip install 'adjourn[ed25519]'"


class SigningKey:
    """Signs. `raw` is the seed, or the seed and its public key, 64 bytes, as libsodium has it.

    Raises ConfigError where the two do not belong together, or cryptography is missing.
    """

    version = "v1a"

    __slots__ = ("_key", "public_bytes")

    def __init__(self, raw: bytes) -> None:
        self._key = _read_private(raw[:KEY_BYTES])
        self.public_bytes = self._key.public_key().public_bytes_raw()
        if raw[KEY_BYTES:] not in (b"", self.public_bytes):
            raise ConfigError("a whsk_ key of 64 bytes must end in the public key of its first 32")

    def entry(self, signed: bytes) -> str:
        return "v1a," + b2a_base64(self._key.sign(signed), newline=False).decode()


class PublicKey:
    """Verifies. `raw` is 32 bytes. Raises ConfigError where cryptography is missing."""

    version = "v1a"

    __slots__ = ("_key",)

    def __init__(self, raw: bytes) -> None:
        self._key = _read_public(raw)

    def fits(self, signed: bytes, given: str) -> bool:
        """Whether it made one of those signatures. Of very many, the first are tried."""
        mine = [each for each in dict.fromkeys(given.split(" ")) if each.startswith(_MARK)]
        signatures = [_from_base64(each.removeprefix(_MARK)) for each in mine]
        well_formed = [each for each in signatures if len(each) == _SIGNATURE_BYTES]
        return any(self._made(each, signed) for each in well_formed[:_MOST_TRIED])

    def _made(self, signature: bytes, signed: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, signed)
        except InvalidSignature:
            return False
        return True


def _read_private(seed: bytes) -> "Ed25519PrivateKey":
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as exc:
        raise ConfigError(_MISSING) from exc
    return Ed25519PrivateKey.from_private_bytes(seed)


def _read_public(raw: bytes) -> "Ed25519PublicKey":
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as exc:
        raise ConfigError(_MISSING) from exc
    return Ed25519PublicKey.from_public_bytes(raw)


def _from_base64(signature: str) -> bytes:
    try:
        return b64decode(signature, validate=True)
    except ValueError:
        return b""

"""The keys of Standard Webhooks, told apart by their prefix: CONTRACTS 4.

`whsec_` is a secret that both sides share, and makes `v1` signatures; `whsk_` is a private key, which
makes `v1a` signatures, and `whpk_` the public key that verifies them.
"""

import secrets
from base64 import b64decode, b64encode
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Literal, Protocol

from adjourn.config import Secret
from adjourn.errors import ConfigError
from adjourn.signing.ed25519 import KEY_BYTES, PublicKey, SigningKey
from adjourn.signing.scheme import HmacSha256, reveal_all

__all__ = [
    "SECRET_PREFIX",
    "Bare",
    "HmacKey",
    "Signing",
    "Verifying",
    "find_public_key",
    "new_secret",
    "new_signing_key",
    "public_key",
    "read_signing",
    "read_verifying",
    "shared_secrets",
    "whole",
]

SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of a secret, none itself
_PRIVATE_PREFIX = "whsk_"
_PUBLIC_PREFIX = "whpk_"
_SHARED_BYTES = range(24, 65)  # CONTRACTS 4: 24 to 64

Bare = Literal["base64", "utf-8"]
"""What a secret without a prefix is: base64, as Standard Webhooks says, or text whose bytes are the key."""


class Signing(Protocol):
    """A key that signs."""

    version: str

    def entry(self, signed: bytes) -> str:
        """`version,signature`, as one of those in the header."""
        ...


class Verifying(Protocol):
    """A key that verifies signatures of its version."""

    version: str

    def fits(self, signed: bytes, given: str) -> bool:
        """Whether one of those given, each `version,signature` and a space between them, is its own.

        `given` is ASCII, as a header has it.
        """
        ...


class HmacKey(HmacSha256):
    """A shared secret: signs and verifies."""

    version = "v1"

    __slots__ = ()

    def entry(self, signed: bytes) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()  # `digest`, without the call: it is hot
        inner.update(signed)
        outer.update(inner.digest())
        return "v1," + b2a_base64(outer.digest(), newline=False).decode()

    def fits(self, signed: bytes, given: str) -> bool:
        inner, outer = self._inner.copy(), self._outer.copy()  # `entry`, without the call
        inner.update(signed)
        outer.update(inner.digest())
        expected = "v1," + b2a_base64(outer.digest(), newline=False).decode()
        if compare_digest(expected, given):
            return True  # most have one
        return any(compare_digest(expected, each) for each in given.split(" "))


def new_secret(token_bytes: Callable[[int], bytes] = secrets.token_bytes) -> Secret:
    """`whsec_` and 32 random bytes in base64. `token_bytes(n)` gives n random bytes."""
    return Secret(SECRET_PREFIX + b64encode(token_bytes(32)).decode())


def new_signing_key(token_bytes: Callable[[int], bytes] = secrets.token_bytes) -> Secret:
    """`whsk_` and the base64 of a random seed and its public key: the sender's alone. Needs cryptography."""
    seed = token_bytes(KEY_BYTES)
    return Secret(_PRIVATE_PREFIX + b64encode(seed + SigningKey(seed).public_bytes).decode())


def public_key(key: Secret | str) -> str:
    """The `whpk_` of a `whsk_`: what receivers verify with, no secret. Raises ConfigError for any other."""
    (secret,) = reveal_all([key])
    if not secret.startswith(_PRIVATE_PREFIX):
        raise ConfigError("only a whsk_ key has a public key")
    return _PUBLIC_PREFIX + b64encode(_read_private(secret).public_bytes).decode()


def find_public_key(secret: Secret) -> str | None:
    """The `whpk_` of a webhook secret that is a `whsk_`; None for any other, a misspelled one included."""
    try:
        return public_key(secret)
    except ConfigError:
        return None


def read_signing(given: Sequence[Secret | str], bare: Bare) -> tuple[Signing, ...]:
    """What each signs with. Raises ConfigError for none, and for one that cannot sign."""
    return tuple(_read_signing(secret, bare) for secret in reveal_all(given))


def read_verifying(given: Sequence[Secret | str], bare: Bare) -> tuple[Verifying, ...]:
    """What each verifies with: a private key by its public one. Raises ConfigError for none or no key."""
    return tuple(_read_verifying(secret, bare) for secret in reveal_all(given))


def shared_secrets(given: Sequence[Secret | str], scheme: str) -> list[str]:
    """As text, where no other will do. Raises ConfigError for none, an empty one, or one of a key pair."""
    revealed = reveal_all(given)
    for prefix in (_PRIVATE_PREFIX, _PUBLIC_PREFIX):
        if any(secret.startswith(prefix) for secret in revealed):
            raise ConfigError(f"{scheme} needs a secret that both sides share: no {prefix} key will do")
    return revealed


def whole(secret: str) -> bytes:
    """The UTF-8 bytes of all of it, prefix included: the key where a vendor's own scheme says so."""
    return secret.encode("utf-8", "surrogatepass")


def _read_signing(secret: str, bare: Bare) -> Signing:
    if secret.startswith(_PRIVATE_PREFIX):
        return _read_private(secret)
    if secret.startswith(_PUBLIC_PREFIX):
        raise ConfigError("a whpk_ key only verifies: to sign, give the whsk_ key that it belongs to")
    return _read_shared(secret, bare)


def _read_verifying(secret: str, bare: Bare) -> Verifying:
    if secret.startswith(_PRIVATE_PREFIX):
        return PublicKey(_read_private(secret).public_bytes)
    if secret.startswith(_PUBLIC_PREFIX):
        return _read_public(secret)
    return _read_shared(secret, bare)


# No error below is raised from that of base64: nothing chained that could show the secret.


def _read_shared(secret: str, bare: Bare) -> HmacKey:
    if bare == "utf-8" and not secret.startswith(SECRET_PREFIX):
        return HmacKey(whole(secret))
    key = _from_base64(secret.removeprefix(SECRET_PREFIX))
    if len(key) not in _SHARED_BYTES:
        raise ConfigError("a Standard Webhooks secret must be whsec_ and the base64 of 24 to 64 bytes")
    return HmacKey(key)


def _read_private(secret: str) -> SigningKey:
    raw = _from_base64(secret.removeprefix(_PRIVATE_PREFIX))
    if len(raw) not in (KEY_BYTES, 2 * KEY_BYTES):
        raise ConfigError("a signing key must be whsk_ and the base64 of 64 bytes, or of the 32 of its seed")
    return SigningKey(raw)


def _read_public(secret: str) -> PublicKey:
    raw = _from_base64(secret.removeprefix(_PUBLIC_PREFIX))
    if len(raw) != KEY_BYTES:
        raise ConfigError("a public key must be whpk_ and the base64 of 32 bytes")
    return PublicKey(raw)


def _from_base64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""

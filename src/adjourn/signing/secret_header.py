"""A shared secret, sent as it is in one header: Meeting BaaS's callbacks, CONTRACTS 2.

It proves that the sender knows the secret, and nothing about the body or the time: only TLS keeps it.
"""

from hashlib import sha256

from adjourn.config import Secret
from adjourn.errors import VerificationError
from adjourn.signing.headers import Headers, Picked, check_name, check_value
from adjourn.signing.scheme import Signer, Verified, Verifier, any_equal, check_body, reveal_all

__all__ = ["SecretHeaderSigner", "SecretHeaderVerifier"]


class SecretHeaderSigner(Signer):
    """Puts the secret into the header of that name.

    Raises ConfigError for an empty secret or one that no header can carry as it is: printable ASCII, without
    line breaks and without spaces at its ends.
    """

    def __init__(self, secret: Secret | str, *, header: str) -> None:
        (revealed,) = _checked(secret, header=header)
        self._lines = f"{header}: {revealed}\r\n"

    def lines(self, body: bytes, *, event_id: str, timestamp: int) -> str:
        """One header."""
        return self._lines


class SecretHeaderVerifier(Verifier):
    """Accepts any of the secrets given in the header of that name. Raises ConfigError as the signer does."""

    def __init__(self, *secrets: Secret | str, header: str) -> None:
        # hashed: compared in constant time whatever their lengths
        self._known = [_hashed(secret) for secret in _checked(*secrets, header=header)]
        self._name = header.lower()
        self.reads = (self._name,)

    def verify_at(self, headers: Headers, body: bytes, at: float, /) -> Verified:
        """That the sender knows the secret is all that is proven. Raises VerificationError only."""
        check_body(body)
        (value,) = Picked(headers, self.reads).require(self._name)
        if not any_equal(self._known, [_hashed(value)]):
            raise VerificationError("signature_mismatch", f"{self._name} is none of the known secrets")
        return Verified(scheme="secret-header", profile=self._name)


def _checked(*secrets: Secret | str, header: str) -> list[str]:
    check_name(header)
    revealed = reveal_all(secrets)
    for secret in revealed:
        check_value(secret, f"the secret in {header}")
    return revealed


def _hashed(value: str) -> bytes:
    return sha256(value.encode()).digest()

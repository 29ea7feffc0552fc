"""No signature at all: for a sender that has none to give, and a receiver that asks for that by name."""

from collections.abc import Sequence

from adjourn.signing.headers import Headers
from adjourn.signing.scheme import Signer, Verified, Verifier, check_body

__all__ = ["Unsigned", "UnsignedVerifier"]


class Unsigned(Signer):
    """Adds no header."""

    def lines(self, body: bytes, *, event_id: str, timestamp: int) -> str:
        return ""


class UnsignedVerifier(Verifier):
    """Accepts anything: the body may be anyone's. Only for a URL that nobody else knows or can reach."""

    reads: Sequence[str] = ()

    def verify_at(self, headers: Headers, body: bytes, at: float, /) -> Verified:
        """Nothing is proven. Raises VerificationError for a body that is no longer bytes."""
        check_body(body)
        return Verified(scheme="unsigned", profile="unsigned")

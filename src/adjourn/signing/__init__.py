"""How a webhook is proven, both directions: one module a scheme, and what the schemes share. Pure."""

from adjourn.signing.contio import ContioSigner, ContioVerifier
from adjourn.signing.scheme import TOLERANCE, Headers, HmacSha256, Signer, Verified, Verifier
from adjourn.signing.standard import StandardSigner, StandardVerifier, new_secret

__all__ = [
    "TOLERANCE",
    "ContioSigner",
    "ContioVerifier",
    "Headers",
    "HmacSha256",
    "Signer",
    "StandardSigner",
    "StandardVerifier",
    "Verified",
    "Verifier",
    "new_secret",
]

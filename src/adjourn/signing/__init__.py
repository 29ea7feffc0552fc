"""How a webhook is proven, both directions: one module a scheme, and what the schemes share. Pure."""

from adjourn.signing.body_hmac import BodyHmacSigner, BodyHmacVerifier, Encoding
from adjourn.signing.contio import ContioSigner, ContioVerifier
from adjourn.signing.headers import Headers
from adjourn.signing.keys import Bare, find_public_key, new_secret, new_signing_key, public_key
from adjourn.signing.scheme import TOLERANCE, HmacSha256, Signer, Verified, Verifier, seconds_of
from adjourn.signing.secret_header import SecretHeaderSigner, SecretHeaderVerifier
from adjourn.signing.standard import StandardSigner, StandardVerifier
from adjourn.signing.unsigned import Unsigned, UnsignedVerifier

__all__ = [
    "TOLERANCE",
    "Bare",
    "BodyHmacSigner",
    "BodyHmacVerifier",
    "ContioSigner",
    "ContioVerifier",
    "Encoding",
    "Headers",
    "HmacSha256",
    "SecretHeaderSigner",
    "SecretHeaderVerifier",
    "Signer",
    "StandardSigner",
    "StandardVerifier",
    "Unsigned",
    "UnsignedVerifier",
    "Verified",
    "Verifier",
    "find_public_key",
    "new_secret",
    "new_signing_key",
    "public_key",
    "seconds_of",
]

"""What a secret may be by mistake: other forms of the same, for the doctor to try. Pure.

No text here shows any part of a secret.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from adjourn.receiving.diagnosis import Cause

__all__ = ["SecretForm", "name_fault", "secret_forms"]

_SHARED, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_PREFIXES = (_SHARED, _PRIVATE, _PUBLIC)
_QUOTES = "\"'`"
_LONGEST = 1_000  # characters: no secret is longer, but a file given in its place may be


class SecretForm(NamedTuple):
    """`text` says what is wrong with the secret if it should have been `secret`."""

    secret: str
    cause: Cause
    text: str


def name_fault(secret: str) -> str | None:
    """What can be seen to be wrong with a secret; None where nothing can."""
    if secret != secret.strip():
        return "begins or ends with white space or a line break: strip it"
    if len(secret) > 1 and secret[0] in _QUOTES and secret[0] == secret[-1]:
        return "stands in quotation marks: take them off"
    return None


def secret_forms(secret: str) -> Iterator[SecretForm]:
    """Other forms of a secret, those that are met most often first. At most a dozen."""
    if not 0 < len(secret) <= _LONGEST:
        return
    tried = {secret}
    for form in _forms(secret):
        if form.secret and form.secret not in tried:
            tried.add(form.secret)
            yield form


def _forms(secret: str) -> Iterator[SecretForm]:
    bare = secret.strip().strip(_QUOTES).strip()
    if bare != secret:
        fault = name_fault(secret) or "has white space or quotation marks around it"
        yield SecretForm(bare, "secret_form", f"the secret {fault}")
    if not bare.startswith(_PREFIXES):
        yield SecretForm(
            _SHARED + bare, "secret_form", "the secret lacks its whsec_: give it as the sender shows it"
        )
    rest = next((bare.removeprefix(each) for each in _PREFIXES if bare.startswith(each)), bare)
    if rest != bare:
        yield SecretForm(
            rest, "secret_form", "the secret has a whsec_ that is not the sender's: give it without"
        )
    yield from _of_the_other_kind(rest)
    yield from _written_otherwise(bare, rest)


def _of_the_other_kind(rest: str) -> Iterator[SecretForm]:
    """Of a key pair and a shared secret, which look alike behind their prefix."""
    yield SecretForm(
        _SHARED + rest, "key_pair", "the key is a secret that both sides share: its prefix is whsec_"
    )
    yield SecretForm(_PUBLIC + rest, "key_pair", "the key is the sender's public key: its prefix is whpk_")
    yield SecretForm(
        _PRIVATE + rest,
        "key_pair",
        "it is the sender's private key (whsk_): ask for the public one, and have this one replaced",
    )


def _written_otherwise(bare: str, rest: str) -> Iterator[SecretForm]:
    for text in (bare, rest):
        decoded = _decoded(text)
        yield SecretForm(
            decoded,
            "secret_form",
            "the secret is in base64 once too often, as Kubernetes keeps it: decode it",
        )
        yield SecretForm(
            _SHARED + decoded,
            "secret_form",
            "the secret was decoded from base64 and lacks its whsec_: give it as the sender shows it",
        )
    for text in (bare, rest):
        yield SecretForm(
            _SHARED + b64encode(text.encode("utf-8", "surrogatepass")).decode(),
            "secret_form",
            "the sender takes the secret's text as the key, and not the bytes that its base64 stands for: "
            f"give whsec_ and the base64 of that text{', whsec_ included' if text != rest else ''}",
        )
    yield SecretForm(unquote(bare), "secret_form", "the secret is percent-encoded, as in a URL: decode it")


def _decoded(text: str) -> str:
    """What it is the base64 of, if that is a text; else nothing."""
    try:
        decoded = b64decode(text, validate=True).decode()
    except ValueError:
        return ""
    return decoded.strip() if decoded.strip().isprintable() else ""

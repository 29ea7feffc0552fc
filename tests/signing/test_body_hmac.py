"""The HMAC of the body in a header of any name: vectors of others, and each way to be refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from adjourn.config import Secret
from adjourn.errors import ConfigError, VerificationError
from adjourn.signing import BodyHmacSigner, BodyHmacVerifier, Verified
from adjourn.signing.body_hmac import Encoding

NOW = datetime(2026, 1, 15, tzinfo=UTC)
SECRET = "plain-secret"
BODY = b'{"a":1}'
# printf '%s' '{"a":1}' | openssl dgst -sha256 -hmac plain-secret [-binary | base64]
HEX = "9e0c6ff4bcd0c2a9fa77d9c0f50ee5e05cc1d1b2814ee5fdf7ec9e8ed28aa55d"
BASE64 = "ngxv9LzQwqn6d9nA9Q7l4FzB0bKBTuX99+yejtKKpV0="


def code_of(value: str, *, encoding: Encoding = "hex", prefix: str = "", body: bytes = BODY) -> str | None:
    verifier = BodyHmacVerifier(SECRET, header="X-Quil-Signature", encoding=encoding, prefix=prefix)
    try:
        verifier.verify({"x-quil-signature": value}, body, now=NOW)
    except VerificationError as exc:
        return exc.code
    return None


@pytest.mark.parametrize(
    ("secret", "encoding", "prefix", "body", "value"),
    [
        (SECRET, "hex", "", '{"a":1}', HEX),
        (SECRET, "base64", "", '{"a":1}', BASE64),
        (SECRET, "base64", "sha256=", '{"a":1}', f"sha256={BASE64}"),
        # GitHub's own example of X-Hub-Signature-256
        (
            "It's a Secret to Everybody",
            "hex",
            "sha256=",
            "Hello, World!",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
        # all of the secret is the key, whsec_ too: -hmac whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "hex",
            "",
            '{"a":1}',
            "45ec03b2b33403c8043a90de06bedad0827183927115fd7e448ef97eeb13c5be",
        ),
    ],
)
def test_signs_and_verifies_as_others_do(
    secret: str, encoding: Encoding, prefix: str, body: str, value: str
) -> None:
    form: dict[str, Any] = {"header": "X-Sig", "encoding": encoding, "prefix": prefix}
    headers = BodyHmacSigner(secret, **form).sign(body.encode(), event_id="evt-1", timestamp=1)
    assert headers == {"X-Sig": value}
    verified = BodyHmacVerifier(Secret(secret), **form).verify(headers, body.encode(), now=NOW)
    assert verified == Verified(scheme="body-hmac", profile=encoding)


def test_the_first_secret_signs_and_any_is_accepted() -> None:
    signer = BodyHmacSigner(SECRET, "other", header="X-Sig")
    headers = signer.sign(BODY, event_id="evt-1", timestamp=1)
    assert headers == {"X-Sig": HEX}
    BodyHmacVerifier("other", SECRET, header="X-Sig").verify(headers, BODY, now=NOW)
    with pytest.raises(VerificationError, match="x-sig fits neither the body nor any known secret"):
        BodyHmacVerifier("other", header="X-Sig").verify(headers, BODY, now=NOW)


@pytest.mark.parametrize(
    ("value", "encoding", "prefix", "code"),
    [
        (HEX.upper(), "hex", "", None),
        (HEX, "hex", "sha256=", "unknown_scheme"),
        ("sha1=" + HEX[:40], "hex", "sha256=", "unknown_scheme"),
        ("SHA256=" + HEX, "hex", "sha256=", "unknown_scheme"),
        ("sha256=" + HEX, "hex", "", "malformed_header"),
        ("sha256=", "hex", "sha256=", "malformed_header"),
        ("", "hex", "", "malformed_header"),
        (HEX[:-1], "hex", "", "malformed_header"),
        (HEX[:-2], "hex", "", "malformed_header"),
        (HEX + "00", "hex", "", "malformed_header"),
        (" " + HEX, "hex", "", "malformed_header"),
        ("g" * 64, "hex", "", "malformed_header"),
        (BASE64, "hex", "", "malformed_header"),
        (HEX, "base64", "", "malformed_header"),
        (BASE64[:-1], "base64", "", "malformed_header"),
        (BASE64.replace("/", "_").replace("+", "-"), "base64", "", "malformed_header"),
        ("*", "base64", "", "malformed_header"),
        ("0" * 64, "hex", "", "signature_mismatch"),
        ("A" * 43 + "=", "base64", "", "signature_mismatch"),
    ],
)
def test_signature_must_be_well_formed(value: str, encoding: Encoding, prefix: str, code: str | None) -> None:
    assert code_of(value, encoding=encoding, prefix=prefix) == code


def test_refuses_what_was_changed() -> None:
    assert code_of(HEX) is None
    assert code_of(HEX, body=BODY + b" ") == "signature_mismatch"


def test_says_what_is_missing() -> None:
    with pytest.raises(VerificationError, match="missing x-sig; seen: x-hub-signature"):
        BodyHmacVerifier(SECRET, header="X-Sig").verify({"X-Hub-Signature": HEX}, BODY, now=NOW)


NAMES = [
    "",
    "X Sig",
    "X-Sig:",
    "X-Sig\r\nX-Evil",
    "é",
    "\ud800",
    "x" * 101,
    "Host",
    "content-length",
    "TRANSFER-ENCODING",
]
PREFIXES = ["a\r\nX-Evil: 1", "é", "\x00", " sha256=", "\ud800"]


@pytest.mark.parametrize("make", [BodyHmacSigner, BodyHmacVerifier])
def test_what_no_header_can_have_is_refused_at_once(make: Any) -> None:
    make(SECRET, header="X-Sig", prefix="HMAC ")
    for name in NAMES:
        with pytest.raises(ConfigError, match="header"):
            make(SECRET, header=name)
    for prefix in PREFIXES:
        with pytest.raises(ConfigError, match="a signature's prefix must be printable ASCII"):
            make(SECRET, header="X-Sig", prefix=prefix)
    with pytest.raises(ConfigError, match="in hex or base64, not 'hexadecimal'"):
        make(SECRET, header="X-Sig", encoding="hexadecimal")
    for secrets in ((), ("",), (SECRET, "")):
        with pytest.raises(ConfigError, match="missing or empty"):
            make(*secrets, header="X-Sig")

"""Contio's signature: the vectors of openssl in every form of secret, and each way to be refused."""

from datetime import UTC, datetime, timedelta

import pytest

from adjourn.config import Secret
from adjourn.errors import ConfigError, VerificationError
from adjourn.models import SignatureProfile
from adjourn.signing import ContioSigner, ContioVerifier, StandardVerifier, Verified

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "plain-secret"
BODY = b'{"a":1}'
NOW = datetime.fromtimestamp(1736937000, UTC)
# the vectors of SECRET and BODY, from the tables below
DOCUMENTED = {
    "X-Contio-Timestamp": "1736937000",
    "X-Contio-Signature": "3b51214a6af6b8b9c04c9920df15e8b441f9ee07fec32da67931f2bcc0dcb4ae",
}
SDK = {"X-Contio-Signature": "sha256=45ec03b2b33403c8043a90de06bedad0827183927115fd7e448ef97eeb13c5be"}


def code_of(
    headers: dict[str, str], body: bytes = BODY, *, now: datetime = NOW, strict: bool = False
) -> str | None:
    try:
        ContioVerifier(SECRET, strict=strict).verify(headers, body, now=now)
    except VerificationError as exc:
        return exc.code
    return None


# printf '%s' "1736937000.BODY" | openssl dgst -sha256 -hmac SECRET
@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        (OTHER, '{"a":1}', "4827886ae3365534a291b57d44127a32b4c40e69415aa36733103a5ae07c2e11"),
        (SECRET, '{"a":1}', "3b51214a6af6b8b9c04c9920df15e8b441f9ee07fec32da67931f2bcc0dcb4ae"),
        (
            SECRET,
            '{"title":"Überblick: 日本語 😀"}',
            "c1dcfa8bc314119e50e41aaddf820805d7609c6485739c31e9b20b40043db6ef",
        ),
        (SECRET, "", "8c708f7f28443cba009fb57256d6cb5cabc823a9962296a210b7eff3e6bcb856"),
        ("schlüssel-日本", '{"a":1}', "e02a169874fe95a9997fcb0574a364fe458f74a82cc3af44c8d651dbf41c73b2"),
        # longer than a block of SHA-256
        ("k" * 65, '{"a":1}', "175476ca46a2886f5d0787719b3fa9f274c2aaea6bdcb5b9d4aaeab63f15e60a"),
        ("whsec_not*base64", '{"a":1}', "e81a1420e3c54782058dc2ac4ee540ee4836d555057ba156ca4ad1d169f2ea0b"),
    ],
)
def test_documented_profile_signs_timestamp_and_body(secret: str, body: str, signature: str) -> None:
    headers = ContioSigner(secret).sign(body.encode(), event_id="evt-1", timestamp=1736937000)
    assert headers["X-Contio-Timestamp"] == "1736937000"
    assert headers["X-Contio-Signature"] == signature
    verified = ContioVerifier(secret).verify(headers, body.encode(), now=NOW)
    assert verified == Verified(scheme="contio", profile="documented", timestamp=NOW)


# printf '%s' BODY | openssl dgst -sha256 -hmac SECRET
@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        (OTHER, '{"a":1}', "9e0c6ff4bcd0c2a9fa77d9c0f50ee5e05cc1d1b2814ee5fdf7ec9e8ed28aa55d"),
        (SECRET, '{"a":1}', "45ec03b2b33403c8043a90de06bedad0827183927115fd7e448ef97eeb13c5be"),
        (SECRET, "", "da5f5865984e699a69cfec62ce49a76daf8ae4601b54a781fa13f3b2d3b2088a"),
    ],
)
def test_sdk_profile_signs_the_body_alone(secret: str, body: str, signature: str) -> None:
    signer = ContioSigner(secret, profile=SignatureProfile.SDK)
    headers = signer.sign(body.encode(), event_id="evt-1", timestamp=1736937000)
    assert headers["X-Contio-Timestamp"] == "1736937000"
    assert headers["X-Contio-Signature"] == f"sha256={signature}"
    verified = ContioVerifier(secret).verify(headers, body.encode(), now=NOW)
    assert verified == Verified(scheme="contio", profile="sdk")


# printf '%s' 'evt-1.1736937000.{"a":1}' | openssl dgst -sha256 KEY -binary | base64
@pytest.mark.parametrize(
    ("secret", "signature"),
    [
        # KEY: -mac HMAC -macopt hexkey:31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0, the decoded secret
        (SECRET, "3UL2S8k2gCpOfZwPQj8gq4l3r5bQmah29+bQHaMQbco="),
        # KEY: -mac HMAC -macopt hexkey:31f290; few bytes, yet what a client would decode
        ("whsec_MfKQ", "QQeVkvfXfaf8yl1kLbgQIZTnUyfDlc1JuGAFrjPdteA="),
        # KEY: -hmac plain-secret; imported, without whsec_
        (OTHER, "Aao9cPZ3EiIvqgmalx7zFqsN/9XSvEFJUDr8GDQphSo="),
        # KEY: -hmac whsec_not*base64; the whole string where the rest is no base64
        ("whsec_not*base64", "pViUJdQXZVGz4thkPnY9DQqHojkQhJoF2n4ftCWs1xY="),
        # KEY: -hmac whsec_MfKQ9; five characters are no base64 either
        ("whsec_MfKQ9", "Clp9OGfH821NYDaVOXIGv/FQ06TEJWF1XAq0L39heS0="),
    ],
)
@pytest.mark.parametrize("profile", list(SignatureProfile))
def test_standard_webhooks_headers_go_beside_either_profile(
    secret: str, signature: str, profile: SignatureProfile
) -> None:
    headers = ContioSigner(secret, profile=profile).sign(BODY, event_id="evt-1", timestamp=1736937000)
    assert list(headers) == [
        "X-Contio-Timestamp",
        "X-Contio-Signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ]
    assert headers["webhook-id"] == "evt-1"
    assert headers["webhook-timestamp"] == "1736937000"
    assert headers["webhook-signature"] == f"v1,{signature}"


def test_a_standard_webhooks_library_accepts_what_contio_sends() -> None:
    headers = ContioSigner(SECRET).sign(BODY, event_id="evt-1", timestamp=1736937000)
    assert StandardVerifier(SECRET).verify(headers, BODY, now=NOW).event_id == "evt-1"


@pytest.mark.parametrize("secret", ["whsec_", "whsec_é", "whsec_====", "\ud800", "whsec_\udfff", " ", "\x00"])
def test_no_form_of_a_secret_makes_signing_fail(secret: str) -> None:
    headers = ContioSigner(secret).sign(BODY, event_id="evt-1", timestamp=1736937000)
    assert ContioVerifier(secret).verify(headers, BODY, now=NOW).profile == "documented"


@pytest.mark.parametrize(
    ("off", "code"),
    [
        (timedelta(seconds=300), None),
        (timedelta(seconds=-300), None),
        (timedelta(seconds=301), "timestamp_out_of_tolerance"),
        (timedelta(seconds=-301), "timestamp_out_of_tolerance"),
    ],
)
def test_documented_profile_tolerates_five_minutes_both_ways(off: timedelta, code: str | None) -> None:
    assert code_of(DOCUMENTED, now=NOW + off) == code


@pytest.mark.parametrize("timestamp", [None, "", "yesterday", "1", "1736937000"])
def test_sdk_profile_does_not_read_the_timestamp(timestamp: str | None) -> None:
    headers = SDK if timestamp is None else SDK | {"X-Contio-Timestamp": timestamp}
    assert code_of(headers, now=NOW + timedelta(days=400)) is None


def test_strict_accepts_the_documented_profile_only() -> None:
    assert code_of(DOCUMENTED, strict=True) is None
    assert code_of(SDK, strict=True) == "unknown_scheme"


@pytest.mark.parametrize("headers", [DOCUMENTED, SDK])
def test_upper_case_hex_is_accepted(headers: dict[str, str]) -> None:
    digits = headers["X-Contio-Signature"].removeprefix("sha256=")
    assert (
        code_of(headers | {"X-Contio-Signature": headers["X-Contio-Signature"][:-64] + digits.upper()})
        is None
    )


@pytest.mark.parametrize("profile", [DOCUMENTED, SDK])
@pytest.mark.parametrize(
    ("hexadecimal", "code"),
    [
        ("", "malformed_header"),
        ("0" * 63, "malformed_header"),
        ("0" * 65, "malformed_header"),
        ("g" * 64, "malformed_header"),
        (" " + "0" * 63, "malformed_header"),
        ("\u0660" * 64, "malformed_header"),  # digits, but not ASCII
        ("0" * 64, "signature_mismatch"),
        ("sha1=" + "0" * 40, "unknown_scheme"),
        ("SHA256=" + "0" * 64, "unknown_scheme"),
        ("v1,AAAA", "unknown_scheme"),
    ],
)
def test_signature_must_be_well_formed(profile: dict[str, str], hexadecimal: str, code: str) -> None:
    given = profile["X-Contio-Signature"][:-64] + hexadecimal
    assert code_of(profile | {"X-Contio-Signature": given}) == code


@pytest.mark.parametrize("timestamp", ["", "-1", "1736937000.0", " 1736937000", "٣", "9" * 12])
def test_documented_timestamp_must_be_few_ascii_digits(timestamp: str) -> None:
    assert code_of(DOCUMENTED | {"X-Contio-Timestamp": timestamp}) == "malformed_header"


def test_a_signature_of_one_profile_is_none_of_the_other() -> None:
    bare = SDK["X-Contio-Signature"].removeprefix("sha256=")
    assert code_of(DOCUMENTED | {"X-Contio-Signature": bare}) == "signature_mismatch"
    assert (
        code_of({"X-Contio-Signature": "sha256=" + DOCUMENTED["X-Contio-Signature"]}) == "signature_mismatch"
    )


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "missing x-contio-signature, x-contio-timestamp; seen: none like them"),
        (
            {"X-Contio-Timestamp": "1736937000"},
            "missing x-contio-signature; seen: x-contio-timestamp",
        ),
        (
            {"X-Contio-Signature": DOCUMENTED["X-Contio-Signature"]},
            "missing x-contio-timestamp; seen: x-contio-signature",
        ),
        (
            {"X-Hub-Signature-256": "a", "Webhook-Id": "b", "Accept": "c"},
            "missing x-contio-signature, x-contio-timestamp; seen: webhook-id, x-hub-signature-256",
        ),
    ],
)
def test_names_what_is_missing_and_what_was_seen(headers: dict[str, str], message: str) -> None:
    with pytest.raises(VerificationError) as caught:
        ContioVerifier(SECRET).verify(headers, BODY, now=NOW)
    assert caught.value.code == "missing_header"
    assert str(caught.value) == message


def test_any_secret_given_is_accepted_and_the_first_one_signs() -> None:
    headers = ContioSigner(Secret(OTHER), SECRET).sign(BODY, event_id="evt-1", timestamp=1736937000)
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert code_of(headers) == "signature_mismatch"
    assert ContioVerifier(SECRET, Secret(OTHER)).verify(headers, BODY, now=NOW).profile == "documented"


def test_refuses_to_stand_without_a_secret() -> None:
    for secrets in ((), ("",), (SECRET, ""), (Secret(""),)):
        with pytest.raises(ConfigError, match="missing or empty"):
            ContioVerifier(*secrets)
        with pytest.raises(ConfigError, match="missing or empty"):
            ContioSigner(*secrets)

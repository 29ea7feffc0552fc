"""A secret sent as it is in a header: Meeting BaaS's callbacks, CONTRACTS 2."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjourn.config import Secret
from adjourn.errors import ConfigError, VerificationError
from adjourn.signing import SecretHeaderSigner, SecretHeaderVerifier, Verified

NOW = datetime(2026, 1, 15, tzinfo=UTC)
HEADER = "x-mb-secret"
BODY = b'{"event":"bot.completed"}'


def code_of(value: str, *secrets: Secret | str) -> str | None:
    try:
        SecretHeaderVerifier(*secrets, header=HEADER).verify({"X-MB-Secret": value}, BODY, now=NOW)
    except VerificationError as exc:
        return exc.code
    return None


def test_the_secret_goes_out_as_it_is() -> None:
    signer = SecretHeaderSigner(Secret("s3cret: with, anything~"), header=HEADER)
    assert signer.lines(BODY, event_id="évt", timestamp=1) == "x-mb-secret: s3cret: with, anything~\r\n"
    assert signer.sign(BODY, event_id="évt", timestamp=1) == {HEADER: "s3cret: with, anything~"}


def test_it_proves_the_sender_alone() -> None:
    verified = SecretHeaderVerifier("s3cret", header=HEADER).verify({HEADER: "s3cret"}, BODY, now=NOW)
    assert verified == Verified(scheme="secret-header", profile=HEADER)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("old", None),
        ("new", None),
        ("", "signature_mismatch"),
        ("ne", "signature_mismatch"),
        ("new ", "signature_mismatch"),
        ("New", "signature_mismatch"),
        ("new,old", "signature_mismatch"),
        ("neu\u0308", "malformed_header"),
    ],
)
def test_any_secret_given_is_accepted_and_no_other(value: str, code: str | None) -> None:
    assert code_of(value, "new", Secret("old")) == code


def test_what_was_given_does_not_show() -> None:
    with pytest.raises(VerificationError) as caught:
        SecretHeaderVerifier("s3cret", header=HEADER).verify({HEADER: "other"}, BODY, now=NOW)
    assert str(caught.value) == "x-mb-secret is none of the known secrets"


def test_a_missing_header_is_named() -> None:
    with pytest.raises(VerificationError, match="missing x-mb-secret; seen: x-other-secret"):
        SecretHeaderVerifier("s", header=HEADER).verify({"X-Other-Secret": "s"}, BODY, now=NOW)


@pytest.mark.parametrize(
    "secret", ["a\r\nX-Evil: 1", "a\n", "\ta", "é", "a\x00", "a\x7f", " a", "a ", " ", "\ud800", "日本"]
)
def test_a_secret_that_no_header_can_carry_is_refused_at_once(secret: str) -> None:
    for make in (SecretHeaderSigner, SecretHeaderVerifier):
        with pytest.raises(ConfigError) as caught:
            make(secret, header=HEADER)
        assert str(caught.value) == (  # and nothing of the secret
            "the secret in x-mb-secret must be printable ASCII without line breaks, and without spaces at "
            "its ends: it is sent in a header"
        )


def test_an_empty_secret_or_a_header_of_the_request_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="missing or empty"):
        SecretHeaderSigner("", header=HEADER)
    with pytest.raises(ConfigError, match="missing or empty"):
        SecretHeaderVerifier(header=HEADER)
    for make in (SecretHeaderSigner, SecretHeaderVerifier):
        for header in ("Host", "content-type", "x mb", "x-mb\r\n", ""):
            with pytest.raises(ConfigError, match="header"):
                make("s", header=header)


@given(st.text(), st.text())
def test_whatever_can_be_sent_is_accepted_by_its_verifier_alone(secret: str, other: str) -> None:
    try:
        lines = SecretHeaderSigner(secret, header=HEADER).lines(BODY, event_id="e", timestamp=1)
    except ConfigError:
        return
    assert lines == f"{HEADER}: {secret}\r\n"
    assert "\r\n" not in lines[:-2]
    assert code_of(secret, secret) is None
    if other != secret:
        assert code_of(other, secret) in ("signature_mismatch", "malformed_header")

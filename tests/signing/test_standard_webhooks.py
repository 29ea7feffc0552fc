"""Standard Webhooks `v1`: the vectors of the specification and of openssl, and each way to be refused."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest

from adjourn.config import Secret
from adjourn.errors import ConfigError, VerificationError
from adjourn.signing import StandardSigner, StandardVerifier, Verified, new_secret
from adjourn.signing.keys import Bare

# CONTRACTS section 4. Its bytes: printf MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | base64 -d | xxd -p
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + b64encode(b"o" * 32).decode()
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'
SIGNED = {
    "webhook-id": MESSAGE_ID,
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
NOW = datetime.fromtimestamp(1614265330, UTC)


def code_of(
    headers: dict[str, str], body: bytes = BODY, *, now: datetime = NOW, secret: str = SECRET
) -> str | None:
    try:
        StandardVerifier(secret).verify(headers, body, now=now)
    except VerificationError as exc:
        return exc.code
    return None


# K=31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0, the decoded secret; each vector is the output of
# printf '%s' TEXT | openssl dgst -sha256 -mac HMAC -macopt hexkey:$K -binary | base64
@pytest.mark.parametrize(
    ("secret", "bare", "body", "signature"),
    [
        # TEXT='evt-1.1736937000.{"title":"Überblick: 日本語 😀"}'
        (
            SECRET,
            "base64",
            '{"title":"Überblick: 日本語 😀"}',
            "SRRbh29S8TcYvdUk19nywB4UEL+PzbZoIWYucrH4rGc=",
        ),
        # TEXT='evt-1.1736937000.'
        (SECRET, "base64", "", "MvcBAsYcYNcbF4BJd/kPIsNgxT/SVfxUcFify4Ph0IA="),
        # without whsec_, read as base64: the same key
        (SECRET.removeprefix("whsec_"), "base64", "", "MvcBAsYcYNcbF4BJd/kPIsNgxT/SVfxUcFify4Ph0IA="),
        # with whsec_ it is base64, whatever a bare one would be
        (SECRET, "utf-8", "", "MvcBAsYcYNcbF4BJd/kPIsNgxT/SVfxUcFify4Ph0IA="),
        # printf '%s' 'evt-1.1736937000.{"a":1}' | openssl dgst -sha256 -hmac plain-secret -binary | base64
        ("plain-secret", "utf-8", '{"a":1}', "Aao9cPZ3EiIvqgmalx7zFqsN/9XSvEFJUDr8GDQphSo="),
        # 64 bytes, 00 to 3f: -macopt hexkey:$(seq 0 63 | xargs printf '%02x')
        (
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==",
            "base64",
            '{"a":1}',
            "NpBTPz8PSA+TKMF2m2c6ELao103uL8Sw7mJPZdtTuDk=",
        ),
    ],
)
def test_signs_and_verifies_as_openssl_does(secret: str, bare: Bare, body: str, signature: str) -> None:
    headers = StandardSigner(secret, bare=bare).sign(body.encode(), event_id="evt-1", timestamp=1736937000)
    assert headers == {
        "webhook-id": "evt-1",
        "webhook-timestamp": "1736937000",
        "webhook-signature": f"v1,{signature}",
    }
    now = datetime.fromtimestamp(1736937000, UTC)
    assert StandardVerifier(secret, bare=bare).verify(headers, body.encode(), now=now).event_id == "evt-1"


def test_signs_the_vector_of_the_specification() -> None:
    assert StandardSigner(SECRET).sign(BODY, event_id=MESSAGE_ID, timestamp=1614265330) == SIGNED


def test_says_what_is_proven() -> None:
    verified = StandardVerifier(SECRET).verify(SIGNED, BODY, now=NOW)
    assert verified == Verified(scheme="standard", profile="v1", event_id=MESSAGE_ID, timestamp=NOW)


def test_header_names_follow_the_prefix() -> None:
    headers = StandardSigner(SECRET, prefix="svix-").sign(BODY, event_id=MESSAGE_ID, timestamp=1614265330)
    assert list(headers) == ["svix-id", "svix-timestamp", "svix-signature"]
    assert StandardVerifier(SECRET, prefix="Svix-").verify(headers, BODY, now=NOW).event_id == MESSAGE_ID
    with pytest.raises(VerificationError, match=r"missing webhook-id, .*seen: svix-id, "):
        StandardVerifier(SECRET).verify(headers, BODY, now=NOW)


@pytest.mark.parametrize(
    ("off", "code"),
    [
        (timedelta(seconds=300), None),
        (timedelta(seconds=-300), None),
        (timedelta(seconds=301), "timestamp_out_of_tolerance"),
        (timedelta(seconds=-301), "timestamp_out_of_tolerance"),
        (timedelta(seconds=300, microseconds=1), "timestamp_out_of_tolerance"),
        (timedelta(seconds=-300, microseconds=-1), "timestamp_out_of_tolerance"),
    ],
)
def test_tolerates_five_minutes_both_ways_and_no_more(off: timedelta, code: str | None) -> None:
    assert code_of(SIGNED, now=NOW + off) == code


def test_says_by_how_much_the_time_is_off() -> None:
    with pytest.raises(VerificationError, match=r"3601 s in the past; at most 300 s"):
        StandardVerifier(SECRET).verify(SIGNED, BODY, now=NOW + timedelta(hours=1, seconds=1))
    with pytest.raises(VerificationError, match=r"301 s in the future"):
        StandardVerifier(SECRET).verify(SIGNED, BODY, now=NOW - timedelta(seconds=300.5))


V1 = SIGNED["webhook-signature"]


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        (f"v1,AAAA {V1}", None),
        (f"{V1} v1,AAAA", None),
        (f"v1a,AAAA v2,BBBB {V1} junk", None),
        (f"  {V1}  ", None),
        ("v1,AAAA v1,BBBB", "signature_mismatch"),
        (V1[:-1], "signature_mismatch"),
        (V1.replace("v1,", "v1,="), "signature_mismatch"),
        ("v1a,AAAA", "unknown_scheme"),
        (V1.replace("v1,", "v2,"), "unknown_scheme"),
        ("", "malformed_header"),
        ("v1", "malformed_header"),
        ("v1,", "malformed_header"),
        (V1.removeprefix("v1,"), "malformed_header"),
        ("V1" + V1.removeprefix("v1"), "malformed_header"),
        (V1 + "é", "malformed_header"),
    ],
)
def test_reads_the_signatures_it_knows(signature: str, code: str | None) -> None:
    assert code_of(SIGNED | {"webhook-signature": signature}) == code


@pytest.mark.parametrize(
    "timestamp",
    ["", "-1", "+1614265330", "1614265330.0", " 1614265330", "1_614", "0x10", "٣", "²", "1" * 12, "9" * 9999],
)
def test_timestamp_must_be_few_ascii_digits(timestamp: str) -> None:
    assert code_of(SIGNED | {"webhook-timestamp": timestamp}) == "malformed_header"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (SIGNED, BODY + b" "),
        (SIGNED, b""),
        (SIGNED | {"webhook-id": "msg_other"}, BODY),
        (SIGNED | {"webhook-timestamp": "1614265331"}, BODY),
        (SIGNED | {"webhook-timestamp": "01614265330"}, BODY),
    ],
)
def test_refuses_what_was_changed(headers: dict[str, str], body: bytes) -> None:
    assert code_of(headers, body) == "signature_mismatch"


@pytest.mark.parametrize("missing", list(SIGNED))
def test_names_the_header_that_is_missing(missing: str) -> None:
    headers = {name: value for name, value in SIGNED.items() if name != missing}
    with pytest.raises(VerificationError, match=f"missing {missing};") as caught:
        StandardVerifier(SECRET).verify(headers, BODY, now=NOW)
    assert caught.value.code == "missing_header"


def test_both_secrets_work_while_one_is_rotated() -> None:
    both = StandardSigner(OTHER, Secret(SECRET)).sign(BODY, event_id=MESSAGE_ID, timestamp=1614265330)
    assert len(both["webhook-signature"].split(" ")) == 2
    assert code_of(both) is None
    assert code_of(both, secret=OTHER) is None
    assert code_of(SIGNED, secret=OTHER) == "signature_mismatch"
    assert StandardVerifier(OTHER, SECRET).verify(SIGNED, BODY, now=NOW).event_id == MESSAGE_ID


@pytest.mark.parametrize(
    ("secret", "bare"),
    [
        ("", "base64"),
        ("", "utf-8"),
        ("whsec_", "base64"),
        ("whsec_", "utf-8"),
        ("whsec_not*base64", "utf-8"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "base64"),  # wrong padding
        ("plain-secret", "base64"),
        ("schlüssel", "base64"),
        ("whsec_" + b64encode(b"k" * 23).decode(), "base64"),
        ("whsec_" + b64encode(b"k" * 65).decode(), "base64"),
    ],
)
def test_refuses_a_secret_of_another_form(secret: str, bare: Bare) -> None:
    with pytest.raises(ConfigError) as caught:
        StandardVerifier(SECRET, secret, bare=bare)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert not secret.removeprefix("whsec_") or secret.removeprefix("whsec_") not in str(caught.value)


@pytest.mark.parametrize("secret", [" ", "\x00", "\ud800", "schlüssel"])
def test_any_text_is_a_key_where_bare_ones_are(secret: str) -> None:
    headers = StandardSigner(secret, bare="utf-8").sign(BODY, event_id="evt-1", timestamp=1614265330)
    StandardVerifier(OTHER, secret, bare="utf-8").verify(headers, BODY, now=NOW)


def test_refuses_to_stand_without_a_secret() -> None:
    with pytest.raises(ConfigError, match="missing or empty"):
        StandardVerifier()
    with pytest.raises(ConfigError, match="missing or empty"):
        StandardSigner()


def test_new_secret_is_whsec_and_base64_of_32_random_bytes() -> None:
    made = new_secret(lambda count: bytes(range(count)))
    # printf '%02x' $(seq 0 31) | xxd -r -p | base64
    assert made.reveal() == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert new_secret() != new_secret()
    StandardSigner(new_secret())

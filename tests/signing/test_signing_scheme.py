"""What holds for every scheme: how headers are read, what a verifier may raise, what nobody may forge."""

import hmac
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjourn.errors import VerificationError
from adjourn.models import SignatureProfile
from adjourn.signing import (
    BodyHmacSigner,
    BodyHmacVerifier,
    ContioSigner,
    ContioVerifier,
    HmacSha256,
    SecretHeaderSigner,
    SecretHeaderVerifier,
    Signer,
    StandardSigner,
    StandardVerifier,
    Unsigned,
    UnsignedVerifier,
    Verified,
    Verifier,
    public_key,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime.fromtimestamp(1736937000, UTC)
BODY = b'{"a":1}'

# CONTRACTS 4; a key pair as libsodium has it
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")
CONTIO = ("X-Contio-Timestamp", "X-Contio-Signature")

SCHEMES: Mapping[str, tuple[Signer, Verifier]] = {
    "standard": (StandardSigner(SECRET), StandardVerifier(SECRET)),
    "contio documented": (ContioSigner(SECRET), ContioVerifier(SECRET)),
    "contio sdk": (ContioSigner(SECRET, profile=SignatureProfile.SDK), ContioVerifier(SECRET)),
    "contio strict": (ContioSigner(SECRET), ContioVerifier(SECRET, strict=True)),
    "standard v1a": (StandardSigner(PRIVATE), StandardVerifier(public_key(PRIVATE))),
    "standard svix": (StandardSigner(SECRET, prefix="svix-"), StandardVerifier(SECRET, prefix="svix-")),
    "standard both": (StandardSigner(SECRET, PRIVATE), StandardVerifier(SECRET, public_key(PRIVATE))),
    "body-hmac hex": (
        BodyHmacSigner(SECRET, header="X-Signature", prefix="sha256="),
        BodyHmacVerifier(SECRET, header="x-signature", prefix="sha256="),
    ),
    "body-hmac base64": (
        BodyHmacSigner(SECRET, header="X-Signature", encoding="base64"),
        BodyHmacVerifier(SECRET, header="X-Signature", encoding="base64"),
    ),
    "secret-header": (
        SecretHeaderSigner(SECRET, header="x-mb-secret"),
        SecretHeaderVerifier(SECRET, header="X-MB-Secret"),
    ),
}
# What each reads, its signature last.
READS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("standard", "standard v1a", "standard both"), STANDARD),
    **dict.fromkeys(("contio documented", "contio sdk", "contio strict"), CONTIO),
    "standard svix": ("svix-id", "svix-timestamp", "svix-signature"),
    **dict.fromkeys(("body-hmac hex", "body-hmac base64"), ("X-Signature",)),
    "secret-header": ("x-mb-secret",),
}
TIMED = [
    scheme for scheme in SCHEMES if "standard" in scheme or scheme in ("contio documented", "contio strict")
]
each_scheme = pytest.mark.parametrize("scheme", list(SCHEMES))


def signed(scheme: str) -> dict[str, str]:
    return SCHEMES[scheme][0].sign(BODY, event_id="evt-1", timestamp=1736937000)


def code_of(scheme: str, headers: Any, body: Any = BODY) -> str | None:
    try:
        verified = SCHEMES[scheme][1].verify(headers, body, now=NOW)
    except VerificationError as exc:
        return exc.code
    assert isinstance(verified, Verified)
    return None


# --- the key ---


# K=$(seq 0 63 | xargs printf '%02x'); printf TEXT | openssl dgst -sha256 -mac HMAC -macopt hexkey:KEY
@pytest.mark.parametrize(
    ("key", "text", "digest"),
    [
        # KEY=00 TEXT=''; RFC 2104 pads a short key with zeros, so the empty key gives the same
        (b"\0", b"", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
        (b"", b"", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
        # KEY=$K: as long as a block
        (bytes(range(64)), b"abc", "6ab541b4869dca71c4ca11d8bb1b02533b789a557583161429292c7404bc21f6"),
        # KEY=${K}40: longer than a block
        (bytes(range(65)), b"abc", "dfbffee4671bad00ed5d1e1999d55ed3b0cc774ac357f9ebf649c1612414fcec"),
    ],
)
def test_hmac_gives_what_openssl_gives(key: bytes, text: bytes, digest: str) -> None:
    assert HmacSha256(key).digest(text).hex() == digest


@given(st.binary(max_size=200), st.binary(max_size=5000))
def test_hmac_is_the_same_again_and_again(key: bytes, message: bytes) -> None:
    mac = HmacSha256(key)
    expected = hmac.digest(key, message, "sha256")
    assert [mac.digest(message), mac.digest(message)] == [expected, expected]


@each_scheme
def test_no_secret_shows_in_repr(scheme: str) -> None:
    for holder in (*SCHEMES[scheme], HmacSha256(SECRET.encode())):
        shown = f"{holder!r} {holder}"
        assert SECRET.removeprefix("whsec_") not in shown
        assert PRIVATE.removeprefix("whsk_")[:40] not in shown


# --- the headers ---

Form = Callable[[dict[str, str]], Any]


@each_scheme
@pytest.mark.parametrize(
    "form",
    [
        lambda headers: headers,
        lambda headers: {name.upper(): value for name, value in headers.items()},
        lambda headers: {name.title(): value.encode() for name, value in headers.items()},
        lambda headers: {name.encode(): value.encode() for name, value in headers.items()},
        lambda headers: list(headers.items()),
        lambda headers: iter(headers.items()),
        # ASGI: raw pairs, names in lower case
        lambda headers: [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        lambda headers: [*headers.items(), (b"host", b"example.com"), ("Cookie", "a"), ("Cookie", "\xff")],
        # the same twice, in another case and another type
        lambda headers: [
            *headers.items(),
            *((name.upper().encode(), value.encode()) for name, value in headers.items()),
        ],
    ],
)
def test_headers_are_read_in_any_form(scheme: str, form: Form) -> None:
    assert code_of(scheme, form(signed(scheme))) is None


@each_scheme
def test_a_header_given_twice_with_different_values_is_malformed(scheme: str) -> None:
    headers = signed(scheme)
    for name in READS[scheme]:
        for again in ("", headers[name] + "0"):
            assert code_of(scheme, [*headers.items(), (name.lower(), again)]) == "malformed_header"
            assert code_of(scheme, [(name.encode(), again.encode()), *headers.items()]) == "malformed_header"


@each_scheme
def test_a_header_must_be_printable_ascii(scheme: str) -> None:
    headers = signed(scheme)
    for name in READS[scheme]:
        for value in ("é", "evt\n1", "\x00", "日本", "\ud800", b"\xff\xfe"):
            assert code_of(scheme, {**headers, name: value}) == "malformed_header"


@each_scheme
@pytest.mark.parametrize("value", [None, 1736937000, ["v1,AAAA"], ("a", "b")])
def test_a_header_that_is_no_text_is_malformed(scheme: str, value: Any) -> None:
    for name in READS[scheme]:
        assert code_of(scheme, {**signed(scheme), name: value}) == "malformed_header"


@each_scheme
@pytest.mark.parametrize("body", ['{"a":1}', {"a": 1}, None, bytearray(BODY)])
def test_a_body_that_is_no_longer_bytes_is_named(scheme: str, body: Any) -> None:
    assert code_of(scheme, signed(scheme), body) == "malformed_body"


def test_a_flood_of_headers_does_not_flood_the_message() -> None:
    headers = {f"x-{count:04}-signature-{'y' * 500}\u2028": "" for count in range(1000)}
    with pytest.raises(VerificationError) as caught:
        StandardVerifier(SECRET).verify(headers, BODY, now=NOW)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    "scheme", [scheme for scheme in SCHEMES if "standard" in scheme or "contio" in scheme]
)
@pytest.mark.parametrize("event_id", ["", "a b", "a\r\nX-Evil: 1", "é", "\x7f", "\ud800"])
def test_an_event_id_that_no_header_can_carry_is_not_signed(scheme: str, event_id: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII"):
        SCHEMES[scheme][0].sign(BODY, event_id=event_id, timestamp=1736937000)


@pytest.mark.parametrize("scheme", TIMED)
def test_a_naive_now_is_a_mistake_of_the_caller(scheme: str) -> None:
    with pytest.raises(TypeError):
        SCHEMES[scheme][1].verify(signed(scheme), BODY, now=NOW.replace(tzinfo=None))


# --- what is compared ---


def flipped(signature: str) -> str:
    """With another character, well within its base64 or hex."""
    at = len(signature) - 9
    return signature[:at] + ("B" if signature[at] != "B" else "C") + signature[at + 1 :]


@each_scheme
def test_one_character_more_or_less_is_refused(scheme: str) -> None:
    headers = signed(scheme)
    name = READS[scheme][-1]
    wrong = " ".join(flipped(each) for each in headers[name].split(" "))
    assert code_of(scheme, {**headers, name: wrong}) == "signature_mismatch"


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "standard v1a"])
@pytest.mark.parametrize("wrong", [True, False])
def test_what_a_secret_gives_is_compared_in_constant_time(scheme: str, wrong: bool) -> None:
    """A signature of Ed25519 is compared with nothing secret."""
    headers = signed(scheme)
    name = READS[scheme][-1]
    headers[name] = flipped(headers[name]) if wrong else headers[name]
    called: list[str] = []

    def watch(frame: Any, event: str, argument: Any) -> None:
        if event == "c_call":
            called.append(argument.__name__)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        code_of(scheme, headers)
    finally:
        sys.setprofile(before)
    assert any(each.endswith("compare_digest") for each in called)


def test_unsigned_adds_nothing_and_accepts_anything_but_a_parsed_body() -> None:
    assert Unsigned().lines(BODY, event_id="evt-1", timestamp=1) == ""
    assert Unsigned().sign(BODY, event_id="evt-1", timestamp=1) == {}
    verified = UnsignedVerifier().verify({}, BODY, now=NOW)
    assert verified == Verified(scheme="unsigned", profile="unsigned")
    parsed: Any = {"a": 1}
    with pytest.raises(VerificationError) as caught:
        UnsignedVerifier().verify({}, parsed, now=NOW)
    assert caught.value.code == "malformed_body"


# --- any input at all ---

NAMES = [
    *("webhook-id", "webhook-timestamp", "webhook-signature"),
    *("X-Contio-Timestamp", "x-contio-signature"),
    *("svix-id", "svix-timestamp", "svix-signature", "X-Signature", "x-mb-secret"),
]
RIGHT = [value for scheme in SCHEMES for value in signed(scheme).values()]
NEAR = ["sha256=", "v1,", "v1a,x v2,y", "0" * 64, "sha256=" + "f" * 64, "v1," + "A" * 43 + "=", "9" * 11]
names = st.sampled_from(NAMES) | st.text(max_size=9)
values = st.sampled_from(RIGHT + NEAR) | st.text(max_size=9) | st.from_regex(r"v[0-9]a?,\S* .*")
pairs = st.tuples(
    names | names.map(lambda name: name.encode("utf-8", "surrogatepass")) | st.binary(max_size=9),
    values | values.map(lambda value: value.encode("utf-8", "surrogatepass")) | st.binary(max_size=9),
)
aware = st.datetimes(timezones=st.just(UTC)) | st.just(NOW) | st.just(datetime.max.replace(tzinfo=UTC))


@each_scheme
@given(st.lists(pairs) | st.dictionaries(names, values), st.just(BODY) | st.binary(), aware)
def test_any_input_is_verified_or_ends_in_the_one_error(
    scheme: str, headers: Any, body: bytes, now: datetime
) -> None:
    try:
        verified = SCHEMES[scheme][1].verify(headers, body, now=now)
    except VerificationError as exc:
        str(exc).encode("utf-8")  # fit for an answer
    else:
        assert body == BODY or scheme == "secret-header"
        assert verified.scheme in scheme


visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)


@each_scheme
@given(st.binary(), visible, st.integers(min_value=0))
def test_what_we_signed_verifies_and_one_bit_less_does_not(
    scheme: str, body: bytes, event_id: str, noise: int
) -> None:
    signer, verifier = SCHEMES[scheme]
    headers = signer.sign(body, event_id=event_id, timestamp=1736937000)
    verified = verifier.verify(headers, body, now=NOW)
    assert verified.event_id == (event_id if verified.scheme == "standard" else None)
    if body and scheme != "secret-header":
        at = noise % (len(body) * 8)
        changed = bytearray(body)
        changed[at // 8] ^= 1 << at % 8
        assert code_of(scheme, headers, bytes(changed)) == "signature_mismatch"

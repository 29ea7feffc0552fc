"""The doctor: each usual mistake is made on purpose, and it must say which it was."""

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import pytest

from adjourn import Receiver, VerificationError, contio, meetingbaas, quil
from adjourn.receiving import Diagnosis, Refused
from adjourn.signing import BodyHmacSigner, ContioSigner, StandardSigner, new_signing_key, public_key
from adjourn.testing import sample, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
STAMP = int(NOW.timestamp())
BODY = sample(contio, "meeting.completed", title="Überblick / Café")
SVIX = sample(meetingbaas, "bot.completed")


def find(receiver: Receiver, headers: Any, body: Any, *, now: datetime = NOW) -> Diagnosis:
    with pytest.raises(Refused) as caught:
        receiver.receive(headers, body, now=now)
    assert caught.value.hint == caught.value.diagnosis.text
    for secret in (SECRET[6:], "s3cret"):
        assert secret not in caught.value.hint
    return caught.value.diagnosis


def signed_by(secret: str, body: bytes = BODY) -> dict[str, str]:
    return sign(contio, body, secret, at=NOW)


# --- the body


def event() -> Any:
    return json.loads(BODY)


class Mangled(NamedTuple):
    """What was signed, and what comes of it."""

    signed: bytes
    came: bytes
    cause: str
    says: str


def dumps(**options: Any) -> bytes:
    return json.dumps(event(), **options).encode()


COMPACT = (",", ":")
MANGLED = {
    "json.dumps": Mangled(BODY, dumps(), "body_rewritten", "written compact"),
    "ascii": Mangled(BODY, dumps(separators=COMPACT), "body_rewritten", "written compact"),
    "pretty": Mangled(BODY, dumps(indent=2), "body_rewritten", "written compact"),
    "sorted": Mangled(BODY, dumps(sort_keys=True), "body_rewritten", "the keys in the vendor's order"),
    "was ascii": Mangled(dumps(separators=COMPACT), BODY, "body_rewritten", "compact, escaped to ASCII"),
    "was spaced": Mangled(
        dumps(ensure_ascii=False), BODY, "body_rewritten", "with json.dumps' own spaces: give"
    ),
    "was spaced ascii": Mangled(dumps(), BODY, "body_rewritten", "own spaces, escaped to ASCII"),
    "was sorted": Mangled(
        dumps(sort_keys=True, separators=COMPACT), BODY, "body_rewritten", "escaped to ASCII, keys sorted"
    ),
    "was pretty": Mangled(
        dumps(indent=4, ensure_ascii=False), BODY, "body_rewritten", "indented by 4"
    ),
    "was PHP's": Mangled(
        dumps(separators=COMPACT).replace(b"/", b"\\/"), BODY, "body_rewritten", "slashes escaped"
    ),
    "numbers": Mangled(
        b'{"event_type":"x","n":5,"m":0.000001}',
        b'{"event_type": "x", "n": 5.0, "m": 1e-06}',
        "body_rewritten",
        "as JSON.stringify does",
    ),
    "newline": Mangled(BODY, BODY + b"\n", "body_rewritten", "at the body's ends"),
    "no newline": Mangled(BODY + b"\n", BODY, "body_rewritten", "at the body's ends"),
    "pretty with a newline": Mangled(
        dumps(indent=2) + b"\n", BODY, "body_rewritten", "and a line break at its end"
    ),
    "crlf": Mangled(dumps(indent=2), dumps(indent=2).replace(b"\n", b"\r\n"), "body_rewritten", "CRLF"),
    "lf": Mangled(dumps(indent=2).replace(b"\n", b"\r\n"), dumps(indent=2), "body_rewritten", "CRLF"),
    "bom": Mangled(BODY, b"\xef\xbb\xbf" + BODY, "charset", "byte order mark"),
    "utf-16": Mangled(BODY, BODY.decode().encode("utf-16"), "charset", "UTF-16"),
    "latin-1": Mangled(BODY, BODY.decode().encode("latin-1"), "charset", "Latin-1"),
    "twice": Mangled(BODY, BODY.decode("latin-1").encode(), "charset", "read as latin-1"),
    "twice, windows": Mangled(
        '{"a":"“…"}'.encode(), '{"a":"“…"}'.encode().decode("cp1252", "ignore").encode(), "charset", "cp1252"
    ),
    "lost": Mangled(BODY, BODY.decode("ascii", "replace").encode(), "charset", "of the body were lost"),
    "form": Mangled(BODY, b"payload=" + quote_plus(BODY).encode(), "body_encoded", "form-encoded"),
    "form alone": Mangled(BODY, quote(BODY).encode() + b"=", "body_encoded", "form-encoded"),
    "form key": Mangled(BODY, quote(BODY).encode(), "body_encoded", "form-encoded"),
    "base64": Mangled(BODY, base64.b64encode(BODY), "body_encoded", "in base64"),
    "a string": Mangled(BODY, json.dumps(BODY.decode()).encode(), "body_encoded", "within a JSON string"),
    "str(bytes)": Mangled(BODY, str(BODY).encode(), "body_encoded", "str(body)"),
    "str(dict)": Mangled(BODY, str(event()).encode(), "body_rewritten", "str(event)"),
    "gzip": Mangled(BODY, b"\x1f\x8b\x08rest", "body_encoded", "gzip"),
    "empty": Mangled(BODY, b"", "empty_body", "something read it before"),
    "forged": Mangled(BODY, BODY.replace(b"evt-", b"evt+"), "unknown", "no usual mistake explains it"),
}  # fmt: skip
SEEN_ONLY = {"lost", "str(bytes)", "str(dict)", "gzip", "forged"}


@pytest.mark.parametrize("name", MANGLED)
@pytest.mark.parametrize("profile", ["documented", "sdk"])
def test_what_happened_to_the_body(name: str, profile: str) -> None:
    signed, came, cause, says = MANGLED[name]
    headers = sign(contio, signed, SECRET, at=NOW, signature_profile=profile)
    found = find(Receiver(contio, SECRET), headers, came)
    assert (found.cause, found.certain) == (cause, name not in SEEN_ONLY)
    assert says in found.text


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (BODY.decode(), "decoded to text"),
        (event(), "parsed already"),
        (bytearray(BODY), "give bytes(body)"),
        (memoryview(BODY), "give bytes(body)"),
        (None, "there is no body"),
    ],
)
def test_a_body_that_is_no_bytes(body: Any, says: str) -> None:
    found = find(Receiver(contio, SECRET), signed_by(SECRET), body)
    assert (found.cause, found.certain) == ("not_bytes", True)
    assert says in found.text


def test_a_body_that_was_cut() -> None:
    headers = {**signed_by(SECRET), "Content-Length": str(len(BODY))}
    found = find(Receiver(contio, SECRET), headers, BODY[:-7])
    assert (found.cause, found.certain) == ("body_cut", False)
    assert f"has {len(BODY) - 7} bytes, and content-length says {len(BODY)}" in found.text


def test_keys_in_alphabetical_order_are_seen() -> None:
    body = b'{"data":{},"event_id":"e","event_type":"new.type"}'
    found = find(Receiver(contio, SECRET), signed_by(SECRET, body[::-1]), body)
    assert (found.cause, found.certain) == ("body_rewritten", False)


# --- the secret


def keyed_on(text: str) -> str:
    """The secret that makes its text the key of Standard Webhooks."""
    return "whsec_" + base64.b64encode(text.encode()).decode()


TEXT = "a secret of thirty characters!"
PAIR = new_signing_key(lambda count: b"k" * count).reveal()
LF = b"\n"
ONCE_MORE = ("secret_form", "once too often")
SECRETS: dict[str, tuple[Any, str, str, str, str]] = {
    # the vendor, the sender's secret, the receiver's, cause, what it says
    "newline": (contio, SECRET, SECRET + "\n", "secret_form", "white space or a line break"),
    "space": (contio, SECRET, " " + SECRET, "secret_form", "white space"),
    "quotes": (contio, SECRET, f'"{SECRET}"', "secret_form", "quotation marks"),
    "both": (contio, SECRET, f"'{SECRET}'\n", "secret_form", "white space"),
    "no prefix": (contio, SECRET, SECRET[6:], "secret_form", "lacks its whsec_"),
    "prefix": (contio, TEXT, "whsec_" + TEXT, "secret_form", "a whsec_ that is not the sender's"),
    "base64": (contio, SECRET, base64.b64encode(SECRET.encode()).decode(), "secret_form", "once too often"),
    "base64 of a line": (contio, SECRET, base64.b64encode(SECRET.encode() + LF).decode(), *ONCE_MORE),
    "decoded": (contio, TEXT, keyed_on(TEXT), "secret_form", "once too often"),
    "url": (contio, "whsec_a+b/c==", "whsec_a%2Bb%2Fc%3D%3D", "secret_form", "percent-encoded"),
    "utf-8": (meetingbaas, keyed_on(SECRET), SECRET, "secret_form", "whsec_ included"),
    "utf-8, bare": (meetingbaas, keyed_on(SECRET[6:]), SECRET, "secret_form", "base64 of that text"),
    "twice": (meetingbaas, SECRET, keyed_on(SECRET), "secret_form", "once too often"),
    "public as shared": (meetingbaas, PAIR, "whsec_" + public_key(PAIR)[5:], "key_pair", "whpk_"),
    "public as private": (meetingbaas, PAIR, "whsk_" + public_key(PAIR)[5:], "key_pair", "whpk_"),
    "seed as public": (
        *(meetingbaas, PAIR, "whpk_" + base64.b64encode(b"k" * 32).decode(), "key_pair", "private key"),
    ),
    "another": (contio, SECRET, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "unknown", "of this app and"),
}  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_what_is_wrong_with_the_secret(name: str) -> None:
    vendor, theirs, ours, cause, says = SECRETS[name]
    body = sample(vendor, "meeting.completed" if vendor is contio else "bot.completed")
    found = find(Receiver(vendor, ours), sign(vendor, body, theirs, at=NOW), body)
    assert (found.cause, found.certain) == (cause, cause != "unknown")
    assert says in found.text


def test_of_several_secrets_the_wrong_one_is_found() -> None:
    receiver = Receiver(contio, ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", SECRET[6:]])
    assert find(receiver, signed_by(SECRET), BODY).cause == "secret_form"


def test_a_stray_line_break_is_named_though_the_secret_is_another() -> None:
    found = find(Receiver(contio, "whsec_other\n"), signed_by(SECRET), BODY)
    assert (found.cause, found.certain) == ("secret_form", False)


def test_a_secret_that_was_rotated() -> None:
    """CONTRACTS 1.7: X-Contio-Signature is by the new secret, webhook-signature carries both."""
    signer = ContioSigner("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", SECRET)
    headers = signer.sign(BODY, event_id="evt-1", timestamp=STAMP)
    found = find(Receiver(contio, SECRET), headers, BODY)
    assert (found.cause, found.certain) == ("secret_rotated", True)


def test_webhooks_and_callbacks_with_their_secrets_swapped() -> None:
    callbacks = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    receiver = Receiver(meetingbaas, callbacks, callback_secrets=SECRET)
    for headers, says in (
        (sign(meetingbaas, SVIX, SECRET, at=NOW), "secret of callbacks signs these webhooks"),
        (sign(meetingbaas, SVIX, callbacks, callback=True), "secret of webhooks signs these callbacks"),
    ):
        found = find(receiver, headers, SVIX)
        assert (found.cause, found.certain) == ("secret_mixed_up", True)
        assert says in found.text


@pytest.mark.parametrize(
    ("theirs", "ours", "says"),
    [
        (PAIR, SECRET, "give its public key, whpk_"),
        (SECRET, public_key(PAIR), "give the whsec_"),
    ],
)
def test_a_key_of_the_other_kind(theirs: str, ours: str, says: str) -> None:
    found = find(Receiver(meetingbaas, ours), sign(meetingbaas, SVIX, theirs, at=NOW), SVIX)
    assert (found.cause, found.certain) == ("key_pair", True)
    assert says in found.text


# --- the sender's ways


def test_contios_other_profile() -> None:
    headers = sign(contio, BODY, SECRET, at=NOW, signature_profile="sdk")
    found = find(Receiver(contio, SECRET, strict=True), headers, BODY)
    assert (found.cause, found.certain) == ("options", True)
    assert "strict=False" in found.text


QUIL = sample(quil, "meeting.completed")


@pytest.mark.parametrize(
    ("signer", "options", "says"),
    [
        (BodyHmacSigner(SECRET, header="X-Webhook-Signature"), {}, "signature='hmac-hex'"),
        (
            BodyHmacSigner(SECRET, header="X-Webhook-Signature", encoding="base64"),
            {"signature": "hmac-hex"},
            "signature='hmac-base64'",
        ),
        (BodyHmacSigner(SECRET, header="X-Quil-Signature"), {"signature": "hmac-hex"}, "header='x-quil-sig"),
        (
            BodyHmacSigner(SECRET, header="X-Webhook-Signature", prefix="sha256="),
            {"signature": "hmac-hex"},
            "prefix='sha256='",
        ),
        (
            BodyHmacSigner(SECRET, header="X-Webhook-Signature"),
            {"signature": "hmac-hex", "prefix": "sha256="},
            "prefix=''",
        ),
        (
            BodyHmacSigner(SECRET, header="X-Hub-Signature", prefix="sha256=", encoding="base64"),
            {},
            "signature='hmac-base64', header='x-hub-signature', prefix='sha256='",
        ),
        (StandardSigner(SECRET), {"signature": "hmac-hex"}, "signature='standard'"),
    ],
)
def test_quils_other_ways(signer: Any, options: dict[str, Any], says: str) -> None:
    headers = signer.sign(QUIL, event_id="e", timestamp=STAMP)
    found = find(Receiver(quil, SECRET, **options), headers, QUIL)
    assert (found.cause, found.certain) == ("options", True)
    assert says in found.text


@pytest.mark.parametrize(
    ("vendor", "headers", "certain", "says"),
    [
        (meetingbaas, sign(contio, BODY, SECRET, at=NOW), True, "those of Contio (x-contio-signature"),
        (contio, sign(meetingbaas, SVIX, SECRET, at=NOW), True, "those of Meeting BaaS (svix-id"),
        (contio, sign(quil, QUIL, SECRET, at=NOW), True, "those of Quil (webhook-id"),
        (quil, sign(meetingbaas, SVIX, SECRET, at=NOW), True, "those of Meeting BaaS (svix-id"),
        (quil, sign(meetingbaas, SVIX, keyed_on(TEXT), at=NOW), False, "those of Meeting BaaS (svix-id"),
        (meetingbaas, {"x-mb-secret": "other"}, False, "those of a callback of Meeting BaaS (x-mb-secret)"),
    ],
)
def test_another_senders_headers(vendor: Any, headers: dict[str, str], certain: bool, says: str) -> None:
    body = QUIL if "webhook-id" in headers and vendor is contio else SVIX if "svix-id" in headers else BODY
    found = find(Receiver(vendor, SECRET), headers, body)
    assert (found.cause, found.certain) == ("other_sender", certain)
    assert says in found.text


# --- the headers


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: "HTTP_" + name.upper().replace("-", "_"),
        lambda name: name.lower().replace("-", "_"),
    ],
)
def test_names_as_a_wsgi_environ_has_them(rename: Callable[[str], str]) -> None:
    headers = {rename(name): value for name, value in signed_by(SECRET).items()}
    found = find(Receiver(contio, SECRET), headers, BODY)
    assert (found.cause, found.certain) == ("header_names", True)


@pytest.mark.parametrize("lost", ["svix-id", "svix-timestamp", "svix-signature"])
def test_a_header_that_was_lost(lost: str) -> None:
    headers = sign(meetingbaas, SVIX, SECRET, at=NOW)
    del headers[lost]
    found = find(Receiver(meetingbaas, SECRET), headers, SVIX)
    assert found.cause == "header_lost"
    assert found.text.startswith(f"{lost} was lost on the way")


def test_of_a_sender_that_signs_in_two_ways_one_may_be_lost() -> None:
    """Contio sends X-Contio-Signature, and Standard Webhooks beside it (CONTRACTS 1.4)."""
    found = find(Receiver(contio, SECRET), sign(quil, BODY, SECRET, at=NOW), BODY)
    assert (found.cause, found.certain) == ("header_lost", True)
    assert "x-contio-signature" in found.text
    assert "genuine by the others that came (webhook-id, webhook-timestamp, webhook-signature)" in found.text


def test_no_signature_at_all() -> None:
    headers = {f"X-Header-{each}": "1" for each in range(10)}
    found = find(Receiver(contio, SECRET), headers, BODY)
    assert found.cause == "no_signature"
    assert "the sender does not sign, a proxy" in found.text
    assert found.text.endswith(
        "headers are: " + ", ".join(f"x-header-{at}" for at in range(8)) + " and 2 more"
    )
    assert find(Receiver(contio, SECRET), {}, BODY).text.endswith("headers are: none")
    assert "signs in another way" in find(Receiver(contio, SECRET), {"X-Hub-Signature": "1"}, BODY).text


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (lambda given: {name: [value] for name, value in given.items()}, "is a list"),
        (lambda given: [*given.items(), ("x-contio-signature", 64 * "0")], "comes twice"),
        (lambda given: {**given, "X-Contio-Signature": f'"{64 * "0"}"'}, "stands in quotation marks"),
    ],
)
def test_values_of_the_wrong_form(headers: Any, says: str) -> None:
    found = find(Receiver(contio, SECRET), headers(signed_by(SECRET)), BODY)
    assert found.cause == "header_form"
    assert says in found.text


# --- the time


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (f"{STAMP}000", "x-contio-timestamp is in milliseconds (2026-01-15T10:30:00Z)"),
        (f"{STAMP}.5", "has a fraction"),
        ("2026-01-15T10:30:00Z", "is a date"),
    ],
)
def test_a_timestamp_in_another_unit(value: str, says: str) -> None:
    found = find(Receiver(contio, SECRET), {**signed_by(SECRET), "X-Contio-Timestamp": value}, BODY)
    assert (found.cause, found.certain) == ("timestamp_unit", True)
    assert says in found.text


@pytest.mark.parametrize(
    ("off", "says"),
    [
        (301, "it was signed 301 s before now: repeated, held up"),
        (-301, "it was signed 301 s after now: this clock is slow"),
        (5 * 3600 + 30 * 60 + 5, "19805 s (about 6 h) before now"),
        (-7200, "is it a time zone?"),
    ],
)
def test_a_clock_that_is_off(off: int, says: str) -> None:
    found = find(Receiver(contio, SECRET), signed_by(SECRET), BODY, now=NOW + timedelta(seconds=off))
    assert (found.cause, found.certain) == ("clock", True)
    assert says in found.text
    assert ("time zone" in found.text) == (abs(off) > 1800)


def test_a_stale_webhook_that_would_not_fit_anyway() -> None:
    later = NOW + timedelta(minutes=17)
    found = find(Receiver(contio, SECRET), signed_by(SECRET), dumps(), now=later)
    assert (found.cause, found.certain) == ("body_rewritten", False)
    assert found.text.startswith("it was signed 1020 s before now")
    assert "Besides, its signature does not fit: the body was parsed" in found.text
    forged = find(Receiver(contio, SECRET), signed_by(SECRET), b'{"a":1}', now=later)
    assert forged.cause == "unknown"


# --- what it costs


def test_a_long_body_is_looked_at_but_not_tried() -> None:
    event = {"event_type": "x", "text": "ä" * 70_000}
    compact = json.dumps(event, separators=COMPACT, ensure_ascii=False).encode()
    with pytest.raises(Refused) as caught:
        Receiver(contio, SECRET).receive(signed_by(SECRET, compact), json.dumps(event).encode(), now=NOW)
    assert caught.value.diagnosis.cause == "unknown"
    assert "a body over 65536 bytes is not tried" in caught.value.hint
    assert caught.value.diagnose(longest=1 << 20).cause == "body_rewritten"


def test_endless_headers_are_not_tried() -> None:
    headers = sign(meetingbaas, SVIX, SECRET, at=NOW)
    headers["svix-signature"] = " ".join(["v1,AAAA"] * 1_000)
    assert (
        find(Receiver(meetingbaas, SECRET), headers, json.dumps(json.loads(SVIX)).encode()).cause == "unknown"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b'"' + b"\\" * 60_000,
        b"9" * 60_000,
        b'{"a":' + b"9" * 5_000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"a":NaN}',
        b"\xff\xfe" + b"\xd8" * 1001,
        b"%" * 60_000,
        b"A" * 60_000,
        json.dumps({"event_type": "meeting.completed", "data": [[{}]] * 9_000}).encode(),
        json.dumps({"event_type": ["x"], "data": None}).encode(),
    ],
)
def test_bodies_made_to_hurt_end_soon(body: bytes) -> None:
    """No assert on time: the suite's timeout is the limit, and each takes milliseconds."""
    assert find(Receiver(contio, SECRET), signed_by(SECRET), body).text


def test_it_looks_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr("adjourn.receiving.receiver.diagnose", lambda *_, **__: asked.append(time.time()))
    with pytest.raises(VerificationError) as caught:
        Receiver(contio, SECRET).receive({}, BODY, now=NOW)
    assert (str(caught.value), asked) == (
        "missing x-contio-signature, x-contio-timestamp; seen: none like them",
        [],
    )
    assert caught.value.code == "missing_header"


def test_an_error_of_a_verifier_alone_has_no_hint() -> None:
    with pytest.raises(VerificationError) as caught:
        contio.PROVIDER.verifier(SECRET).verify({}, BODY, now=NOW)
    assert caught.value.hint == ""

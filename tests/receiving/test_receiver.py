"""Receiver: what passes, as what, and what it says of the rest."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
import standardwebhooks
from hypothesis import given, settings
from hypothesis import strategies as st

import adjourn
from adjourn import (
    CalendarChanged,
    ConfigError,
    EventError,
    MeetingEnded,
    Received,
    Receiver,
    Secret,
    UnknownEvent,
    VerificationError,
    contio,
    meetingbaas,
    quil,
)
from adjourn.providers import PROVIDERS
from adjourn.signing import BodyHmacSigner, new_signing_key, public_key
from adjourn.testing import sample, sign

EXAMPLES = Path(__file__).parents[1] / "examples"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


def received(vendor: Any, event_type: str, **options: Any) -> Received:
    body = sample(vendor, event_type)
    return Receiver(vendor, [SECRET]).receive(sign(vendor, body, SECRET, at=NOW, **options), body, now=NOW)


def test_a_handler_reads_well() -> None:
    match received(contio, "meeting.completed").event:
        case contio.MeetingCompleted(data=data):
            assert data.title == "Weekly Team Sync"
        case other:
            pytest.fail(f"{other}")


@pytest.mark.parametrize(
    ("vendor", "event_type", "kind", "key"),
    [
        (contio, "meeting.completed", contio.MeetingCompleted, "event_id"),
        (meetingbaas, "bot.completed", meetingbaas.BotCompleted, None),
        (quil, "meeting.completed", quil.MeetingCompleted, "id"),
    ],
)
def test_each_vendors_events_are_typed_and_have_an_id(
    vendor: Any, event_type: str, kind: type, key: str | None
) -> None:
    got = received(vendor, event_type, event_id="the-svix-id" if key is None else None)
    assert type(got.event) is kind
    assert got.id == ("the-svix-id" if key is None else json.loads(got.body)[key])
    assert got.provider == vendor.PROVIDER.name
    assert got.body == sample(vendor, event_type)
    assert got.received_at == NOW
    assert isinstance(got.normalise(), MeetingEnded)


def test_what_the_signature_proves_is_told() -> None:
    documented = received(contio, "meeting.created").verified
    assert (documented.profile, documented.timestamp) == ("documented", NOW)
    sdk = received(contio, "meeting.created", signature_profile="sdk").verified
    assert (sdk.profile, sdk.timestamp) == ("sdk", None)


def test_calendars_are_normalised_too() -> None:
    assert isinstance(received(contio, "calendar_event.created").normalise(), CalendarChanged)


def test_a_type_that_is_new_is_an_unknown_event() -> None:
    body = b'{"event_type":"meeting.dreamt","event_id":"evt-9","data":{"x":1}}'
    got = Receiver(contio, SECRET).receive(sign(contio, body, SECRET, at=NOW), body, now=NOW)
    assert isinstance(got.event, UnknownEvent)
    assert (got.event.event_type, got.event.raw["data"], got.id) == ("meeting.dreamt", {"x": 1}, "evt-9")
    assert got.normalise() is None


@pytest.mark.parametrize("folder", ["contio", "meetingbaas"])
def test_the_vendors_own_samples_pass(folder: str) -> None:
    """Those of the reference, byte for byte, signed by PyPI's standardwebhooks where that signs alike."""
    provider = PROVIDERS[folder]
    files = sorted((EXAMPLES / folder).glob("*.json"))
    assert files
    receiver = Receiver(provider, [SECRET], callback_secrets=["s3cret"] if folder == "meetingbaas" else [])
    for file in files:
        body = file.read_bytes()
        got = receiver.receive(sign(provider, body, SECRET, at=NOW), body, now=NOW)
        assert not isinstance(got.event, UnknownEvent), file.name


# --- secrets


def test_each_of_several_secrets_counts() -> None:
    body = sample(contio, "meeting.created")
    receiver = Receiver(contio, [OTHER, Secret(SECRET)])
    for secret in (SECRET, OTHER):
        assert receiver.receive(sign(contio, body, secret, at=NOW), body, now=NOW).id
    with pytest.raises(VerificationError):
        receiver.receive(sign(contio, body, "whsec_third", at=NOW), body, now=NOW)


@pytest.mark.parametrize("secrets", [SECRET, Secret(SECRET), [SECRET], (Secret(SECRET),)])
def test_one_secret_may_be_given_as_it_is(secrets: Any) -> None:
    body = sample(quil, "meeting.completed")
    assert Receiver(quil, secrets).receive(sign(quil, body, SECRET, at=NOW), body, now=NOW)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Receiver(contio), "missing or empty"),
        (lambda: Receiver(contio, []), "missing or empty"),
        (lambda: Receiver(contio, [""]), "missing or empty"),
        (lambda: Receiver(contio, [None]), "must be a text"),  # type: ignore[list-item]
        (lambda: Receiver(meetingbaas, [SECRET + "\n"]), "begins or ends with white space"),
        (lambda: Receiver(meetingbaas, [f'"{SECRET}"']), "stands in quotation marks"),
        (lambda: Receiver(meetingbaas, ["whsec_short"]), "24 to 64 bytes"),
        (lambda: Receiver(contio, [SECRET], unsigned=True), "has no option 'unsigned'; there are: strict"),
        (lambda: Receiver(meetingbaas, [SECRET], strict=True), "has no option 'strict'; there are: none"),
        (lambda: Receiver(quil, [SECRET], unsigned=True), "must be one of them"),
        (lambda: Receiver(quil), "missing or empty"),
        (lambda: Receiver(contio, callback_secrets=["s"]), "sends no callbacks"),
        (lambda: Receiver(contio, [SECRET], unsigned_callbacks=True), "sends no callbacks"),
    ],
)
def test_what_cannot_be_a_receiver_says_why(make: Callable[[], Receiver], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        make()
    assert SECRET[6:] not in str(caught.value)


def test_unsigned_passes_by_that_name_alone() -> None:
    body = sample(quil, "meeting.completed")
    got = Receiver(quil, unsigned=True).receive({}, body, now=NOW)
    assert got.verified.scheme == "unsigned"
    with pytest.raises(VerificationError):
        Receiver(quil, [SECRET], unsigned=False).receive({}, body, now=NOW)


def test_the_options_are_the_verifiers() -> None:
    body = sample(contio, "meeting.created")
    headers = sign(contio, body, SECRET, at=NOW, signature_profile="sdk")
    assert Receiver(contio, SECRET).receive(headers, body, now=NOW)
    with pytest.raises(VerificationError):
        Receiver(contio, SECRET, strict=True).receive(headers, body, now=NOW)
    signer = BodyHmacSigner("s3cret", header="X-Sig", encoding="base64", prefix="v0=")
    receiver = Receiver(quil, "s3cret", signature="hmac-base64", header="X-Sig", prefix="v0=")
    event = sample(quil, "meeting.completed")
    assert receiver.receive(signer.sign(event, event_id="e", timestamp=0), event, now=NOW)


def test_a_key_pair_verifies_by_its_public_key() -> None:
    private = new_signing_key()
    body = sample(meetingbaas, "bot.failed")
    headers = sign(meetingbaas, body, private, at=NOW)
    assert Receiver(meetingbaas, public_key(private)).receive(headers, body, now=NOW)


# --- callbacks


class TestCallbacks:
    body = sample(meetingbaas, "bot.completed")
    webhook = sign(meetingbaas, body, SECRET, at=NOW, event_id="msg_1")
    callback = sign(meetingbaas, body, "s3cret", callback=True)

    def test_both_kinds_are_told_apart_by_their_headers(self) -> None:
        receiver = Receiver(meetingbaas, [SECRET], callback_secrets=["s3cret"])
        assert receiver.receive(self.webhook, self.body, now=NOW).id == "msg_1"
        by_callback = receiver.receive(self.callback, self.body, now=NOW)
        assert by_callback.verified.scheme == "secret-header"
        assert by_callback.id.startswith("00000000-0000-0000-0000-000000000") or ":" in by_callback.id

    def test_a_receiver_may_take_callbacks_alone(self) -> None:
        receiver = Receiver(meetingbaas, callback_secrets="s3cret")
        assert receiver.receive(self.callback, self.body, now=NOW)
        with pytest.raises(VerificationError, match="missing x-mb-secret"):
            receiver.receive(self.webhook, self.body, now=NOW)

    def test_a_receiver_of_webhooks_takes_no_callback(self) -> None:
        with pytest.raises(VerificationError, match="missing svix-id"):
            Receiver(meetingbaas, [SECRET]).receive(self.callback, self.body, now=NOW)

    def test_callbacks_without_a_secret_pass_by_that_name_alone(self) -> None:
        receiver = Receiver(meetingbaas, [SECRET], unsigned_callbacks=True)
        assert receiver.receive({}, self.body, now=NOW).verified.scheme == "unsigned"
        assert receiver.receive(self.webhook, self.body, now=NOW).verified.scheme == "standard"
        with pytest.raises(VerificationError, match="missing svix-id"):
            Receiver(meetingbaas, [SECRET], callback_secrets="s3cret").receive({}, self.body, now=NOW)

    @pytest.mark.parametrize("left_out", ["svix-id", "svix-timestamp", "svix-signature"])
    def test_part_of_a_webhooks_headers_makes_no_callback(self, left_out: str) -> None:
        receiver = Receiver(meetingbaas, [SECRET], unsigned_callbacks=True)
        part = {name: value for name, value in self.webhook.items() if name != left_out}
        with pytest.raises(VerificationError, match=f"missing {left_out}"):
            receiver.receive(part, self.body, now=NOW)

    def test_a_callbacks_secret_is_no_webhooks(self) -> None:
        receiver = Receiver(meetingbaas, [SECRET], callback_secrets=["s3cret"])
        with pytest.raises(VerificationError):
            receiver.receive({**self.webhook, "svix-signature": "v1,AA", **self.callback}, self.body, now=NOW)

    def test_a_callback_tells_nothing_but_what_callbacks_tell(self) -> None:
        receiver = Receiver(meetingbaas, [SECRET], callback_secrets=["s3cret"])
        body = sample(meetingbaas, "calendar.connection_deleted")
        with pytest.raises(EventError, match=r"\$\.event: is not sent to callbacks"):
            receiver.receive(sign(meetingbaas, body, "s3cret", callback=True), body, now=NOW)
        assert receiver.receive(sign(meetingbaas, body, SECRET, at=NOW), body, now=NOW)


# --- frameworks' headers, and time


def one_by_one(headers: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield from headers.items()


@pytest.mark.parametrize(
    "shape",
    [
        dict,
        lambda headers: {name.upper(): value for name, value in headers.items()},
        lambda headers: [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        one_by_one,
    ],
)
@pytest.mark.parametrize("callbacks", [[], ["s3cret"]])
def test_headers_may_have_any_frameworks_form(shape: Any, callbacks: list[str]) -> None:
    body = sample(meetingbaas, "bot.completed")
    receiver = Receiver(meetingbaas, SECRET, callback_secrets=callbacks)
    headers = shape(sign(meetingbaas, body, SECRET, at=NOW, event_id="msg_1"))
    assert receiver.receive(headers, body, now=NOW).id == "msg_1"


def test_headers_that_can_be_read_once_are_diagnosed_all_the_same() -> None:
    body = sample(contio, "meeting.created")
    with pytest.raises(VerificationError) as caught:
        Receiver(contio, OTHER + "\n").receive(one_by_one(sign(contio, body, OTHER, at=NOW)), body, now=NOW)
    assert "white space" in caught.value.hint


@pytest.mark.parametrize(("seconds", "passes"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_five_minutes_are_tolerated_either_way(seconds: int, passes: bool) -> None:
    body = sample(contio, "meeting.created")
    headers = sign(contio, body, SECRET, at=NOW)
    now = (NOW + timedelta(seconds=seconds)).astimezone(timezone(timedelta(hours=5, minutes=30)))
    receiver = Receiver(contio, SECRET)
    if passes:
        assert receiver.receive(headers, body, now=now).received_at.tzinfo is UTC
        return
    with pytest.raises(VerificationError) as caught:
        receiver.receive(headers, body, now=now)
    assert caught.value.code == "timestamp_out_of_tolerance"


def test_without_now_it_is_now() -> None:
    body = sample(contio, "meeting.created")
    assert Receiver(contio, SECRET).receive(sign(contio, body, SECRET), body)


# --- what is refused


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"event_type":3}', b"\xff", b"[" * 100_000])
def test_what_is_signed_and_no_event_is_an_event_error(body: bytes) -> None:
    with pytest.raises(EventError):
        Receiver(contio, SECRET).receive(sign(contio, body, SECRET, at=NOW), body, now=NOW)


def test_what_is_shown_of_it_has_no_secret_and_no_event() -> None:
    got = received(contio, "meeting.completed")
    assert "Weekly" not in repr(got)
    assert got.id in repr(got)
    with pytest.raises(VerificationError) as caught:
        Receiver(contio, SECRET).receive({}, got.body, now=NOW)
    shown = f"{caught.value!r} {caught.value} {caught.value.hint} {vars(caught.value)}"
    assert SECRET[6:] not in shown
    assert "Weekly" not in shown


names = st.sampled_from(
    [
        *("svix-id", "svix-timestamp", "svix-signature", "X-Contio-Signature", "x-contio-timestamp"),
        *("webhook-id", "webhook-timestamp", "webhook-signature", "x-mb-secret"),
        *("HTTP_SVIX_ID", "content-length", "é"),
    ]
)
values = (
    st.sampled_from(["v1,", "v1a,AA v1,AA", "sha256=", 64 * "0", "1768473000", "1768473000000", "v2,x"])
    | st.text(max_size=80)
    | st.binary(max_size=20)
    | st.lists(st.text(max_size=3), max_size=2)
)
bodies = (
    st.binary(max_size=200)
    | st.text(max_size=50).map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=12,
    ).map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
)
RECEIVERS = [
    Receiver(contio, [SECRET, "plain secret"]),
    Receiver(contio, [SECRET], strict=True),
    Receiver(meetingbaas, [SECRET], callback_secrets=["s3cret"]),
    Receiver(meetingbaas, [SECRET], unsigned_callbacks=True),
    Receiver(quil, [SECRET]),
    Receiver(quil, ["s3cret"], signature="hmac-hex", header="X-Contio-Signature"),
    Receiver(quil, unsigned=True),
]


@pytest.mark.filterwarnings("error")
@settings(max_examples=300, deadline=None)
@given(
    receiver=st.sampled_from(RECEIVERS),
    headers=st.lists(st.tuples(names, values), max_size=6),
    body=bodies | st.sampled_from([None, "text", bytearray(b"{}"), {"a": 1}]),
    key=st.sampled_from([SECRET, "s3cret"]),
    genuine=st.sampled_from([None, "contio", "meetingbaas", "quil"]),
)
def test_nothing_but_two_errors_comes_of_any_request(
    receiver: Receiver, headers: list[Any], body: Any, key: str, genuine: str | None
) -> None:
    if genuine is not None and isinstance(body, bytes) and (genuine == "contio" or key == SECRET):
        headers = [*sign(PROVIDERS[genuine], body, key, at=NOW, event_id="e").items(), *headers]
    try:
        receiver.receive(headers, body, now=NOW)
    except VerificationError as exc:
        said = exc.hint
    except EventError as exc:
        said = str(exc.faults[0].reason)
    else:
        said = "received"
    assert said
    assert SECRET[6:] not in said


def mangled(rng: random.Random, body: bytes) -> bytes:
    """One byte changed, left out, put in or moved; or cut."""
    at, other = rng.randrange(len(body)), rng.randrange(len(body))
    match rng.randrange(5):
        case 0:
            return body[:at] + bytes([body[at] ^ (1 << rng.randrange(8))]) + body[at + 1 :]
        case 1:
            return body[:at] + body[at + 1 :]
        case 2:
            return body[:at] + rng.randbytes(1) + body[at:]
        case 3:
            return body[:at]
        case _:
            low, high = min(at, other), max(at, other)
            return body[:low] + body[high : high + 1] + body[low:high] + body[high + 1 :]


@pytest.mark.parametrize(
    ("vendor", "event_type", "options"),
    [
        (contio, "meeting.completed", {}),
        (contio, "meeting.completed", {"signature_profile": "sdk"}),
        (meetingbaas, "bot.completed", {}),
        (quil, "meeting.completed", {}),
        (quil, "meeting.completed", {"signature": "hmac-hex"}),
    ],
)
def test_of_thousands_of_mangled_requests_none_passes(
    vendor: Any, event_type: str, options: dict[str, Any]
) -> None:
    body = sample(vendor, event_type)
    headers = sign(vendor, body, SECRET, at=NOW, **options)
    own = {"signature": options["signature"]} if "signature" in options else {}
    receiver = Receiver(vendor, SECRET, **own)
    assert receiver.receive(headers, body, now=NOW)
    rng = random.Random(6)
    for _ in range(2_000):
        other = mangled(rng, body)
        if other == body:
            continue
        with pytest.raises(VerificationError):
            receiver.receive(headers, other, now=NOW)


def test_of_thousands_of_mangled_headers_none_passes() -> None:
    """Each is signed: the id, the time, and of the signature every character."""
    body = sample(meetingbaas, "bot.completed")
    headers = sign(meetingbaas, body, SECRET, at=NOW, event_id="msg_2KWPBgLlAfxdpx2AI54pPJ85f4W")
    receiver = Receiver(meetingbaas, SECRET, callback_secrets="s3cret")
    rng = random.Random(6)
    for _ in range(3_000):
        name = rng.choice(["svix-id", "svix-timestamp", "svix-signature"])
        value = mangled(rng, headers[name].encode()).decode("latin-1")
        if value.split() == headers[name].split():
            continue
        with pytest.raises(VerificationError):
            receiver.receive({**headers, name: value}, body, now=NOW)


# --- other implementations


def test_what_pypis_standardwebhooks_signs_passes() -> None:
    body = sample(quil, "meeting.completed")
    signature = standardwebhooks.Webhook(SECRET).sign("msg_1", NOW, body.decode())
    stamp = str(int(NOW.timestamp()))
    headers = {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature}
    assert Receiver(quil, SECRET).receive(headers, body, now=NOW).verified.event_id == "msg_1"
    with pytest.raises(VerificationError):
        Receiver(quil, SECRET).receive(headers, body + b" ", now=NOW)


@pytest.mark.parametrize(("vendor", "event_type"), [(quil, "meeting.completed"), (contio, "meeting.updated")])
def test_pypis_standardwebhooks_verifies_what_testing_signs(vendor: Any, event_type: str) -> None:
    body = sample(vendor, event_type)
    headers = {name.lower(): value for name, value in sign(vendor, body, SECRET).items()}
    assert standardwebhooks.Webhook(SECRET).verify(body.decode(), headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(body.decode() + " ", headers)


# --- the names


def test_each_public_name_is_there_and_typed() -> None:
    source = Path(adjourn.__file__).read_text("utf-8")
    for name in adjourn.__all__:
        assert getattr(adjourn, name) is not None
        assert source.count(name) >= 2 + (name != "__version__"), name  # __all__, TYPE_CHECKING, at run time
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        adjourn.nonsense  # type: ignore[attr-defined]  # noqa: B018
    assert set(adjourn.__all__) <= set(dir(adjourn))


def test_received_is_frozen() -> None:
    got = received(quil, "meeting.completed")
    with pytest.raises(AttributeError):
        got.id = "other"  # type: ignore[misc]
    assert msgspec.structs.replace(got, id="x").id == "x"


@pytest.mark.parametrize("secrets", [None, [None], [], "", [""]])
def test_a_secret_that_was_forgotten_is_told_when_the_receiver_is_made(secrets: Any) -> None:
    with pytest.raises(ConfigError, match="secret is missing"):
        Receiver(contio, secrets=secrets)


@pytest.mark.parametrize("vendor", ["contio", None, contio.MeetingCompleted])
def test_what_is_no_vendor_is_told_so(vendor: Any) -> None:
    with pytest.raises(ConfigError, match=r"as in Receiver\(contio"):
        Receiver(vendor, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

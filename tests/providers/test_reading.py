"""Reading what was received: typed where its type is known, untouched where not, else one error."""

import contextlib
import json
from datetime import UTC, datetime
from hashlib import sha256
from hmac import new as hmac
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjourn.errors import EventError, Fault, InputError, VerificationError
from adjourn.providers import PROVIDERS, Provider, UnknownEvent, contio
from adjourn.signing import Verified

EXAMPLES = {
    path.stem: json.loads(path.read_bytes())
    for path in sorted((Path(__file__).parent.parent / "examples" / "contio").glob("*.json"))
}
ALL = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
TAGS = {"contio": "event_type", "meetingbaas": "event", "quil": "eventType"}
PROVEN = Verified(scheme="standard", profile="v1", event_id="msg_1")


def refused(provider: Provider, body: bytes) -> EventError:
    with pytest.raises(EventError) as raised:
        provider.read(body)
    return raised.value


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_contio_is_read_as_its_event(name: str) -> None:
    event = contio.PROVIDER.read(json.dumps(EXAMPLES[name]).encode())
    assert type(event) is contio.PROVIDER.event_types[name].event
    assert json.loads(msgspec.json.encode(event)) == EXAMPLES[name]


@ALL
def test_every_sample_is_read_as_its_event(provider: Provider) -> None:
    for event_type in provider.event_types.values():
        event = provider.read(json.dumps(event_type.sample).encode())
        assert type(event) is event_type.event
        assert json.loads(msgspec.json.encode(event)) == event_type.sample


@ALL
def test_keys_that_the_catalog_has_not_are_passed_over(provider: Provider) -> None:
    for event_type in provider.event_types.values():
        sample = event_type.sample
        later = sample | {"new": [1], "data": sample["data"] | {"newer": {"x": None}}}
        assert provider.read(json.dumps(later).encode()) == provider.read(json.dumps(sample).encode())


@ALL
def test_formats_are_not_checked(provider: Provider) -> None:
    event_type = next(iter(provider.event_types.values()))
    texts = {key: "odd" for key, value in event_type.sample_data.items() if str(value).startswith("20")}
    event = event_type.sample | {"data": event_type.sample_data | texts}
    assert type(provider.read(json.dumps(event).encode())) is event_type.event


@ALL
def test_an_unknown_type_passes_untouched(provider: Provider) -> None:
    raw = {TAGS[provider.name]: "meeting.later", "anything": {"goes": [1.5, None]}}
    event = provider.read(json.dumps(raw).encode())
    assert event == UnknownEvent("meeting.later", raw)
    assert provider.normalise(event) is None


@ALL
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{}x", b"\xff", b'"\xff"', b'{"a":"\\ud800"}', b"[" * 100_000, b"\xef\xbb\xbf{}", b"nul"],
)
def test_what_is_no_json_is_refused(provider: Provider, body: bytes) -> None:
    error = refused(provider, body)
    assert isinstance(error, InputError)
    assert error.code == "malformed_event"
    assert error.event_type is None
    ((path, reason),) = ((fault.path, fault.reason) for fault in error.faults)
    assert path == "$"
    assert reason.startswith("is not JSON: ")


@ALL
@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"text"', b"true"])
def test_what_is_no_object_is_refused(provider: Provider, body: bytes) -> None:
    assert refused(provider, body).faults == (Fault("$", "must be an object"),)


@ALL
def test_an_object_without_a_type_is_refused(provider: Provider) -> None:
    tag = TAGS[provider.name]
    assert refused(provider, b"{}").faults == (Fault(f"$.{tag}", "is required"),)
    for value in (b"null", b"1", b"[]"):
        body = b'{"%b":%b}' % (tag.encode(), value)
        assert refused(provider, body).faults == (Fault(f"$.{tag}", "must be a string"),)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"event_id": None}, Fault("$.event_id", "Expected `str`, got `null`")),
        ({"data": {}}, Fault("$.data.meeting_id", "is required")),
        ({"data": None}, Fault("$.data", "Expected `object`, got `null`")),
    ],
)
def test_a_known_type_without_what_it_must_have_is_refused(change: dict[str, Any], fault: Fault) -> None:
    error = refused(contio.PROVIDER, json.dumps(EXAMPLES["meeting.created"] | change).encode())
    assert error.faults == (fault,)
    assert error.event_type == "meeting.created"
    assert str(error) == f"meeting.created: {fault.path}: {fault.reason}"


def test_the_whole_envelope_is_needed() -> None:
    error = refused(contio.PROVIDER, b'{"event_type":"meeting.created"}')
    assert error.faults == (Fault("$.event_id", "is required"),)


def test_an_event_under_its_old_name_is_read_as_todays() -> None:
    today = EXAMPLES["automation.assignment.created"]
    data = contio.to_old_form(today["data"])
    assert data.keys() >= {"workflow_id", "workflow_name"}
    old = today | {"event_type": "workflow.assignment.created", "data": data}
    event = contio.PROVIDER.read(json.dumps(old).encode())
    assert event == contio.PROVIDER.read(json.dumps(today).encode())
    assert isinstance(event, contio.AutomationAssignmentCreated)
    broken = old | {"data": []}
    fault = Fault("$.data", "Expected `object`, got `array`")
    assert refused(contio.PROVIDER, json.dumps(broken).encode()).faults == (fault,)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from([*PROVIDERS.values()]), st.data())
def test_any_body_is_an_event_or_an_event_error(provider: Provider, draw: st.DataObject) -> None:
    sample = draw.draw(st.sampled_from([each.sample for each in provider.event_types.values()]))
    event: Any = dict(sample)
    for _ in range(draw.draw(st.integers(1, 2))):
        event[draw.draw(st.sampled_from([*event]))] = draw.draw(JSON)
    body = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for each in (body, draw.draw(st.binary(max_size=30))):
        with contextlib.suppress(EventError):
            read = provider.read(each)
            assert provider.dedupe_key(read, PROVEN, each)
            provider.normalise(read)


# --- whose it is, and whether it came before


def test_contios_verifier_takes_both_profiles_unless_it_is_strict() -> None:
    now = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)
    body = json.dumps(EXAMPLES["meeting.created"]).encode()
    headers = {"X-Contio-Signature": "sha256=" + hmac(b"secret", body, sha256).hexdigest()}
    assert contio.PROVIDER.verifier("secret").verify(headers, body, now=now).profile == "sdk"
    with pytest.raises(VerificationError):
        contio.PROVIDER.verifier("secret", strict=True).verify(headers, body, now=now)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (
            json.dumps(EXAMPLES["meeting.created"]).encode(),
            "evt-550e8400-e29b-41d4-a716-446655440000",
        ),
        (b'{"event_type":"meeting.later","event_id":"evt-1"}', "evt-1"),
        (b'{"event_type":"meeting.later","event_id":""}', None),
        (b'{"event_type":"meeting.later"}', None),
    ],
)
def test_an_event_of_contio_is_known_by_the_id_in_its_body(body: bytes, key: str | None) -> None:
    found = contio.PROVIDER.dedupe_key(contio.PROVIDER.read(body), PROVEN, body)
    assert found == (key or f"sha256:{sha256(body).hexdigest()}")

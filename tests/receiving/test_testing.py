"""adjourn.testing: samples and signatures for tests of a receiver."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from adjourn import ConfigError, Receiver, Secret, contio, meetingbaas, quil
from adjourn.errors import CatalogError
from adjourn.providers import PROVIDERS
from adjourn.testing import encode, sample, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


@pytest.fixture
def provider_types() -> list[tuple[Any, Any]]:
    return [(each, one) for each in PROVIDERS.values() for one in each.event_types.values()]


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_every_type_has_a_sample_that_is_received(provider: Any) -> None:
    receiver = Receiver(provider, SECRET)
    for name, event_type in provider.event_types.items():
        body = sample(provider, name)
        got = receiver.receive(sign(provider, body, SECRET, at=NOW), body, now=NOW)
        assert type(got.event) is event_type.event
        own_id = {
            name: getattr(got.event, name, None) for name in ("event_id", "id") if name in event_type.sample
        }
        assert json.loads(body) == event_type.sample | own_id


def test_events_that_say_the_same_have_one_id_and_others_another() -> None:
    bodies = [sample(contio, name) for name in contio.PROVIDER.event_types]
    bodies += [sample(contio, "meeting.created", title=title) for title in ("Retro", "Review")]
    ids = [json.loads(body)["event_id"] for body in bodies]
    assert len(set(ids)) == len(ids)
    assert json.loads(sample(contio, "meeting.created", title="Retro"))["event_id"] in ids
    assert re.fullmatch(r"evt_[0-9]{9}", json.loads(sample(quil, "meeting.completed"))["id"])


def test_changes_take_the_place_of_the_samples_data() -> None:
    plain, changed = (
        json.loads(sample(contio, "meeting.created", **each)) for each in ({}, {"title": "Retro"})
    )
    assert changed["data"] == plain["data"] | {"title": "Retro"}
    assert plain["data"]["title"] != "Retro"


def test_a_type_that_is_none_says_which_is_meant_or_what_there_is() -> None:
    with pytest.raises(CatalogError) as caught:
        sample(contio, "meeting.complete")
    assert f"{caught.value}".endswith(": unknown event type, did you mean `meeting.completed`?")
    with pytest.raises(CatalogError, match=r"unknown event type; there are meeting\.completed"):
        sample(quil, "nonsense")


@pytest.mark.parametrize(
    ("vendor", "event_type", "name", "says"),
    [
        (contio, "meeting.completed", "tittle", "data.tittle: unknown field, did you mean `title`?"),
        (quil, "meeting.completed", "meting", "data.meting: unknown field, did you mean `meeting`?"),
        (meetingbaas, "bot.completed", "botId", "data.botId: unknown field, did you mean `bot_id`?"),
        (meetingbaas, "bot.failed", "Ü", "data.Ü: unknown field; there are "),
    ],
)
def test_a_change_that_the_data_does_not_have_says_which_is_meant(
    vendor: Any, event_type: str, name: str, says: str
) -> None:
    with pytest.raises(CatalogError) as caught:
        sample(vendor, event_type, **{name: "x"})
    assert says in f"{caught.value}"


def test_changes_are_those_that_the_wire_names(provider_types: list[tuple[Any, Any]]) -> None:
    for provider, event_type in provider_types:
        body = sample(provider, event_type.name, **event_type.sample_data)
        assert json.loads(body)["data"] == event_type.sample_data


def test_an_old_name_is_that_of_its_type() -> None:
    assert sample(contio, "workflow.assignment.created") == sample(contio, "automation.assignment.created")


def test_an_event_is_signed_as_its_body() -> None:
    event = {"event_type": "meeting.new", "event_id": "evt-7", "data": {"title": "Ü", "n": 5.0}}
    assert (
        encode(event) == '{"event_type":"meeting.new","event_id":"evt-7","data":{"title":"Ü","n":5}}'.encode()
    )
    assert sign(contio, event, SECRET, at=NOW) == sign(contio, encode(event), SECRET, at=NOW)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"event_id":"evt-7"}', "evt-7"),
        (b'{"id":"q-1"}', "q-1"),
        (b'{"id":"two words"}', "evt-"),
        (b'{"id":""}', "evt-"),
        (b'{"id":3}', "evt-"),
        (b"[]", "evt-"),
        (b"\xff", "evt-"),
    ],
)
def test_the_id_in_the_headers_is_the_events_own_or_made_of_it(body: bytes, expected: str) -> None:
    given = sign(quil, body, SECRET, at=NOW)["webhook-id"]
    assert given == expected or (expected == "evt-" and given.startswith("evt-") and len(given) == 36)
    assert sign(quil, body, SECRET, at=NOW, event_id="mine")["webhook-id"] == "mine"


def test_each_vendors_headers() -> None:
    body = b"{}"
    stamp = "1768473000"
    assert sign(contio, body, SECRET, at=NOW)["X-Contio-Timestamp"] == stamp
    assert sign(contio, body, SECRET, at=NOW, signature_profile="sdk")["X-Contio-Signature"].startswith(
        "sha256="
    )
    assert sign(meetingbaas, body, Secret(SECRET), at=NOW)["svix-timestamp"] == stamp
    assert sign(quil, body, SECRET, at=NOW, signature="hmac-hex", signature_header="X-Sig").keys() == {
        "Content-Type",
        "X-Sig",
    }
    assert sign(quil, body, signature="none") == {"Content-Type": "application/json"}
    assert sign(meetingbaas, body, "s3cret", callback=True)["x-mb-secret"] == "s3cret"


@pytest.mark.parametrize(
    ("vendor", "secret", "options", "says"),
    [
        (contio, SECRET, {"nonsense": 1}, "has no option 'nonsense'"),
        (contio, SECRET, {"signature_profile": "md5"}, "an option of Contio: Invalid enum value 'md5'"),
        (contio, "", {}, "missing or empty"),
        (meetingbaas, "short", {}, "24 to 64 bytes"),
        (contio, SECRET, {"callback": True}, "sends no callbacks"),
    ],
)
def test_what_cannot_be_signed_says_why(vendor: Any, secret: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        sign(vendor, b"{}", secret, at=NOW, **options)

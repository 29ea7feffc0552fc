"""Samples: whatever comes out is right, and within twenty everything that a type leaves open is there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import msgspec.inspect as mi
import pytest
from hypothesis import given, settings
from tests.strategies import Published, published, received

from adjourn import wirejson
from adjourn.documents import event_schema, json_schema
from adjourn.documents.samples import data_samples, samples
from adjourn.models import Audience
from adjourn.providers import PROVIDERS, EventType, Provider, check_data
from adjourn.providers.contio import ContioOptions
from adjourn.providers.meetingbaas import MeetingBaasOptions

COUNT = 20
NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
TYPES = [
    pytest.param(provider, event_type, id=f"{provider.name}-{event_type.name}")
    for provider in PROVIDERS.values()
    for event_type in provider.event_types.values()
]
every_type = pytest.mark.parametrize(("provider", "event_type"), TYPES)

Json = dict[str, Any]


def of(provider: str, event_type: str, count: int = COUNT, seed: int = 0) -> list[Json]:
    found = PROVIDERS[provider]
    return [*data_samples(found, found.event_types[event_type], count=count, seed=seed)]


# --- every sample is right


@every_type
def test_data_are_what_publishing_takes(provider: Provider, event_type: EventType) -> None:
    validator = jsonschema_rs.validator_for(json_schema(event_type), validate_formats=True)
    for data in data_samples(provider, event_type, count=60):
        assert check_data(event_type, data) == []
        assert provider.prepare(event_type.name, data, path="$").faults == []
        assert [each.message for each in validator.iter_errors(data)] == []


@every_type
def test_events_are_what_receivers_read(provider: Provider, event_type: EventType) -> None:
    validator = jsonschema_rs.validator_for(event_schema(event_type), validate_formats=True)
    for event in samples(provider, event_type, count=60):
        decoded = msgspec.json.decode(wirejson.dumps(event), type=event_type.event)
        assert type(decoded) is event_type.event
        assert [each.message for each in validator.iter_errors(event)] == []


@every_type
def test_events_have_the_published_data_in_the_form_that_is_sent(
    provider: Provider, event_type: EventType
) -> None:
    data = data_samples(provider, event_type, count=COUNT)
    for event, each in zip(samples(provider, event_type, count=COUNT), data, strict=True):
        assert event["data"] == provider.prepare(event_type.name, each, path="$").data


@settings(max_examples=100)
@given(published())
def test_data_of_any_seed_are_what_publishing_takes(given_: Published) -> None:
    assert check_data(given_.event_type, given_.data) == []
    body = json.dumps({"data": given_.data}).encode()  # as a publisher's own encoder writes it
    assert wirejson.loads(body) == {"data": given_.data}


@settings(max_examples=100)
@given(received())
def test_a_body_is_canonical(given_: tuple[EventType, Json]) -> None:
    _, event = given_
    body = wirejson.dumps(event)
    assert wirejson.dumps(wirejson.loads(body)) == body
    assert [*_keys_out_of_order(json.loads(body))] == []
    # No number that ECMAScript prints in another way: its rules in test_wirejson.py, against V8's own output.
    assert json.loads(body, parse_float=_as_ecmascript) == json.loads(body)


@pytest.mark.skipif(NODE is None and "CI" not in os.environ, reason="no node")
def test_every_body_is_what_javascript_makes_of_it() -> None:
    program = (
        "const lines = require('fs').readFileSync(0, 'utf8').split('\\n'); "
        "for (const line of lines) if (line && JSON.stringify(JSON.parse(line)) !== line) console.log(line); "
        "console.log(lines.length);"
    )
    bodies = [
        wirejson.dumps(event)
        for provider in PROVIDERS.values()
        for event_type in provider.event_types.values()
        for event in samples(provider, event_type, count=25, seed=9)
    ]
    done = subprocess.run(
        [NODE or "node", "-e", program], input=b"\n".join(bodies), capture_output=True, check=True
    )
    assert done.stdout.decode() == f"{len(bodies)}\n"


def _as_ecmascript(literal: str) -> float:
    number = float(literal)
    assert not number.is_integer() or abs(number) >= 1e21
    assert ("e" in literal) == (not 1e-6 <= abs(number) < 1e21)
    assert len(literal.lstrip("-0.").partition("e")[0].replace(".", "")) <= 17
    return number


def _keys_out_of_order(value: Any) -> Iterator[list[str]]:
    """ECMAScript has array indices first among keys, ascending."""
    if isinstance(value, dict):
        indices = [key for key in value if key.isdigit() and str(int(key)) == key and int(key) < 2**32 - 1]
        if [*value][: len(indices)] != sorted(indices, key=int):
            yield [*value]
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _keys_out_of_order(each)


# --- within twenty, everything that a type leaves open is there


@every_type
def test_every_choice_is_seen(provider: Provider, event_type: EventType) -> None:
    wanted, seen = set(_choices(mi.type_info(event_type.data), "$")), set[tuple[str, object]]()
    for data in data_samples(provider, event_type, count=COUNT):
        seen |= set(_made(mi.type_info(event_type.data), data, "$"))
    assert wanted - seen == set()


def _choices(node: mi.Type, path: str) -> Iterator[tuple[str, object]]:
    """Each way that a place may be, told from the types alone."""
    match node:
        case mi.Metadata(type=inner):
            yield from _choices(inner, path)
        case mi.UnionType(types=types):
            for each in types:
                yield path, _form(each)
                yield from _choices(each, path)
        case mi.StructType(fields=fields):
            for field in fields:
                if not field.required:
                    yield f"{path}.{field.encode_name}", "absent"
                    yield f"{path}.{field.encode_name}", "there"
                yield from _choices(field.type, f"{path}.{field.encode_name}")
        case mi.ListType(item_type=item):
            yield from ((path, length) for length in ("empty", "one", "many"))
            yield from _choices(item, f"{path}[]")
        case mi.LiteralType(values=values):
            yield from ((path, value) for value in values)
        case mi.BoolType():
            yield from ((path, "True"), (path, "False"))
        case mi.IntType(ge=low, le=high) | mi.FloatType(ge=low, le=high):
            yield from ((path, bound) for bound in (low, high) if bound is not None)


def _made(node: mi.Type, value: Any, path: str) -> Iterator[tuple[str, object]]:
    """The ways that a value is, for the same places."""
    match node:
        case mi.Metadata(type=inner):
            yield from _made(inner, value, path)
        case mi.UnionType(types=types):
            node = next(each for each in types if _fits(each, value))
            yield path, _form(node)
            yield from _made(node, value, path)
        case mi.StructType(fields=fields):
            for field in fields:
                here = f"{path}.{field.encode_name}"
                if field.encode_name not in value:
                    yield here, "absent"
                    continue
                yield here, "there"
                yield from _made(field.type, value[field.encode_name], here)
        case mi.ListType(item_type=item):
            yield path, ("empty", "one")[len(value)] if len(value) < 2 else "many"
            for each in value:
                yield from _made(item, each, f"{path}[]")
        case mi.BoolType():
            yield path, str(value)
        case mi.LiteralType() | mi.IntType() | mi.FloatType():
            yield path, value


def _form(node: mi.Type) -> str:
    return _form(node.type) if isinstance(node, mi.Metadata) else type(node).__name__


_JSON_TYPES = {
    "NoneType": type(None),
    "StrType": str,
    "LiteralType": str,
    "IntType": int,
    "FloatType": (int, float),
    "ListType": list,
    "StructType": dict,
    "DictType": dict,
}


def _fits(node: mi.Type, value: Any) -> bool:
    return isinstance(value, _JSON_TYPES[_form(node)])  # type: ignore[arg-type]


def test_the_first_sample_has_every_field_and_the_second_as_few_as_may_be() -> None:
    full, least, nulls, *_ = of("contio", "workflow.run.failed")
    fields = [field.encode_name for field in msgspec.structs.fields(_data("contio", "workflow.run.failed"))]
    assert [*full] == fields
    assert None not in full.values()
    assert fields - least.keys() == {"step_id", "node_id"}
    assert nulls["step_id"] is nulls["node_id"] is None


def _data(provider: str, event_type: str) -> type[msgspec.Struct]:
    return PROVIDERS[provider].event_types[event_type].data


def test_participants_are_objects_or_names_and_never_both_at_once() -> None:
    kinds = [
        {type(each) for each in data["participants"] or ()} for data in of("meetingbaas", "bot.completed")
    ]
    assert {dict} in kinds
    assert {str} in kinds
    assert {dict, str} not in kinds


def test_notes_are_a_list_or_a_url() -> None:
    notes = [data["assets"].get("databaseNotes") for data in of("quil", "meeting.completed")]
    assert {type(each) for each in notes} == {list, str, type(None)}


def test_open_objects_hold_what_encoders_get_wrong() -> None:
    payloads = [
        data.get("automation_data_payload", {}) for data in of("contio", "automation.assignment.created")
    ]
    keys = {key for payload in payloads for key in payload}
    assert {"", "__proto__", "4294967294", "4294967295", "01", "\x00"} <= keys
    numbers = next(payload["numbers"] for payload in payloads if "numbers" in payload)
    assert {0.000001, 1e-7, 5e-324, 1e21, 1.7976931348623157e308, 2**53 - 1, 1 - 2**53} <= {*numbers}


def test_a_field_of_any_json_has_each_kind_of_it() -> None:
    summaries = [data.get("output_summary", ...) for data in of("contio", "workflow.step.completed", 40)]
    assert {type(each) for each in summaries} >= {dict, list, str, int, float, bool, type(None)}


def test_a_status_is_open_for_more() -> None:
    known = {"code", "created_at", "start_time", "error_message", "attempt", "max"}  # CONTRACTS 2
    assert any(data["status"].keys() - known for data in of("meetingbaas", "bot.status_change"))


def test_texts_hold_what_receivers_trip_over() -> None:
    text = "".join(data["title"] for data in of("contio", "meeting.created"))
    assert {*'"\\\u2028\u2029\x00\x1b\u202e\ufeff☃'} <= {*text}
    assert any(ord(char) > 0xFFFF for char in text)
    titles = [data["title"] for data in of("contio", "meeting.created")]
    assert "" in titles
    assert max(map(len, titles)) >= 1000


# --- as real ones are


@every_type
def test_what_starts_ends_later_and_is_sent_last(provider: Provider, event_type: EventType) -> None:
    for data in data_samples(provider, event_type, count=60):
        for struct in _objects(data):
            for earlier, later in (
                ("started_at", "completed_at"),
                ("start_time", "end_time"),
                ("start", "end"),
                ("joined_at", "exited_at"),
                ("exited_at", "sent_at"),
                ("joined_at", "sent_at"),
                ("created_at", "updated_at"),
                ("last_activity_at", "expired_at"),
            ):
                first, second = struct.get(earlier), struct.get(later)
                if isinstance(first, str) and isinstance(second, str):
                    assert datetime.fromisoformat(first) < datetime.fromisoformat(second)


def _objects(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _objects(each)


@every_type
def test_nothing_in_the_data_is_later_than_its_envelope_but_what_is_planned(
    provider: Provider, event_type: EventType
) -> None:
    planned = {"start", "end", "start_time", "end_time", "scheduled_start"}
    for event in islice(samples(provider, event_type, count=40), 19, None):
        if "timestamp" not in event:
            continue
        at = datetime.fromisoformat(event["timestamp"])
        for name, value in event["data"].items():
            if name.endswith("_at") and name not in planned:
                assert datetime.fromisoformat(value) <= at


def test_a_duration_is_that_between_start_and_end() -> None:
    seen = 0
    for data in of("meetingbaas", "bot.completed", 60):
        if data["duration_seconds"] in (0, 1, 10) or (data["duration_seconds"] or 2**31) >= 2**31:
            continue  # a hard case
        if data["joined_at"] and data["exited_at"]:
            joined, exited = (datetime.fromisoformat(data[each]) for each in ("joined_at", "exited_at"))
            assert (
                abs(data["duration_seconds"] - (exited - joined).total_seconds()) < 2
            )  # each without its fraction
            seen += 1
    assert seen > 20


def test_a_completed_action_item_says_so_twice() -> None:
    for data in of("contio", "action_item.updated", 60):
        assert data["is_completed"] is (data["status"] == "completed")


def test_a_guest_is_no_user() -> None:
    for data in of("contio", "participant.added", 80)[19:]:
        for each in data["participants"]:
            assert each.get("user_id") is None or "guest_email" not in each or each["guest_email"] is None


def test_what_was_deleted_has_no_links() -> None:
    links = ("video", "audio", "diarization", "raw_transcription", "transcription")
    deleted = [data for data in of("meetingbaas", "bot.completed", 80)[19:] if data["data_deleted"]]
    assert deleted
    assert {data[link] for data in deleted for link in links} == {None}


@every_type
def test_the_envelopes_are_those_that_publishing_makes(provider: Provider, event_type: EventType) -> None:
    for event in samples(provider, event_type, count=40):
        if provider.name != "contio":
            continue
        audience = (
            Audience(user_ids=(event["for_user"]["id"],))
            if "for_user" in event
            else Audience(partner_app_ids=(event["partner_app_id"],))
        )
        actor = event.get("actor_user_id")
        assert provider.check_audience(event_type.name, event["data"], audience, actor) == []


# --- the same for everybody


def test_an_app_gets_the_form_that_its_options_say() -> None:
    contio, baas = PROVIDERS["contio"], PROVIDERS["meetingbaas"]
    assigned = contio.event_types["automation.assignment.created"]
    for event in samples(contio, assigned, count=COUNT, options=ContioOptions(legacy_event_names=True)):
        assert event["event_type"] == "workflow.assignment.created"
        assert "workflow_id" in event["data"]
    completed = baas.event_types["bot.completed"]
    for event in samples(baas, completed, count=COUNT, options=MeetingBaasOptions(participants="names")):
        assert {type(each) for each in event["data"]["participants"]} <= {str}


@every_type
def test_few_are_the_first_of_many(provider: Provider, event_type: EventType) -> None:
    many = [*samples(provider, event_type, count=30, seed=7)]
    assert [*samples(provider, event_type, count=5, seed=7)] == many[:5]
    assert [*samples(provider, event_type, count=5, seed=8)] != many[:5]


def test_a_sample_is_the_callers_own() -> None:
    for data in of("contio", "automation.assignment.created"):
        data.get("automation_data_payload", {}).clear()
    assert any(data.get("automation_data_payload") for data in of("contio", "automation.assignment.created"))


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    program = (
        "import hashlib; from adjourn import wirejson; from adjourn.providers import PROVIDERS; "
        "from adjourn.documents.samples import samples; "
        "bodies = [wirejson.dumps(event) for provider in PROVIDERS.values() "
        "for each in provider.event_types.values() for event in samples(provider, each, count=25)]; "
        "print(hashlib.sha256(b''.join(bodies)).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1

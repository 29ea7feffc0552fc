"""The JSON Schemas of every catalog, as another implementation of draft 2020-12 reads them."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from adjourn.documents import event_schema, json_schema
from adjourn.providers import PROVIDERS, EventType

EXAMPLES = Path(__file__).parent.parent / "examples"
TYPES = [each for provider in PROVIDERS.values() for each in provider.event_types.values()]
IDS = [f"{name}/{each}" for name, provider in PROVIDERS.items() for each in provider.event_types]
NAMED_BY = {"contio": "event_type", "meetingbaas": "event", "quil": "eventType"}
FILES = [path for name in PROVIDERS for path in sorted((EXAMPLES / name).glob("*.json"))]

each_type = pytest.mark.parametrize("event_type", TYPES, ids=IDS)


def takes(schema: dict[str, Any], value: object) -> bool:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(value)


def without(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: each for name, each in value.items() if name != key}


@each_type
def test_each_schema_is_valid_draft_2020_12(event_type: EventType) -> None:
    for schema in (json_schema(event_type), event_schema(event_type)):
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        jsonschema_rs.meta.validate(schema)


@each_type
def test_the_sample_is_taken_as_a_whole_and_its_data_alone(event_type: EventType) -> None:
    assert takes(event_schema(event_type), event_type.sample)
    assert takes(json_schema(event_type), event_type.sample_data)


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.stem}" for path in FILES])
def test_every_example_is_taken(path: Path) -> None:
    example = json.loads(path.read_bytes())
    provider = PROVIDERS[path.parent.name]
    event_type = provider.event_types[example[NAMED_BY[provider.name]]]
    assert takes(event_schema(event_type), example)
    if "assets" in example:  # CONTRACTS 3: the vendor's sample has them there; they are sent under data
        example["data"]["assets"] = example.pop("assets")
        assert takes(event_schema(event_type), example)
    assert takes(json_schema(event_type), example["data"])


def test_there_are_examples_of_both_vendors_that_have_them() -> None:
    counts = {name: len([*(EXAMPLES / name).glob("*.json")]) for name in ("contio", "meetingbaas")}
    assert counts == {"contio": 31, "meetingbaas": 12}


@each_type
def test_data_without_a_required_field_is_refused(event_type: EventType) -> None:
    schema = json_schema(event_type)
    assert schema["required"]
    for name in schema["required"]:
        assert not takes(schema, without(event_type.sample_data, name)), name


@each_type
def test_data_of_a_wrong_type_is_refused(event_type: EventType) -> None:
    schema = json_schema(event_type)
    for name in event_type.sample_data:
        if schema["properties"][name].keys() == {"description"}:
            continue  # any JSON
        assert not takes(schema, {**event_type.sample_data, name: [[]]}), name


@each_type
def test_an_unknown_key_is_refused_of_a_publisher_and_passed_over_by_a_receiver(
    event_type: EventType,
) -> None:
    sample = copy.deepcopy(event_type.sample)
    sample["data"]["nobody_knows"] = 1
    assert not takes(json_schema(event_type), sample["data"])
    assert takes(event_schema(event_type), {**sample, "nobody_knows": 1})


@each_type
def test_another_types_name_is_refused(event_type: EventType) -> None:
    key = next(key for key in NAMED_BY.values() if event_type.sample.get(key) == event_type.name)
    assert not takes(event_schema(event_type), {**event_type.sample, key: "meeting.exploded"})
    assert not takes(event_schema(event_type), without(event_type.sample, key))


def _bot(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    data = copy.deepcopy(PROVIDERS["meetingbaas"].event_types["bot.completed"].sample_data)
    change(data)
    return data


BAD_BOTS = {
    "an id that is no uuid": {"bot_id": "bot-1"},
    "a time that is none": {"sent_at": "yesterday"},
    "a video that is no uri": {"video": "not a uri"},
    "a duration below 0": {"duration_seconds": -1},
    "a duration with a fraction": {"duration_seconds": 1.5},
    "a participant without a name": {"participants": [{"id": 1}]},
    "no participants": {"participants": 7},
}


@pytest.mark.parametrize("change", BAD_BOTS.values(), ids=BAD_BOTS)
def test_formats_and_bounds_of_a_bot(change: dict[str, Any]) -> None:
    schema = json_schema(PROVIDERS["meetingbaas"].event_types["bot.completed"])
    assert not takes(schema, _bot(lambda data: data.update(change)))


GOOD_BOTS = {
    "participants as strings": {"participants": ["Ada", "Grace"], "speakers": ["Ada"]},
    "nobody": {"participants": [], "speakers": []},
    "nothing known": dict.fromkeys(("joined_at", "exited_at", "video", "audio", "duration_seconds")),
}


@pytest.mark.parametrize("change", GOOD_BOTS.values(), ids=GOOD_BOTS)
def test_every_form_of_a_bot(change: dict[str, Any]) -> None:
    schema = json_schema(PROVIDERS["meetingbaas"].event_types["bot.completed"])
    assert takes(schema, _bot(lambda data: data.update(change)))


def test_a_bots_status_is_open_and_the_data_around_it_is_not() -> None:
    event_type = PROVIDERS["meetingbaas"].event_types["bot.status_change"]
    data = copy.deepcopy(event_type.sample_data)
    data["status"]["reason_of_tomorrow"] = {"a": 1}
    assert takes(json_schema(event_type), data)
    assert not takes(json_schema(event_type), {**data, "reason_of_tomorrow": 1})
    del data["status"]["code"]
    assert not takes(json_schema(event_type), data)


@pytest.mark.parametrize(("extra", "fits"), [(None, True), ({"a": [1]}, True), ([], False), ("a", False)])
def test_a_bots_event_carries_extra(extra: object, fits: bool) -> None:
    event_type = PROVIDERS["meetingbaas"].event_types["bot.failed"]
    assert takes(event_schema(event_type), {**event_type.sample, "extra": extra}) is fits


def test_quils_notes_are_a_list_or_a_url() -> None:
    event_type = PROVIDERS["quil"].event_types["meeting.completed"]
    data = copy.deepcopy(event_type.sample_data)
    for notes, fits in (
        ([{"name": "Summary", "note": "Short"}], True),
        ("https://quil.example/notes", True),
        ([{"name": "Summary"}], False),
        (7, False),
    ):
        data["assets"]["databaseNotes"] = notes
        assert takes(json_schema(event_type), data) is fits, notes


def descriptions(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for struct in (schema, *schema.get("$defs", {}).values()):
        for name, each in struct["properties"].items():
            yield name, each.get("description", "")


@each_type
def test_every_field_says_what_it_is(event_type: EventType) -> None:
    for schema in (json_schema(event_type), event_schema(event_type)):
        assert [name for name, text in descriptions(schema) if not text] == []

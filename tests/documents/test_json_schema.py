"""The JSON Schemas: self-contained, described, and as strict as the side that uses them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from adjourn.documents import event_schema, json_schema
from adjourn.providers import contio

TYPES = contio.PROVIDER.event_types


def nodes(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from nodes(inner)


def test_meeting_updated_as_a_whole() -> None:
    assert json_schema(TYPES["meeting.updated"]) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Meeting updated",
        "description": "Sent when a meeting's properties are updated",
        "type": "object",
        "properties": {
            "meeting_id": {"type": "string", "description": "Unique meeting identifier"},
            "workspace_id": {"type": "string", "description": "Workspace ID"},
            "title": {"type": "string", "description": "Meeting title (current value after update)"},
            "scheduled_start": {
                "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}],
                "description": "Scheduled start time (nil if untimed)",
            },
            "updated_at": {
                "type": "string",
                "format": "date-time",
                "description": "ISO 8601 timestamp of update",
            },
        },
        "required": ["meeting_id", "workspace_id", "title", "updated_at"],
        "additionalProperties": False,
    }


def test_closed_values_bounds_and_open_objects() -> None:
    fields = json_schema(TYPES["automation.assignment.created"])["properties"]
    assert sorted(fields["status"]["enum"]) == ["failed", "pending", "processed"]
    assert fields["confidence_score"] == {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "Match confidence score (0-1)",
    }
    assert fields["automation_data_payload"] == {
        "type": "object",
        "description": "Custom data from automation configuration",
    }
    step = json_schema(TYPES["workflow.step.completed"])["properties"]
    assert step["output_summary"].keys() == {"description"}
    assert step["status"]["enum"] == ["completed"]
    turns = json_schema(TYPES["session.expired"])["properties"]["turn_count"]
    assert (turns["type"], turns["minimum"]) == ("integer", 0)


def test_nested_structs_stand_in_the_schemas_own_definitions() -> None:
    schema = json_schema(TYPES["participant.added"])
    assert schema["properties"]["participants"]["items"] == {"$ref": "#/$defs/AddedParticipant"}
    entry = schema["$defs"]["AddedParticipant"]
    assert entry["required"] == ["participant_id", "role"]
    assert entry["additionalProperties"] is False


@pytest.mark.parametrize("name", TYPES)
def test_each_schema_is_self_contained_described_and_plain_json(name: str) -> None:
    for schema in (json_schema(TYPES[name]), event_schema(TYPES[name])):
        assert json.loads(json.dumps(schema)) == schema
        for node in nodes(schema):
            if "$ref" in node:
                assert node["$ref"].removeprefix("#/$defs/") in schema["$defs"]
        for struct in (schema, *schema.get("$defs", {}).values()):
            assert all(field["description"] for field in struct["properties"].values())


@pytest.mark.parametrize("name", TYPES)
def test_the_data_schema_closes_each_object_with_fields(name: str) -> None:
    closed = [node["additionalProperties"] for node in nodes(json_schema(TYPES[name])) if "required" in node]
    assert closed
    assert not any(closed)


def test_the_event_schema_holds_the_envelope_and_stays_open() -> None:
    schema = event_schema(TYPES["meeting.created"])
    assert list(schema["properties"]) == [
        "event_type",
        "event_id",
        "timestamp",
        "partner_app_id",
        "for_user",
        "actor_user_id",
        "data",
    ]
    assert schema["required"] == ["event_type", "event_id", "timestamp", "partner_app_id", "data"]
    assert schema["properties"]["event_type"]["enum"] == ["meeting.created"]
    assert schema["$defs"]["ForUser"]["required"] == ["id", "email"]
    assert not any("additionalProperties" in node for node in nodes(schema))


def test_a_schema_is_the_callers_own() -> None:
    json_schema(TYPES["meeting.created"])["properties"].clear()
    assert json_schema(TYPES["meeting.created"])["properties"]

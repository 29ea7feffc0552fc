"""Contio's catalog against its sources: the reference's samples and index, and CONTRACTS 1.2.

Every expectation is written by hand from those or read from the samples in tests/examples/contio.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from adjourn.errors import Fault
from adjourn.providers import PROVIDERS, EventType, check_data, contio, order_key

EXAMPLES = {
    path.stem: json.loads(path.read_bytes())
    for path in sorted((Path(__file__).parent.parent / "examples" / "contio").glob("*.json"))
}

# The reference's quick index: heading, type, since.
QUICK_INDEX = """
Action Button | action_button.triggered | 1.5
Action Item | action_item.completed | 1.3
Action Item | action_item.created | 1.0
Action Item | action_item.updated | 1.0
Agenda Item | agenda_item.created | 1.4
Agenda Item | agenda_item.deleted | 1.4
Agenda Item | agenda_item.updated | 1.4
Automation | automation.assignment.created | 1.0
Calendar Event | calendar_event.created | 1.4
Calendar Event | calendar_event.deleted | 1.4
Calendar Event | calendar_event.updated | 1.4
Meeting | meeting.completed | 1.3
Meeting | meeting.created | 1.3
Meeting | meeting.updated | 1.4
Meeting \u203a Context | meeting.context.created | 1.4
Meeting \u203a Context | meeting.context.deleted | 1.4
Meeting \u203a Context | meeting.context.processed | 1.4
Meeting Template | meeting_template.applied | 1.5
Next Step | next_step.completed | 1.5
Participant | participant.added | 1.3
Participant | participant.removed | 1.3
Session | session.expired | 1.4
Session | session.turn.completed | 1.4
Session | session.turn.failed | 1.4
User | user.connection.revoked | 1.0
Workflow | workflow.run.completed | 1.6
Workflow | workflow.run.failed | 1.6
Workflow | workflow.run.started | 1.6
Workflow | workflow.step.completed | 1.6
Workflow | workflow.task.created | 1.6
Workflow | workflow.task.resolved | 1.6
"""

NEWER: dict[str, dict[str, Any]] = {
    "canvas_template.applied": {
        "template_id": "t",
        "template_name": "n",
        "canvas_id": "c",
        "applied_by_user_id": "u",
        "applied_at": "2025-01-15T10:30:00Z",
        "applied_items": {"collaborators": 2},
    },
    "partner.idp.domain_verified": {
        "domain": "example.com",
        "status": "verified",
        "verified_at": "2025-01-15T10:30:00Z",
    },
    "partner.idp.domain_revoked": {
        "domain": "example.com",
        "status": "revoked",
        "revoked_at": "2025-01-15T10:30:00Z",
    },
    "partner.idp.domain_verification_failed": {
        "domain": "example.com",
        "status": "failed",
        "reason": "no record",
        "failed_at": "2025-01-15T10:30:00Z",
    },
}

# CONTRACTS 1.2, "Fields are required unless listed here". Nested fields have tests of their own.
MAY_BE_ABSENT_ONLY = {
    "action_button.triggered": {"meeting_id"},
    "automation.assignment.created": {"automation_data_payload", "confidence_score"},
    "meeting.context.created": {"title"},
    "next_step.completed": {"meeting_id", "result_id", "context_id", "context_type"},
    "workflow.step.completed": {"output_summary"},
}
MAY_BE_ABSENT_OR_NULL = {
    "action_button.triggered": {
        "context_id",
        "context_type",
        "invocation_id",
        "next_step_id",
        "result_id",
    },
    "action_item.created": {"assignee_id"},
    "action_item.updated": {"assignee_id"},
    "action_item.completed": {"assignee_id"},
    "agenda_item.created": {"meeting_id"},
    "agenda_item.updated": {"meeting_id"},
    "agenda_item.deleted": {"meeting_id"},
    "meeting.updated": {"scheduled_start"},
    "participant.removed": {"user_id", "guest_email"},
    "session.expired": {"meeting_id"},
    "session.turn.completed": {"meeting_id"},
    "session.turn.failed": {"meeting_id"},
    "workflow.run.failed": {"step_id", "node_id"},
    "workflow.run.started": {"triggered_by"},
    "workflow.task.resolved": {"reason"},
}

DATA = {name: example["data"] for name, example in EXAMPLES.items()} | NEWER
FIELDS = [(name, field) for name, data in DATA.items() for field in data]
OPTIONAL_FIELDS = [
    (name, field)
    for table in (MAY_BE_ABSENT_ONLY, MAY_BE_ABSENT_OR_NULL)
    for name, fields in table.items()
    for field in sorted(fields)
]


def type_of(name: str) -> EventType:
    event_type = contio.PROVIDER.resolve(name)
    assert event_type is not None
    return event_type


def without(data: dict[str, Any], field: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != field}


# --- the index


def test_the_catalog_is_the_references_index_then_the_newer_types() -> None:
    rows = [
        f"{event_type.group} | {name} | {event_type.since}"
        for name, event_type in contio.PROVIDER.event_types.items()
    ]
    assert rows[:31] == QUICK_INDEX.strip().splitlines()
    newer = list(contio.PROVIDER.event_types.values())[31:]
    assert {event_type.name for event_type in newer} == NEWER.keys()
    assert [event_type.since for event_type in newer] == [None] * 4


def test_each_type_is_listed_under_its_own_name() -> None:
    for name, event_type in contio.PROVIDER.event_types.items():
        assert (event_type.name, event_type.event.__struct_config__.tag) == (name, name)


@pytest.mark.parametrize(
    ("name", "description"),
    [  # those that the quick index cuts short
        ("calendar_event.created", "Sent when a calendar event is synced from an external calendar"),
        (
            "calendar_event.deleted",
            "Sent when a calendar event is cancelled/deleted from an external calendar",
        ),
        ("calendar_event.updated", "Sent when a calendar event is updated in an external calendar"),
        ("session.turn.completed", "Sent when the agent finishes processing a turn in a chat session"),
        ("session.turn.failed", "Sent when the agent fails to process a turn in a chat session"),
        ("user.connection.revoked", "Sent when a user revokes their connection to your partner app"),
    ],
)
def test_descriptions_are_whole(name: str, description: str) -> None:
    assert type_of(name).description == description


def test_a_note_is_one_paragraph_apart_from_the_description() -> None:
    event_type = type_of("agenda_item.created")
    assert event_type.description == "Sent when an agenda item is created"
    assert event_type.note == (
        "For items in a meeting, this event is delivered to all meeting participants. "
        "For backlog items, it is delivered only to the creator."
    )
    assert type_of("meeting.completed").note is None


def test_types_with_a_note_are_those_of_the_reference() -> None:
    noted = {name for name in EXAMPLES if type_of(name).note}
    assert noted == {
        "action_button.triggered",
        "action_item.updated",
        "agenda_item.created",
        "agenda_item.deleted",
        "agenda_item.updated",
        "meeting.context.processed",
        "meeting.updated",
        "meeting_template.applied",
        "next_step.completed",
        "participant.added",
        "participant.removed",
        "user.connection.revoked",
    }


def test_titles_are_for_people() -> None:
    assert type_of("session.turn.failed").title == "Session turn failed"
    assert type_of("partner.idp.domain_verified").title == "Partner IdP domain verified"


# --- the provider


def test_an_old_type_name_resolves_to_the_new_type() -> None:
    assert contio.PROVIDER.resolve("workflow.assignment.created") is type_of("automation.assignment.created")


@pytest.mark.parametrize("name", ["", "meeting", "Meeting.Completed", "meeting.completed ", "bot.completed"])
def test_an_unknown_type_resolves_to_nothing(name: str) -> None:
    assert contio.PROVIDER.resolve(name) is None


def test_the_provider_is_registered_under_its_name() -> None:
    assert PROVIDERS["contio"] is contio.PROVIDER
    assert contio.PROVIDER.title == "Contio"
    assert contio.PROVIDER.always_delivered == {"user.connection.revoked"}


def test_the_catalog_is_read_only() -> None:
    with pytest.raises(TypeError):
        contio.PROVIDER.event_types["x"] = type_of("meeting.created")  # type: ignore[index]
    with pytest.raises(TypeError):
        PROVIDERS["x"] = contio.PROVIDER  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        contio.PROVIDER.name = "x"  # type: ignore[misc]
    assert len({*contio.PROVIDER.event_types.values()}) == 35  # frozen: hashable


# --- the samples


def test_there_is_an_example_of_each_type_of_the_reference() -> None:
    assert len(EXAMPLES) == 31
    assert EXAMPLES.keys() | NEWER.keys() == contio.PROVIDER.event_types.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_round_trips_through_its_typed_event(name: str) -> None:
    body = json.dumps(EXAMPLES[name]).encode()
    event = msgspec.json.decode(body, type=contio.Event)
    assert event.event_type == name
    assert isinstance(event, type_of(name).event)
    assert json.loads(msgspec.json.encode(event)) == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_catalogs_sample_is_the_references(name: str) -> None:
    assert type_of(name).sample == EXAMPLES[name]
    assert type_of(name).sample_data == EXAMPLES[name]["data"]


@pytest.mark.parametrize("name", NEWER)
def test_a_newer_types_sample_has_the_documented_fields_and_decodes(name: str) -> None:
    sample = type_of(name).sample
    assert sample["data"].keys() == NEWER[name].keys()
    assert sample.keys() == EXAMPLES["meeting.created"].keys()
    assert type(msgspec.convert(sample, contio.Event)) is type_of(name).event


def test_envelope_fields_are_typed_and_the_optional_ones_may_be_absent() -> None:
    body = (
        b'{"event_type":"user.connection.revoked","event_id":"e","timestamp":"t","partner_app_id":"a",'
        b'"actor_user_id":"u","data":{"connection_id":"c","revoked_at":"2025-01-15T10:30:00Z","later":1},"new":2}'
    )
    match msgspec.json.decode(body, type=contio.Event):
        case contio.UserConnectionRevoked(data=data, for_user=for_user, actor_user_id=actor):
            assert (data.connection_id, for_user, actor) == ("c", UNSET, "u")
        case other:
            pytest.fail(f"decoded into {other!r}")


# --- required, absent, null


@pytest.mark.parametrize("name", DATA)
def test_data_of_the_source_has_no_faults(name: str) -> None:
    assert check_data(type_of(name), DATA[name]) == []


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_only_a_required_field_that_is_missing_is_a_fault(name: str, field: str) -> None:
    faults = check_data(type_of(name), without(DATA[name], field))
    optional = MAY_BE_ABSENT_ONLY.get(name, set()) | MAY_BE_ABSENT_OR_NULL.get(name, set())
    assert faults == ([] if field in optional else [Fault(f"$.data.{field}", "is required")])


@pytest.mark.parametrize(("name", "field"), sorted({*FIELDS, *OPTIONAL_FIELDS}))
def test_null_is_a_fault_unless_the_table_allows_it(name: str, field: str) -> None:
    faults = check_data(type_of(name), DATA[name] | {field: None})
    if field in MAY_BE_ABSENT_OR_NULL.get(name, ()) or field == "output_summary":  # any JSON: null, too
        assert faults == []
    else:
        assert [fault.path for fault in faults] == [f"$.data.{field}"]
        assert faults[0].reason.endswith(", got null")


@pytest.mark.parametrize(
    ("entry", "faults"),
    [
        ({"participant_id": "p", "role": "OWNER"}, []),
        ({"participant_id": "p", "role": "OWNER", "user_id": None, "guest_email": None}, []),
        ({"role": "OWNER"}, [Fault("$.data.participants[0].participant_id", "is required")]),
        ({"participant_id": "p"}, [Fault("$.data.participants[0].role", "is required")]),
    ],
)
def test_participant_entries(entry: dict[str, Any], faults: list[Fault]) -> None:
    data = DATA["participant.added"] | {"participants": [entry]}
    assert check_data(type_of("participant.added"), data) == faults


@pytest.mark.parametrize(
    ("report", "faults"),
    [
        ({"pii_detected": True, "secrets_detected": True, "formula_escaped": False}, []),
        (
            {"pii_detected": True, "secrets_detected": 1, "redactions": [{"type": "email", "count": -1}]},
            [
                Fault("$.data.sanitization_report.secrets_detected", "must be a boolean, got a number"),
                Fault("$.data.sanitization_report.formula_escaped", "is required"),
                Fault("$.data.sanitization_report.redactions[0].count", "must be at least 0"),
            ],
        ),
    ],
)
def test_sanitization_reports(report: dict[str, Any], faults: list[Fault]) -> None:
    data = DATA["meeting.context.processed"] | {"sanitization_report": report}
    assert check_data(type_of("meeting.context.processed"), data) == faults


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("meeting_template.applied", ["agenda_items", "participants", "documents"]),
        ("canvas_template.applied", ["collaborators"]),
    ],
)
def test_applied_items_are_counts(name: str, counts: list[str]) -> None:
    missing = check_data(type_of(name), DATA[name] | {"applied_items": {}})
    assert missing == [Fault(f"$.data.applied_items.{count}", "is required") for count in counts]
    wrong = check_data(type_of(name), DATA[name] | {"applied_items": dict.fromkeys(counts, 1.5)})
    assert [fault.reason for fault in wrong] == ["must be an integer, got a number"] * len(counts)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("action_button.triggered", "invocation_id", "inv-1"),
        ("action_item.updated", "assignee_id", "user-1"),
        ("participant.removed", "guest_email", "guest@example.com"),
        ("workflow.step.completed", "output_summary", {"any": ["JSON", 1, None, {"deep": []}]}),
        ("workflow.step.completed", "output_summary", [1, "two"]),
        ("workflow.step.completed", "output_summary", 0.5),
        ("workflow.task.resolved", "reason", "not ready"),
    ],
)
def test_documented_fields_that_no_sample_shows(name: str, field: str, value: object) -> None:
    assert field not in DATA[name]
    data = DATA[name] | {field: value}
    assert check_data(type_of(name), data) == []
    event = EXAMPLES[name] | {"data": data}
    decoded = msgspec.json.decode(json.dumps(event), type=contio.Event)
    assert getattr(decoded.data, field) == value
    assert json.loads(msgspec.json.encode(decoded)) == event


# --- closed and open values


@pytest.mark.parametrize(
    ("name", "field", "allowed"),
    [
        (
            "action_item.updated",
            "status",
            ["needs_review", "accepted", "in_progress", "completed", "cancelled", "blocked"],
        ),
        ("automation.assignment.created", "status", ["pending", "processed", "failed"]),
        ("action_button.triggered", "trigger_mode", ["manual", "autopilot"]),
        ("next_step.completed", "execution_mode", ["manual", "autopilot"]),
        ("workflow.run.started", "trigger_type", ["manual", "autopilot"]),
        ("workflow.run.completed", "final_status", ["completed"]),
        ("workflow.run.failed", "final_status", ["failed"]),
        ("workflow.step.completed", "status", ["completed"]),
    ],
)
def test_closed_values(name: str, field: str, allowed: list[str]) -> None:
    for value in allowed:
        assert check_data(type_of(name), DATA[name] | {field: value}) == []
    for value in ("other", "", allowed[0].upper()):
        (fault,) = check_data(type_of(name), DATA[name] | {field: value})
        assert fault.path == f"$.data.{field}"
        named = fault.reason.removeprefix("must be ").removeprefix("one of ").split(", ")
        assert sorted(named) == sorted(allowed)


@pytest.mark.parametrize("role", ["OWNER", "EDITOR", "VIEWER", "owner"])
def test_participant_roles_are_closed(role: str) -> None:
    data = DATA["participant.added"] | {"participants": [{"participant_id": "p", "role": role}]}
    assert (check_data(type_of("participant.added"), data) == []) is role.isupper()


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("agenda_item.created", "item_type"),
        ("agenda_item.updated", "status"),
        ("session.turn.failed", "error_code"),
        ("workflow.run.started", "originating_type"),
        ("workflow.step.completed", "node_type"),
        ("workflow.task.created", "task_type"),
        ("workflow.task.resolved", "decision"),
        ("partner.idp.domain_verified", "status"),
    ],
)
def test_other_strings_stay_open(name: str, field: str) -> None:
    assert check_data(type_of(name), DATA[name] | {field: "something new"}) == []


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("calendar_event.created", "attendee_count"),
        ("calendar_event.updated", "attendee_count"),
        ("session.expired", "turn_count"),
        ("session.turn.completed", "sequence_number"),
        ("session.turn.failed", "sequence_number"),
        ("workflow.run.completed", "total_steps"),
        ("workflow.run.completed", "duration_ms"),
    ],
)
def test_counts_are_integers_from_zero(name: str, field: str) -> None:
    def reasons(value: object) -> list[str]:
        return [fault.reason for fault in check_data(type_of(name), DATA[name] | {field: value})]

    assert reasons(0) == reasons(10**12) == []
    assert reasons(-1) == ["must be at least 0"]
    assert reasons(1.5) == ["must be an integer, got a number"]
    assert reasons(True) == ["must be an integer, got a boolean"]


@pytest.mark.parametrize(
    ("score", "reasons"),
    [
        (0, []),
        (1, []),
        (0.95, []),
        (1.01, ["must be at most 1"]),
        (-0.01, ["must be at least 0"]),
        (float("nan"), ["must be at least 0"]),
        (True, ["must be a number, got a boolean"]),
        ("0.5", ["must be a number, got a string"]),
    ],
)
def test_confidence_is_a_number_from_zero_to_one(score: object, reasons: list[str]) -> None:
    data = DATA["automation.assignment.created"] | {"confidence_score": score}
    faults = check_data(type_of("automation.assignment.created"), data)
    assert [fault.reason for fault in faults] == reasons


def test_an_automations_payload_is_any_object() -> None:
    def faults(payload: object) -> list[Fault]:
        data = DATA["automation.assignment.created"] | {"automation_data_payload": payload}
        return check_data(type_of("automation.assignment.created"), data)

    assert faults({}) == faults({"any key": [None, {"": 1.5}]}) == []
    assert faults([1]) == [Fault("$.data.automation_data_payload", "must be an object, got an array")]


TIMES_ELSEWHERE = {"start_time", "end_time", "scheduled_start"}


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, field) for name, field in FIELDS if field.endswith("_at") or field in TIMES_ELSEWHERE],
)
def test_every_time_is_checked(name: str, field: str) -> None:
    (fault,) = check_data(type_of(name), DATA[name] | {field: "yesterday"})
    assert fault == Fault(
        f"$.data.{field}", "must be an RFC 3339 date-time with an offset, like 2025-01-15T10:30:00Z"
    )


# --- what publishing changes


def test_the_old_form_is_renamed_in_place_on_the_way_in() -> None:
    data = {"assignment_id": "a", "workflow_id": "w", "workflow_name": "n", "status": "pending"}
    renamed, faults = contio.from_old_form(data)
    assert list(renamed.items()) == [
        ("assignment_id", "a"),
        ("automation_id", "w"),
        ("automation_name", "n"),
        ("status", "pending"),
    ]
    assert faults == []
    assert contio.to_old_form(renamed) == data


def test_the_old_type_name_with_todays_keys_is_fine() -> None:
    data = DATA["automation.assignment.created"]
    assert contio.from_old_form(data) == (data, [])


def test_both_names_of_a_field_are_a_fault_at_the_old_one() -> None:
    renamed, faults = contio.from_old_form(
        {"workflow_id": "w", "automation_id": "a"}, path="$.events[3].data"
    )
    assert faults == [
        Fault("$.events[3].data.workflow_id", "is the old name of automation_id, give only one")
    ]
    assert renamed == {"automation_id": "a"}


NEXT_STEP = DATA["next_step.completed"]


def test_the_context_of_a_next_step_follows_from_its_meeting() -> None:
    completed = contio.complete("next_step.completed", NEXT_STEP)
    assert list(completed.items()) == [
        *NEXT_STEP.items(),
        ("context_id", "mtg-550e8400-e29b-41d4-a716-446655440001"),
        ("context_type", "meeting"),
    ]
    assert "context_id" not in NEXT_STEP
    assert check_data(type_of("next_step.completed"), completed) == []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("next_step.completed", NEXT_STEP | {"context_id": "c"}),
        ("next_step.completed", NEXT_STEP | {"context_type": "canvas"}),
        ("next_step.completed", without(NEXT_STEP, "meeting_id")),
        ("next_step.completed", NEXT_STEP | {"meeting_id": None}),
        ("action_button.triggered", DATA["action_button.triggered"]),
    ],
)
def test_nothing_else_is_added(name: str, data: dict[str, Any]) -> None:
    assert contio.complete(name, data) is data


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"meeting_id": "m", "bot_id": "b"}, "m"),
        ({"meeting_id": None, "bot_id": "b"}, "b"),
        ({"meeting": {"id": "q"}}, "q"),
        ({"meeting": "q"}, None),
        ({"meeting_id": 7}, None),
        ({"meeting_id": ""}, None),
        ({}, None),
    ],
)
def test_order_key(data: dict[str, Any], key: str | None) -> None:
    assert order_key(data) == key

"""The checker: every fault in one pass, each at its path, said for people."""

import copy
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from adjourn.errors import Fault
from adjourn.providers import EventType, check_data, contio
from adjourn.providers.provider import Timestamp


def type_with(data: type[Struct]) -> EventType:
    return EventType(
        name="tried",
        group="",
        title="",
        since=None,
        description="",
        note=None,
        data=data,
        event=data,
        sample={},
    )


class Inner(Struct):
    flag: bool


class Tried(Struct):
    text: str
    when: Timestamp | None
    size: Annotated[int, Meta(ge=1, le=9)]
    mode: Literal["on", "off"]
    anything: Any
    either: str | list[Inner] | None
    grid: list[list[Inner]]


GOOD = {
    "text": "t",
    "when": None,
    "size": 5,
    "mode": "on",
    "anything": {"x": [1]},
    "either": None,
    "grid": [[{"flag": True}], []],
}


def faults(change: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.path, fault.reason) for fault in check_data(type_with(Tried), GOOD | change, path="$")]


def test_good_data_has_no_faults() -> None:
    assert faults({}) == []


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"text": None}, "$.text", "must be a string, got null"),
        ({"text": 5}, "$.text", "must be a string, got a number"),
        ({"text": 0.5}, "$.text", "must be a string, got a number"),
        ({"text": True}, "$.text", "must be a string, got a boolean"),
        ({"text": []}, "$.text", "must be a string, got an array"),
        ({"text": {}}, "$.text", "must be a string, got an object"),
        ({"when": 5}, "$.when", "must be a string or null, got a number"),
        ({"size": True}, "$.size", "must be an integer, got a boolean"),
        ({"size": 5.5}, "$.size", "must be an integer, got a number"),
        ({"size": 0}, "$.size", "must be at least 1"),
        ({"size": 10}, "$.size", "must be at most 9"),
        ({"mode": 1}, "$.mode", "must be one of off, on, got a number"),
        ({"mode": "ON"}, "$.mode", "must be one of off, on"),
        ({"either": 1}, "$.either", "must be a string or an array or null, got a number"),
        ({"either": [{"flag": 1}]}, "$.either[0].flag", "must be a boolean, got a number"),
        ({"grid": {}}, "$.grid", "must be an array, got an object"),
        ({"grid": [[], [{"flag": True}, {}]]}, "$.grid[1][1].flag", "is required"),
        ({"grid": [[], [None]]}, "$.grid[1][0]", "must be an object, got null"),
        ({"odd key": 1}, '$["odd key"]', "unknown field"),
        ({'"': 1}, '$["\\""]', "unknown field"),
        ({"": 1}, '$[""]', "unknown field"),
        ({"1st": 1}, '$["1st"]', "unknown field"),
    ],
)
def test_one_fault_is_named_at_its_path(change: dict[str, Any], path: str, reason: str) -> None:
    assert faults(change) == [(path, reason)]


@pytest.mark.parametrize("data", [None, [], "text", 5, 0.5, True])
def test_data_that_is_no_object_is_one_fault_at_the_path_itself(data: object) -> None:
    (fault,) = check_data(type_with(Tried), data)
    assert fault.path == "$.data"
    assert fault.reason.startswith("must be an object, got ")


def test_every_fault_is_reported_at_once() -> None:
    event_type = contio.PROVIDER.event_types["participant.added"]
    data = {
        "meeting_id": 7,
        "participants": [
            {"participant_id": "p", "role": "VIEWER"},
            {"participant_id": None, "role": "GUEST", "user_id": 1, "email": "a@b.c"},
            "someone",
        ],
        "added_at": "2025-01-15",
        "workspaceId": "w",
    }
    assert {
        (fault.path, fault.reason) for fault in check_data(event_type, data, path="$.events[0].data")
    } == {
        ("$.events[0].data.meeting_id", "must be a string, got a number"),
        ("$.events[0].data.workspace_id", "is required"),
        ("$.events[0].data.participants[1].participant_id", "must be a string, got null"),
        ("$.events[0].data.participants[1].role", "must be one of EDITOR, OWNER, VIEWER"),
        ("$.events[0].data.participants[1].user_id", "must be a string or null, got a number"),
        (
            "$.events[0].data.participants[1].email",
            "unknown field, did you mean `guest_email`?",
        ),
        ("$.events[0].data.participants[2]", "must be an object, got a string"),
        (
            "$.events[0].data.added_at",
            "must be an RFC 3339 date-time with an offset, like 2025-01-15T10:30:00Z",
        ),
        ("$.events[0].data.workspaceId", "unknown field, did you mean `workspace_id`?"),
    }


def test_a_misspelt_field_is_answered_with_the_right_one() -> None:
    event_type = contio.PROVIDER.event_types["meeting.completed"]
    data = {**event_type.sample_data, "titel": "Sync"}
    assert check_data(event_type, data) == [Fault("$.data.titel", "unknown field")]  # title is there
    del data["title"]
    assert check_data(event_type, data) == [
        Fault("$.data.title", "is required"),
        Fault("$.data.titel", "unknown field, did you mean `title`?"),
    ]


def test_suggestions_are_bounded_but_faults_are_not() -> None:
    event_type = contio.PROVIDER.event_types["meeting.completed"]
    strange: dict[str, Any] = {f"meeting_i{number}": 1 for number in range(1000)} | {"title" * 100: 1}
    found = check_data(event_type, strange)
    assert sum(fault.reason.startswith("unknown field") for fault in found) == 1001
    assert sum("did you mean" in fault.reason for fault in found) == 20


@pytest.mark.parametrize(
    "spelling",
    [
        "2025-01-15T10:30:00Z",
        "2025-01-15t10:30:00z",
        "2025-01-15T10:30:00.1Z",
        "2025-01-15T10:30:00.123456789012Z",
        "2025-01-15T10:30:00+05:30",
        "2025-01-15T10:30:00-00:00",
        "2025-01-15T00:00:00+23:59",
        "2024-02-29T23:59:59Z",
        "0001-01-01T00:00:00Z",
    ],
)
def test_date_times_of_rfc_3339_pass(spelling: str) -> None:
    assert faults({"when": spelling}) == []


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "2025-01-15",
        "2025-01-15T10:30:00",
        "2025-01-15 10:30:00Z",
        "2025-01-15T10:30Z",
        "2025-01-15T10:30:00+0530",
        "2025-01-15T10:30:00+05",
        "2025-01-15T10:30:00+24:00",
        "2025-01-15T10:30:00+05:60",
        "2025-01-15T24:00:00Z",
        "2025-01-15T10:60:00Z",
        "2025-01-15T23:59:60Z",
        "2025-01-15T10:30:00.Z",
        "2025-01-15T10:30:00,5Z",
        "2025-02-29T10:30:00Z",
        "2025-13-01T10:30:00Z",
        "2025-00-10T10:30:00Z",
        "2025-01-32T10:30:00Z",
        "0000-01-01T00:00:00Z",
        "2025-W03-3T10:30:00Z",
        "20250115T103000Z",
        "12025-01-15T10:30:00Z",
        "2025-01-15T10:30:00Z\n",
        " 2025-01-15T10:30:00Z",
        "\u0662025-01-15T10:30:00Z",
    ],
)
def test_other_date_times_are_faults(spelling: str) -> None:
    assert faults({"when": spelling}) == [
        ("$.when", "must be an RFC 3339 date-time with an offset, like 2025-01-15T10:30:00Z")
    ]


@pytest.mark.parametrize("kind", [datetime, Annotated[str, Meta(pattern="a")], Annotated[int, Meta(gt=0)]])
def test_a_catalog_with_what_the_checker_does_not_know_is_refused(kind: Any) -> None:
    struct = msgspec.defstruct("Strange", [("field", kind)])
    with pytest.raises(TypeError, match="the checker does not know"):
        check_data(type_with(struct), {})


# --- any JSON whatever

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
TYPES = st.sampled_from(list(contio.PROVIDER.event_types.values()))


@given(TYPES, JSON)
def test_any_json_is_answered_with_a_list(event_type: EventType, data: object) -> None:
    found = check_data(event_type, data)
    assert isinstance(found, list)
    assert all(fault.path.startswith("$.data") and fault.reason for fault in found)


@given(TYPES, st.data())
def test_what_the_checker_takes_the_receiver_can_decode(event_type: EventType, draw: st.DataObject) -> None:
    data = copy.deepcopy(event_type.sample_data)
    for _ in range(draw.draw(st.integers(1, 3))):
        target: Any = draw.draw(
            st.sampled_from([data, *(value for value in data.values() if isinstance(value, dict))])
        )
        target[draw.draw(st.sampled_from([*target, "extra"]))] = draw.draw(JSON)
    if check_data(event_type, data) == []:
        msgspec.convert(data, event_type.data)

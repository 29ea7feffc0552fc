"""What may be published: CONTRACTS 1.1 to 1.3, each fault with its JSON path."""

from typing import Any

import pytest

from adjourn.errors import CatalogError, InputError
from adjourn.sending.submission import parse_submission, utc_spelling

GOOD: dict[str, Any] = {
    "event_type": "agenda_item.created",
    "data": {
        "agenda_item_id": "ai",
        "meeting_id": "mtg",
        "title": "Plan",
        "item_type": "DISCUSSION",
        "created_at": "2025-01-15T10:30:00Z",
    },
    "audience": {"user_ids": ["ana"]},
}
BACKLOG: dict[str, Any] = {**GOOD["data"], "meeting_id": None}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


def faults_of(raw: object, path: str = "$") -> list[tuple[str, str]]:
    with pytest.raises(InputError) as caught:
        parse_submission(raw, path=path)
    assert caught.value.code == "validation_error"
    return [(fault.path, fault.reason) for fault in caught.value.faults]


def test_takes_a_good_one() -> None:
    submission = parse_submission({**GOOD, "actor_user_id": "bob", "provider": "contio"})
    assert submission.event_type.name == "agenda_item.created"
    assert submission.provider.name == "contio"
    assert submission.audience.user_ids == ("ana",)
    assert submission.audience.partner_app_ids is None
    assert (submission.actor_user_id, submission.timestamp, submission.revokes) == ("bob", None, None)
    assert submission.data_json == (
        b'{"agenda_item_id":"ai","meeting_id":"mtg","title":"Plan","item_type":"DISCUSSION",'
        b'"created_at":"2025-01-15T10:30:00Z"}'
    )


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        (None, ["$"]),
        ([], ["$"]),
        ("x", ["$"]),
        ({}, ["$.event_type", "$.data", "$.audience"]),
        (without("event_type"), ["$.event_type"]),
        (without("data"), ["$.data"]),
        (without("audience"), ["$.audience"]),
        ({**GOOD, "event_type": 1}, ["$.event_type"]),
        ({**GOOD, "event_type": ""}, ["$.event_type"]),
        ({**GOOD, "event_type": "meeting.destroyed"}, ["$.event_type"]),
        ({**GOOD, "extra": 1}, ["$.extra"]),
        ({**GOOD, "event_id": "mine"}, ["$.event_id"]),
        ({**GOOD, "data": None}, ["$.data"]),
        ({**GOOD, "data": []}, ["$.data"]),
        ({**GOOD, "data": "x"}, ["$.data"]),
        ({**GOOD, "audience": None}, ["$.audience"]),
        ({**GOOD, "audience": {}}, ["$.audience"]),
        ({**GOOD, "audience": {"user_ids": ["a"], "partner_app_ids": ["b"]}}, ["$.audience"]),
        ({**GOOD, "audience": {"user_ids": None, "partner_app_ids": None}}, ["$.audience"]),
        ({**GOOD, "audience": {"users": ["a"]}}, ["$.audience.users"]),
        ({**GOOD, "audience": {"user_ids": "ana"}}, ["$.audience.user_ids"]),
        (
            {**GOOD, "audience": {"user_ids": ["ana", 1, ""]}},
            ["$.audience.user_ids[1]", "$.audience.user_ids[2]"],
        ),
        ({**GOOD, "audience": {"user_ids": ["a" * 256]}}, ["$.audience.user_ids[0]"]),
        ({**GOOD, "audience": {"user_ids": ["a"] * 10_001}}, ["$.audience.user_ids"]),
        ({**GOOD, "actor_user_id": ""}, ["$.actor_user_id"]),
        ({**GOOD, "actor_user_id": 7}, ["$.actor_user_id"]),
        ({**GOOD, "provider": "svix"}, ["$.provider"]),
        ({**GOOD, "provider": ""}, ["$.provider"]),
        ({**GOOD, "timestamp": "yesterday"}, ["$.timestamp"]),
        ({**GOOD, "timestamp": 1736937000}, ["$.timestamp"]),
        ({**GOOD, "timestamp": "2025-01-15T10:30:00"}, ["$.timestamp"]),
        ({**GOOD, "timestamp": "2025-02-30T10:30:00Z"}, ["$.timestamp"]),
        ({**GOOD, "timestamp": "0001-01-01T00:00:00+01:00"}, ["$.timestamp"]),
        ({**GOOD, "timestamp": "9999-12-31T23:59:59-00:01"}, ["$.timestamp"]),
        ({**GOOD, "data": {**GOOD["data"], "title": None}}, ["$.data.title"]),
        ({**GOOD, "data": {**GOOD["data"], "titel": "x"}}, ["$.data.titel"]),
    ],
)
def test_refuses_anything_else_at_its_path(raw: object, paths: list[str]) -> None:
    assert sorted(path for path, _ in faults_of(raw)) == sorted(paths)


def test_paths_start_where_the_event_stands_in_its_batch() -> None:
    raw = {**GOOD, "data": {**GOOD["data"], "title": 1}}
    assert [path for path, _ in faults_of(raw, path="$.events[3]")] == ["$.events[3].data.title"]
    assert faults_of(None, path="$.events[0]")[0][0] == "$.events[0]"


def test_every_fault_of_the_data_is_told_and_that_of_the_audience() -> None:
    raw = {**GOOD, "data": {**BACKLOG, "title": 1, "item_type": 2}}
    assert [path for path, _ in faults_of(raw)] == ["$.data.title", "$.data.item_type", "$.audience"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("meeting.complete", "did you mean `meeting.completed`?"),
        ("Meeting.Completed", "did you mean `meeting.completed`?"),
        ("xyzzy", "GET /v1/platform/event-types"),
        ("x" * 100_000, "GET /v1/platform/event-types"),
    ],
)
def test_an_unknown_type_comes_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_submission({**GOOD, "event_type": name})
    assert hint in caught.value.faults[0].reason
    assert caught.value.event_type == name


@pytest.mark.parametrize("kind", ["created", "updated", "deleted"])
@pytest.mark.parametrize(
    ("data", "audience", "actor", "allowed"),
    [
        ("backlog", {"user_ids": ["ana"]}, "ana", True),
        ("backlog", {"user_ids": ["ana", "ana"]}, "ana", True),
        ("backlog", {"user_ids": ["ana"]}, None, False),
        ("backlog", {"user_ids": ["ana"]}, "bob", False),
        ("backlog", {"user_ids": ["ana", "bob"]}, "ana", False),
        ("backlog", {"user_ids": []}, "ana", False),
        ("backlog", {"partner_app_ids": ["app"]}, "ana", False),
        ("meeting", {"user_ids": ["ana", "bob"]}, None, True),
        ("meeting", {"partner_app_ids": ["app"]}, "bob", True),
    ],
)
def test_a_backlog_agenda_item_reaches_its_actor_alone(
    kind: str, data: str, audience: dict[str, list[str]], actor: str | None, allowed: bool
) -> None:
    moment = {f"{kind}_at": "2025-01-15T10:30:00Z"}
    item = {"agenda_item_id": "ai", "meeting_id": None if data == "backlog" else "mtg", **moment}
    if kind != "deleted":
        item |= {"title": "Plan", "item_type": "DISCUSSION"}
    if kind == "updated":
        item["status"] = "open"
    raw = {"event_type": f"agenda_item.{kind}", "data": item, "audience": audience, "actor_user_id": actor}
    if allowed:
        parse_submission(raw)
    else:
        assert [path for path, _ in faults_of(raw)] == ["$.audience"]


def test_a_revoked_connection_is_always_that_of_a_user() -> None:
    raw = {
        "event_type": "user.connection.revoked",
        "data": {"connection_id": "c", "revoked_at": "2025-01-15T10:30:00Z"},
        "audience": {"partner_app_ids": ["app"]},
    }
    assert [path for path, _ in faults_of(raw)] == ["$.audience"]


NEXT_STEP: dict[str, Any] = {
    "next_step_id": "ns",
    "next_step_name": "Summary",
    "executed_by": "ana",
    "executed_at": "2025-01-15T10:30:00Z",
    "execution_mode": "autopilot",
}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"meeting_id": "m"}, {"meeting_id": "m", "context_id": "m", "context_type": "meeting"}),
        ({}, {}),
        ({"meeting_id": "m", "context_id": "c"}, {"meeting_id": "m", "context_id": "c"}),
        (
            {"meeting_id": "m", "context_id": "c", "context_type": "call"},
            {"meeting_id": "m", "context_id": "c", "context_type": "call"},
        ),
    ],
)
def test_a_completed_next_step_gets_its_context_from_its_meeting(
    given: dict[str, Any], sent: dict[str, Any]
) -> None:
    raw = {
        "event_type": "next_step.completed",
        "data": {**NEXT_STEP, **given},
        "audience": {"user_ids": ["a"]},
    }
    assert parse_submission(raw).data == {**NEXT_STEP, **sent}


OLD: dict[str, Any] = {
    "assignment_id": "asgn",
    "action_item_id": "ai",
    "meeting_id": "mtg",
    "workflow_id": "wf",
    "workflow_name": "CRM",
    "status": "pending",
    "created_at": "2025-01-15T10:30:00Z",
    "workspace_id": "ws",
}


def test_the_old_name_is_taken_and_kept_under_the_new_one() -> None:
    raw = {"event_type": "workflow.assignment.created", "data": OLD, "audience": {"user_ids": ["ana"]}}
    submission = parse_submission(raw)
    assert submission.event_type.name == "automation.assignment.created"
    assert submission.data["automation_id"] == "wf"
    assert submission.data["automation_name"] == "CRM"
    assert "workflow_id" not in submission.data


def test_faults_under_the_old_name_stand_at_a_path() -> None:
    raw = {
        "event_type": "workflow.assignment.created",
        "data": {**OLD, "automation_id": "other"},
        "audience": {"user_ids": ["ana"]},
    }
    assert [path for path, _ in faults_of(raw)] == ["$.data.workflow_id"]


@pytest.mark.parametrize(
    ("given", "utc"),
    [
        ("2025-01-15T10:30:00Z", "2025-01-15T10:30:00Z"),
        ("2025-01-15T10:30:00.0Z", "2025-01-15T10:30:00.0Z"),
        ("2025-01-15T10:30:00.120000000001Z", "2025-01-15T10:30:00.120000000001Z"),
        ("2025-01-15t10:30:00z", "2025-01-15T10:30:00Z"),
        ("2025-01-15T10:30:00+00:00", "2025-01-15T10:30:00Z"),
        ("2025-01-15T10:30:00-00:00", "2025-01-15T10:30:00Z"),
        ("2025-01-15T10:30:00.500+02:00", "2025-01-15T08:30:00.500Z"),
        ("2025-01-01T00:30:00+05:45", "2024-12-31T18:45:00Z"),
        ("2024-02-28T23:30:00-01:00", "2024-02-29T00:30:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00-01:00", "0001-01-01T01:00:00Z"),
    ],
)
def test_a_moment_is_spelled_in_utc(given: str, utc: str) -> None:
    assert utc_spelling(given) == utc


@pytest.mark.parametrize(
    "given",
    [
        "",
        "now",
        "2025-01-15",
        "2025-01-15T10:30:00",
        "2025-01-15T10:30Z",
        "2025-01-15T10:30:00,5Z",
        "2025-13-15T10:30:00Z",
        "2025-02-29T10:30:00Z",
        "2025-01-15T25:30:00Z",
        "2025-01-15T10:30:60Z",
        "2025-01-15T10:30:00+24:00",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z",
        "2025-01-15T10:30:00Z\n",
        "٢٠٢٥-01-15T10:30:00Z",
    ],
)
def test_what_is_no_moment_is_refused(given: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        utc_spelling(given)

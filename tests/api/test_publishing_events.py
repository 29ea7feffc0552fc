"""Publishing over HTTP, checked byte for byte at a real endpoint."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.api.harness import EXAMPLES, Api, check_problem, eventually, open_api, sample

from adjourn.signing import ContioVerifier, StandardVerifier
from adjourn.testing import RecordedRequest

pytestmark = pytest.mark.anyio

TYPES = sorted(path.stem for path in EXAMPLES.glob("*.json"))


def envelope(accepted: dict[str, Any], body: dict[str, Any]) -> str:
    """The body that CONTRACTS 1.1 asks for, written by hand."""
    event = accepted["events"][0]
    head = {
        "event_type": body["event_type"],
        "event_id": event["event_id"],
        "timestamp": body["timestamp"],
        "partner_app_id": event["partner_app_id"],
        "for_user": {"id": "ana", "email": "ana@example.com"},
    }
    return json.dumps({**head, "data": body["data"]}, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize("event_type", TYPES)
async def test_a_sample_arrives_as_published_and_signed(api: Api, event_type: str) -> None:
    app = await api.create_app()
    await api.connect(app)
    body = {**sample(event_type), "timestamp": "2025-01-15T10:30:00Z"}
    accepted = await api.publish(body)
    (received,) = await api.endpoint.wait_for(1)
    if event_type == "next_step.completed":
        pair = {"context_id": body["data"]["meeting_id"], "context_type": "meeting"}
        body["data"] = {**body["data"], **pair}
    assert received.body.decode() == envelope(accepted, body)
    assert received.method == "POST"
    assert received.header("content-type") == "application/json"
    assert received.header("content-length") == str(len(received.body))
    assert received.header("transfer-encoding") is None
    assert received.header("webhook-id") == accepted["events"][0]["event_id"]
    secret = app["credentials"]["webhook_secret"]
    for verifier in (ContioVerifier(secret, strict=True), StandardVerifier(secret)):
        verifier.verify(received.headers, received.body, now=datetime.now(UTC))


def test_there_are_31_samples() -> None:
    assert len(TYPES) == 31


async def test_the_sdk_profile_signs_the_body_alone(api: Api) -> None:
    app = await api.create_app(signature_profile="sdk")
    await api.connect(app)
    await api.publish(sample("meeting.completed"))
    (received,) = await api.endpoint.wait_for(1)
    secret = app["credentials"]["webhook_secret"]
    verified = ContioVerifier(secret).verify(received.headers, received.body, now=datetime.now(UTC))
    assert verified.profile == "sdk"


async def test_one_envelope_for_each_app_and_user(api: Api) -> None:
    first, second = await api.create_app(), await api.create_app()
    for user in ("ana", "ben"):
        await api.connect(first, user)
    await api.connect(second)
    body = {**sample("meeting.completed"), "audience": {"user_ids": ["ana", "ben", "nobody", "ana"]}}
    accepted = await api.publish(body)
    reached = {(each["partner_app_id"], each["user_id"]) for each in accepted["events"]}
    assert reached == {
        (first["app"]["id"], "ana"),
        (first["app"]["id"], "ben"),
        (second["app"]["id"], "ana"),
    }
    received = await api.endpoint.wait_for(3)
    assert {json.loads(each.body)["event_id"] for each in received} == {
        each["event_id"] for each in accepted["events"]
    }


async def test_an_audience_of_apps_has_no_user(api: Api) -> None:
    app = await api.create_app()
    audience = {"partner_app_ids": [app["app"]["id"]]}
    accepted = await api.publish({**sample("meeting.created"), "audience": audience, "actor_user_id": "ana"})
    assert "user_id" not in accepted["events"][0]
    (received,) = await api.endpoint.wait_for(1)
    event = json.loads(received.body)
    assert list(event) == [
        "event_type",
        "event_id",
        "timestamp",
        "partner_app_id",
        "actor_user_id",
        "data",
    ]


async def test_nobody_reached_is_accepted_and_explained(api: Api) -> None:
    app = await api.create_app()
    accepted = await api.publish(sample("meeting.created"))
    assert accepted["events"] == []
    outcomes = await api.outcomes(accepted["id"])
    reason = "the user was connected to no app when this was published"
    assert outcomes == [{"user_id": "ana", "outcome": "not_connected", "reason": reason}]
    (asked,) = await api.outcomes(f"{accepted['id']}?partner_app_id={app['app']['id']}")
    assert (asked["outcome"], asked["partner_app_id"]) == ("not_connected", app["app"]["id"])


async def test_only_apps_that_were_considered_are_listed(api: Api) -> None:
    apps = [await api.create_app() for _ in range(3)]
    await api.connect(apps[0])
    accepted = await api.publish(sample("meeting.created"))
    outcomes = await api.outcomes(accepted["id"])
    assert [each["partner_app_id"] for each in outcomes] == [apps[0]["app"]["id"]]


@pytest.mark.parametrize(
    ("published", "sent"),
    [
        ("2025-01-15T10:30:00Z", "2025-01-15T10:30:00Z"),
        ("2025-01-15T10:30:00.120Z", "2025-01-15T10:30:00.120Z"),
        ("2025-01-15T10:30:00.123456789Z", "2025-01-15T10:30:00.123456789Z"),
        ("2025-01-15T10:30:00+02:00", "2025-01-15T08:30:00Z"),
        ("2025-01-15T10:30:00.5-09:30", "2025-01-15T20:00:00.5Z"),
        ("2025-01-15T10:30:00+00:00", "2025-01-15T10:30:00Z"),
    ],
)
async def test_the_timestamp_is_sent_in_utc(api: Api, published: str, sent: str) -> None:
    await api.connect(await api.create_app())
    await api.publish({**sample("meeting.created"), "timestamp": published})
    (received,) = await api.endpoint.wait_for(1)
    assert json.loads(received.body)["timestamp"] == sent


async def test_values_are_sent_as_javascript_would_spell_them(api: Api) -> None:
    await api.connect(await api.create_app())
    raw = (
        '{"event_type": "automation.assignment.created", "audience": {"user_ids": ["ana"]}, "data": '
        '{"assignment_id": "a", "action_item_id": "b", "meeting_id": "c", "automation_id": "d", '
        '"automation_name": "\\u00e9\\u2028\\/", "confidence_score": 1.0, "automation_data_payload": '
        '{"b": 5.0, "10": -0.0, "2": 1e20, "a": 0.000001, "n": null, "t": [1E-7, 0.95]}, '
        '"status": "pending", "created_at": "2025-01-15T10:30:00Z", "workspace_id": "w"}}'
    )
    answer = await api.platform.post(
        "/v1/platform/events", content=raw, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 202, answer.text
    (received,) = await api.endpoint.wait_for(1)
    _, _, data = received.body.decode().partition(',"data":')
    assert data == (
        '{"assignment_id":"a","action_item_id":"b","meeting_id":"c","automation_id":"d",'
        '"automation_name":"é\u2028/","confidence_score":1,"automation_data_payload":'
        '{"2":100000000000000000000,"10":0,"b":5,"a":0.000001,"n":null,"t":[1e-7,0.95]},'
        '"status":"pending","created_at":"2025-01-15T10:30:00Z","workspace_id":"w"}}'
    )


async def test_faults_are_all_told_and_nothing_is_stored(api: Api) -> None:
    await api.connect(await api.create_app())
    body = sample("participant.added")
    body["data"]["participants"][1]["role"] = "GUEST"
    body["data"]["surplus"] = 1
    del body["data"]["added_at"]
    answer = await api.platform.post("/v1/platform/events", json=body)
    assert answer.status_code == 400
    assert {fault["path"] for fault in answer.json()["faults"]} == {
        "$.data.participants[1].role",
        "$.data.surplus",
        "$.data.added_at",
    }
    assert (await api.platform.get("/v1/platform/events")).json()["total"] == 0


async def test_a_batch_is_stored_whole_or_not_at_all(api: Api) -> None:
    await api.connect(await api.create_app())
    events = [sample("meeting.created"), {**sample("meeting.completed"), "event_type": "meeting.exploded"}]
    answer = await api.platform.post("/v1/platform/events/batch", json={"events": events})
    assert answer.status_code == 400
    assert answer.json()["faults"][0]["path"] == "$.events[1].event_type"
    assert (await api.platform.get("/v1/platform/events")).json()["total"] == 0
    events[1] = sample("meeting.completed")
    answer = await api.platform.post("/v1/platform/events/batch", json={"events": events})
    assert answer.status_code == 202
    assert [len(each["events"]) for each in answer.json()["events"]] == [1, 1]
    await api.endpoint.wait_for(2)


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_has_1_to_1000_events(api: Api, count: int) -> None:
    events = [sample("meeting.created")] * count
    answer = await api.platform.post("/v1/platform/events/batch", json={"events": events})
    assert answer.status_code == 400
    assert answer.json()["faults"][0]["path"] == "$.events"


async def test_one_request_makes_at_most_10000_deliveries(api: Api) -> None:
    users = [{"user_id": f"u{n}", "email": "u@example.com"} for n in range(1001)]
    app = await api.create_app(webhook_url=None)
    path = f"/v1/platform/apps/{app['app']['id']}"
    answer = await api.platform.put(f"{path}/connections", json={"connections": users})
    assert answer.json() == {"created": 1001, "updated": 0}
    await api.platform.patch(path, json={"webhook_url": api.endpoint.url})
    body = {**sample("meeting.created"), "audience": {"user_ids": [each["user_id"] for each in users]}}
    answer = await api.platform.post("/v1/platform/events/batch", json={"events": [body] * 10})
    assert answer.status_code == 413
    assert answer.json()["code"] == "payload_too_large"
    assert (await api.platform.get("/v1/platform/events")).json()["total"] == 0


async def test_an_unknown_app_in_the_audience_is_named(api: Api) -> None:
    body = {**sample("meeting.created"), "audience": {"partner_app_ids": ["nobody"]}}
    answer = await api.platform.post("/v1/platform/events", json=body)
    assert answer.status_code == 400
    assert answer.json()["faults"][0]["path"] == "$.audience.partner_app_ids[0]"


async def test_a_backlog_agenda_item_reaches_its_actor_alone(api: Api) -> None:
    await api.connect(await api.create_app())
    body = sample("agenda_item.created")
    body["data"]["meeting_id"] = None
    for more in ({}, {"actor_user_id": "ben"}):
        answer = await api.platform.post("/v1/platform/events", json={**body, **more})
        assert answer.status_code == 400
        assert answer.json()["faults"][0]["path"] == "$.audience"
    accepted = await api.publish({**body, "actor_user_id": "ana"})
    assert len(accepted["events"]) == 1


async def test_the_old_event_name_is_accepted_and_per_app_sent(api: Api) -> None:
    app = await api.create_app()
    await api.connect(app)
    body = sample("automation.assignment.created")
    old = dict(body["data"])
    old["workflow_id"], old["workflow_name"] = old.pop("automation_id"), old.pop("automation_name")
    await api.publish({**body, "event_type": "workflow.assignment.created", "data": old})
    (received,) = await api.endpoint.wait_for(1)
    for path in ("events", "deliveries"):
        answer = await api.platform.get(f"/v1/platform/{path}?event_type=workflow.assignment.created")
        assert answer.json()["total"] == 1
    event = json.loads(received.body)
    assert event["event_type"] == "automation.assignment.created"
    assert event["data"]["automation_id"] == old["workflow_id"]
    path = f"/v1/platform/apps/{app['app']['id']}"
    await api.platform.patch(path, json={"legacy_event_names": True})
    await api.publish(body)
    event = json.loads((await api.endpoint.wait_for(2))[1].body)
    assert event["event_type"] == "workflow.assignment.created"
    assert event["data"]["workflow_id"] == body["data"]["automation_id"]
    assert "automation_id" not in event["data"]


async def test_a_repeated_idempotency_key_replays_the_first_answer(api: Api) -> None:
    await api.connect(await api.create_app())
    headers = {"Idempotency-Key": "once"}
    body = sample("meeting.created")
    first = await api.platform.post("/v1/platform/events", json=body, headers=headers)
    again = await api.platform.post("/v1/platform/events", json=body, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert (await api.platform.get("/v1/platform/events")).json()["total"] == 1
    other = await api.platform.post("/v1/platform/events", json=sample("meeting.completed"), headers=headers)
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"


async def test_a_key_whose_request_still_runs_is_a_conflict(api: Api) -> None:
    await api.connect(await api.create_app())
    headers = {"Idempotency-Key": "once"}
    body = sample("meeting.created")
    answers = await asyncio.gather(
        *(api.platform.post("/v1/platform/events", json=body, headers=headers) for _ in range(5))
    )
    assert sorted({each.status_code for each in answers}) in ([202], [202, 409])
    assert all(each.headers["retry-after"] for each in answers if each.status_code == 409)
    assert (await api.platform.get("/v1/platform/events")).json()["total"] == 1


async def test_a_refusal_is_replayed_too(api: Api) -> None:
    headers = {"Idempotency-Key": "bad"}
    first = await api.platform.post("/v1/platform/events", json={}, headers=headers)
    again = await api.platform.post("/v1/platform/events", json={}, headers=headers)
    problem, replayed = [check_problem(each, 400, "validation_error") for each in (first, again)]
    assert replayed["request_id"] != problem["request_id"]
    assert {**replayed, "request_id": problem["request_id"]} == problem
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
async def test_an_unusable_idempotency_key_is_refused(api: Api, key: str) -> None:
    answer = await api.platform.post(
        "/v1/platform/events", json=sample("meeting.created"), headers={b"Idempotency-Key": key.encode()}
    )
    assert answer.status_code == 400
    assert answer.json()["faults"][0]["path"] == "Idempotency-Key"


async def test_a_loopback_endpoint_is_refused_unless_allowed(tmp_path: Any) -> None:
    async with open_api(tmp_path, lambda received: 200, allow_networks=()) as api:
        await api.connect(await api.create_app())
        accepted = await api.publish(sample("meeting.created"))
        (delivery_id,) = accepted["events"][0]["delivery_ids"]
        shown = await until(api, delivery_id, "failed")
        assert shown["error_message"].startswith("address 127.0.0.1 is not public")
        assert "http_status_code" not in shown
        assert api.endpoint.received == []


async def until(api: Api, delivery_id: str, status: str) -> dict[str, Any]:
    """The delivery, once it has that status."""
    shown: dict[str, Any] = {}

    async def has_it() -> bool:
        shown.update((await api.platform.get(f"/v1/platform/deliveries/{delivery_id}")).json())
        return bool(shown["delivery_status"] == status)

    await eventually(has_it)
    return (await api.platform.get(f"/v1/platform/deliveries/{delivery_id}")).json()  # type: ignore[no-any-return]


async def test_a_failed_delivery_is_retried_on_its_schedule(tmp_path: Any) -> None:
    statuses = iter([500, 503, 404, 200])

    def answer(received: RecordedRequest) -> int:
        return next(statuses)

    delays = (timedelta(milliseconds=50),) * 3
    async with open_api(tmp_path, answer, retry_delays=delays) as api:
        await api.connect(await api.create_app())
        accepted = await api.publish(sample("meeting.created"))
        (delivery_id,) = accepted["events"][0]["delivery_ids"]
        received = await api.endpoint.wait_for(4)
        shown = await until(api, delivery_id, "delivered")
    assert len({each.body for each in received}) == 1
    assert shown["retry_count"] == 3
    assert [each["http_status_code"] for each in shown["attempts"]] == [500, 503, 404, 200]
    assert [each["attempt_no"] for each in shown["attempts"]] == [1, 2, 3, 4]


async def test_a_delivery_is_abandoned_after_three_retries(tmp_path: Any) -> None:
    async with open_api(tmp_path, lambda received: 500, retry_delays=(timedelta(0),) * 3) as api:
        await api.connect(await api.create_app())
        accepted = await api.publish(sample("meeting.created"))
        (delivery_id,) = accepted["events"][0]["delivery_ids"]
        shown = await until(api, delivery_id, "abandoned")
        (outcome,) = await api.outcomes(accepted["id"])
    assert shown["retry_count"] == 3
    assert len(shown["attempts"]) == 4
    assert "next_retry_at" not in shown
    assert shown["error_message"] == "HTTP 500 Status"
    assert outcome["outcome"] == "abandoned"

"""What a partner reads and switches: CONTRACTS 1.6 and 1.7."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.api.harness import Api, check_problem, eventually, open_api, sample

from adjourn.testing import RecordedRequest

pytestmark = pytest.mark.anyio

_ADMIN = "/v1/partner/admin"


async def delivered(api: Api, count: int) -> list[dict[str, Any]]:
    """The deliveries, once so many are delivered."""
    page: dict[str, Any] = {}

    async def are_there() -> bool:
        page.update((await api.platform.get("/v1/platform/deliveries?status=delivered")).json())
        return bool(page["total"] == count)

    await eventually(are_there)
    found: list[dict[str, Any]] = page["deliveries"]
    return found


async def test_the_app_sees_itself_without_the_platforms_options(api: Api) -> None:
    created = await api.create_app()
    shown = (await api.partner(created).get(f"{_ADMIN}/app")).json()
    assert shown == {
        name: value
        for name, value in created["app"].items()
        if name not in {"provider", "signature_profile", "auto_disable", "ordered", "legacy_event_names"}
    }
    assert shown["webhook_filter"] is None


async def test_deliveries_are_listed_newest_first_and_filtered(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    for event_type in ("meeting.created", "meeting.updated", "meeting.completed"):
        await api.publish(sample(event_type))
        await api.endpoint.wait_for(len(api.endpoint.received) or 1)
    await delivered(api, 3)
    partner = api.partner(created)
    page = (await partner.get(f"{_ADMIN}/webhook-deliveries?limit=2&offset=1")).json()
    assert [each["event_type"] for each in page["deliveries"]] == ["meeting.updated", "meeting.created"]
    assert (page["total"], page["limit"], page["offset"]) == (3, 2, 1)
    only = (await partner.get(f"{_ADMIN}/webhook-deliveries?event_type=meeting.updated")).json()
    assert [each["event_type"] for each in only["deliveries"]] == ["meeting.updated"]
    unknown = await partner.get(f"{_ADMIN}/webhook-deliveries?event_type=none.such")
    check_unknown_type(unknown, "?event_type")
    none = (await partner.get(f"{_ADMIN}/webhook-deliveries?status=failed")).json()
    assert (none["deliveries"], none["total"]) == ([], 0)
    default = (await partner.get(f"{_ADMIN}/webhook-deliveries")).json()
    assert (default["limit"], default["offset"]) == (50, 0)


async def test_a_delivery_is_shown_with_its_attempts(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    await api.publish(sample("meeting.created"))
    (listed,) = await delivered(api, 1)
    shown = (await api.partner(created).get(f"{_ADMIN}/webhook-deliveries/{listed['id']}")).json()
    attempts = shown.pop("attempts")
    assert shown == listed
    assert listed.keys() == {
        "id",
        "partner_app_id",
        "event_type",
        "event_id",
        "delivery_status",
        "http_status_code",
        "retry_count",
        "delivered_at",
        "error_message",
        "created_at",
    }
    assert [(each["attempt_no"], each["http_status_code"]) for each in attempts] == [(1, 200)]


async def test_a_retry_sends_once_more_and_an_ask_soon_after_sends_nothing(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    await api.publish(sample("meeting.created"))
    (listed,) = await delivered(api, 1)
    partner, path = api.partner(created), f"{_ADMIN}/webhook-deliveries/{listed['id']}/retry"
    first = await partner.post(path)
    assert first.status_code == 200
    assert first.json().keys() == {
        "delivery_id",
        "message",
        "retry_scheduled",
        "retry_count",
        "next_retry_at",
    }
    assert (first.json()["delivery_id"], first.json()["retry_scheduled"]) == (listed["id"], True)
    received = await api.endpoint.wait_for(2)
    assert received[0].body == received[1].body
    assert (await partner.post(path)).json() == first.json()
    shown: dict[str, Any] = {}

    async def is_recorded() -> bool:
        shown.update((await partner.get(f"{_ADMIN}/webhook-deliveries/{listed['id']}")).json())
        return len(shown["attempts"]) == 2

    await eventually(is_recorded)
    assert (shown["delivery_status"], shown["retry_count"]) == ("delivered", 0)
    assert len(api.endpoint.received) == 2


async def test_disabled_webhooks_wait_and_go_where_the_disposition_says(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    partner = api.partner(created)
    for disposition, arrived in (("abandon", 0), ("deliver", 1)):
        off = await partner.put(f"{_ADMIN}/webhook-status", json={"enabled": False})
        assert off.json()["webhook_enabled"] is False
        accepted = await api.publish(sample("meeting.created"))
        (outcome,) = await api.outcomes(accepted["id"])
        assert (outcome["outcome"], outcome["deliveries"][0]["delivery_status"]) == ("held", "pending")
        refused = await partner.put(f"{_ADMIN}/webhook-status", json={"enabled": True})
        assert refused.status_code == 400
        assert refused.json()["faults"][0]["path"] == "$.pending_disposition"
        asked = (
            await partner.post(f"{_ADMIN}/webhook-deliveries/{outcome['deliveries'][0]['id']}/retry")
        ).json()
        assert asked["message"].endswith("it is held until the app takes webhooks again")
        body = {"enabled": True, "pending_disposition": disposition}
        on = await partner.put(f"{_ADMIN}/app/webhook-status", json=body)
        (now,) = await api.outcomes(accepted["id"])
        assert now["outcome"] == "abandoned" or disposition == "deliver"
        assert on.json()["webhook_enabled"] is True
        await api.endpoint.wait_for(arrived)
    assert len(await delivered(api, 1)) == 1
    assert len(api.endpoint.received) == 1


async def test_abandoning_covers_what_is_in_flight(tmp_path: Any) -> None:
    async with open_api(tmp_path, lambda received: 500) as api:
        created = await api.create_app()
        await api.connect(created)
        api.endpoint.pause()
        accepted = [await api.publish(sample("meeting.created")) for _ in range(3)]
        await api.endpoint.wait_for(3)
        partner = api.partner(created)
        await partner.put(f"{_ADMIN}/webhook-status", json={"enabled": False})
        body = {"enabled": True, "pending_disposition": "abandon"}
        await partner.put(f"{_ADMIN}/webhook-status", json=body)
        later = await api.publish(sample("meeting.completed"))
        api.endpoint.resume()

        async def are_abandoned() -> bool:
            page = (await partner.get(f"{_ADMIN}/webhook-deliveries?status=abandoned")).json()
            return bool(page["total"] == len(accepted))

        await eventually(are_abandoned)
        assert (await api.outcomes(later["id"]))[0]["outcome"] in {"pending", "failed"}
        assert len(api.endpoint.received) <= 4


async def test_enabling_what_is_enabled_changes_nothing(api: Api) -> None:
    created = await api.create_app()
    partner = api.partner(created)
    before = (await partner.get(f"{_ADMIN}/app")).json()
    answer = await partner.put(f"{_ADMIN}/webhook-status", json={"enabled": True})
    assert (answer.status_code, answer.json()) == (200, before)


@pytest.mark.parametrize(
    ("filter_type", "events", "passes"),
    [
        ("include", ["meeting.created"], True),
        ("include", ["meeting.updated"], False),
        ("exclude", ["meeting.created"], False),
        ("exclude", ["meeting.updated"], True),
        ("include", [], False),
        ("exclude", [], True),
    ],
)
async def test_a_filter_holds_for_the_next_publish(
    api: Api, filter_type: str, events: list[str], *, passes: bool
) -> None:
    created = await api.create_app()
    await api.connect(created)
    wanted = {"type": filter_type, "events": [*events, "user.connection.revoked"]}
    answer = await api.partner(created).put(f"{_ADMIN}/webhook-filter", json=wanted)
    assert answer.json()["webhook_filter"] == {"type": filter_type, "events": events}
    accepted = await api.publish(sample("meeting.created"))
    assert len(accepted["events"]) == passes
    revoked = await api.publish(sample("user.connection.revoked"))
    assert len(revoked["events"]) == 1
    outcome = (await api.outcomes(accepted["id"]))[0]["outcome"]
    assert (outcome == "filtered") is not passes
    removed = await api.partner(created).delete(f"{_ADMIN}/app/webhook-filter")
    assert (removed.status_code, removed.json()["webhook_filter"]) == (200, None)
    assert len((await api.publish(sample("meeting.created")))["events"]) == 1


def check_unknown_type(answer: httpx.Response, *paths: str) -> dict[str, Any]:
    """A partner is told the types there are, and no path of the other API."""
    problem = check_problem(answer, 400, "validation_error")
    assert [each["path"] for each in problem["faults"]] == [*paths]
    assert len(problem["valid_event_types"]) == 35
    assert "platform" not in answer.text
    return problem


async def test_an_unknown_type_in_a_filter_is_named_with_those_there_are(api: Api) -> None:
    partner = api.partner(await api.create_app())
    events = ["meeting.created", "none.such", "meeting.updated", "", "none.such"]
    answer = await partner.put(f"{_ADMIN}/webhook-filter", json={"type": "include", "events": events})
    problem = check_unknown_type(answer, "$.events[1]", "$.events[3]", "$.events[4]")
    assert problem["error"] == problem["message"]
    assert "$.events[1]: unknown event type 'none.such'" in problem["error"]
    refused = {"name": "a", "company_name": "b", "primary_contact_email": "c@example.com"}
    refused |= {"webhook_filter": {"type": "include", "events": events}}  # type: ignore[dict-item]
    answer = await api.platform.post("/v1/platform/apps", json=refused)
    assert answer.json()["faults"][0]["path"] == "$.webhook_filter.events[1]"
    assert (await partner.get(f"{_ADMIN}/app")).json()["webhook_filter"] is None


async def test_an_unknown_type_of_a_bulk_retry_is_told_with_those_there_are(api: Api) -> None:
    partner = api.partner(await api.create_app())
    answer = await partner.post(f"{_ADMIN}/webhook-deliveries/retry", json={"event_type": "none.such"})
    check_unknown_type(answer, "$.event_type")


@pytest.mark.parametrize("path", ["events", "deliveries"])
async def test_the_platform_is_told_every_type_there_is(api: Api, path: str) -> None:
    answer = await api.platform.get(f"/v1/platform/{path}?event_type=none.such")
    problem = check_problem(answer, 400, "validation_error")
    every = (await api.platform.get("/v1/platform/event-types")).json()["items"]
    assert set(problem["valid_event_types"]) == {each["name"] for each in every}


async def test_a_url_that_is_gone_switches_the_app_off(tmp_path: Any) -> None:
    def answer(received: RecordedRequest) -> int:
        return 410 if received.path == "/gone" else 200

    async with open_api(tmp_path, answer) as api:
        created = await api.create_app(webhook_url=f"{api.endpoint.url}/gone")
        await api.connect(created)
        accepted = await api.publish(sample("meeting.created"))
        partner = api.partner(created)

        async def is_off() -> bool:
            return not (await partner.get(f"{_ADMIN}/app")).json()["webhook_enabled"]

        await eventually(is_off)
        (outcome,) = await api.outcomes(accepted["id"])
        assert (outcome["outcome"], len(api.endpoint.received)) == ("abandoned", 1)
        held = await api.publish(sample("meeting.completed"))
        assert (await api.outcomes(held["id"]))[0]["outcome"] == "held"
        path = f"/v1/platform/apps/{created['app']['id']}"
        await api.platform.patch(path, json={"webhook_url": f"{api.endpoint.url}/new"})
        body = {"enabled": True, "pending_disposition": "deliver"}
        await partner.put(f"{_ADMIN}/webhook-status", json=body)
        arrived = (await api.endpoint.wait_for(2))[1]
        assert (arrived.path, json.loads(arrived.body)["event_type"]) == ("/new", "meeting.completed")


async def test_an_ordered_app_gets_a_meetings_events_one_after_the_other(tmp_path: Any) -> None:
    statuses = iter([500, 200, 200, 200])

    delays = (timedelta(milliseconds=20),) * 3
    async with open_api(tmp_path, lambda received: next(statuses), retry_delays=delays) as api:
        created = await api.create_app(ordered=True)
        await api.connect(created)
        events = [sample(each) for each in ("meeting.created", "meeting.updated", "meeting.completed")]
        await api.platform.post("/v1/platform/events/batch", json={"events": events})
        received = await api.endpoint.wait_for(4)
        assert [json.loads(each.body)["event_type"] for each in received] == [
            "meeting.created",
            "meeting.created",
            "meeting.updated",
            "meeting.completed",
        ]

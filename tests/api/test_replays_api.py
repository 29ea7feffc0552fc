"""Many deliveries retried by one ask, in both APIs: CONTRACTS 1.7."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.api.harness import ADMIN, Api, check_problem, eventually, open_api, sample

from adjourn import resources

pytestmark = pytest.mark.anyio

RETRY = f"{ADMIN}/webhook-deliveries/retry"
TYPES = ("meeting.created", "meeting.updated", "meeting.completed")


class Outage:
    """An endpoint that fails until it is mended."""

    def __init__(self) -> None:
        self.is_over = False

    def answer(self, received: object) -> int:
        return 200 if self.is_over else 500


@pytest.fixture
def outage() -> Outage:
    return Outage()


@pytest.fixture
async def failing(tmp_path: Path, outage: Outage, anyio_backend: str) -> AsyncIterator[Api]:
    """Deliveries are abandoned after their first attempt."""
    async with open_api(tmp_path, outage.answer, retry_delays=()) as opened:
        yield opened


async def abandoned(api: Api) -> dict[str, Any]:
    """An app with a delivery abandoned of each of TYPES."""
    created = await api.create_app()
    await api.connect(created)
    for event_type in TYPES:
        await api.publish(sample(event_type))

    async def are_abandoned() -> bool:
        page = await api.partner(created).get(f"{ADMIN}/webhook-deliveries?status=abandoned")
        return bool(page.json()["total"] == len(TYPES))

    await eventually(are_abandoned)
    return created


async def ask(client: httpx.AsyncClient, body: dict[str, Any], path: str = RETRY) -> resources.Replay:
    answer = await client.post(path, json=body)
    assert answer.status_code == 202, answer.text
    replay = msgspec.json.decode(answer.content, type=resources.Replay)
    assert answer.headers["location"] == f"{path}/{replay.id}"
    return replay


async def done(client: httpx.AsyncClient, replay: resources.Replay, path: str = RETRY) -> resources.Replay:
    async def now() -> resources.Replay:
        answer = await client.get(f"{path}/{replay.id}")
        return msgspec.json.decode(answer.content, type=resources.Replay)

    async def is_done() -> bool:
        return (await now()).status == "done"

    await eventually(is_done)
    return await now()


async def test_what_was_abandoned_is_sent_again(failing: Api, outage: Outage) -> None:
    created = await abandoned(failing)
    partner = failing.partner(created)
    outage.is_over = True
    replay = await ask(partner, {"status": "abandoned"})
    assert (replay.status, replay.total, replay.delivery_status) == ("running", 3, "abandoned")
    assert replay.partner_app_id == created["app"]["id"]
    await failing.endpoint.wait_for(6)
    ended = await done(partner, replay)
    assert (ended.total, ended.scheduled, ended.skipped) == (3, 3, 0)
    assert ended.finished_at is not msgspec.UNSET

    async def are_delivered() -> bool:
        page = await partner.get(f"{ADMIN}/webhook-deliveries?status=delivered")
        return bool(page.json()["total"] == 3)

    await eventually(are_delivered)
    page = (await partner.get(RETRY)).json()
    assert (page["total"], page["limit"], page["offset"]) == (1, 50, 0)
    assert msgspec.convert(page["items"][0], resources.Replay, strict=False) == ended


async def test_the_platform_asks_as_the_partner_does(failing: Api, outage: Outage) -> None:
    created = await abandoned(failing)
    outage.is_over = True
    path = f"/v1/platform/apps/{created['app']['id']}/deliveries/retry"
    replay = await ask(failing.platform, {"event_type": TYPES[0]}, path)
    await failing.endpoint.wait_for(4)
    ended = await done(failing.platform, replay, path)
    assert (ended.total, ended.event_type) == (1, TYPES[0])
    assert (await failing.platform.get(path)).json() == (await failing.partner(created).get(RETRY)).json()


async def test_only_what_matches_is_sent(failing: Api, outage: Outage) -> None:
    created = await abandoned(failing)
    partner = failing.partner(created)
    listed = (await partner.get(f"{ADMIN}/webhook-deliveries")).json()["deliveries"]
    newest, middle, oldest = [each["created_at"] for each in listed]
    for body, total in (
        ({}, 3),
        ({"status": "delivered"}, 0),
        ({"event_type": TYPES[1]}, 1),
        ({"since": middle}, 2),
        ({"until": middle}, 1),
        ({"since": oldest, "until": newest}, 2),
        ({"status": "abandoned", "event_type": TYPES[0], "since": middle}, 0),
    ):
        replay = await ask(partner, body)
        assert replay.total == total, body
        await done(partner, replay)


async def test_old_names_of_types_are_understood(api: Api) -> None:
    partner = api.partner(await api.create_app())
    replay = await ask(partner, {"event_type": "workflow.assignment.created"})
    assert (replay.total, replay.event_type) == (0, "automation.assignment.created")


async def test_one_that_runs_can_be_cancelled_and_one_that_ended_stays_as_it_is(
    failing: Api, outage: Outage
) -> None:
    created = await abandoned(failing)
    partner = failing.partner(created)
    await partner.put(f"{ADMIN}/webhook-status", json={"enabled": False})
    held = await ask(partner, {})
    headers = {"Idempotency-Key": "stop"}
    first, again = [await partner.post(f"{RETRY}/{held.id}/cancel", headers=headers) for _ in range(2)]
    assert (first.status_code, first.json()["status"], first.json()["scheduled"]) == (200, "cancelled", 0)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert (await partner.post(f"{RETRY}/{held.id}/cancel")).json() == first.json()
    await partner.put(f"{ADMIN}/webhook-status", json={"enabled": True, "pending_disposition": "deliver"})
    outage.is_over = True
    ended = await done(partner, await ask(partner, {}))
    cancelled = await partner.post(f"{RETRY}/{ended.id}/cancel")
    assert msgspec.json.decode(cancelled.content, type=resources.Replay) == ended


async def test_a_repeated_ask_answers_the_same_and_asks_once(api: Api) -> None:
    partner = api.partner(await api.create_app())
    headers = {"Idempotency-Key": "again"}
    first, again = [await partner.post(RETRY, json={}, headers=headers) for _ in range(2)]
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert (await partner.get(RETRY)).json()["total"] == 1


async def test_the_location_holds_for_ids_that_need_escaping(api: Api) -> None:
    created = await api.create_app(id="partner/ä 7")
    path = "/v1/platform/apps/partner%2F%C3%A4%207/deliveries/retry"
    headers = {"Idempotency-Key": "again"}
    answer = await api.platform.post(path, json={}, headers=headers)
    assert answer.json()["partner_app_id"] == created["app"]["id"]
    assert answer.headers["location"] == f"{path}/{answer.json()['id']}"
    assert (await api.platform.get(answer.headers["location"])).json()["id"] == answer.json()["id"]


def wrong_bodies() -> Iterator[tuple[dict[str, Any], str]]:
    now = datetime.now(UTC)
    yield {"status": "lost"}, "$.status"
    yield {"event_type": "none.such"}, "$.event_type"
    yield {"since": "yesterday"}, "$.since"
    yield {"until": 7}, "$.until"
    yield {"since": "0001-01-01T00:00:00+14:00"}, "$.since"
    yield {"since": now.isoformat(), "until": now.isoformat()}, "$.until"
    yield {"since": now.isoformat(), "until": (now - timedelta(hours=1)).isoformat()}, "$.until"
    yield {"surplus": 1}, "$.surplus"


async def test_a_wrong_field_is_named_and_nothing_is_asked(api: Api) -> None:
    partner = api.partner(await api.create_app())
    for body, path in wrong_bodies():
        problem = check_problem(await partner.post(RETRY, json=body), 400, "validation_error")
        assert [fault["path"] for fault in problem["faults"]] == [path]
    assert (await partner.get(RETRY)).json()["total"] == 0


async def test_another_apps_replay_is_not_found(api: Api) -> None:
    one, other = await api.create_app(), await api.create_app()
    replay = await ask(api.partner(one), {})
    partner = api.partner(other)
    check_problem(await partner.get(f"{RETRY}/{replay.id}"), 404, "not_found")
    check_problem(await partner.post(f"{RETRY}/{replay.id}/cancel"), 404, "not_found")
    assert (await partner.get(RETRY)).json()["items"] == []

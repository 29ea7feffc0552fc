"""Two nodes on one database: what one has answered holds on the other, and nothing is done twice."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from tests.postgres import run_sql
from tests.server.node import Node, ask, node, settings_for

from adjourn.sending.health import judge
from adjourn.testing import LocalEndpoint, RecordedRequest, local_endpoint
from adjourn.wiring import prepare

pytestmark = pytest.mark.anyio

_ROUNDS = 30


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[tuple[Node, Node]]:
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(node(postgres_url)),
            await stack.enter_async_context(node(postgres_url)),
        )


def event_id(received: RecordedRequest) -> str:
    found: str = json.loads(received.body)["event_id"]
    return found


async def arrival(endpoint: LocalEndpoint, wanted: str) -> RecordedRequest:
    """The first request with that event."""
    looked_at = 0
    while True:
        for received in endpoint.received[looked_at:]:
            if event_id(received) == wanted:
                return received
        looked_at = len(endpoint.received)
        await endpoint.wait_for(looked_at + 1)


async def all_delivered(url: str, count: int) -> None:
    async with asyncio.timeout(30):
        while await ask(url, "SELECT count(*) FROM delivery WHERE state = 'delivered'") != [(count,)]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


class TestAChangeThatOneHasAnswered:
    async def test_of_the_url_counts_for_what_the_other_publishes(self, two: tuple[Node, Node]) -> None:
        one, other = two
        async with local_endpoint() as endpoint:
            app_id = (await one.create_app(f"{endpoint.url}/0"))["app"]["id"]
            await arrival(endpoint, (await other.publish(0))[0])
            for number in range(1, _ROUNDS):
                await one.set(app_id, webhook_url=f"{endpoint.url}/{number}")
                (published,) = await other.publish(number)
                assert (await arrival(endpoint, published)).path == f"/{number}"
                one, other = other, one

    async def test_of_the_filter_counts_for_what_the_other_publishes(self, two: tuple[Node, Node]) -> None:
        one, other = two
        async with local_endpoint() as endpoint:
            app_id = (await one.create_app(endpoint.url))["app"]["id"]
            for number in range(_ROUNDS):
                kind = "exclude" if number % 2 else "include"
                wanted = {"type": kind, "events": ["calendar_event.deleted"]}
                path = f"/v1/platform/apps/{app_id}/webhook-filter"
                (await one.client.put(path, json=wanted)).raise_for_status()
                assert len(await other.publish(number)) == (kind == "include")
                one, other = other, one

    async def test_of_a_connection_counts_for_what_the_other_publishes(self, two: tuple[Node, Node]) -> None:
        one, other = two
        async with local_endpoint() as endpoint:
            app_id = (await one.create_app(endpoint.url))["app"]["id"]
            path = f"/v1/platform/apps/{app_id}/connections/ana"
            for number in range(_ROUNDS // 2):
                (await one.client.delete(path)).raise_for_status()
                assert await other.publish(number) == []
                (await one.client.put(path, json={"email": "ana@example.com"})).raise_for_status()
                assert len(await other.publish(number)) == 1
                one, other = other, one

    async def test_that_webhooks_are_off_counts_for_attempts_on_both(
        self, two: tuple[Node, Node], postgres_url: str
    ) -> None:
        """Events keep coming on both; after the answer nothing is sent until webhooks are on again."""
        one, other = two
        published, going = 0, True

        async def keep_publishing(on: Node) -> None:
            nonlocal published
            while going:
                made = await on.publish(count=20)
                published += len(made)  # not at once: the other adds to it meanwhile

        async with local_endpoint() as endpoint, local_endpoint() as control:
            app_id = (await one.create_app(endpoint.url))["app"]["id"]
            await one.create_app(control.url, user="ben")
            path = f"/v1/platform/apps/{app_id}/webhook-status"
            publishing = [asyncio.create_task(keep_publishing(each)) for each in two]
            for _ in range(5):
                await endpoint.wait_for(len(endpoint.received) + 50)
                (await one.client.put(path, json={"enabled": False})).raise_for_status()
                await _nothing_is_held(postgres_url, app_id)
                before = len(endpoint.received)
                for each in two:
                    (told,) = await each.publish(user="ben")
                    await arrival(control, told)
                assert len(endpoint.received) == before
                switch = {"enabled": True, "pending_disposition": "deliver"}
                (await other.client.put(path, json=switch)).raise_for_status()
                one, other = other, one
            going = False
            await asyncio.gather(*publishing)
            await all_delivered(postgres_url, published + 10)
            assert set(Counter(map(event_id, endpoint.received)).values()) == {1}


async def _nothing_is_held(url: str, app_id: str) -> None:
    """What was on its way when the answer came has arrived, and is on record."""
    held = """
        SELECT (SELECT count(*) FROM delivery WHERE app_id = $1 AND owner IS NOT NULL)
             + (SELECT count(*) FROM job WHERE app_id = $1 AND owner IS NOT NULL)
    """
    async with asyncio.timeout(10):
        while await ask(url, held, app_id) != [(0,)]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_key_used_on_both_at_once_publishes_once(two: tuple[Node, Node], postgres_url: str) -> None:
    async with local_endpoint() as endpoint:
        await two[0].create_app(endpoint.url)
        body = {
            "event_type": "calendar_event.deleted",
            "data": {"calendar_event_id": "ce"},
            "audience": {"user_ids": ["ana"]},
        }
        for number in range(_ROUNDS):
            headers = {"Idempotency-Key": f"key-{number}"}
            asked = [each.client.post("/v1/platform/events", json=body, headers=headers) for each in two]
            first, second = await asyncio.gather(*asked)
            assert (first.status_code, second.status_code) == (202, 202)
            assert first.content == second.content
            replayed = [each.headers.get("idempotent-replayed") for each in (first, second)]
            assert sorted(filter(None, replayed)) == ["true"]
        await all_delivered(postgres_url, _ROUNDS)
        assert len(endpoint.received) == _ROUNDS


async def test_a_key_used_on_both_at_once_makes_one_app(two: tuple[Node, Node]) -> None:
    for number in range(10):
        body = {
            "id": f"app-{number}",
            "name": "a",
            "company_name": "c",
            "primary_contact_email": "a@example.com",
        }
        headers = {"Idempotency-Key": f"key-{number}"}
        asked = [each.client.post("/v1/platform/apps", json=body, headers=headers) for each in two]
        first, second = await asyncio.gather(*asked)
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.content == second.content


async def test_an_app_that_fails_is_switched_off_once_and_one_mail_is_made(
    two: tuple[Node, Node], postgres_url: str
) -> None:
    one, other = two
    app_id = (await one.create_app("http://127.0.0.1:65535"))["app"]["id"]
    run_sql(postgres_url, "UPDATE health SET abandoned = 50, exhausted_at = enabled_at")
    went_off = await asyncio.gather(
        *(each.engine.store.infirmary.judge([app_id], judge) for each in (one, other, one, other))
    )
    assert sorted(map(tuple, went_off)) == [(), (), (), (app_id,)]
    for each in two:
        each.engine.mailer.poke()
    handled = "SELECT kind, state, tries FROM notice WHERE state <> 'waiting'"
    async with asyncio.timeout(10):
        while not (notices := await ask(postgres_url, handled)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert notices == [("auto_disabled", "not_configured", 1)]
    assert await ask(postgres_url, "SELECT count(*) FROM notice") == [(1,)]


async def test_a_replay_that_both_step_tries_each_delivery_once(
    two: tuple[Node, Node], postgres_url: str
) -> None:
    async with local_endpoint() as endpoint:
        app_id = (await two[0].create_app(endpoint.url))["app"]["id"]
        await two[0].publish(count=300)
        await all_delivered(postgres_url, 300)
        path = f"/v1/platform/apps/{app_id}/deliveries/retry"
        asked = await two[1].client.post(path, json={"status": "delivered"})
        assert asked.json()["total"] == 300, asked.text
        for each in two:
            each.engine.replays.poke()
        await endpoint.wait_for(600, within=30)
        assert set(Counter(map(event_id, endpoint.received)).values()) == {2}


async def test_many_nodes_that_start_at_once_make_one_platform_key(postgres_url: str) -> None:
    settings = settings_for(postgres_url, platform_key=None)
    made = await asyncio.gather(*(prepare(settings) for _ in range(4)))
    assert len([each for each in made if each is not None]) == 1
    async with node(postgres_url, platform_key=None) as late:
        assert late.engine.made_key is None


async def test_clocks_that_differ_by_seconds_do_no_harm(postgres_url: str) -> None:
    """What one takes for the database's time is 3 s behind, what the other does is 3 s ahead."""

    def clock(seconds: float) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=seconds)

    async with local_endpoint() as endpoint, AsyncExitStack() as stack:
        behind = await stack.enter_async_context(node(postgres_url, clock=lambda: clock(-3)))
        ahead = await stack.enter_async_context(node(postgres_url, clock=lambda: clock(3)))
        app_id = (await behind.create_app(f"{endpoint.url}/0"))["app"]["id"]
        for number in range(1, 6):
            await ahead.set(app_id, webhook_url=f"{endpoint.url}/{number}")
            ids = [*await behind.publish(count=20), *await ahead.publish(count=20)]
            assert {(await arrival(endpoint, each)).path for each in ids} == {f"/{number}"}
            ahead, behind = behind, ahead
        await all_delivered(postgres_url, 200)
        assert [await each.engine.store.queue.reap() for each in (ahead, behind)] == [0, 0]
        assert len(endpoint.received) == 200


async def test_the_database_says_no_password_when_it_cannot_be_reached() -> None:
    settings = settings_for("postgresql://me:hidden@127.0.0.1:1/a")
    with pytest.raises(Exception, match=r"127\.0\.0\.1") as raised:
        await prepare(settings)
    assert "hidden" not in str(raised.value)
    assert not isinstance(raised.value, asyncpg.PostgresError | OSError)

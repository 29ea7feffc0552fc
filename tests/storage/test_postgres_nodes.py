"""Several nodes on one PostgreSQL database: whatever they do at once, nothing is lost or in two hands."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from tests.postgres import empty_database
from tests.storage.harness import KEY, LEASE, MINUTE, MS, Clock, World, ids_of

from adjourn.models import DeliveryState
from adjourn.storage.base import Claimed, StaleApps
from adjourn.storage.postgres.store import PostgresStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

OTHER = "https://other.example.com:443"


class Nodes:
    """Two stores on one database, with one clock."""

    def __init__(self, url: str, a: World, b: World) -> None:
        self.url = url
        self.a = a
        self.b = b

    @asynccontextmanager
    async def holding(self, *statements: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A transaction of somebody else, in the middle."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute("BEGIN")
            for statement in statements:
                await connection.execute(statement)
            yield connection
            await connection.execute("ROLLBACK")
        finally:
            connection.terminate()

    async def blocked(self, act: Awaitable[object]) -> "asyncio.Task[object]":
        """Begin it, and return once it waits for a lock."""
        task = asyncio.ensure_future(act)
        connection = await asyncpg.connect(self.url)
        try:
            while not await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock'"
            ):
                assert not task.done(), "it waited for nothing"
                await asyncio.sleep(0.005)
        finally:
            await connection.close()
        return task


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    url, clock = empty_database(), Clock()
    stores = [await PostgresStore.open(url, Vault([KEY]), clock=clock, lease=timedelta(0)) for _ in range(2)]
    worlds = [World(store, clock) for store in stores]
    worlds[1].ids = worlds[0].ids
    yield Nodes(url, *worlds)
    for store in stores:
        await store.close()


async def test_several_nodes_may_start_at_once(nodes: Nodes) -> None:
    opened = await asyncio.gather(
        *(PostgresStore.open(nodes.url, Vault([KEY]), clock=nodes.a.clock) for _ in range(4))
    )
    for store in opened:
        await store.close()


async def test_claims_at_once_take_each_delivery_once(nodes: Nodes) -> None:
    await nodes.a.add_app()
    new = [nodes.a.delivery(origin=f"https://{number % 7}.example.com:443") for number in range(200)]
    await nodes.a.publish(*new)

    async def claim_all(world: World, worker: str) -> list[Claimed]:
        taken = []
        for _ in range(60):
            taken += await world.claim(worker, room=3, limit=20)
        return taken

    one, two = await asyncio.gather(claim_all(nodes.a, "w1"), claim_all(nodes.b, "w2"))
    rest = await nodes.a.claim("w1", room=1000)
    assert sorted(ids_of([*one, *two, *rest])) == sorted(each.id for each in new)


async def test_a_claim_tells_how_many_workers_are_alive_and_the_versions_of_apps(nodes: Nodes) -> None:
    await nodes.a.add_app()
    await nodes.a.enlist("w1")
    await nodes.b.enlist("w2")
    await nodes.a.change(url="https://example.com/other")
    await nodes.a.publish_waiting()
    claim = await nodes.b.store.queue.claim("w2", room=lambda lane, app: 9, limit=9)
    assert (claim.workers, dict(claim.app_versions)) == (2, {"app": 2})
    nodes.a.clock.advance(LEASE + MS)
    await nodes.b.enlist("w2")
    assert (await nodes.b.store.queue.claim("w2", room=lambda lane, app: 9, limit=9)).workers == 1


async def test_lanes_that_another_claim_has_do_not_block(nodes: Nodes) -> None:
    await nodes.a.add_app()
    held, free = await nodes.a.publish(nodes.a.delivery(), nodes.a.delivery(origin=OTHER))
    async with nodes.holding("SELECT * FROM lane ORDER BY origin LIMIT 1 FOR UPDATE"):
        claim = await nodes.b.store.queue.claim("w2", room=lambda lane, app: 9, limit=9)
        assert ids_of(claim.deliveries) == [free]
        assert claim.next_wake is not None  # it comes again soon
        assert nodes.a.clock.now < claim.next_wake < nodes.a.clock.now + timedelta(seconds=1)
    assert ids_of(await nodes.b.claim("w2")) == [held]


async def test_what_comes_while_a_claim_puts_its_lane_to_sleep_is_not_forgotten(nodes: Nodes) -> None:
    await nodes.a.add_app()
    first = await nodes.a.publish_waiting()
    async with nodes.holding("SELECT * FROM lane FOR UPDATE") as claimer:
        publishing = await nodes.blocked(nodes.b.publish_waiting())
        await claimer.execute("UPDATE job SET owner = 1")
        await claimer.execute("UPDATE lane SET wake_at = NULL")
        await claimer.execute("COMMIT")
    second = await publishing
    assert ids_of(await nodes.b.claim("w2")) == [second]
    assert first != second


async def test_a_lane_whose_app_is_being_switched_on_is_not_put_to_sleep(nodes: Nodes) -> None:
    await nodes.a.add_app()
    await nodes.a.change(enabled=False)
    delivery_id = await nodes.a.publish_waiting()
    async with nodes.holding("UPDATE app SET webhook_enabled = true, version = version + 1") as switch:
        assert await nodes.b.claim("w2") == []
        await switch.execute("COMMIT")
    assert ids_of(await nodes.b.claim("w2")) == [delivery_id]


async def test_a_change_makes_what_was_planned_before_stale_on_the_other_node(nodes: Nodes) -> None:
    app = await nodes.a.add_app()
    entry = nodes.b.entry(nodes.b.delivery(owner="w2"), versions={"app": app.version})
    await nodes.a.change(url="https://example.com/other")
    with pytest.raises(StaleApps) as stale:
        await nodes.b.store.queue.publish([entry])
    assert stale.value.app_ids == ("app",)
    assert await nodes.a.store.log.list_publications(event_type=None, limit=9, offset=0) == ([], 0)


async def test_publishing_beside_the_reaping_of_its_worker_strands_nothing(nodes: Nodes) -> None:
    await nodes.a.add_app()
    await nodes.a.enlist("w1")
    await nodes.a.publish_held("w1")  # its lane is known
    nodes.a.clock.advance(LEASE + MS)
    async with nodes.holding("SELECT * FROM worker FOR UPDATE") as reaper:
        publishing = await nodes.blocked(nodes.a.publish_held("w1"))
        await reaper.execute("UPDATE delivery SET owner = NULL")
        await reaper.execute("DELETE FROM worker")
        await reaper.execute("COMMIT")
    held = await publishing
    assert isinstance(held, Claimed)
    nodes.a.clock.advance(MS)
    assert await nodes.b.store.queue.reap() == 1
    assert ids_of(await nodes.b.claim("w2")) == [held.id]


async def test_a_worker_that_publishes_just_now_is_not_reaped(nodes: Nodes) -> None:
    await nodes.a.add_app()
    await nodes.a.enlist("w1")
    nodes.a.clock.advance(LEASE + MS)
    async with nodes.holding("SELECT * FROM worker FOR KEY SHARE"):
        assert await nodes.b.store.queue.reap() == 0
        await nodes.a.enlist("w1")  # nor does it keep it from renewing its lease
    assert await nodes.b.store.queue.reap() == 0


async def test_two_reapers_at_once_free_each_delivery_once(nodes: Nodes) -> None:
    await nodes.a.add_app()
    for worker in ("w1", "w2", "w3"):
        await nodes.a.enlist(worker)
        for _ in range(5):
            await nodes.a.publish_held(worker)
    nodes.a.clock.advance(LEASE + MS)
    one, two = await asyncio.gather(nodes.a.store.queue.reap(), nodes.b.store.queue.reap())
    assert one + two + await nodes.a.store.queue.reap() == 15
    assert len(await nodes.a.claim("w4", room=100)) == 15


async def test_nobody_reaps_who_has_not_been_connected_for_a_whole_lease(nodes: Nodes) -> None:
    """After an outage the other workers renew theirs first."""
    await nodes.a.add_app()
    await nodes.a.enlist("w1")
    await nodes.a.publish_held("w1")
    nodes.a.clock.advance(2 * LEASE)
    new = await PostgresStore.open(nodes.url, Vault([KEY]), clock=nodes.a.clock, lease=LEASE)
    try:
        nodes.a.clock.advance(LEASE - MS)
        assert await new.queue.reap() == 0
        nodes.a.clock.advance(MS)
        assert await new.queue.reap() == 1
    finally:
        await new.close()


async def test_after_a_break_of_its_connections_a_node_waits_a_whole_lease_again(nodes: Nodes) -> None:
    new = await PostgresStore.open(nodes.url, Vault([KEY]), clock=nodes.a.clock, lease=LEASE)
    try:
        await nodes.a.enlist("w1")
        nodes.a.clock.advance(2 * LEASE)
        await new.queue.claim("w3", room=lambda lane, app: 1, limit=1)
        async with nodes.holding() as other:
            await other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await asyncio.sleep(0.05)
        await new.queue.claim("w3", room=lambda lane, app: 1, limit=1)
        assert await new.queue.reap() == 0
        nodes.a.clock.advance(LEASE)
        await new.queue.reap()
        assert await nodes.b.store.queue.reap() == 0  # w1 is gone
    finally:
        await new.close()


async def test_of_one_order_published_at_once_one_goes_first_and_the_others_follow(nodes: Nodes) -> None:
    await nodes.a.add_app(ordered=True)
    for number in range(10):
        key = f"meeting {number}"
        await asyncio.gather(
            nodes.a.publish(*(nodes.a.delivery(order_key=key) for _ in range(2))),
            nodes.b.publish(*(nodes.b.delivery(order_key=key) for _ in range(2))),
        )
    for _ in range(4):
        claimed = await nodes.a.claim(room=100)
        assert sorted(each.order_key or "" for each in claimed) == sorted(f"meeting {n}" for n in range(10))
        assert await nodes.b.claim("w2", room=100) == []
        await nodes.a.record(*(nodes.a.success(each) for each in claimed))
    assert await nodes.a.claim() == []


async def test_one_published_as_its_head_ends_is_not_left_behind(nodes: Nodes) -> None:
    await nodes.a.add_app(ordered=True)
    for number in range(20):
        await nodes.a.publish_waiting(order_key="meeting")
        head = await nodes.a.claim_one()
        _, follower = await asyncio.gather(
            nodes.a.record(nodes.a.success(head)), nodes.b.publish_waiting(order_key="meeting")
        )
        claimed = await nodes.b.claim("w2")
        assert ids_of(claimed) == [follower], number
        await nodes.b.record(nodes.b.success(claimed[0]), worker="w2")


async def test_a_follower_that_is_published_sees_that_its_head_just_ended(nodes: Nodes) -> None:
    await nodes.a.add_app(ordered=True)
    head = await nodes.a.publish_waiting(order_key="meeting")
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('order app meeting', 0))"
    async with nodes.holding(lock) as recorder:
        publishing = await nodes.blocked(nodes.b.publish_waiting(order_key="meeting"))
        await recorder.execute("DELETE FROM job")
        await recorder.execute("COMMIT")
    follower = await publishing
    assert ids_of(await nodes.a.claim()) == [follower]
    assert head != follower


async def test_what_is_discarded_beside_a_claim_is_abandoned_or_claimed_never_both(nodes: Nodes) -> None:
    await nodes.a.add_app()
    ids = await nodes.a.publish(*(nodes.a.delivery() for _ in range(100)))
    await nodes.a.change(enabled=False)

    async def claim_all() -> list[str]:
        return [each.id for _ in range(20) for each in await nodes.b.claim("w2", room=5)]

    async def discard_all() -> None:
        await nodes.a.change(enabled=True, discard=True)
        while await nodes.a.store.queue.discard(limit=7):
            pass

    claimed, _ = await asyncio.gather(claim_all(), discard_all())
    while await nodes.a.store.queue.discard(limit=100):
        pass
    states = {each: await nodes.a.state(each) for each in ids}
    assert {each for each, state in states.items() if state is DeliveryState.PENDING} == set(claimed)
    assert {each for each, state in states.items() if state is DeliveryState.ABANDONED} == set(ids) - set(
        claimed
    )


async def test_one_delivery_is_retried_by_hand_once_though_two_ask_at_once(nodes: Nodes) -> None:
    await nodes.a.add_app()
    await nodes.a.publish_waiting()
    claimed = await nodes.a.claim_one()
    await nodes.a.record(nodes.a.success(claimed))
    asked = await asyncio.gather(*(world.ask(claimed.id) for world in (nodes.a, nodes.b) for _ in range(3)))
    assert sorted(each.scheduled for each in asked) == [False] * 5 + [True]
    assert len(await nodes.a.claim()) == 1


async def test_success_and_failure_of_two_workers_at_once_end_as_delivered(nodes: Nodes) -> None:
    await nodes.a.add_app()
    for _ in range(10):
        await nodes.a.enlist("w1")
        lost = await nodes.a.publish_held("w1")
        nodes.a.clock.advance(LEASE + MS)
        await nodes.b.store.queue.reap()
        again = await nodes.b.claim_one("w2")
        await asyncio.gather(
            nodes.a.record(nodes.a.success(lost)), nodes.b.record(nodes.b.failure(again), worker="w2")
        )
        assert await nodes.a.state(lost.id) is DeliveryState.DELIVERED
        nodes.a.clock.advance(2 * MINUTE)
        assert await nodes.a.claim() == []


async def test_batches_that_lock_the_same_lanes_in_any_order_all_end(nodes: Nodes) -> None:
    await nodes.a.add_app()
    origins = [f"https://{number}.example.com:443" for number in range(8)]

    async def publish(world: World, order: list[str]) -> None:
        for _ in range(10):
            await world.publish(*(world.delivery(origin=each) for each in order))

    await asyncio.gather(publish(nodes.a, origins), publish(nodes.b, origins[::-1]))
    assert len(await nodes.a.claim(room=1000, limit=1000)) == 160

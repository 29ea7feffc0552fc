"""What a worker took is found again by its claims: no index names the owner of a job."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from tests.postgres import empty_database, new_database
from tests.storage.harness import KEY, LEASE, MINUTE, MS, Clock, World, ids_of

from adjourn.storage.postgres.store import PostgresStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio


class Looked:
    """A store, and what lies in its tables."""

    def __init__(self, world: World, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.world = world
        self._connection = connection

    async def claims(self) -> int:
        return int(await self._connection.fetchval("SELECT count(*) FROM claim"))

    async def carried(self) -> list[bool]:
        """Of each job, as they were published, whether it has the body."""
        rows = await self._connection.fetch("SELECT body IS NOT NULL FROM job ORDER BY seq")
        return [row[0] for row in rows]

    async def updates(self) -> tuple[int, int]:
        """Of jobs, and how many of them stayed on their page."""
        row = await self._connection.fetchrow(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'job'"
        )
        assert row is not None
        return row[0], row[1]


@asynccontextmanager
async def looked_into(url: str) -> AsyncIterator[Looked]:
    clock = Clock()
    store = await PostgresStore.open(url, Vault([KEY]), clock=clock, lease=timedelta(0))
    connection = await asyncpg.connect(url)
    world = World(store, clock)
    await world.add_app()
    await world.enlist()
    try:
        yield Looked(world, connection)
    finally:
        await connection.close()
        await store.close()


@pytest.fixture
async def looked() -> AsyncIterator[Looked]:
    async with looked_into(empty_database()) as looked:
        yield looked


async def test_a_claim_is_forgotten_when_all_of_it_ended(looked: Looked) -> None:
    world = looked.world
    await world.publish(*(world.delivery() for _ in range(3)))
    first, second, third = await world.claim()
    await world.record(world.success(first), world.failure(second))
    await world.store.queue.reap()
    assert await looked.claims() == 1
    await world.store.queue.give_back("w1", [third])
    await world.store.queue.reap()
    assert await looked.claims() == 0


async def test_what_was_claimed_again_under_an_old_claim_is_put_back_when_its_worker_dies(
    looked: Looked,
) -> None:
    world = looked.world
    delivery_id = await world.publish_waiting()
    await world.record(world.failure(await world.claim_one()))
    world.clock.advance(MINUTE)
    await world.enlist()
    await world.claim_one()  # before the first claim was forgotten
    await world.store.queue.reap()
    assert await looked.claims() == 2
    world.clock.advance(LEASE + MS)
    assert await world.store.queue.reap() == 1
    assert await looked.claims() == 0
    assert ids_of(await world.claim("w2")) == [delivery_id]


async def test_a_claim_of_many_is_noted_whole(looked: Looked) -> None:
    world = looked.world
    await world.publish(*(world.delivery() for _ in range(700)))
    assert len(await world.claim(room=700, limit=700)) == 700
    world.clock.advance(LEASE + MS)
    assert await world.store.queue.reap() == 700


async def test_a_claim_writes_no_index() -> None:
    async with looked_into(new_database("adjourn_claims")) as looked:
        world = looked.world
        await world.publish(*(world.delivery() for _ in range(20)))
        assert len(await world.claim(room=3)) == 3
        async with world.store.queue._database.claiming.one() as link:  # type: ignore[attr-defined]
            await link.raw.execute("SELECT pg_stat_force_next_flush()")
        assert await looked.updates() == (3, 3)


async def test_a_body_is_stored_twice_only_where_the_first_may_lie_cold_when_it_is_claimed(
    looked: Looked,
) -> None:
    world = looked.world
    await world.publish_waiting()
    world.clock.advance(timedelta(seconds=10))
    await world.publish_waiting()
    world.clock.advance(MS)
    await world.publish_waiting()
    assert await looked.carried() == [False, False, True]


async def test_what_waits_for_an_app_that_is_off_carries_its_body(looked: Looked) -> None:
    world = looked.world
    await world.change(enabled=False)
    await world.publish_waiting()
    assert await looked.carried() == [True]


async def test_what_failed_carries_its_body_unless_that_is_long(looked: Looked) -> None:
    world = looked.world
    held = [await world.publish_held(data=b'"' + b"x" * length + b'"') for length in (10, 5_000)]
    await world.record(*(world.failure(each) for each in held))
    assert await looked.carried() == [True, False]

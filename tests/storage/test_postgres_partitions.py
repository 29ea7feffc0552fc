"""Days: made ahead, and dropped when they are old and hold nothing that is not finished."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from tests.postgres import new_database
from tests.storage.harness import KEY, MS, START, Clock, World

from adjourn.errors import InputError, NotFound, StorageError
from adjourn.ids import Uuid7
from adjourn.models import DeliveryState
from adjourn.storage.base import Claimed
from adjourn.storage.postgres.days import lowest_id, place_of
from adjourn.storage.postgres.store import PostgresStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
RETENTION = 3 * DAY
TABLES = {"attempt", "delivery", "event", "publication"}


class Days:
    """A world that keeps three days, and its partitions."""

    def __init__(self, url: str, world: World, store: PostgresStore) -> None:
        self.url = url
        self.world = world
        self.store = store

    async def pass_days(self, days: int) -> None:
        """Each with its housekeeping."""
        for _ in range(days):
            self.world.clock.advance(DAY)
            await self.store.queue.tend()

    async def found(self) -> dict[str, set[str]]:
        """The tables that have a partition for each day."""
        connection = await asyncpg.connect(self.url)
        rows = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname"
        )
        await connection.close()
        found: dict[str, set[str]] = {}
        for (name,) in rows:
            table, _, day = name.rpartition("_")
            found.setdefault(day, set()).add(table)
        return found


@pytest.fixture
def database() -> str:
    return new_database("adjourn_days")


@pytest.fixture
async def days(database: str) -> AsyncIterator[Days]:
    clock = Clock()
    store = await PostgresStore.open(
        database, Vault([KEY]), clock=clock, retention=RETENTION, lease=timedelta(0)
    )
    world = World(store, clock)
    await world.add_app()
    yield Days(database, world, store)
    await store.close()


def name(moment: datetime) -> str:
    return f"{moment:%Y%m%d}"


async def test_there_are_tables_for_yesterday_today_and_a_week_ahead(days: Days) -> None:
    found = await days.found()
    assert sorted(found) == [name(START + number * DAY) for number in range(-1, 8)]
    assert all(tables == TABLES for tables in found.values())


async def test_the_next_day_is_made_a_week_before(days: Days) -> None:
    await days.pass_days(1)
    assert max(await days.found()) == name(START + 8 * DAY)


async def test_housekeeping_sees_to_it(days: Days) -> None:
    days.world.clock.advance(DAY)
    await days.store.queue.sweep(answers_before=START)
    assert max(await days.found()) == name(START + 8 * DAY)


async def test_what_is_published_lies_in_its_day(days: Days) -> None:
    days.world.clock.advance(3 * DAY)
    delivery_id = await days.world.publish_waiting()
    connection = await asyncpg.connect(days.url)
    (where,) = await connection.fetchrow("SELECT tableoid::regclass::text FROM delivery") or ("",)
    await connection.close()
    assert where == f"delivery_{name(START + 3 * DAY)}"
    assert (await days.world.get(delivery_id)).id == delivery_id


async def test_what_has_no_day_is_refused_not_lost(days: Days) -> None:
    days.world.clock.advance(30 * DAY)
    with pytest.raises(StorageError, match="publication_20260204"):
        await days.world.publish_waiting()


async def test_a_finished_day_is_dropped_when_it_is_old(days: Days) -> None:
    delivery_id = await days.world.publish_waiting()
    await days.world.record(days.world.success(await days.world.claim_one()))
    await days.world.store.queue.enlist("w1", lease=timedelta(0), floor=days.world.ids.floor())
    days.world.clock.advance(MS)
    await days.store.queue.reap()
    await days.pass_days(3)
    assert name(START) in await days.found()
    await days.pass_days(1)
    found = await days.found()
    assert name(START) not in found
    assert all(tables == TABLES for tables in found.values())
    with pytest.raises(NotFound):
        await days.world.get(delivery_id)


async def test_a_day_is_kept_to_the_last_moment_of_its_retention(days: Days) -> None:
    midnight = datetime(2026, 1, 6, tzinfo=UTC)
    days.world.clock.now = midnight + RETENTION - MS
    await days.store.queue.tend()
    assert name(START) in await days.found()
    days.world.clock.advance(MS)
    await days.store.queue.tend()
    assert name(START) not in await days.found()


async def waiting(world: World) -> None:
    await world.publish_waiting()


async def failed(world: World) -> None:
    await world.publish_waiting()
    await world.record(world.failure(await world.claim_one(), retry_in=30 * DAY))


async def in_memory(world: World) -> None:
    await world.enlist("w1")
    await world.publish_held("w1")


async def by_hand(world: World) -> None:
    await world.publish_waiting()
    claimed = await world.claim_one()
    await world.record(world.success(claimed))
    await world.change(enabled=False)
    world.clock.advance(timedelta(minutes=1))
    await world.ask(claimed.id)


@pytest.mark.parametrize("unfinished", [waiting, failed, in_memory, by_hand])
async def test_a_day_with_something_unfinished_is_kept(
    days: Days, unfinished: Callable[[World], "object"]
) -> None:
    await unfinished(days.world)  # type: ignore[misc]
    await days.pass_days(10)
    assert name(START) in await days.found()


async def test_a_day_that_is_kept_keeps_no_other(days: Days) -> None:
    await days.world.publish_waiting()
    later = [START + number * DAY for number in (1, 2, 3)]
    await days.pass_days(10)
    found = await days.found()
    assert name(START) in found
    assert [name(each) for each in later if name(each) in found] == []


async def test_an_old_day_is_dropped_once_all_of_it_is_finished(days: Days) -> None:
    await failed(days.world)
    await days.pass_days(10)
    await days.world.change(enabled=False)
    await days.world.change(enabled=True, discard=True)
    await days.store.queue.discard(limit=10)
    await days.store.queue.tend()
    assert name(START) not in await days.found()


async def test_the_hour_after_midnight_belongs_to_the_day_too(days: Days) -> None:
    """A delivery of just after midnight may be of an event of just before."""
    days.world.clock.now = datetime(2026, 1, 6, 0, 59, tzinfo=UTC)
    await days.world.publish_waiting()
    await days.pass_days(10)
    assert name(START) in await days.found()


async def test_a_drop_does_not_wait_for_who_reads(days: Days) -> None:
    connection = await asyncpg.connect(days.url)
    await connection.execute("BEGIN; SELECT count(*) FROM delivery")
    await days.pass_days(5)
    assert name(START) in await days.found()
    await connection.close()
    await days.store.queue.tend()
    assert name(START) not in await days.found()


async def test_two_nodes_tend_at_once(days: Days) -> None:
    other = await PostgresStore.open(days.url, Vault([KEY]), clock=days.world.clock, retention=RETENTION)
    try:
        days.world.clock.advance(6 * DAY)
        await days.store.queue.tend()
        await other.queue.tend()
        assert sorted(await days.found()) == [name(START + number * DAY) for number in range(3, 14)]
    finally:
        await other.close()


async def test_without_a_retention_nothing_is_dropped(database: str) -> None:
    clock = Clock()
    store = await PostgresStore.open(database, Vault([KEY]), clock=clock)
    try:
        clock.advance(400 * DAY)
        await store.queue.tend()
        assert name(START) in await Days(database, World(store, clock), store).found()
    finally:
        await store.close()


async def test_what_is_published_on_both_sides_of_midnight_lies_in_both_days(days: Days) -> None:
    world = days.world
    await world.enlist()
    before = world.delivery(owner="w1")
    world.clock.advance(DAY)
    after = world.delivery(owner="w1")
    await world.store.queue.publish([world.entry(before), world.entry(after)])
    held = [
        Claimed(
            id=each.id,
            app_id="app",
            lane_id=each.lane_id,
            event_id=each.event_id,
            event_type=each.event_type,
            body=b"{}",
        )
        for each in (before, after)
    ]
    await world.record(*(world.success(each) for each in held))
    assert [await world.state(each.id) for each in held] == [DeliveryState.DELIVERED] * 2
    again, more = await world.publish_waiting(), world.delivery()
    await world.publish(more)
    await world.record(*(world.failure(each) for each in await world.claim()))
    assert [await world.state(each) for each in (again, more.id)] == [DeliveryState.FAILED] * 2


async def test_an_attempt_that_is_recorded_after_its_day_was_dropped_is_nobodys(days: Days) -> None:
    world = days.world
    await world.publish_waiting()
    late = world.success(await world.claim_one())
    await world.record(world.success(late.claimed), worker="w2")
    await days.pass_days(5)
    with pytest.raises(InputError, match="was dropped"):
        await world.record(late)


def test_a_place_is_a_day_or_the_whole_table() -> None:
    midnight = datetime(2026, 1, 6, tzinfo=UTC)
    ids = [lowest_id(midnight - MS), lowest_id(midnight), lowest_id(midnight + DAY - MS)]
    assert place_of(ids[:1]) == "_20260105"
    assert place_of(ids[1:]) == "_20260106"
    assert place_of(ids) == ""


def test_the_lowest_id_of_a_moment_is_below_every_id_made_then() -> None:
    ms = round(START.timestamp() * 1000)
    assert lowest_id(START) < Uuid7(now_ms=lambda: ms, bits=lambda count: 0)()
    assert lowest_id(START) > Uuid7(now_ms=lambda: ms - 1, bits=lambda count: (1 << count) - 1)()

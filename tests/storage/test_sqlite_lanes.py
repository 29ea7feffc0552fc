"""When lanes wake: never after the first job that waits in them is due, whoever let it wait."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.storage.harness import KEY, LEASE, MINUTE, MS, Clock, World

from adjourn.storage.sql.rows import NEVER
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "adjourn.db"


@pytest.fixture
async def sqlite(path: Path) -> AsyncIterator[World]:
    clock = Clock()
    store = await SqliteStore.open(path, Vault([KEY]), clock=clock)
    world = World(store, clock)
    await world.add_app()
    await world.enlist()
    yield world
    await store.close()


def wakes(path: Path) -> tuple[int | None, int | None]:
    """When the one lane wakes, and when the first that waits in it is due."""
    connection = sqlite3.connect(path)
    try:
        ((wake_at,),) = connection.execute("SELECT wake_at FROM lane").fetchall()
        ((due,),) = connection.execute(
            "SELECT min(due) FROM job WHERE owner IS NULL AND due < ?", (NEVER,)
        ).fetchall()
    finally:
        connection.close()
    return wake_at, due


async def test_a_lane_wakes_for_its_first_retry_and_earlier_for_one_by_hand(
    sqlite: World, path: Path
) -> None:
    for minutes in (3, 2):
        await sqlite.publish_waiting()
        await sqlite.record(sqlite.failure(await sqlite.claim_one(), retry_in=minutes * MINUTE))
    await sqlite.next_wake()
    wake_at, due = wakes(path)
    assert wake_at is not None
    assert wake_at == due
    delivery_id = await sqlite.publish_waiting()
    await sqlite.record(sqlite.success(await sqlite.claim_one()))
    await sqlite.claim()
    await sqlite.ask(delivery_id)
    assert wakes(path) == (sqlite.clock.ms(), sqlite.clock.ms())


async def test_what_is_given_back_is_due_when_it_was(sqlite: World, path: Path) -> None:
    await sqlite.publish_waiting()
    due = sqlite.clock.ms()
    sqlite.clock.advance(MINUTE)
    claimed = await sqlite.claim_one()
    assert wakes(path) == (None, None)
    sqlite.clock.advance(MINUTE)
    await sqlite.store.queue.give_back("w1", [claimed])
    assert wakes(path) == (due, due)


async def test_what_is_taken_from_a_dead_worker_is_due_when_it_was(sqlite: World, path: Path) -> None:
    await sqlite.publish_waiting()
    due = sqlite.clock.ms()
    await sqlite.claim_one()
    await sqlite.publish_held()
    sqlite.clock.advance(LEASE + MS)
    await sqlite.enlist("w2")
    assert await sqlite.store.queue.reap() == 2
    assert wakes(path) == (due, due)


@pytest.mark.parametrize("passed", [0 * MINUTE, 5 * MINUTE])
async def test_a_lane_of_an_app_that_is_on_again_wakes_for_its_first_job(
    sqlite: World, path: Path, passed: timedelta
) -> None:
    await sqlite.publish_waiting()
    await sqlite.record(sqlite.failure(await sqlite.claim_one(), retry_in=2 * MINUTE))
    _, due = wakes(path)
    await sqlite.change(enabled=False)
    sqlite.clock.advance(2 * MINUTE + MS)
    assert await sqlite.claim() == []
    assert wakes(path) == (None, due)
    sqlite.clock.advance(passed)
    await sqlite.change(enabled=True)
    assert wakes(path) == (due, due)


async def test_a_backlog_to_be_delivered_wakes_its_lanes_now(sqlite: World, path: Path) -> None:
    await sqlite.publish_waiting()
    await sqlite.record(sqlite.failure(await sqlite.claim_one(), retry_in=30 * MINUTE))
    await sqlite.change(enabled=False)
    await sqlite.change(enabled=True, drain=True)
    now = sqlite.clock.ms()
    assert wakes(path) == (now, now)
    (claimed,) = await sqlite.claim()
    assert claimed.retry_count == 0


async def test_what_a_worker_held_when_its_app_discarded_it_is_its_job(sqlite: World, path: Path) -> None:
    held = await sqlite.publish_held()
    await sqlite.change(discard=True)
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("SELECT owner FROM delivery").fetchall() == [(None,)]
        assert connection.execute("SELECT delivery_id, owner, due FROM job").fetchall() == [
            (held.id, "w1", NEVER)
        ]
    finally:
        connection.close()
    assert await sqlite.store.queue.discard(limit=9) == 0
    await sqlite.store.queue.give_back("w1", [held])
    assert await sqlite.store.queue.discard(limit=9) == 1
    assert await sqlite.claim() == []

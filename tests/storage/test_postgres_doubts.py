"""What may have been committed, and nobody knows: nothing of it is stranded."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.postgres import empty_database, run_sql
from tests.storage.harness import KEY, MS, Clock, World, ids_of
from tests.storage.test_postgres_partitions import Days, database, days

from adjourn.errors import Conflict, StorageError
from adjourn.models import DeliveryState
from adjourn.storage.postgres.faults import FOREIGN, is_lost, translated
from adjourn.storage.postgres.store import PostgresStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

__all__ = ["database", "days"]  # fixtures

_END = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'adjourn claim %'
"""
_PID = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE $1"


@asynccontextmanager
async def opened(url: str, on_step: Callable[[str], None] = lambda step: None) -> AsyncIterator[World]:
    clock = Clock()
    store = await PostgresStore.open(url, Vault([KEY]), clock=clock, lease=timedelta(0), on_step=on_step)
    try:
        yield World(store, clock)
    finally:
        await store.close()


async def ask(url: str, sql: str, *values: Any) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql, *values)]
    finally:
        await connection.close()


async def test_what_a_claim_had_committed_when_it_failed_comes_again() -> None:
    url = empty_database()
    armed = [False]

    def cut(step: str) -> None:
        if step == "claim.committed" and armed[0]:
            armed[0] = False
            run_sql(url, _END)

    async with opened(url, cut) as world:
        await world.add_app()
        await world.enlist()
        waiting = await world.publish_waiting()
        armed[0] = True
        with pytest.raises(StorageError):
            await world.claim()
        assert not armed[0]
        assert ids_of(await world.claim()) == [waiting]


@pytest.mark.soak
async def test_a_commit_that_comes_late_does_not_strand_what_it_claimed() -> None:
    """The claim's COMMIT reaches the server after the process has given it up."""
    url = empty_database()
    stopped: list[int] = []

    def stop(step: str) -> None:
        if step == "claim.written" and stopped == [0]:
            stopped[0] = pid
            os.kill(pid, signal.SIGSTOP)

    async with opened(url, stop) as world:
        await world.add_app()
        await world.enlist()
        waiting = await world.publish_waiting()
        await world.claim(room=0)
        ((pid,),) = await ask(url, _PID, "adjourn claim %")
        stopped.append(0)
        try:
            with pytest.raises(StorageError):  # no answer in time
                await world.claim()
            with pytest.raises(StorageError):  # its session cannot be ended yet
                await world.claim()
        finally:
            os.kill(pid, signal.SIGCONT)
        assert ids_of(await world.claim()) == [waiting]


def test_a_connection_told_of_its_end_is_lost() -> None:
    exc = asyncpg.InternalClientError("cannot switch to state 12")
    assert isinstance(exc, FOREIGN)
    assert is_lost(exc)
    assert isinstance(translated("record failed", exc), StorageError)


async def test_a_lane_that_somebody_holds_for_long_is_not_waited_for() -> None:
    url = empty_database()
    async with opened(url) as world:
        await world.add_app()
        await world.enlist()
        await world.publish_waiting()
        paused = await asyncpg.connect(url)
        try:
            await paused.execute("BEGIN")
            await paused.fetch("SELECT 1 FROM lane FOR NO KEY UPDATE")
            with pytest.raises(StorageError, match="lock timeout"):
                await world.publish_waiting()
        finally:
            await paused.close()
        await world.publish_waiting()


async def test_a_delivery_whose_event_is_gone_cannot_be_retried(days: Days) -> None:
    """It was made after midnight, its event before."""
    world = days.world
    world.clock.advance(timedelta(hours=12) - MS)
    new = world.delivery()
    world.clock.advance(MS)
    new = msgspec.structs.replace(new, id=world.ids())
    await world.publish(new)
    await world.record(world.success(await world.claim_one()))
    world.clock.advance(timedelta(hours=12))
    await days.pass_days(3)
    assert await world.state(new.id) is DeliveryState.DELIVERED
    with pytest.raises(Conflict, match="older than what is kept"):
        await world.ask(new.id)

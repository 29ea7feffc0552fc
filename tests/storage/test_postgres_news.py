"""What one node changes, every other knows before that is answered; one that hears nothing sends nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection

import asyncpg
import pytest
from tests.postgres import empty_database, run_sql
from tests.storage.harness import KEY, START, World, credentials, made_app

from adjourn.storage.postgres.store import PostgresStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


class Node:
    """A store that follows the news; what it took is kept."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.taken: list[str] = []
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.asked = asyncio.Event()

    async def take(self, app_ids: Collection[str]) -> None:
        self.asked.set()
        await self.may_take.wait()
        self.taken += app_ids

    async def change(self, app_id: str = "app") -> None:
        await World.change(self, app_id, url="https://example.com/other")  # type: ignore[arg-type]


@pytest.fixture
async def url() -> str:
    return empty_database()


@pytest.fixture
async def nodes(url: str) -> AsyncIterator[list[Node]]:
    """Two that follow, and a third that does not."""
    made = [Node(await PostgresStore.open(url, Vault([KEY]))) for _ in range(3)]
    await made[0].store.directory.add_app(made_app("app"), credentials("app"), answer=None)
    for node in made[:2]:
        await node.store.news.follow(node.take)
        node.taken.clear()
    yield made
    for node in made:
        await node.store.close()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - what it waits for is in another task's hands
        await asyncio.sleep(0.01)


async def test_a_change_is_answered_after_every_follower_took_it(nodes: list[Node]) -> None:
    a, b, _ = nodes
    await a.change()
    assert set(a.taken) == {"app"} == set(b.taken)


async def test_a_node_that_does_not_follow_waits_for_those_that_do(nodes: list[Node]) -> None:
    *followers, other = nodes
    await other.change()
    assert [set(each.taken) for each in followers] == [{"app"}, {"app"}]


async def test_a_change_waits_while_another_node_takes_it(nodes: list[Node]) -> None:
    a, b, _ = nodes
    b.may_take.clear()
    b.asked.clear()
    change = asyncio.create_task(a.change())
    await b.asked.wait()
    assert not change.done()
    b.may_take.set()
    await change
    assert set(b.taken) == {"app"}


async def test_what_is_deleted_or_added_is_told_too(nodes: list[Node]) -> None:
    a, b, _ = nodes
    await a.store.directory.add_app(made_app("new"), credentials("new"), answer=None)
    await a.store.directory.delete_app("app")
    assert set(b.taken) == {"app", "new"}


async def test_a_change_made_by_any_statement_is_heard(nodes: list[Node], url: str) -> None:
    """As a URL that is gone, or auto-disable: nobody waits for those, and nobody misses them."""
    b = nodes[1]
    b.asked.clear()
    run_sql(url, "UPDATE app SET version = version + 1")
    await b.asked.wait()
    await asyncio.sleep(0)
    assert b.taken == ["app"]


async def test_a_dead_node_delays_a_change_until_it_is_not_current_and_then_no_more(
    nodes: list[Node], url: str
) -> None:
    a = nodes[0]
    run_sql(url, f"INSERT INTO follower VALUES ('dead', {NOW} - 2800)")
    await a.change()
    connection = await asyncpg.connect(url)
    seen_at = await connection.fetchval(f"SELECT {NOW} - seen_at FROM follower WHERE id = 'dead'")
    await connection.close()
    assert seen_at >= 3000  # it was waited for


async def test_who_leaves_in_order_is_not_waited_for(nodes: list[Node], url: str) -> None:
    a, b, _ = nodes
    await b.store.close()
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT count(*) FROM follower") == 1
    await connection.close()
    await a.change()
    assert set(a.taken) == {"app"}


async def test_a_follower_is_current_and_nobody_else(nodes: list[Node]) -> None:
    assert [each.store.news.is_current() for each in nodes] == [True, True, False]
    await nodes[0].store.close()
    assert not nodes[0].store.news.is_current()


async def test_a_follower_that_cannot_take_a_change_stops_being_current(nodes: list[Node]) -> None:
    """Who changes waits just so long."""
    a, b, _ = nodes
    b.may_take.clear()
    await a.change()
    assert a.store.news.is_current()
    assert not b.store.news.is_current()
    b.may_take.set()
    await until(b.store.news.is_current)
    assert set(b.taken) == {"app"}


async def test_what_changes_while_the_connection_is_lost_is_found_after(nodes: list[Node], url: str) -> None:
    b = nodes[1]
    run_sql(
        url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE 'adjourn news %'",
        f"UPDATE app SET version = version + 1, updated_at = {NOW}",
    )
    await until(lambda: "app" in b.taken)


async def test_the_clock_of_a_store_is_the_databases(url: str) -> None:
    store = await PostgresStore.open(url, Vault([KEY]))
    try:
        connection = await asyncpg.connect(url)
        before = await connection.fetchval("SELECT clock_timestamp()")
        now = await store.queue.now()
        after = await connection.fetchval("SELECT clock_timestamp()")
        await connection.close()
        error = max((before - now).total_seconds(), (now - after).total_seconds())
        assert error < 0.5
        assert now > START
    finally:
        await store.close()

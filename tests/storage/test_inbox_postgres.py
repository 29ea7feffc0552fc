"""What is PostgreSQL's own: lost connections and answers, locks, and the plans of the inbox's statements."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.postgres import empty_database, new_database, run_sql
from tests.storage.harness import LEASE, MINUTE, MS, Clock
from tests.storage.test_postgres_database import Cut
from tests.storage.work import Inbox

from adjourn.errors import ConfigError, InputError, StorageError
from adjourn.storage.base import ReceiptFilter
from adjourn.storage.inbox import open_receipts, orders
from adjourn.storage.inbox import postgres as store
from adjourn.storage.inbox.postgres import PostgresReceipts
from adjourn.storage.postgres.database import PostgresDatabase
from adjourn.storage.postgres.links import HOT

pytestmark = pytest.mark.anyio

_END_ALL = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE application_name LIKE 'adjourn %' AND datname = current_database()
"""


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    opened = await Inbox.open(empty_database())
    yield opened
    await opened.close()


@pytest.fixture
async def cut() -> AsyncIterator[tuple[Cut, Inbox]]:
    between = Cut()
    inbox = await Inbox.open(await between.start(empty_database()))
    await inbox.put()
    await inbox.record(inbox.success(await inbox.claim_one()))  # its connections are there
    yield between, inbox
    await inbox.close()
    await between.stop()


# opening


async def test_a_server_that_cannot_be_reached_is_a_setting_to_mend() -> None:
    with pytest.raises(ConfigError, match="the inbox's URL says where it is") as caught:
        await open_receipts("postgresql://me:secret@127.0.0.1:1/inbox")
    assert "secret" not in str(caught.value)


async def test_tables_of_a_newer_adjourn_are_left_alone() -> None:
    url = new_database("adjourn_newer_inbox")
    await (await open_receipts(url)).close()
    run_sql(url, "INSERT INTO adjourn_inbox_schema VALUES (9000)")
    with pytest.raises(ConfigError, match=r"newer Adjourn.*9000"):
        await open_receipts(url)


async def test_many_processes_make_the_tables_of_a_new_database_once() -> None:
    url = new_database("adjourn_many_inboxes")
    opened = await asyncio.gather(*(open_receipts(url) for _ in range(4)))
    for each in opened:
        await each.close()


async def test_a_database_without_an_inbox_stays_as_it_is_where_none_is_to_be_made() -> None:
    url = new_database("adjourn_no_inbox")
    with pytest.raises(ConfigError, match="there is no inbox in this database"):
        await open_receipts(url, create=False)
    shell = await asyncpg.connect(url)
    assert await shell.fetchval("SELECT count(*) FROM pg_class WHERE relname LIKE 'adjourn%'") == 0
    await shell.close()
    await (await open_receipts(url)).close()
    await (await open_receipts(url, create=False)).close()


# what is lost


async def test_after_its_connections_are_lost_it_makes_new_ones_and_refuses_nothing(inbox: Inbox) -> None:
    await inbox.put()
    run_sql(inbox.url, _END_ALL)
    (kept,) = await inbox.keep(inbox.new("evt_1"))
    assert not kept.is_duplicate
    run_sql(inbox.url, _END_ALL)
    assert (await inbox.keep(inbox.new("evt_2", order_key="m")))[0].seq > kept.seq


async def test_keeping_whose_answer_is_lost_is_kept_once(cut: tuple[Cut, Inbox]) -> None:
    between, inbox = cut
    between.mark = b"evt_1"
    (kept,) = await inbox.keep(inbox.new("evt_1"))
    assert between.cut == 1
    assert [each.seq for each in await inbox.claim()] == [kept.seq]


@pytest.mark.parametrize("mark", [b"w7", b"COMMIT"])
async def test_what_a_claim_took_whose_answer_is_lost_comes_again(
    cut: tuple[Cut, Inbox], mark: bytes
) -> None:
    between, inbox = cut
    await inbox.enlist("w7")
    name = await inbox.put()
    between.mark = mark
    with pytest.raises(StorageError):
        await inbox.claim("w7")
    assert between.cut == 1
    assert inbox.names(await inbox.claim("w7")) == [name]


async def test_one_replayed_behind_a_claim_whose_answer_is_lost_has_its_turn(cut: tuple[Cut, Inbox]) -> None:
    between, inbox = cut
    await inbox.enlist("w7")
    first = await inbox.put(order_key="m")
    await inbox.record(inbox.success(await inbox.claim_one("w7")), worker="w7")
    second = await inbox.put(order_key="m")
    between.mark = b"COMMIT"
    with pytest.raises(StorageError):
        await inbox.claim("w7")
    await inbox.receipts.replay(ReceiptFilter(seqs=(int(first),)), limit=1)
    claimed = await inbox.claim_one("w7")
    assert inbox.name(claimed) == first
    await inbox.record(inbox.success(claimed), worker="w7")
    assert inbox.names(await inbox.claim("w7")) == [second]


async def test_recording_whose_answer_is_lost_may_be_repeated(cut: tuple[Cut, Inbox]) -> None:
    between, inbox = cut
    name = await inbox.put()
    success = inbox.success(await inbox.claim_one())
    between.mark = b"COMMIT"
    with pytest.raises(StorageError):
        await inbox.record(success)
    await inbox.record(success)
    assert (await inbox.attempts(name), (await inbox.look(name)).attempt_no) == ([1], 1)


async def test_a_character_that_it_cannot_keep_is_the_callers_fault(inbox: Inbox) -> None:
    with pytest.raises(InputError, match=r"U\+0000"):
        await inbox.keep(inbox.new("a\0b"))


async def test_nobody_reaps_who_was_not_connected_for_a_whole_lease() -> None:
    """While the database was away the others could not renew their leases, either."""
    clock = Clock()
    database = await PostgresDatabase.open(empty_database(), store._TABLES, clock=clock)
    inbox = Inbox(database.url, PostgresReceipts(database), clock, source="event")
    try:
        await inbox.enlist("w1")
        await inbox.put()
        await inbox.claim("w1")
        clock.advance(LEASE + MS)
        database.broke()
        await inbox.enlist("w2")
        assert await inbox.queue.reap() == 0
        clock.advance(LEASE - MS)
        assert await inbox.queue.reap() == 0
        clock.advance(MS)
        assert await inbox.queue.reap() == 1
    finally:
        await inbox.close()


async def test_one_whose_receipts_somebody_holds_keeps_nobody_from_claiming(inbox: Inbox) -> None:
    first, second = await inbox.put_many(2)
    shell = await asyncpg.connect(inbox.url)
    try:
        await shell.execute(f"BEGIN; SELECT 1 FROM adjourn_receipt WHERE seq = {first} FOR UPDATE")
        assert inbox.names(await inbox.claim()) == [second]
    finally:
        await shell.close()
    assert inbox.names(await inbox.claim()) == [first]


# plans


async def looked_at(url: str, sql: str, *values: object) -> int:
    """How many rows a statement read, whether it took them or not; then it is undone."""
    connection = await asyncpg.connect(url, server_settings=HOT)
    try:
        await connection.execute("BEGIN")
        (plan,) = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *values))
        return _rows(plan["Plan"])
    finally:
        await connection.close()


def _rows(node: dict[str, Any]) -> int:
    own = 0
    if node.get("Relation Name") == "adjourn_receipt" and "Scan" in node["Node Type"]:
        own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        own = round(own * node["Actual Loops"])
    return own + sum(_rows(each) for each in node.get("Plans", []))


async def test_thousands_that_wait_behind_a_head_are_not_looked_at(inbox: Inbox) -> None:
    await inbox.put_many(5000, order_key="m")
    wanted = await inbox.put()
    head, other = await inbox.claim()
    assert inbox.name(other) == wanted
    await inbox.record(inbox.failure(head))
    await inbox.queue.give_back("w1", [other])
    now = inbox.clock.ms()
    # the row itself, as it is found and as it is written
    assert await looked_at(inbox.url, store._CLAIM, "w2", now, 500) == 2
    assert await looked_at(inbox.url, store._NEXT_DUE) == 1
    inbox.clock.advance(MINUTE)
    assert inbox.names(await inbox.claim()) == [wanted, inbox.name(head)]
    promote = orders._PROMOTE.replace("?", "$1")
    assert await looked_at(inbox.url, promote, "m") <= 2
    await inbox.record(inbox.success(head))
    assert len(await inbox.claim()) == 1

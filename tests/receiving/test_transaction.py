"""keep_in: in somebody's own transaction, of every library; with what they write, or not at all."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_type

import aiosqlite
import asyncpg
import psycopg
import pytest
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from tests.postgres import empty_database, fetch_rows, new_database, run_sql
from tests.receiving.shops import ASYNC, POSTGRES, SHOPS, Shop, answer
from tests.storage.harness import START
from tests.storage.work import Inbox

from adjourn.errors import ConfigError
from adjourn.receiving.transaction import keep_in
from adjourn.storage.base import Kept, NewReceipt, ReceiptFilter

pytestmark = pytest.mark.anyio

_LATER = datetime(2200, 1, 1, tzinfo=UTC)  # than what the clocks of databases and machines say
_SALES = "CREATE TABLE IF NOT EXISTS sale (what TEXT)"


class Place:
    """An inbox in somebody's database, beside their table."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.url = inbox.url

    @property
    def is_postgres(self) -> bool:
        return self.url.startswith("postgres")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        if self.is_postgres:
            return fetch_rows(self.url, sql)
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
        try:
            found = connection.execute(sql).fetchall()
            connection.commit()
            return found
        finally:
            connection.close()

    async def there_is(self) -> tuple[list[str], int]:
        """The ids of the receipts, and how much was sold."""
        kept = await self.inbox.receipts.list_receipts(ReceiptFilter(), limit=100)
        return [each.id for each in kept], self.ask("SELECT count(*) FROM sale")[0][0]


async def place_at(url: str) -> Place:
    place = Place(await Inbox.open(url))
    if place.is_postgres:
        run_sql(url, _SALES)
    else:
        place.ask(_SALES)
    return place


@pytest.fixture
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """On the database that the test's shop is of; SQLite where it names none."""
    name = request.node.callspec.params.get("name", "") if hasattr(request.node, "callspec") else ""
    is_postgres = name in POSTGRES or "postgres" in request.node.name
    opened = await place_at(empty_database() if is_postgres else f"sqlite:///{tmp_path / 'shop.db'}")
    yield opened
    await opened.inbox.close()


@pytest.fixture
async def shop(place: Place, name: str) -> AsyncIterator[Shop]:
    async with SHOPS[name](place.url) as opened:
        yield opened


async def accept(shop: Shop, place: Place, event_id: str, **given: Any) -> Kept:
    kept = await answer(keep_in(shop.connection, place.inbox.new(event_id, **given)))
    assert isinstance(kept, Kept)
    return kept


every_shop = pytest.mark.parametrize("name", SHOPS)


@every_shop
async def test_receipt_and_business_commit_together(shop: Shop, place: Place) -> None:
    kept = await accept(shop, place, "evt_1")
    await answer(shop.sell())
    assert await place.there_is() == ([], 0)
    await answer(shop.commit())
    assert await place.there_is() == (["evt_1"], 1)
    assert not kept.is_duplicate
    place.inbox.clock.now = _LATER
    (claimed,) = await place.inbox.claim()
    expected = place.inbox.new("evt_1")
    its = (claimed.provider, claimed.id, claimed.event_type, claimed.order_key, claimed.body)
    assert its == (expected.provider, "evt_1", expected.event_type, None, expected.body)
    assert (claimed.scheme, claimed.profile, claimed.seq) == (expected.scheme, expected.profile, kept.seq)


@every_shop
async def test_receipt_and_business_roll_back_together(shop: Shop, place: Place) -> None:
    await answer(shop.sell())
    await accept(shop, place, "evt_1")
    await answer(shop.rollback())
    assert await place.there_is() == ([], 0)
    assert place.ask("SELECT count(*) FROM adjourn_receipt_body") == [(0,)]


@every_shop
async def test_a_duplicate_says_so(shop: Shop, place: Place) -> None:
    (first,) = await place.inbox.keep(place.inbox.new("evt_1"))
    assert await accept(shop, place, "evt_1") == Kept(first.seq, is_duplicate=True)
    new = await accept(shop, place, "evt_2")
    assert await accept(shop, place, "evt_2") == Kept(new.seq, is_duplicate=True)
    await answer(shop.commit())
    found = [await place.inbox.get(str(each.seq)) for each in (first, new)]
    assert [each.duplicates for each in found] == [1, 1]


@every_shop
async def test_what_is_accepted_keeps_its_place_in_an_order(shop: Shop, place: Place) -> None:
    await place.inbox.put(order_key="m")
    await accept(shop, place, "evt_1", order_key="m")
    await accept(shop, place, "evt_2", order_key="n")
    await accept(shop, place, "evt_3", order_key="n")
    await answer(shop.commit())
    place.inbox.clock.now = _LATER
    claimed = await place.inbox.claim()
    assert [each.id for each in claimed] == ["event-1", "evt_2"]
    await place.inbox.record(*(place.inbox.success(each) for each in claimed))
    assert [each.id for each in await place.inbox.claim()] == ["evt_1", "evt_3"]


@pytest.mark.parametrize("name", ASYNC)
async def test_an_asynchronous_one_is_awaited(shop: Shop, place: Place) -> None:
    awaitable = keep_in(shop.connection, place.inbox.new())
    assert not isinstance(awaitable, Kept)
    assert isinstance(await awaitable, Kept)


# two at once


async def waits_for_a_lock(place: Place, waiting: "asyncio.Task[Kept]") -> None:
    """Until it does."""
    where = "wait_event_type = 'Lock' AND datname = current_database()"
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE {where}"
    for _ in range(10_000):
        if waiting.done() or place.ask(sql) != [(0,)]:
            break
        await asyncio.sleep(0)
    assert not waiting.done()


async def accept_aside(shop: Shop, place: Place) -> Kept:
    """Beside the loop, where it would wait."""
    new = place.inbox.new("evt_1")
    if isinstance(shop.connection, sqlite3.Connection | psycopg.Connection | sqlalchemy.Connection | Session):
        return await asyncio.to_thread(lambda: keep_in(shop.connection, new))
    return await accept(shop, place, "evt_1")


@pytest.mark.parametrize("name", POSTGRES)
@pytest.mark.parametrize("ends", ["commit", "rollback"])
async def test_the_second_of_two_transactions_waits_for_the_first(
    shop: Shop, place: Place, name: str, ends: str
) -> None:
    first = await accept(shop, place, "evt_1")
    async with SHOPS[name](place.url) as other:
        second = asyncio.create_task(accept_aside(other, place))
        await waits_for_a_lock(place, second)
        await answer(getattr(shop, ends)())
        kept = await second
        await answer(other.commit())
    assert kept.is_duplicate is (ends == "commit")
    assert (kept.seq == first.seq) is (ends == "commit")
    assert (await place.there_is())[0] == ["evt_1"]


@pytest.mark.parametrize("ends", ["commit", "rollback"])
async def test_the_second_of_two_transactions_on_a_file_waits_for_the_first(place: Place, ends: str) -> None:
    async with SHOPS["sqlite3"](place.url) as shop, SHOPS["sqlite3"](place.url) as other:
        await accept(shop, place, "evt_1")
        second = asyncio.create_task(accept_aside(other, place))
        await asyncio.sleep(0)
        await answer(getattr(shop, ends)())
        assert (await second).is_duplicate is (ends == "commit")
        other.connection.commit()
    assert (await place.there_is())[0] == ["evt_1"]


# what they set up


async def test_their_ways_to_show_rows_are_theirs_on_sqlite(place: Place) -> None:
    path = place.url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    connection.row_factory = lambda cursor, row: {"row": row}
    assert not keep_in(connection, place.inbox.new("evt_1")).is_duplicate
    assert connection.execute("SELECT 1").fetchone() == {"row": (1,)}
    connection.commit()
    connection.close()
    async with aiosqlite.connect(path) as beside:
        beside.row_factory = sqlite3.Row
        assert (await keep_in(beside, place.inbox.new("evt_1"))).is_duplicate
        await beside.commit()


async def test_their_ways_to_show_rows_are_theirs_on_postgres(place: Place) -> None:
    with psycopg.connect(place.url, row_factory=dict_row) as connection:
        assert not keep_in(connection, place.inbox.new("evt_1", order_key="m")).is_duplicate
        assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}


async def test_a_scoped_session_is_a_session(place: Place) -> None:
    engine = sqlalchemy.create_engine(place.url)
    session = scoped_session(sessionmaker(engine))
    assert not keep_in(session, place.inbox.new("evt_1")).is_duplicate
    session.commit()
    session.remove()
    engine.dispose()
    assert (await place.there_is())[0] == ["evt_1"]


async def test_a_transaction_that_alchemy_begins_by_a_listener_is_one(place: Place) -> None:
    """SQLAlchemy's own advice for SQLite: sqlite3 begins nothing, and a listener does."""
    engine = sqlalchemy.create_engine(place.url)

    @sqlalchemy.event.listens_for(engine, "connect")
    def quiet(driver: Any, record: Any) -> None:
        driver.isolation_level = None

    @sqlalchemy.event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    with engine.connect() as connection:
        keep_in(connection, place.inbox.new("evt_1"))
        connection.rollback()
        keep_in(connection, place.inbox.new("evt_2"))
        connection.commit()
    engine.dispose()
    assert (await place.there_is())[0] == ["evt_2"]


# no transaction


async def test_without_a_transaction_nothing_is_kept_on_sqlite(place: Place) -> None:
    path = place.url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(ConfigError, match="in no transaction"):
        keep_in(connection, place.inbox.new("evt_1"))
    connection.execute("BEGIN")
    keep_in(connection, place.inbox.new("evt_2"))
    connection.execute("COMMIT")
    connection.close()
    async with aiosqlite.connect(path, isolation_level=None) as beside:
        with pytest.raises(ConfigError, match="in no transaction"):
            await keep_in(beside, place.inbox.new("evt_3"))
    engine = sqlalchemy.create_engine(place.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as alchemist, pytest.raises(ConfigError, match="in no transaction"):
        keep_in(alchemist, place.inbox.new("evt_4"))
    engine.dispose()
    assert (await place.there_is())[0] == ["evt_2"]


async def test_without_a_transaction_nothing_is_kept_on_postgres(place: Place) -> None:
    with psycopg.connect(place.url, autocommit=True) as connection:
        with pytest.raises(ConfigError, match="in no transaction"):
            keep_in(connection, place.inbox.new("evt_1"))
        with connection.transaction():
            keep_in(connection, place.inbox.new("evt_2"))
    async with await psycopg.AsyncConnection.connect(place.url, autocommit=True) as beside:
        with pytest.raises(ConfigError, match="in no transaction"):
            await keep_in(beside, place.inbox.new("evt_3"))
    plain = await asyncpg.connect(place.url)
    with pytest.raises(ConfigError, match="in no transaction"):
        await keep_in(plain, place.inbox.new("evt_4"))
    await plain.close()
    assert (await place.there_is())[0] == ["evt_2"]


@pytest.mark.parametrize("name", ["SQLAlchemy async asyncpg", "SQLAlchemy async psycopg"])
async def test_an_engine_that_commits_by_itself_is_no_transaction(place: Place, name: str) -> None:
    driver = name.rpartition(" ")[2]
    engine = create_async_engine(place.url.replace("://", f"+{driver}://"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        with pytest.raises(ConfigError, match="in no transaction"):
            await keep_in(connection, place.inbox.new("evt_1"))
    await engine.dispose()


async def test_an_order_needs_a_transaction_that_sees_its_end_on_postgres(place: Place) -> None:
    with psycopg.connect(place.url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        keep_in(connection, place.inbox.new("evt_1"))
        with pytest.raises(ConfigError, match="REPEATABLE READ transaction"):
            keep_in(connection, place.inbox.new("evt_2", order_key="m"))


# what goes wrong


@every_shop
async def test_where_the_tables_are_missing_it_says_what_to_do(name: str, tmp_path: Path) -> None:
    url = new_database("adjourn_no_inbox") if name in POSTGRES else f"sqlite:///{tmp_path / 'empty.db'}"
    async with SHOPS[name](url) as shop:
        with pytest.raises(ConfigError, match=r"await inbox\.open\(\)"):
            await answer(keep_in(shop.connection, _new()))
        await answer(shop.rollback())


def _new() -> NewReceipt:
    return NewReceipt(
        provider="contio",
        id="evt_1",
        event_type="meeting.completed",
        order_key=None,
        scheme="standard",
        profile="documented",
        received_at=START,
        body=b"{}",
    )


async def test_what_the_database_says_comes_as_its_library_raises_it_on_postgres(place: Place) -> None:
    with psycopg.connect(place.url) as connection:
        with pytest.raises(psycopg.DataError):
            keep_in(connection, place.inbox.new("a\0b"))
        connection.rollback()
    beside = await asyncpg.connect(place.url)
    async with beside.transaction():
        with pytest.raises(asyncpg.PostgresError):
            async with beside.transaction():
                await keep_in(beside, place.inbox.new("a\0b"))
    await beside.close()


async def test_what_the_file_says_comes_as_sqlite3_raises_it(place: Place) -> None:
    connection = sqlite3.connect(place.url.removeprefix("sqlite:///"))
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        keep_in(connection, place.inbox.new())


def test_another_kind_of_connection_is_named_and_those_it_takes() -> None:
    class Connection:
        def commit(self) -> None: ...

    with pytest.raises(ConfigError) as caught:
        keep_in(Connection(), _new())
    assert "Connection: it takes those of psycopg" in str(caught.value)
    assert "AsyncSession" in str(caught.value)


def types(  # as mypy sees them
    plain: sqlite3.Connection,
    postgres: "psycopg.Connection[Any]",
    core: sqlalchemy.Connection,
    session: Session,
    beside: aiosqlite.Connection,
    async_postgres: "psycopg.AsyncConnection[Any]",
    pooled: "asyncpg.pool.PoolConnectionProxy[Any]",
    async_core: AsyncConnection,
    async_session: AsyncSession,
) -> None:
    new = _new()
    assert_type(keep_in(plain, new), Kept)
    assert_type(keep_in(postgres, new), Kept)
    assert_type(keep_in(core, new), Kept)
    assert_type(keep_in(session, new), Kept)
    assert_type(keep_in(beside, new), Awaitable[Kept])
    assert_type(keep_in(async_postgres, new), Awaitable[Kept])
    assert_type(keep_in(pooled, new), Awaitable[Kept])
    assert_type(keep_in(async_core, new), Awaitable[Kept])
    assert_type(keep_in(async_session, new), Awaitable[Kept])

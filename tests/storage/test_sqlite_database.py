"""What is SQLite's own: opening the file, sharing a commit, failing disks, plans of hot statements."""

import asyncio
import gc
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.storage.harness import KEY, LEASE, MINUTE, MS, QUIET, Clock, World, connected, ids_of, kept

from adjourn.config import Secret
from adjourn.errors import AdjournError, ConfigError, NotFound, StorageError
from adjourn.storage.base import Entry
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

OTHER_KEY = Secret("4q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "adjourn.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(path, Vault([KEY]), clock=clock)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite(store: SqliteStore, clock: Clock) -> World:
    world = World(store, clock)
    await world.add_app()
    return world


async def open_store(path: Path, key: Secret = KEY) -> SqliteStore:
    return await SqliteStore.open(path, Vault([key]))


async def refused(path: Path, key: Secret = KEY) -> str:
    with pytest.raises(ConfigError) as caught:
        await open_store(path, key)
    return str(caught.value)


def run_sql(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


# opening


async def test_a_second_server_on_one_file_is_refused_while_the_first_lives(path: Path) -> None:
    first = await open_store(path)
    assert "in use" in await refused(path)
    await first.close()
    await (await open_store(path)).close()


async def test_a_second_server_by_a_link_to_the_file_is_refused(path: Path, tmp_path: Path) -> None:
    first = await open_store(path)
    link = tmp_path / "folder" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    assert "in use" in await refused(link)
    await first.close()
    await (await open_store(link)).close()


async def test_another_secret_key_is_refused_and_the_right_one_still_opens(path: Path) -> None:
    await (await open_store(path)).close()
    assert "ADJOURN_SECRET_KEY" in await refused(path, OTHER_KEY)
    await (await open_store(path)).close()


async def test_a_new_secret_key_before_the_old_one_opens(path: Path) -> None:
    await (await open_store(path)).close()
    await (await SqliteStore.open(path, Vault([OTHER_KEY, KEY]))).close()


@pytest.fixture
def diary(path: Path) -> Iterator[bytes]:
    """A file that is no database; it stays as it is."""
    text = b"dear diary, " * 1000
    path.write_bytes(text)
    yield text
    assert path.read_bytes() == text


@pytest.mark.usefixtures("diary")
async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    for _ in range(2):
        assert "not a database" in await refused(path)


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    await (await open_store(path)).close()
    ((known,),) = run_sql(path, "PRAGMA user_version")
    run_sql(path, "PRAGMA user_version = 9000")
    message = await refused(path)
    assert "newer Adjourn" in message
    assert "9000" in message
    assert run_sql(path, "PRAGMA user_version") == [(9000,)]
    run_sql(path, f"PRAGMA user_version = {known}")
    await (await open_store(path)).close()


async def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "adjourn.db"
    await (await open_store(path)).close()
    assert path.exists()


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    assert str(tmp_path) in await refused(tmp_path)


async def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in await refused(tmp_path / "file" / "adjourn.db")


async def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(two)
    two.symlink_to(one)
    assert "one" in await refused(one)


async def test_closing_leaves_all_in_one_file(path: Path) -> None:
    store = await open_store(path)
    await World(store, Clock()).add_app()
    await store.close()
    await store.close()
    assert sorted(each.name for each in path.parent.iterdir()) == ["adjourn.db", "adjourn.db.lock"]


async def test_a_closed_store_refuses_and_keeps_nobody_waiting(path: Path) -> None:
    store = await open_store(path)
    await store.close()
    async with asyncio.timeout(5):
        with pytest.raises(StorageError):
            await store.queue.enlist("w1", lease=LEASE, floor="")
        with pytest.raises(StorageError):
            await store.directory.find_setting("a")
        with pytest.raises(StorageError):
            await store.log.find_published("a")


# turns


async def test_one_callers_fault_is_its_own(sqlite: World) -> None:
    await sqlite.store.directory.keep_answer(kept())
    good = [sqlite.entry(sqlite.delivery()) for _ in range(2)]
    lonely = msgspec.structs.replace(sqlite.entry(sqlite.delivery()), revokes=connected("app", "ana"))
    used = msgspec.structs.replace(sqlite.entry(sqlite.delivery()), answer=kept())
    stale = sqlite.entry(sqlite.delivery(), versions={"app": 9})
    twice = sqlite.delivery()
    double = sqlite.entry(twice, twice)
    batches: list[Entry] = [good[0], lonely, used, stale, double, good[1]]
    outcomes = await asyncio.gather(
        *(sqlite.store.queue.publish([each]) for each in batches), return_exceptions=True
    )
    kinds = [None if each is None else type(each).__name__ for each in outcomes]
    assert kinds == [None, "NotFound", "AnswerExists", "StaleApps", "StorageError", None]
    assert sorted(ids_of(await sqlite.claim())) == sorted(each.deliveries[0].id for each in good)


async def test_what_a_cancelled_caller_asked_for_is_done_and_its_fault_is_nobodys(sqlite: World) -> None:
    heard: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
    new = sqlite.delivery()
    good = asyncio.create_task(sqlite.store.queue.publish([sqlite.entry(new)]))
    bad = asyncio.create_task(sqlite.store.directory.delete_app("none"))
    await asyncio.sleep(0)
    for task in (good, bad):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await sqlite.enlist()
    assert ids_of(await sqlite.claim()) == [new.id]
    del task, good, bad
    gc.collect()
    assert heard == []


async def test_closing_waits_for_what_was_asked_for(path: Path) -> None:
    store = await open_store(path)
    task = asyncio.create_task(store.directory.add_setting("a", b"b"))
    await asyncio.sleep(0)
    await store.close()
    assert await task


async def test_another_program_with_the_file_locked_keeps_writes_waiting_but_not_the_loop(
    sqlite: World, path: Path
) -> None:
    shell = sqlite3.connect(path, isolation_level=None)
    try:
        shell.execute("BEGIN IMMEDIATE")
        task = asyncio.create_task(sqlite.publish_waiting())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()
        shell.execute("ROLLBACK")
        delivery_id = await task
    finally:
        shell.close()
    assert ids_of(await sqlite.claim()) == [delivery_id]


# disks


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: what a full disk is to SQLite's log."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


# in the commit; in the middle of a statement, when SQLite's cache overflows (64 MiB)
@pytest.mark.parametrize("size", [1 << 20, 80 << 20])
async def test_a_full_disk_fails_the_turn_and_nothing_after_it(sqlite: World, path: Path, size: int) -> None:
    before = await sqlite.publish_waiting()
    entries = [sqlite.entry(sqlite.delivery()) for _ in range(3)]
    big = msgspec.structs.replace(entries[1].publication, data=b'"%s"' % (b"x" * size))
    batches = [entries[0], msgspec.structs.replace(entries[1], publication=big), entries[2]]
    with files_end_at(wal(path).stat().st_size + 8192):
        outcomes = await asyncio.gather(
            *(sqlite.store.queue.publish([each]) for each in batches), return_exceptions=True
        )
    assert [type(each) for each in outcomes] == [StorageError] * 3
    assert "savepoint" not in str(outcomes)
    for entry in entries:
        assert await sqlite.store.log.find_published(entry.publication.id) is None
    await sqlite.store.queue.publish(entries)
    expected = [before, *(each.deliveries[0].id for each in entries)]
    assert ids_of(await sqlite.claim()) == expected
    assert run_sql(path, "PRAGMA integrity_check") == [("ok",)]


async def test_reads_go_on_while_the_disk_is_full(sqlite: World, path: Path) -> None:
    delivery_id = await sqlite.publish_waiting()
    with files_end_at(wal(path).stat().st_size):
        with pytest.raises(StorageError) as caught:
            await sqlite.claim()
        assert isinstance(caught.value, AdjournError)
        assert (await sqlite.get(delivery_id)).id == delivery_id
        assert (await sqlite.store.log.list_publications(event_type=None, limit=9, offset=0))[1] == 1
    assert ids_of(await sqlite.claim()) == [delivery_id]


# idle


def written(path: Path) -> tuple[int, int, int]:
    """Changes with every byte that goes into the file or its log."""
    log = wal(path).stat()
    return log.st_size, log.st_mtime_ns, path.stat().st_mtime_ns


async def test_nothing_is_written_when_there_is_nothing_to_do(sqlite: World, path: Path) -> None:
    await sqlite.store.directory.keep_answer(kept())
    await sqlite.enlist()
    delivery_id = await sqlite.publish_waiting()
    await sqlite.record(sqlite.failure(await sqlite.claim_one(), retry_in=30 * MINUTE))
    await sqlite.publish_waiting()
    await sqlite.ask(delivery_id)
    before = written(path)
    queue = sqlite.store.queue
    for _ in range(3):
        await sqlite.next_wake()  # a claim that finds every lane full
        await queue.reap()
        await queue.discard(limit=100)
        await queue.sweep(answers_before=sqlite.clock.now)
        await sqlite.ask(delivery_id)
        await queue.give_back("w1", [])
        with pytest.raises(NotFound):
            await sqlite.store.directory.delete_app("none")
    assert written(path) == before


# plans


async def every_move(world: World) -> None:
    """Each hot statement at least once."""
    queue = world.store.queue
    await world.enlist("w1")
    await world.publish_held("w1")
    await world.publish(*(world.delivery(order_key="meeting") for _ in range(3)))
    revokes = connected("app", "ana", id="c1")
    await world.store.directory.put_connections([revokes], new_id=world.ids)
    entry = msgspec.structs.replace(world.entry(versions={"app": 1}), answer=kept(), revokes=revokes)
    await queue.publish([entry])
    await world.publish(*(world.delivery() for _ in range(6)))
    head, *others = await world.claim()
    await queue.give_back("w1", [others.pop(), await world.publish_held("w1")])
    gone = world.last_failure(others[2], gone_url="https://example.com/none")
    await world.record(world.success(head), world.success(others[0]), world.failure(others[1]), gone)
    await world.record(world.success(head))
    for each in (others[0], others[1]):
        await world.ask(each.id)
    await world.record(*(world.extra_failure(each) for each in await world.claim() if each.manual))
    world.clock.advance(LEASE + MS)
    await world.enlist("w2")
    await queue.reap()
    await world.change(discard=True)
    await queue.discard(limit=100)
    await queue.sweep(answers_before=world.clock.now)
    await world.store.directory.connections_of(["ana"])
    await queue.ask_retry("app", head.id, quiet=QUIET, keep=lambda asked: None)


async def test_no_hot_statement_reads_a_whole_table(sqlite: World, store: SqliteStore, path: Path) -> None:
    statements: set[str] = set()
    database = store._database
    for connection in (database._writer, database._quick):
        connection.set_trace_callback(statements.add)
    await every_move(sqlite)
    for connection in (database._writer, database._quick):
        connection.set_trace_callback(None)
    verbs = ("SELECT", "INSERT", "UPDATE", "DELETE")
    hot = {each for each in statements if each.strip().startswith(verbs)}
    assert any("UPDATE delivery SET owner = NULL WHERE id >=" in each for each in hot)
    plans = sqlite3.connect(path)
    try:
        scans = [
            (statement, detail)
            for statement in sorted(hot)
            for _, _, _, detail in plans.execute(f"EXPLAIN QUERY PLAN {statement}")
            if (detail.startswith("SCAN") and not detail.removeprefix("SCAN ").startswith(_MAY_BE_SCANNED))
            or "TEMP B-TREE" in detail
        ]
    finally:
        plans.close()
    assert scans == []


# as small as the number of workers; of apps; one row given; the ids of a batch
# The last is an index of those that are deleted alone.
_MAY_BE_SCANNED = (
    "worker",
    "app",
    "CONSTANT",
    "next",
    "json_each",
    "automation USING INDEX automation_deleted",
)

"""What is SQLite's own: opening a file that others have open, too, and what its statements cost."""

import asyncio
import re
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.storage.harness import MINUTE, Clock
from tests.storage.work import Inbox

from adjourn.errors import ConfigError, StorageError
from adjourn.models import ReceiptState
from adjourn.storage.base import ReceiptFilter
from adjourn.storage.inbox import open_receipts
from adjourn.storage.inbox import sqlite as store
from adjourn.storage.inbox.sqlite import SqliteReceipts
from adjourn.storage.sqlite.database import Database

pytestmark = pytest.mark.anyio

_TABLES = {
    "adjourn_inbox_schema",
    "adjourn_inbox_worker",
    "adjourn_receipt",
    "adjourn_receipt_attempt",
    "adjourn_receipt_body",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox.db"


@pytest.fixture
async def inbox(path: Path) -> AsyncIterator[Inbox]:
    opened = await Inbox.open(f"sqlite:///{path}")
    yield opened
    await opened.close()


@pytest.fixture
def diary(path: Path) -> Iterator[Path]:
    """A file that is no database; it stays as it is."""
    path.write_text("dear diary, " * 1000)
    yield path
    assert path.read_text() == "dear diary, " * 1000


async def refused(url: str) -> str:
    with pytest.raises(ConfigError) as caught:
        await open_receipts(url)
    return str(caught.value)


def run_sql(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(sql).fetchall()
        connection.commit()
        return found


# opening


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("inbox.db", "'inbox.db' names none"),
        ("mysql://root:secret@localhost/inbox", "'mysql://...' names none"),
        ("sqlite://inbox.db", "sqlite:///inbox.db"),
        ("sqlite:///", "names no file"),
        ("sqlite:///folder/", "names no file"),
        ("sqlite:///inbox.db?mode=ro", "names no file"),
        ("postgresql://user:secret@localhost:port/inbox", "cannot be read"),
    ],
)
async def test_a_url_that_names_no_database_is_refused(url: str, told: str) -> None:
    message = await refused(url)
    assert told in message
    assert "secret" not in message


async def test_a_relative_path_lies_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await (await open_receipts("sqlite:///data/in%20box.db")).close()
    assert (tmp_path / "data" / "in box.db").exists()


async def test_a_new_file_is_for_its_owner_alone(inbox: Inbox, path: Path) -> None:
    await inbox.put()
    assert {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {
        "inbox.db": 0o600,
        "inbox.db-wal": 0o600,
        "inbox.db-shm": 0o600,
    }


async def test_the_tables_lie_beside_the_users_own(path: Path) -> None:
    run_sql(path, "CREATE TABLE receipt (id TEXT)")
    run_sql(path, "PRAGMA user_version = 7")
    await (await open_receipts(f"sqlite:///{path}")).close()
    assert run_sql(path, "PRAGMA user_version") == [(7,)]
    names = {row[0] for row in run_sql(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names - {"sqlite_sequence"} == {"receipt", *_TABLES}


async def test_tables_of_a_newer_adjourn_are_left_alone(path: Path) -> None:
    await (await open_receipts(f"sqlite:///{path}")).close()
    run_sql(path, "INSERT INTO adjourn_inbox_schema VALUES (9000)")
    message = await refused(f"sqlite:///{path}")
    assert "newer Adjourn" in message
    assert "9000" in message


async def test_a_table_in_the_way_is_named_and_nothing_is_made(path: Path) -> None:
    run_sql(path, "CREATE TABLE adjourn_receipt_body (mine TEXT)")
    assert "adjourn_receipt_body already exists" in await refused(f"sqlite:///{path}")
    assert run_sql(path, "SELECT name FROM sqlite_master") == [("adjourn_receipt_body",)]


async def test_a_file_that_is_no_database_is_refused_and_left_alone(diary: Path) -> None:
    assert "not a database" in await refused(f"sqlite:///{diary}")


async def test_an_sqlite_that_is_too_old_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")
    assert "SQLite 3.34.1 is too old: Adjourn needs 3.35 or newer" in await refused(f"sqlite:///{path}")


@pytest.mark.parametrize(
    "make", [lambda path: path.touch(), lambda path: run_sql(path, "CREATE TABLE a (b)")]
)
async def test_a_file_without_an_inbox_stays_as_it_is_where_none_is_to_be_made(
    path: Path, make: Callable[[Path], object]
) -> None:
    make(path)
    before = its_bytes(path)
    with pytest.raises(ConfigError, match=r"no inbox in .*inbox\.db"):
        await open_receipts(f"sqlite:///{path}", create=False)
    assert its_bytes(path) == before


async def test_no_file_is_made_where_none_is_to_be(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"inbox\.db"):
        await open_receipts(f"sqlite:///{path}", create=False)
    assert its_bytes(path) == {}


async def test_an_inbox_that_is_there_opens_where_none_is_to_be_made(inbox: Inbox) -> None:
    name = await inbox.put()
    beside = await open_receipts(inbox.url, create=False)
    assert (await beside.get(int(name))).seq == int(name)
    await beside.close()


def its_bytes(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.parent.iterdir()}


def _program(*lines: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_it_needs_nothing_but_msgspec_and_the_standard_library(path: Path) -> None:
    loaded = _program(
        "import asyncio, sys",
        "from adjourn.storage.inbox import open_receipts",
        "async def main():",
        f"    receipts = await open_receipts('sqlite:///{path}')",
        "    await receipts.count()",
        "    await receipts.close()",
        "asyncio.run(main())",
        "foreign = {'asyncpg', 'greenlet', 'cryptography', 'httpx', 'litestar', 'uvloop'}",
        "loaded = {each.partition('.')[0] for each in sys.modules}",
        "print(*sorted(foreign & loaded), 'msgspec' in loaded)",
        "print('adjourn.storage.sqlite.alone' in sys.modules)",  # not every system has its lock
    )
    assert loaded.split() == ["True", "False"]


@pytest.mark.parametrize("missing", ["asyncpg", "greenlet"])
def test_what_postgresql_needs_is_named(missing: str) -> None:
    told = _program(
        "import asyncio, sys",
        f"sys.modules[{missing!r}] = None",
        "from adjourn.storage.inbox import open_receipts",
        "try:",
        "    asyncio.run(open_receipts('postgresql://localhost/inbox'))",
        "except Exception as exc:",
        "    print(type(exc).__name__, exc)",
    )
    assert told == (
        f"ConfigError an inbox in PostgreSQL needs pip install 'adjourn[postgres]' ({missing} is missing)"
    )


# sharing


async def test_closing_leaves_all_in_one_file(path: Path) -> None:
    stores = [await Inbox.open(f"sqlite:///{path}", source=source) for source in ("a", "b")]
    for each in stores:
        await each.put()
    for each in stores:
        await each.close()
    assert [each.name for each in path.parent.iterdir()] == ["inbox.db"]
    assert run_sql(path, "SELECT count(*) FROM adjourn_receipt") == [(2,)]


async def test_one_that_closes_keeps_the_locks_of_another_in_its_process(inbox: Inbox, path: Path) -> None:
    """Else the next process to leave would take itself for the last, and throw the log away."""
    name = await inbox.put()
    await (await open_receipts(f"sqlite:///{path}")).close()
    program = f"import sqlite3; sqlite3.connect({str(path)!r}).execute('SELECT 1 FROM adjourn_receipt')"
    _program(program)
    assert path.with_name("inbox.db-wal").exists()
    assert (await inbox.get(name)).seq == int(name)


async def test_another_program_with_the_file_locked_keeps_writes_waiting_but_not_the_loop(
    inbox: Inbox, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        task = asyncio.create_task(inbox.put())
        for _ in range(5):
            await asyncio.sleep(0)
        assert await inbox.claim() == []
        assert not task.done()
        shell.execute("ROLLBACK")
        name = await task
    assert inbox.names(await inbox.claim()) == [name]


async def test_nothing_is_written_when_there_is_nothing_to_do(inbox: Inbox, path: Path) -> None:
    await inbox.enlist()
    await inbox.put()
    await inbox.record(inbox.failure(await inbox.claim_one()))
    log = path.with_name("inbox.db-wal")
    before = log.stat().st_size, log.stat().st_mtime_ns
    for _ in range(3):
        await inbox.claim()
        await inbox.queue.reap()
        await inbox.queue.give_back("w1", [])
        await inbox.receipts.forget(before=inbox.clock.now)
        await inbox.receipts.bury(ReceiptFilter(state=ReceiptState.NEW))
        await inbox.receipts.replay(ReceiptFilter(state=ReceiptState.DEAD), limit=10)
    assert (log.stat().st_size, log.stat().st_mtime_ns) == before


async def test_what_was_claimed_is_told_even_if_nothing_can_be_read_then(path: Path) -> None:
    def break_off(step: str) -> None:
        if step == "claim.committed":
            database._quick.set_progress_handler(lambda: 1, 1)

    clock = Clock()
    database = Database(path, store._TABLES, on_step=break_off)
    inbox = Inbox(f"sqlite:///{path}", SqliteReceipts(database, clock=clock), clock, source="event")
    try:
        name = await inbox.put()
        assert inbox.names(await inbox.claim()) == [name]
        with pytest.raises(StorageError):
            await inbox.next_due()
    finally:
        await inbox.close()


# costs


class Steps:
    """Counts what SQLite's virtual machine does for an inbox: no clock, so the same each time."""

    def __init__(self) -> None:
        self.count = 0

    def _step(self) -> int:
        self.count += 1
        return 0

    @contextmanager
    def counted(self, inbox: Inbox) -> Iterator[None]:
        assert isinstance(inbox.receipts, SqliteReceipts)
        database = inbox.receipts._database
        for each in (database._writer, database._quick):
            each.set_progress_handler(self._step, 1)
        try:
            yield
        finally:
            for each in (database._writer, database._quick):
                each.set_progress_handler(None, 1)


async def steps_behind(folder: Path, followers: int) -> list[int]:
    """What it costs to fail the head of so many, to claim, to keep more, and to end the head."""
    inbox = await Inbox.open(f"sqlite:///{folder / 'inbox.db'}")
    try:
        head = await inbox.put(order_key="m")
        for _ in range(followers // 1000 or 1):
            await inbox.put_many(min(followers, 1000), order_key="m")
        costs = []
        claimed = await inbox.claim_one()
        for act in (
            lambda: inbox.record(inbox.failure(claimed)),
            inbox.claim,
            lambda: inbox.put(order_key="m"),
            lambda: inbox.put(),
            inbox.claim,
        ):
            steps = Steps()
            with steps.counted(inbox):
                await act()
            costs.append(steps.count)
        inbox.clock.advance(MINUTE)
        again = await inbox.claim_one()
        assert inbox.name(again) == head
        steps = Steps()
        with steps.counted(inbox):
            await inbox.record(inbox.success(again))
        return [*costs, steps.count]
    finally:
        await inbox.close()


async def test_fifty_thousand_that_wait_behind_a_head_cost_what_ten_do(tmp_path: Path) -> None:
    few = await steps_behind(tmp_path / "few", 10)
    many = await steps_behind(tmp_path / "many", 50_000)
    assert all(each > 0 for each in few)
    assert many == few


async def test_among_many_kept_at_once_those_that_were_there_are_told_apart(inbox: Inbox) -> None:
    before = await inbox.keep(*(inbox.new(f"evt_{n}") for n in range(0, 150, 7)))
    given = [replace(inbox.new(f"evt_{n}"), body=b'{"n":%d}' % n) for n in range(150)]
    kept = await inbox.keep(*given)
    assert [each.is_duplicate for each in kept] == [n % 7 == 0 for n in range(150)]
    assert [each.seq for each in kept[::7]] == [each.seq for each in before]
    assert len({each.seq for each in kept}) == 150
    for n, each in enumerate(kept):
        found = await inbox.get(str(each.seq))
        assert (found.id, found.duplicates) == (f"evt_{n}", int(each.is_duplicate))
        assert (found.body == given[n].body) is not each.is_duplicate


async def test_no_number_is_given_twice_even_if_its_receipt_was_deleted(inbox: Inbox, path: Path) -> None:
    one, two = await inbox.keep(inbox.new("evt_1"), inbox.new("evt_2"))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DELETE FROM adjourn_receipt")
    (again,) = await inbox.keep(inbox.new("evt_3"))
    assert again.seq > two.seq > one.seq


async def test_no_hot_statement_reads_a_whole_table(inbox: Inbox, path: Path) -> None:
    assert isinstance(inbox.receipts, SqliteReceipts)
    database = inbox.receipts._database
    statements: set[str] = set()
    for each in (database._writer, database._quick):
        each.set_trace_callback(statements.add)
    await inbox.enlist()
    await inbox.keep(inbox.new("evt_1"), inbox.new("evt_1"))
    for key in ("m", "m", None, None):
        await inbox.put(order_key=key)
    one, two, three, four = await inbox.claim()
    await inbox.queue.give_back("w1", [four])
    await inbox.record(inbox.success(one), inbox.failure(two), inbox.last_failure(three))
    await inbox.get("1")
    await inbox.receipts.find("contio", "evt_1")
    await inbox.receipts.oldest_waiting()
    await inbox.receipts.list_attempts(1)
    await inbox.receipts.replay(ReceiptFilter(), limit=1)
    inbox.clock.advance(100 * MINUTE)
    await inbox.queue.reap()
    await inbox.claim()
    await inbox.queue.end("w1")
    await inbox.receipts.bury(ReceiptFilter(seqs=(2,)))
    await inbox.record(inbox.success(four))
    await inbox.receipts.forget(before=inbox.clock.now)
    inbox.clock.advance(MINUTE)
    await inbox.receipts.forget(before=inbox.clock.now)
    for each in (database._writer, database._quick):
        each.set_trace_callback(None)
    verbs = ("SELECT", "INSERT", "UPDATE", "DELETE")
    hot = sorted(each for each in statements if each.strip().startswith(verbs))
    assert len(hot) > 20
    with closing(sqlite3.connect(path)) as plans:
        scans = [
            (statement, detail)
            for statement in hot
            for _, _, _, detail in plans.execute(f"EXPLAIN QUERY PLAN {statement}")
            if ("TEMP B-TREE" in detail and not _SORTED_ANYWAY.search(statement))
            or (detail.startswith("SCAN") and not _is_small(detail))
        ]
    assert scans == []


# What is one batch's, or one receipt's.
_SORTED_ANYWAY = re.compile(r"ORDER BY (provider, id|no, at, worker)")


def _is_small(detail: str) -> bool:
    """As many as there are workers, or tables; or the first of what is due, the index's first row."""
    what = detail.removeprefix("SCAN ")
    return (
        what.startswith(("adjourn_inbox_worker", "sqlite_sequence", "CONSTANT"))
        or "INDEX adjourn_receipt_due" in what
    )

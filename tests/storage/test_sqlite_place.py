"""A database whose file was deleted or replaced while it is open keeps nothing, and says so."""

import asyncio
import os
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.storage.harness import KEY, Clock, World
from tests.storage.work import Inbox

from adjourn.errors import ConfigError, StorageError
from adjourn.storage.inbox.sqlite import _TABLES
from adjourn.storage.sqlite.database import Database
from adjourn.storage.sqlite.place import Place
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

GONE = "was deleted or replaced while it was open"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "inbox.db"


@pytest.fixture
async def inbox(path: Path) -> AsyncIterator[Inbox]:
    opened = await Inbox.open(f"sqlite:///{path}")
    await opened.put()
    yield opened
    await opened.close()


def its(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def delete(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        its(path, ending).unlink()


def delete_log(path: Path) -> None:
    its(path, "-wal").unlink()


def delete_index(path: Path) -> None:
    its(path, "-shm").unlink()


def delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def replace(path: Path) -> None:
    new = its(path, ".new")
    with closing(sqlite3.connect(new)) as backup:
        backup.execute("CREATE TABLE its_own (number)")
    new.rename(path)


def replace_all(path: Path) -> None:
    delete(path)
    replace(path)


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize(
    "happen", [delete, delete_log, delete_index, delete_folder, replace, replace_all, empty]
)
async def test_a_file_that_is_not_there_any_more_keeps_nothing(
    inbox: Inbox, path: Path, happen: Callable[[Path], None]
) -> None:
    happen(path)
    for _ in range(2):
        with pytest.raises(StorageError, match=GONE):
            await inbox.put()
        with pytest.raises(StorageError, match=GONE):
            await inbox.claim()


async def test_nothing_is_written_into_the_log_that_the_next_file_would_take_for_its_own(
    inbox: Inbox, path: Path
) -> None:
    before = its(path, "-wal").read_bytes()
    replace(path)
    with pytest.raises(StorageError, match=GONE):
        await inbox.put()
    assert its(path, "-wal").read_bytes() == before


async def test_a_file_that_comes_back_goes_on(inbox: Inbox, path: Path) -> None:
    here, away = its(path, ""), its(path, ".away")
    here.rename(away)
    with pytest.raises(StorageError, match=GONE):
        await inbox.put()
    away.rename(here)
    name = await inbox.put()
    assert inbox.names(await inbox.claim()) == ["1", name]


async def test_closing_leaves_the_new_file_as_it_is(inbox: Inbox, path: Path) -> None:
    replace_all(path)
    its(path, "-wal").write_bytes(b"of the new one")
    before = its(path, "").read_bytes()
    await inbox.close()
    assert its(path, "").read_bytes() == before
    assert its(path, "-wal").read_bytes() == b"of the new one"


async def test_what_lies_there_is_opened_anew(inbox: Inbox, path: Path) -> None:
    delete_folder(path)
    await inbox.reopen()
    name = await inbox.put()
    assert inbox.names(await inbox.claim()) == [name]
    await inbox.close()
    with closing(sqlite3.connect(path)) as shell:
        assert shell.execute("SELECT count(*) FROM adjourn_receipt").fetchone() == (1,)


async def test_a_log_that_was_deleted_is_in_the_file_after_it_was_closed(inbox: Inbox, path: Path) -> None:
    delete_log(path)
    await inbox.reopen()
    assert inbox.names(await inbox.claim()) == ["1"]


async def test_the_sending_side_refuses_too(path: Path) -> None:
    clock = Clock()
    store = await SqliteStore.open(path, Vault([KEY]), clock=clock)
    world = World(store, clock)
    await world.add_app()
    delete(path)
    with pytest.raises(StorageError, match=GONE):
        await world.publish_waiting()
    await store.close()


@pytest.mark.usefixtures("inbox")
async def test_a_file_that_is_replaced_while_it_is_opened_is_refused(path: Path) -> None:
    place = Place(path)
    place.hold()
    place = Place(path)
    replace(path)
    with pytest.raises(ConfigError, match="replaced while it was being opened"):
        place.hold()


# a loop that ends amid a turn


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database(path, _TABLES)
    yield opened
    asyncio.run(opened.close())


async def begin_a_turn(database: Database) -> None:
    enter = "INSERT INTO adjourn_inbox_worker VALUES ('w1', 0)"
    task = asyncio.create_task(database.write("enter", lambda connection: connection.execute(enter)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()


def is_free(database: Database) -> bool:
    """After its thread did all that it was asked: whether nobody holds the file, and nothing was kept."""
    database._committer.submit(str).result()
    with closing(sqlite3.connect(database.path, timeout=0, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        return not shell.execute("SELECT 1 FROM adjourn_inbox_worker").fetchall()


def test_a_turn_that_is_cut_off_before_its_commit_lets_go_of_the_file(database: Database) -> None:
    gate = threading.Event()
    database._committer.submit(gate.wait)
    asyncio.run(begin_a_turn(database))
    gate.set()
    assert is_free(database)


def test_a_turn_that_is_cut_off_while_it_waits_for_the_file_lets_go_of_it(database: Database) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        asyncio.run(begin_a_turn(database))
    assert is_free(database)

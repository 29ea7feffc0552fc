"""One SQLite file: a writer that commits for many at once, and readers.

Statements run on the event loop (in memory, microseconds); only the commit, which waits for the
disk, runs in a thread. What is asked for while a commit is in flight shares the next one. A thread
that ran the statements too would fight the loop for the interpreter lock at each of them (ENGINE.md,
"Measured").
"""

import asyncio
import contextlib
import queue
import random
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakValueDictionary

from adjourn.errors import ConfigError, StorageError
from adjourn.storage.migrate import Tables
from adjourn.storage.sqlite.connection import BUSY_TIMEOUT, Connection, connect, is_busy, made
from adjourn.storage.sqlite.migrating import migrate
from adjourn.storage.sqlite.place import Place

if TYPE_CHECKING:  # not every system has the lock that it takes
    from adjourn.storage.sqlite.alone import Alone

__all__ = ["Connection", "Database"]

T = TypeVar("T")
Row = tuple[Any, ...]

_READERS = 4  # threads
_LOOKED_AGAIN = 0.001  # seconds, on average: whether the file is free to be written


class _Act(Generic[T]):
    """One caller's statements, waiting for their turn."""

    __slots__ = ("done", "name", "outcome", "run")

    def __init__(self, name: str, run: Callable[[Connection], T], done: "asyncio.Future[T]") -> None:
        self.name = name
        self.run = run
        self.done = done
        self.outcome: T | Exception | None = None


def _ignore(step: str) -> None:
    pass


class Database:
    """An opened file. Everything but `close` may be called only on the loop that first used it.

    Other processes, and others in this one, may have it open, too; unless it is held `alone`. `on_step`
    watches named steps ("publish.begun", "publish.written", "publish.committed"); a test kills the process
    there. Raises ConfigError, which says what is wrong with the file; to open it may take a while.
    """

    def __init__(
        self,
        path: Path,
        tables: Tables,
        *,
        alone: "Alone | None" = None,
        on_step: Callable[[str], None] = _ignore,
    ) -> None:
        self._alone = alone
        self._on_step = on_step
        self._opened: list[Connection] = []
        self._snapshots: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        try:
            self.path = made(path)
            self._place = Place(self.path)
            self._connect_all(tables)
            self._place.hold()
        except BaseException as exc:
            self._let_go()
            if isinstance(exc, sqlite3.Error):
                raise ConfigError(f"cannot open the database {path}: {exc}") from exc
            raise
        self._waiting: list[_Act[Any]] = []
        self._turns: asyncio.Task[None] | None = None
        self._committer = ThreadPoolExecutor(1, "commit")
        self._readers = ThreadPoolExecutor(_READERS - 1, "read")
        self._reader = ThreadPoolExecutor(1, "engine-read")
        self._turns_of_readers: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._closed = False

    async def write(self, name: str, run: Callable[[Connection], T], *, app_id: str | None = None) -> T:
        """Run statements in the next turn; return once they are on disk.

        `run` is undone alone when it raises; a sqlite3.Error comes as StorageError, and so does that the file
        was deleted or replaced. A caller that is cancelled while it waits does not take back what it asked
        for. `app_id` means nothing here: one writes at a time, and nobody else has the file.
        """
        self._check_open()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_see)
        self._waiting.append(_Act(name, run, done))
        if self._turns is None:
            self._turns = asyncio.create_task(self._take_turns())
        return await asyncio.shield(done)

    async def look(self, run: Callable[[Connection], T]) -> T:
        """Run look-ups by index, on the loop: only those whose cost has a bound."""
        try:
            return run(self._quick)
        except sqlite3.Error as exc:
            raise StorageError(f"read failed: {exc}") from exc

    def glance(self, sql: str, values: tuple[object, ...] = ()) -> list[Row]:
        """One look-up, as `look` does it, for the queue's own hot ones."""
        try:
            return self._quick.execute(sql, values).fetchall()
        except sqlite3.Error as exc:
            raise StorageError(f"read failed: {exc}") from exc

    async def read(self, run: Callable[[Connection], T], *, turn: str | None = None) -> T:
        """Run reads of any length in a thread, on one snapshot.

        Of those with the same `turn` one runs at a time: nobody who asks much takes every thread. Those
        without any, which are the engine's own, have a thread to themselves.
        """
        self._check_open()
        loop = asyncio.get_running_loop()
        if turn is None:
            return await loop.run_in_executor(self._reader, self._read, run)
        lock = self._turns_of_readers.setdefault(turn, asyncio.Lock())
        async with lock:
            return await loop.run_in_executor(self._readers, self._read, run)

    async def close(self) -> None:
        """Wait for the turns under way, and let go of the file. The last to do so empties the WAL into it."""
        while under_way := self._under_way():
            await asyncio.wait(under_way)
        if self._closed:
            return
        self._closed = True
        for pool in (self._committer, self._readers, self._reader):
            pool.shutdown()
        self._let_go()

    def _under_way(self) -> "list[asyncio.Future[None]]":
        checkpoint = None if self._alone is None else self._alone.checkpoint
        return [each for each in (self._turns, checkpoint) if each is not None]

    def _let_go(self) -> None:
        for connection in reversed(self._opened):
            connection.close()
        if self._alone is not None:
            self._alone.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the database is closed")

    # the writer

    async def _take_turns(self) -> None:
        await asyncio.sleep(0)  # what this pass of the loop still asks for joins the first turn
        try:
            while self._waiting:
                acts, self._waiting = self._waiting, []
                await self._turn(acts)
        finally:
            self._turns = None

    async def _turn(self, acts: list[_Act[Any]]) -> None:
        try:
            await self._begin()
            for act in acts:
                self._run(act, is_alone=len(acts) == 1)
            self._place.check()
            await asyncio.get_running_loop().run_in_executor(self._committer, self._commit)
        except (sqlite3.Error, StorageError) as exc:
            for act in acts:
                act.outcome = _failure("write failed", exc) if isinstance(exc, sqlite3.Error) else exc
            self._undo()
        except BaseException:  # the loop ends amid it
            self._abandon(acts)
            raise
        for act in acts:
            _settle(act)
            if not isinstance(act.outcome, Exception):
                self._on_step(f"{act.name}.committed")
        if self._alone is not None:
            self._alone.tend()

    def _undo(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # most errors have undone the turn already
            self._writer.execute("ROLLBACK")

    def _abandon(self, acts: list[_Act[Any]]) -> None:
        """Nobody waits for this turn any more: let go of the file once what its thread is at has ended."""
        with contextlib.suppress(RuntimeError):  # the process ends, or the loop has
            self._committer.submit(self._undo)
            for act in acts:
                act.done.cancel()

    async def _begin(self) -> None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            if not is_busy(exc):
                raise
            # another process, or somebody's shell, holds the file: wait for it beside the loop
            await asyncio.get_running_loop().run_in_executor(self._committer, self._begin_patiently)

    def _begin_patiently(self) -> None:
        """SQLite itself looks ten times a second: who writes all the time would hardly ever be met idle."""
        give_up_at = time.monotonic() + BUSY_TIMEOUT
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as exc:
                if not is_busy(exc) or time.monotonic() > give_up_at:
                    raise
            else:
                return
            time.sleep(_LOOKED_AGAIN * random.uniform(0.5, 1.5))  # noqa: S311

    def _run(self, act: _Act[Any], *, is_alone: bool) -> None:
        """One that is alone in its turn needs no savepoint: that would copy each page that it changes."""
        self._on_step(f"{act.name}.begun")
        if not is_alone:
            self._writer.execute("SAVEPOINT act")
        try:
            act.outcome = act.run(self._writer)
        except Exception as exc:
            if not self._writer.in_transaction:
                raise  # a full disk, a failing one: SQLite has undone the whole turn
            # one caller's fault is its own: the writer goes on for the others
            act.outcome = _failure(act.name, exc) if isinstance(exc, sqlite3.Error) else exc
            self._writer.execute("ROLLBACK" if is_alone else "ROLLBACK TO act")
            if is_alone:
                self._writer.execute("BEGIN")
        if not is_alone:
            self._writer.execute("RELEASE act")
        self._on_step(f"{act.name}.written")

    def _commit(self) -> None:
        self._writer.execute("COMMIT")
        if self._alone is not None:
            self._alone.committed(self._writer)

    # connections

    def _connect_all(self, tables: Tables) -> None:
        self._writer = self._connect()
        migrate(self._writer, self.path, tables)
        self._writer.execute("PRAGMA busy_timeout = 0")  # it never makes the loop wait: _begin
        self._quick = self._connect(read_only=True)
        if self._alone is not None:
            self._alone.open(self._connect)
        for _ in range(_READERS):
            self._snapshots.put(self._connect(read_only=True))

    def _connect(self, *, read_only: bool = False) -> Connection:
        connection = connect(self.path, read_only=read_only)
        self._opened.append(connection)
        if self._alone is not None:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection

    def _read(self, run: Callable[[Connection], T]) -> T:
        connection = self._snapshots.get()
        try:
            connection.execute("BEGIN")
            try:
                return run(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as exc:
            raise StorageError(f"read failed: {exc}") from exc
        finally:
            self._snapshots.put(connection)


def _failure(what: str, cause: sqlite3.Error) -> StorageError:
    failure = StorageError(f"{what}: {cause}")
    failure.__cause__ = cause
    return failure


def _see(done: "asyncio.Future[Any]") -> None:
    """Its caller may be gone: then nobody else looks at what went wrong."""
    if not done.cancelled():
        done.exception()


def _settle(act: _Act[Any]) -> None:
    if isinstance(act.outcome, Exception):
        act.done.set_exception(act.outcome)
    else:
        act.done.set_result(act.outcome)

"""One SQLite file, one server: a writer that commits for many at once, and readers.

Statements run on the event loop (in memory, microseconds); only the commit, which waits for the
disk, runs in a thread. What is asked for while a commit is in flight shares the next one. A thread
that ran the statements too would fight the loop for the interpreter lock at each of them (ENGINE.md,
"Measured").
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from adjourn.errors import ConfigError, StorageError
from adjourn.storage.migrate import migrations

__all__ = ["Connection", "Database"]

T = TypeVar("T")
Row = tuple[Any, ...]

_CHECKPOINT_AT = 8 << 20  # bytes of WAL: a checkpoint starts beside the writes
_WAL_BOUND = 64 << 20  # bytes of WAL: the next turn waits for a checkpoint to empty it
_FRAME_HEAD = 24  # bytes before each page in the WAL
_READERS = 4  # threads
_BUSY_TIMEOUT = 10  # seconds, for another program that has the file locked


class Connection(sqlite3.Connection):
    """storage.sql's Connection: whoever writes is alone."""

    hold = sqlite3.Connection.execute

    def lock(self, name: str, /) -> None:
        pass


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
    """An opened file. Everything but `close` may be called only on the loop that opened it.

    `on_step` watches named steps ("publish.begun", "publish.written", "publish.committed"); a test
    kills the process there.
    """

    def __init__(self, path: Path, *, on_step: Callable[[str], None] = _ignore) -> None:
        self.path, self._lock_file = _lock(path)
        self._on_step = on_step
        self._wal_index = -1
        self._opened: list[Connection] = []
        self._snapshots: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        try:
            self._connect_all()
        except BaseException as exc:
            self._let_go()
            if isinstance(exc, sqlite3.Error):
                raise ConfigError(f"cannot open the database {path}: {exc}") from exc
            raise
        self._waiting: list[_Act[Any]] = []
        self._turns: asyncio.Task[None] | None = None
        self._committer = ThreadPoolExecutor(1, "commit")
        self._checkpointer = ThreadPoolExecutor(1, "checkpoint")
        self._checkpoint: asyncio.Future[None] | None = None
        self._readers = ThreadPoolExecutor(_READERS - 1, "read")
        self._reader = ThreadPoolExecutor(1, "engine-read")
        self._turns_of_readers: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._closed = False

    async def write(self, name: str, run: Callable[[Connection], T], *, app_id: str | None = None) -> T:
        """Run statements in the next turn; return once they are on disk.

        `run` is undone alone when it raises; a sqlite3.Error comes as StorageError. A caller that is
        cancelled while it waits does not take back what it asked for. `app_id` means nothing here: one
        writes at a time, and nobody else has the file.
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
        """Wait for the turns under way, empty the WAL into the file, and let go of it."""
        while self._turns is not None or self._checkpoint is not None:
            await asyncio.wait([each for each in (self._turns, self._checkpoint) if each is not None])
        if self._closed:
            return
        self._closed = True
        for pool in (self._committer, self._checkpointer, self._readers, self._reader):
            pool.shutdown()
        self._let_go()

    def _let_go(self) -> None:
        for connection in reversed(self._opened):
            connection.close()
        if self._wal_index >= 0:
            os.close(self._wal_index)  # last: to close it lets go of every lock that SQLite holds on it
        os.close(self._lock_file)

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
                self._run(act)
            await asyncio.get_running_loop().run_in_executor(self._committer, self._commit)
        except sqlite3.Error as exc:
            for act in acts:
                act.outcome = _failure("write failed", exc)
            with contextlib.suppress(sqlite3.Error):  # most such errors have undone the turn already
                self._writer.execute("ROLLBACK")
        for act in acts:
            _settle(act)
            if not isinstance(act.outcome, Exception):
                self._on_step(f"{act.name}.committed")
        self._start_checkpoint()

    async def _begin(self) -> None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            # somebody's shell holds the file: wait for it beside the loop
            await asyncio.get_running_loop().run_in_executor(self._committer, self._begin_patiently)

    def _begin_patiently(self) -> None:
        self._writer.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT * 1000}")
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        finally:
            self._writer.execute("PRAGMA busy_timeout = 0")

    def _run(self, act: _Act[Any]) -> None:
        self._on_step(f"{act.name}.begun")
        self._writer.execute("SAVEPOINT act")
        try:
            act.outcome = act.run(self._writer)
        except Exception as exc:
            if not self._writer.in_transaction:
                raise  # a full disk, a failing one: SQLite has undone the whole turn
            # one caller's fault is its own: the writer goes on for the others
            act.outcome = _failure(act.name, exc) if isinstance(exc, sqlite3.Error) else exc
            self._writer.execute("ROLLBACK TO act")
        self._writer.execute("RELEASE act")
        self._on_step(f"{act.name}.written")

    def _commit(self) -> None:
        self._writer.execute("COMMIT")
        if self._wal_bytes() > _WAL_BOUND:
            with contextlib.suppress(sqlite3.Error):  # what was committed stays so
                self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    # the checkpoint, beside the writes

    def _wal_bytes(self) -> int:
        """Of the log in use; the file keeps its size. mxFrame in SQLite's "WAL-Index File Format"."""
        frames = int.from_bytes(os.pread(self._wal_index, 4, 16), sys.byteorder)
        return frames * self._frame_bytes

    def _start_checkpoint(self) -> None:
        if self._checkpoint is None and self._wal_bytes() > _CHECKPOINT_AT:
            loop = asyncio.get_running_loop()
            self._checkpoint = loop.run_in_executor(self._checkpointer, self._checkpoint_aside)
            self._checkpoint.add_done_callback(self._end_checkpoint)

    def _end_checkpoint(self, future: "asyncio.Future[None]") -> None:
        self._checkpoint = None

    def _checkpoint_aside(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # the next turn tries again
            self._side.execute("PRAGMA wal_checkpoint(PASSIVE)")

    # connections

    def _connect_all(self) -> None:
        self._writer = self._connect()
        _migrate(self._writer, self.path)
        self._writer.execute("PRAGMA busy_timeout = 0")  # it never makes the loop wait: _begin
        page_bytes: int = self._writer.execute("PRAGMA page_size").fetchone()[0]
        self._frame_bytes = page_bytes + _FRAME_HEAD
        self._wal_index = os.open(f"{self.path}-shm", os.O_RDONLY | os.O_CLOEXEC)
        self._quick = self._connect(read_only=True)
        self._side = self._connect()
        for _ in range(_READERS):
            self._snapshots.put(self._connect(read_only=True))

    def _connect(self, *, read_only: bool = False) -> Connection:
        connection = sqlite3.connect(
            self.path,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=Connection,
            timeout=_BUSY_TIMEOUT,
        )
        self._opened.append(connection)
        if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
            raise ConfigError(f"{self.path} lies where SQLite can keep no write-ahead log: use a local disk")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BOUND}")  # bytes: what an emptied WAL keeps
        connection.execute("PRAGMA cache_size = -65536")  # KiB: dirty pages stay in memory until the commit
        if read_only:
            connection.execute("PRAGMA query_only = 1")
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


def _migrate(writer: Connection, path: Path) -> None:
    (version,) = writer.execute("PRAGMA user_version").fetchone()
    known = migrations(__package__)
    if version > known[-1].number:
        raise ConfigError(
            f"{path} was written by a newer Adjourn: its tables have version {version}, this one knows "
            f"{known[-1].number}; upgrade Adjourn, or restore a backup made before"
        )
    for migration in known:
        if migration.number > version:
            writer.executescript(
                f"BEGIN IMMEDIATE;\n{migration.sql}\nPRAGMA user_version = {migration.number};\nCOMMIT;"
            )


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


def _lock(path: Path) -> tuple[Path, int]:
    """Hold `<file>.lock` while the process lives: one server for each file, whatever link names it."""
    try:
        file = path.resolve()  # SQLite's own files lie beside what a link points to, too
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite would let everybody read it
    except (OSError, RuntimeError) as exc:  # RuntimeError: links in a circle
        raise ConfigError(f"cannot use the database {path}: {exc}") from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(handle)
        raise ConfigError(f"{path} is in use by another server; SQLite serves one process") from exc
    return file, handle

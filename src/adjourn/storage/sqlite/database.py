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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, TypeVar

from adjourn.errors import ConfigError, StorageError
from adjourn.storage.migrate import migrations

__all__ = ["Database"]

T = TypeVar("T")
Row = tuple[Any, ...]

_CHECKPOINT_AT = 8 << 20  # bytes of WAL: a checkpoint starts beside the writes
_WAL_BOUND = 64 << 20  # bytes of WAL: the next turn waits for a checkpoint to empty it
_READERS = 4  # threads


class _Act(Generic[T]):
    """One caller's statements, waiting for their turn."""

    __slots__ = ("done", "name", "outcome", "run")

    def __init__(self, name: str, run: Callable[[sqlite3.Connection], T], done: "asyncio.Future[T]") -> None:
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
        self.path = path
        self._on_step = on_step
        self._lock_file = _lock(path)
        try:
            self._writer = self._connect()
            self._migrate()
        except sqlite3.Error as exc:
            os.close(self._lock_file)
            raise ConfigError(f"cannot open the database {path}: {exc}") from exc
        self._quick = self._connect(read_only=True)
        self._side = self._connect()
        self._waiting: list[_Act[Any]] = []
        self._turns: asyncio.Task[None] | None = None
        self._committer = ThreadPoolExecutor(1, "commit")
        self._checkpointer = ThreadPoolExecutor(1, "checkpoint")
        self._checkpoint: asyncio.Future[None] | None = None
        self._readers = ThreadPoolExecutor(_READERS, "read")
        self._snapshots: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        for _ in range(_READERS):
            self._snapshots.put(self._connect(read_only=True))

    async def write(self, name: str, run: Callable[[sqlite3.Connection], T]) -> T:
        """Run statements in the next turn; return once they are on disk.

        `run` is undone alone when it raises an AdjournError or sqlite3.Error (as StorageError).
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Act(name, run, done))
        if self._turns is None:
            self._turns = asyncio.create_task(self._take_turns())
        return await asyncio.shield(done)

    def look(self, sql: str, values: tuple[object, ...] = ()) -> list[Row]:
        """A look-up by index, on the loop: only where the cost has a bound."""
        try:
            return self._quick.execute(sql, values).fetchall()
        except sqlite3.Error as exc:
            raise StorageError(f"read failed: {exc}") from exc

    async def read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Run reads of any length in a thread, on one snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, run)

    async def close(self) -> None:
        """Wait for the turns under way, empty the WAL into the file, and let go of it."""
        while self._turns is not None or self._checkpoint is not None:
            await asyncio.wait([each for each in (self._turns, self._checkpoint) if each is not None])
        for pool in (self._committer, self._checkpointer, self._readers):
            pool.shutdown()
        while not self._snapshots.empty():
            self._snapshots.get().close()
        for connection in (self._quick, self._side, self._writer):
            connection.close()
        os.close(self._lock_file)

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
            self._writer.execute("BEGIN IMMEDIATE")
            for act in acts:
                self._run(act)
            await asyncio.get_running_loop().run_in_executor(self._committer, self._commit)
        except sqlite3.Error as exc:
            failure = StorageError(f"write failed: {exc}")
            for act in acts:
                act.outcome = failure
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        for act in acts:
            _settle(act)
            self._on_step(f"{act.name}.committed")
        self._start_checkpoint()

    def _run(self, act: _Act[Any]) -> None:
        self._on_step(f"{act.name}.begun")
        self._writer.execute("SAVEPOINT act")
        try:
            act.outcome = act.run(self._writer)
        except Exception as exc:
            # one caller's fault is its own: the writer goes on for the others
            act.outcome = StorageError(f"{act.name}: {exc}") if isinstance(exc, sqlite3.Error) else exc
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
        try:
            return os.stat(f"{self.path}-wal").st_size
        except FileNotFoundError:
            return 0

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

    def _connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=10
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA journal_size_limit = 0")  # an emptied WAL shrinks: its size tells its use
        connection.execute("PRAGMA cache_size = -65536")  # KiB: dirty pages stay in memory until the commit
        if read_only:
            connection.execute("PRAGMA query_only = 1")
        return connection

    def _read(self, run: Callable[[sqlite3.Connection], T]) -> T:
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

    def _migrate(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        for migration in migrations(__package__, after=version):
            self._writer.executescript(
                f"BEGIN IMMEDIATE;\n{migration.sql}\nPRAGMA user_version = {migration.number};\nCOMMIT;"
            )


def _settle(act: _Act[Any]) -> None:
    if act.done.done():
        return  # its caller is gone
    if isinstance(act.outcome, Exception):
        act.done.set_exception(act.outcome)
    else:
        act.done.set_result(act.outcome)


def _lock(path: Path) -> int:
    """Hold `<path>.lock` while the process lives: one server for each file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise ConfigError(f"cannot use the database {path}: {exc.strerror}") from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(handle)
        raise ConfigError(f"{path} is in use by another server; SQLite serves one process") from exc
    return handle

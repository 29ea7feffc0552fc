"""A file that no other process may open: a lock says so, and its log is emptied beside the writes.

Where others have it open, too, SQLite empties the log itself, in the commit of whoever fills it.
"""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from adjourn.errors import ConfigError
from adjourn.storage.sqlite.connection import WAL_BOUND, Connection, made

__all__ = ["Alone"]

_CHECKPOINT_AT = 8 << 20  # bytes of WAL: a checkpoint starts beside the writes
_FRAME_HEAD = 24  # bytes before each page in the WAL


class Alone:
    """Holds `<file>.lock` until it is closed: one server for each file, whatever link names it.

    Raises ConfigError where another has it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._lock_file = _lock(path)
        self._wal_index = -1
        self._checkpointer = ThreadPoolExecutor(1, "checkpoint")
        self.checkpoint: asyncio.Future[None] | None = None
        """The one under way."""

    def open(self, connect: Callable[[], Connection]) -> None:
        """Once the file has a log."""
        self._side = connect()
        page_bytes: int = self._side.execute("PRAGMA page_size").fetchone()[0]
        self._frame_bytes = page_bytes + _FRAME_HEAD
        self._wal_index = os.open(f"{self.path}-shm", os.O_RDONLY | os.O_CLOEXEC)

    def committed(self, writer: Connection) -> None:
        """After each commit, in its thread: no log grows without end."""
        if self._wal_bytes() > WAL_BOUND:
            with contextlib.suppress(sqlite3.Error):  # what was committed stays so
                writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def tend(self) -> None:
        """After each turn, on the loop."""
        if self.checkpoint is None and self._wal_bytes() > _CHECKPOINT_AT:
            loop = asyncio.get_running_loop()
            self.checkpoint = loop.run_in_executor(self._checkpointer, self._checkpoint_aside)
            self.checkpoint.add_done_callback(self._end_checkpoint)

    def close(self) -> None:
        """After SQLite's connections: to close its index lets go of every lock that they hold on it."""
        self._checkpointer.shutdown()
        if self._wal_index >= 0:
            os.close(self._wal_index)
        os.close(self._lock_file)

    def _wal_bytes(self) -> int:
        """Of the log in use; the file keeps its size. mxFrame in SQLite's "WAL-Index File Format"."""
        frames = int.from_bytes(os.pread(self._wal_index, 4, 16), sys.byteorder)
        return frames * self._frame_bytes

    def _end_checkpoint(self, future: "asyncio.Future[None]") -> None:
        self.checkpoint = None

    def _checkpoint_aside(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # the next turn tries again
            self._side.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _lock(path: Path) -> tuple[Path, int]:
    file = made(path)
    try:
        handle = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise ConfigError(f"cannot use the database {path}: {exc}") from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(handle)
        raise ConfigError(f"{path} is in use by another server; SQLite serves one process") from exc
    return file, handle

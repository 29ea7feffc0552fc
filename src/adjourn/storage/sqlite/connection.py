"""Connections to a file of SQLite's: a write-ahead log, synced at each commit."""

import os
import sqlite3
import time
from pathlib import Path

from adjourn.errors import ConfigError

__all__ = ["BUSY_TIMEOUT", "WAL_BOUND", "Connection", "connect", "is_busy", "made"]

WAL_BOUND = 64 << 20  # bytes that an emptied log keeps
BUSY_TIMEOUT = 10  # seconds, for whoever else has the file locked
_OLDEST = (3, 35)  # RETURNING
_AGAIN = 0.005  # seconds


class Connection(sqlite3.Connection):
    """storage.sql's Connection: whoever writes is alone."""

    hold = sqlite3.Connection.execute

    def lock(self, *names: str) -> None:
        pass


def made(path: Path) -> Path:
    """The file, whatever link names it: made if it is not there, and its folder. Raises ConfigError.

    One that is there is not opened: to close it would let go of every lock that SQLite has on it here.
    """
    try:
        file = path.resolve()  # SQLite's own files lie beside what a link points to, too
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():  # SQLite would let everybody read it
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if not file.exists():
            raise ConfigError(f"cannot use the database {path}: its folder is a file") from None
    except (OSError, RuntimeError) as exc:  # RuntimeError: links in a circle
        raise ConfigError(f"cannot use the database {path}: {exc}") from exc
    return file


def connect(path: Path, *, read_only: bool = False) -> Connection:
    """Waits a while for others that open or leave the file. Raises ConfigError, and sqlite3.Error."""
    if sqlite3.sqlite_version_info < _OLDEST:
        raise ConfigError(f"SQLite {sqlite3.sqlite_version} is too old: Adjourn needs 3.35 or newer")
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        factory=Connection,
        timeout=BUSY_TIMEOUT,
    )
    try:
        _tune(connection, path)
    except BaseException:
        connection.close()
        raise
    if read_only:
        connection.execute("PRAGMA query_only = 1")
    return connection


def _tune(connection: Connection, path: Path) -> None:
    if _journal_mode(connection) != "wal":
        raise ConfigError(f"{path} lies where SQLite can keep no write-ahead log: use a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BOUND}")
    connection.execute("PRAGMA cache_size = -65536")  # KiB: dirty pages stay in memory until the commit


def _journal_mode(connection: Connection) -> str:
    """Whoever else is setting it keeps SQLite from waiting as it does for all other locks."""
    give_up_at = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as exc:
            if not is_busy(exc) or time.monotonic() > give_up_at:
                raise
        time.sleep(_AGAIN)


def is_busy(exc: sqlite3.OperationalError) -> bool:
    """Whether somebody else has the file locked."""
    return exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY

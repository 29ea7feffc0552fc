"""The inbox in a SQLite file, which several processes may share: web workers, and one that handles."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from adjourn.errors import ConfigError, StorageError
from adjourn.models import Receipt
from adjourn.storage.base import Kept, NewReceipt, ReceiptClaim
from adjourn.storage.inbox.receipts import SqlReceipts
from adjourn.storage.inbox.rows import COLUMNS, read_receipt
from adjourn.storage.inbox.sqlite.keeping import keep
from adjourn.storage.migrate import Tables
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.rows import maybe, to_ms
from adjourn.storage.sqlite.database import Database

__all__ = ["SqliteReceipts", "open_file"]

_TABLES = Tables("adjourn.storage.inbox.sqlite", "adjourn_inbox_schema")

_IS_MADE = "SELECT 1 FROM sqlite_master WHERE name = ?"
_FREE = "owner IS NULL AND due IS NOT NULL AND NOT behind"
_NEXT_DUE = f"SELECT min(due) FROM adjourn_receipt WHERE {_FREE}"  # noqa: S608
_CLAIM = f"""
    SELECT {COLUMNS}, body.body FROM adjourn_receipt AS receipt
    LEFT JOIN adjourn_receipt_body AS body ON body.seq = receipt.seq
    WHERE {_FREE} AND due <= ? ORDER BY due, receipt.seq LIMIT ?
"""  # noqa: S608
_TAKE = "UPDATE adjourn_receipt SET owner = ? WHERE seq = ?"
# One that is not enlisted is entered with a lease that is over, until it renews it or is reaped.
_ENTER = "INSERT INTO adjourn_inbox_worker (id, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING"


async def open_file(path: Path, *, clock: Callable[[], datetime], create: bool) -> "SqliteReceipts":
    """Raises ConfigError. Another process may be making the tables: the loop does not wait for that."""
    if not create:
        await asyncio.to_thread(_check_made, path)
    database = await asyncio.to_thread(Database, path, _TABLES)
    return SqliteReceipts(database, clock=clock)


def _check_made(path: Path) -> None:
    """Looks without changing anything: the file may be somebody else's."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            is_made = connection.execute(_IS_MADE, (_TABLES.schema,)).fetchone() is not None
    except (sqlite3.Error, RuntimeError) as exc:  # RuntimeError: links in a circle
        raise ConfigError(f"cannot open the database {path}: {exc}") from exc
    if not is_made:
        raise ConfigError(f"there is no inbox in {path}: its tables are made when an Inbox opens it")


class SqliteReceipts(SqlReceipts):
    """`storage.base.Receipts` on one file."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        super().__init__(database, clock=clock)
        self._database = database

    async def keep(self, receipts: Sequence[NewReceipt]) -> list[Kept]:
        now = to_ms(self._clock())
        return await self._database.write("keep", lambda connection: keep(connection, receipts, now))

    async def claim(self, worker: str, *, limit: int) -> ReceiptClaim:
        now = to_ms(self._clock())
        next_due = self._next_due()
        taken: list[Receipt] = []
        if limit > 0 and next_due is not None and next_due <= now:
            taken = await self._database.write(
                "claim", lambda connection: _claim(connection, worker, limit, now)
            )
            next_due = None
            with contextlib.suppress(StorageError):  # what was taken is in this worker's hands already
                next_due = self._next_due()
        return ReceiptClaim(taken, maybe(next_due))

    async def close(self) -> None:
        await self._database.close()

    def _next_due(self) -> int | None:
        due: int | None = self._database.glance(_NEXT_DUE)[0][0]
        return due


def _claim(connection: Connection, worker: str, limit: int, now: int) -> list[Receipt]:
    taken = [read_receipt(row) for row in connection.execute(_CLAIM, (now, limit))]
    if taken:
        connection.executemany(_TAKE, [(worker, each.seq) for each in taken])
        connection.execute(_ENTER, (worker, now))
    return taken

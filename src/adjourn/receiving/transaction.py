"""Keeping a receipt in the caller's own transaction: it commits with what they write, or not at all."""

from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, overload

from adjourn.errors import ConfigError
from adjourn.receiving.foreign import ASYNC, RUN_SYNC, SYNC, AsyncWay, Way, kind_of
from adjourn.storage.base import Kept, NewReceipt
from adjourn.storage.inbox.keeping import KEEP, KEEP_BODY, values_of
from adjourn.storage.inbox.orders import lock_name
from adjourn.storage.sql.rows import to_ms

__all__ = ["AsyncConnection", "SyncConnection", "keep_in"]

_SQLITE_KEEP = KEEP.format(due="?")
_POSTGRES_KEEP = KEEP.format(due="floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
_HOLD_ORDER = "SELECT current_setting('transaction_isolation'), pg_advisory_xact_lock(hashtextextended(?, 0))"
_SEES_ALL = ("read committed", "read uncommitted")  # what was committed until each statement began

_KINDS = (
    "psycopg (Connection, AsyncConnection), asyncpg (Connection), SQLAlchemy (Connection, Session, "
    "AsyncConnection, AsyncSession), sqlite3 and aiosqlite (Connection)"
)
_UNDEFINED_TABLE = "42P01"
_NO_TABLE = "no such table: adjourn_"


class AsyncConnection(Protocol):
    """Of asyncpg, aiosqlite, or the asynchronous one of psycopg or SQLAlchemy."""

    @property
    def execute(self) -> Callable[..., Coroutine[Any, Any, Any]]: ...


class SyncConnection(Protocol):
    """Of sqlite3, psycopg or SQLAlchemy."""

    def commit(self) -> None: ...


@overload
def keep_in(connection: AsyncConnection, new: NewReceipt) -> Awaitable[Kept]: ...
@overload
def keep_in(connection: SyncConnection, new: NewReceipt) -> Kept: ...
def keep_in(connection: AsyncConnection | SyncConnection, new: NewReceipt) -> Kept | Awaitable[Kept]:
    """Keep it in the transaction that is open there, or begins with it; commit and rollback are the caller's.

    The inbox's tables must be there: it was opened once on this database. Of two transactions that keep the
    same event the second waits for the first, and then it is a duplicate, or alone. On PostgreSQL one with an
    order key holds that key until the commit, and needs READ COMMITTED.

    Raises ConfigError for a connection of another kind, one that is in no transaction and would begin none,
    and where the tables are missing. What the database says comes as its library raises it.
    """
    if (kind := kind_of(connection, SYNC)) is not None:
        return _keep(SYNC[kind](connection), new)
    if (kind := kind_of(connection, ASYNC)) is not None:
        return _keep_async(ASYNC[kind](connection), new)
    if (kind := kind_of(connection, RUN_SYNC)) is not None:
        way = RUN_SYNC[kind]
        beside: Any = connection
        kept: Awaitable[Kept] = beside.run_sync(lambda inner: _keep(way(inner), new))
        return kept
    its = type(connection)
    raise ConfigError(
        f"an inbox cannot keep in a transaction of {its.__module__}.{its.__qualname__}: "
        f"it takes those of {_KINDS}"
    )


Steps = Generator[tuple[str, Sequence[Any]], Any, Kept]
"""Statements with their values; each is sent its row."""


def _steps(new: NewReceipt, *, is_postgres: bool) -> Steps:
    if is_postgres and new.order_key is not None:
        isolation, _ = yield _HOLD_ORDER, (lock_name(new.order_key),)
        if isolation not in _SEES_ALL:
            raise ConfigError(
                f"an event that is handled in order cannot be kept in a {isolation.upper()} transaction, "
                "which does not see what others have ended meanwhile: READ COMMITTED does"
            )
    if is_postgres:
        seq, duplicates = yield _POSTGRES_KEEP, values_of(new)
    else:
        seq, duplicates = yield _SQLITE_KEEP, (*values_of(new), to_ms(datetime.now(UTC)))
    if not duplicates:
        yield KEEP_BODY, (seq, new.body)
    return Kept(seq, duplicates > 0)


def _keep(way: Way, new: NewReceipt) -> Kept:
    steps = _steps(new, is_postgres=way.is_postgres)
    row = None
    while True:
        try:
            sql, values = steps.send(row)
        except StopIteration as done:
            kept: Kept = done.value
            return kept
        with _telling():
            row = way.execute(sql, values)


async def _keep_async(way: AsyncWay, new: NewReceipt) -> Kept:
    steps = _steps(new, is_postgres=way.is_postgres)
    row = None
    while True:
        try:
            sql, values = steps.send(row)
        except StopIteration as done:
            kept: Kept = done.value
            return kept
        with _telling():
            row = await way.execute(sql, values)


@contextmanager
def _telling() -> Iterator[None]:
    """Says what to do where the tables are missing."""
    try:
        yield
    except Exception as exc:
        if not _is_missing(exc):
            raise
        raise ConfigError(
            "the inbox's tables are not in this database: open it there once, with `await inbox.open()`"
        ) from exc


def _is_missing(exc: BaseException) -> bool:
    found = getattr(exc, "orig", None) or exc  # SQLAlchemy's own has the driver's
    return getattr(found, "sqlstate", None) == _UNDEFINED_TABLE or _NO_TABLE in str(found)

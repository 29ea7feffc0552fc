"""Database connections of the user's own, told apart without importing what they are of.

A `Way` runs one statement on such a connection, in the transaction that is open there. Those of `SYNC` and
`ASYNC` are found by the names of the connection's class and of its module.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from adjourn.errors import ConfigError

__all__ = ["ASYNC", "RUN_SYNC", "SYNC", "AsyncWay", "Kind", "Way", "kind_of"]

Kind = tuple[str, str]
"""The package, and the class."""

Row = Sequence[Any]

# No statement of ours has a `?` or a `%` in a text.
_MARKS: Mapping[str, Callable[[int], str]] = {
    "qmark": lambda number: "?",
    "numeric": lambda number: f":{number}",
    "numeric_dollar": lambda number: f"${number}",
    "format": lambda number: "%s",
    "pyformat": lambda number: "%s",
}
_IDLE = 0  # libpq's PQTRANS_IDLE
_AUTOCOMMIT = (
    "the connection is in no transaction, so the receipt would be committed by itself: begin one, and accept "
    "in it, together with what you write"
)


class Way(NamedTuple):
    """`execute` gives the row that a statement returns. `is_postgres`: else it is SQLite."""

    is_postgres: bool
    execute: Callable[[str, Sequence[Any]], Row]


class AsyncWay(NamedTuple):
    is_postgres: bool
    execute: Callable[[str, Sequence[Any]], Awaitable[Row]]


def kind_of(connection: object, known: Mapping[Kind, Any]) -> Kind | None:
    """The first of its classes that is known."""
    kinds = [(each.__module__.partition(".")[0], each.__name__) for each in type(connection).__mro__]
    return next((each for each in kinds if each in known), None)


def _marked(sql: str, style: str) -> str:
    mark = _MARKS[style]
    first, *others = sql.split("?")
    return first + "".join(f"{mark(number)}{part}" for number, part in enumerate(others, 1))


def _in_transaction(is_so: bool) -> None:
    if not is_so:
        raise ConfigError(_AUTOCOMMIT)


# SQLite: sqlite3 begins by itself before it writes, unless it was told not to


def _begins(connection: Any) -> bool:
    is_told_not_to = connection.isolation_level is None or getattr(connection, "autocommit", None) is True
    return bool(connection.in_transaction) or not is_told_not_to


def _sqlite3(connection: Any) -> Way:
    _in_transaction(_begins(connection))

    def execute(sql: str, values: Sequence[Any]) -> Row:
        cursor = connection.cursor()
        cursor.row_factory = None
        return _first(cursor.execute(sql, values).fetchall())

    return Way(False, execute)


def _aiosqlite(connection: Any) -> AsyncWay:
    _in_transaction(_begins(connection))

    async def execute(sql: str, values: Sequence[Any]) -> Row:
        async with connection.cursor() as cursor:
            cursor.row_factory = None
            await cursor.execute(sql, values)
            return _first(list(await cursor.fetchall()))

    return AsyncWay(False, execute)


# PostgreSQL


def _is_in_transaction(connection: Any) -> bool:
    return not connection.autocommit or connection.info.transaction_status != _IDLE


def _as_tuples(cursor: Any) -> Callable[[Sequence[Any]], Row]:
    return tuple


def _psycopg(connection: Any) -> Way:
    _in_transaction(_is_in_transaction(connection))

    def execute(sql: str, values: Sequence[Any]) -> Row:
        with connection.cursor(row_factory=_as_tuples) as cursor:
            cursor.execute(_marked(sql, "format"), values)
            return _first(cursor.fetchall() if cursor.description else [])

    return Way(True, execute)


def _async_psycopg(connection: Any) -> AsyncWay:
    _in_transaction(_is_in_transaction(connection))

    async def execute(sql: str, values: Sequence[Any]) -> Row:
        async with connection.cursor(row_factory=_as_tuples) as cursor:
            await cursor.execute(_marked(sql, "format"), values)
            return _first(await cursor.fetchall() if cursor.description else [])

    return AsyncWay(True, execute)


def _asyncpg(connection: Any) -> AsyncWay:
    _in_transaction(connection.is_in_transaction())

    async def execute(sql: str, values: Sequence[Any]) -> Row:
        return _first(await connection.fetch(_marked(sql, "numeric_dollar"), *values))

    return AsyncWay(True, execute)


# SQLAlchemy: its asynchronous connections run what is given them with a synchronous one


def _sqlalchemy(connection: Any) -> Way:
    dialect = connection.dialect
    if dialect.name not in ("postgresql", "sqlite"):
        raise ConfigError(f"an inbox lies in PostgreSQL or SQLite, not in {dialect.name}")
    is_postgres = dialect.name == "postgresql"
    if is_postgres:
        _in_transaction(getattr(connection.connection.dbapi_connection, "autocommit", False) is not True)
    else:
        driver = connection.connection.driver_connection
        if not _begins(driver):
            connection.exec_driver_sql("SELECT 1")  # its listeners may have one begun
        _in_transaction(_begins(driver))

    def execute(sql: str, values: Sequence[Any]) -> Row:
        result = connection.exec_driver_sql(_marked(sql, dialect.paramstyle), tuple(values))
        return _first(result.fetchall() if result.returns_rows else [])

    return Way(is_postgres, execute)


def _session(session: Any) -> Way:
    return _sqlalchemy(session.connection())


def _first(rows: Sequence[Row]) -> Row:
    return tuple(rows[0]) if rows else ()


SYNC: Mapping[Kind, Callable[[Any], Way]] = {
    ("sqlite3", "Connection"): _sqlite3,
    ("psycopg", "Connection"): _psycopg,
    ("sqlalchemy", "Connection"): _sqlalchemy,
    ("sqlalchemy", "Session"): _session,
    ("sqlalchemy", "scoped_session"): _session,
}
ASYNC: Mapping[Kind, Callable[[Any], AsyncWay]] = {
    ("aiosqlite", "Connection"): _aiosqlite,
    ("psycopg", "AsyncConnection"): _async_psycopg,
    ("asyncpg", "Connection"): _asyncpg,
    ("asyncpg", "PoolConnectionProxy"): _asyncpg,
}
RUN_SYNC: Mapping[Kind, Callable[[Any], Way]] = {
    ("sqlalchemy", "AsyncConnection"): _sqlalchemy,
    ("sqlalchemy", "AsyncSession"): _session,
    ("sqlalchemy", "async_scoped_session"): _session,
}
"""Each has `run_sync`, which gives a function the synchronous connection, or session, that is meant here."""

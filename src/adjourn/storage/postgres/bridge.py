"""The shared SQL over asyncpg: functions that run statements one after the other, as on SQLite.

Such a function runs in a greenlet; each statement goes back to the coroutine that started it, which awaits
the answer and goes on with the function (as SQLAlchemy's asyncio does).
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import asyncpg
import greenlet  # type: ignore[import-untyped]
from asyncpg.prepared_stmt import PreparedStatement

from adjourn.storage.sql.connection import Connection, Row
from adjourn.storage.sql.rows import LOWEST_ID, is_id

__all__ = ["Link", "lock", "run_on"]

T = TypeVar("T")

_LOCK = """
    SELECT count(pg_advisory_xact_lock(number))
    FROM (SELECT hashtextextended(name, 0) AS number FROM unnest($1::text[]) AS name ORDER BY 1) AS numbers
"""
_MOST_PREPARED = 500  # statements of one connection


class _Statement:
    """One prepared on a connection. What people give as an id may be any text, and finds nothing then."""

    __slots__ = ("_ids_given", "_ids_told", "_switches", "prepared")

    def __init__(self, prepared: "PreparedStatement[asyncpg.Record]") -> None:
        self.prepared = prepared
        types = [each.name for each in prepared.get_parameters()]
        self._ids_given = [place for place, name in enumerate(types) if name == "uuid"]
        self._switches = [place for place, name in enumerate(types) if name == "bool"]
        self._ids_told = [
            place for place, each in enumerate(prepared.get_attributes()) if each.type.name == "uuid"
        ]

    def values(self, given: Sequence[Any]) -> Sequence[Any]:
        if not (self._ids_given or self._switches):
            return given
        values = list(given)
        for place in self._ids_given:
            if values[place] is not None and not is_id(values[place]):
                values[place] = LOWEST_ID
        for place in self._switches:
            values[place] = None if values[place] is None else bool(values[place])
        return values

    def rows(self, records: Iterable[asyncpg.Record]) -> list[Row]:
        if not self._ids_told:
            return [tuple(record) for record in records]
        return [self._row(record) for record in records]

    def _row(self, record: asyncpg.Record) -> Row:
        row = list(record)
        for place in self._ids_told:
            if row[place] is not None:
                row[place] = str(row[place])
        return tuple(row)


class Link:
    """A connection with the statements prepared on it. `name`: that of its session on the server."""

    def __init__(self, raw: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
        self.raw = raw
        self.name = name
        self.used = False  # whether it has been idle since it was made
        self._statements: dict[str, _Statement] = {}

    async def run(self, sql: str, values: Sequence[Any]) -> "_Rows":
        statement = await self._prepare(sql)
        records = await statement.prepared.fetch(*statement.values(values))
        return _Rows(statement.rows(records), _count(statement.prepared.get_statusmsg()))

    async def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        statement = await self._prepare(sql)
        if values := [statement.values(row) for row in rows]:
            await statement.prepared.executemany(values)

    async def _prepare(self, sql: str) -> _Statement:
        found = self._statements.get(sql)
        if found is None:
            if len(self._statements) >= _MOST_PREPARED:
                self._statements.clear()
            found = self._statements[sql] = _Statement(await self.raw.prepare(numbered(sql)))
        return found


class _Rows:
    """`storage.sql.connection.Rows`."""

    def __init__(self, rows: list[Row], rowcount: int) -> None:
        self._rows = iter(rows)
        self.rowcount = rowcount

    def fetchone(self) -> Row | None:
        return next(self._rows, None)

    def fetchall(self) -> list[Row]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class _Connection:
    """`storage.sql.connection.Connection`, within a greenlet."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> _Rows:
        rows: _Rows = _await(self._link.run(sql, values))
        return rows

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        _await(self._link.run_many(sql, rows))

    def hold(self, sql: str, values: Sequence[Any] = (), /) -> _Rows:
        return self.execute(f"{sql} FOR UPDATE", values)

    def lock(self, *names: str) -> None:
        _await(lock(self._link, names))


async def run_on(link: Link, run: Callable[[Connection], T]) -> T:
    """Run it on that connection, in the transaction that is open there if one is."""
    child = greenlet.greenlet(run)
    child.gr_context = greenlet.getcurrent().gr_context
    outcome = child.switch(_Connection(link))
    while not child.dead:
        try:
            told = await outcome
        except BaseException as exc:
            outcome = child.throw(exc)
        else:
            outcome = child.switch(told)
    result: T = outcome
    return result


async def lock(link: Link, names: Sequence[str]) -> None:
    """`Connection.lock` for several names, in an order that is the same for everybody."""
    await link.raw.execute(_LOCK, sorted(set(names)))


def _await(answer: Awaitable[Any]) -> Any:
    parent = greenlet.getcurrent().parent
    assert parent is not None
    return parent.switch(answer)


@lru_cache(maxsize=1024)
def numbered(sql: str) -> str:
    """`$1`, `$2`, ... for each `?`."""
    first, *others = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))


def _count(tag: str | None) -> int:
    """What a command's tag says: `UPDATE 3`, `INSERT 0 1`."""
    last = (tag or "").rpartition(" ")[2]
    return int(last) if last.isdigit() else 0

"""Many rows, made by SQL in the store's own tables: copies of what the API made once."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

__all__ = ["Filler"]

_SQLITE = "sqlite:///"


class Filler:
    """Runs statements on either database. Nothing else may have the SQLite file open meanwhile."""

    def __init__(self, url: str) -> None:
        self._path = url.removeprefix(_SQLITE) if url.startswith(_SQLITE) else None
        self._url = url

    def run(self, *statements: str) -> list[Sequence[Any]]:
        """Each in a transaction of its own; the rows of the last."""
        return self._run_sqlite(statements) if self._path else asyncio.run(self._run_postgres(statements))

    def run_script(self, statements: str) -> None:
        """Several statements on one PostgreSQL connection, with the transactions that they say."""

        async def run() -> None:
            connection = await asyncpg.connect(self._url)
            try:
                await connection.execute(statements)
            finally:
                await connection.close()

        asyncio.run(run())

    def settle(self) -> None:
        """As after a while: on PostgreSQL what is new has been vacuumed, and is on disk.

        Else whoever first reads a page pays for what its filling left undone.
        """
        if self._path is None:
            self.run("VACUUM (ANALYZE)", "CHECKPOINT")

    def copy(
        self,
        table: str,
        numbers: range,
        changed: Mapping[str, str],
        *,
        of: str = "true",
        without: Sequence[str] = (),
        joined: str = "",
    ) -> None:
        """A copy for each number `n` of the one row that fits `of`, with some columns `changed`, by SQL.

        `without`: columns that the database fills. `joined`: more to select from.
        """
        columns = [each for each in self._columns(table) if each not in without]
        values = [changed.get(each, f"one.{each}") for each in columns]
        one = f"(SELECT * FROM {table} WHERE {of} LIMIT 1) AS one"
        self.run(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "
            f"FROM {one} CROSS JOIN {self.series(numbers)} {joined}"
        )

    def series(self, numbers: range) -> str:
        """A table `series` of the numbers, in a column `n`."""
        if self._path is None:
            return f"generate_series({numbers.start}, {numbers.stop - 1}) AS series(n)"
        return (
            f"(WITH RECURSIVE counted(n) AS (SELECT {numbers.start} UNION ALL SELECT n + 1 FROM counted "
            f"WHERE n + 1 < {numbers.stop}) SELECT n FROM counted) AS series"
        )

    def uuid(self, ms: int) -> str:
        """An id that ascends with `n`, a hundred in each millisecond from that one on."""
        at = f"(n / 100 + {ms})"
        parts = [
            self._hex(f"{at} / 65536", 8),
            self._hex(f"{at} % 65536", 4),
            f"'7' || {self._hex('n % 100', 3)}",
            "'8000'",
            self._hex("n", 12),
        ]
        text = " || '-' || ".join(parts)
        return f"({text})" if self._path else f"({text})::uuid"

    def random(self, below: int) -> str:
        """A whole number from 0 on."""
        return f"abs(random() % {below})" if self._path else f"floor(random() * {below})::bigint"

    def _hex(self, number: str, digits: int) -> str:
        if self._path:
            return f"printf('%0{digits}x', {number})"
        return f"lpad(to_hex({number}), {digits}, '0')"

    def _columns(self, table: str) -> list[str]:
        if self._path:
            return [str(row[1]) for row in self.run(f"PRAGMA table_info({table})")]
        query = f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0"
        return [str(row[0]) for row in self.run(f"{query} AND NOT attisdropped ORDER BY attnum")]

    def _run_sqlite(self, statements: Sequence[str]) -> list[Sequence[Any]]:
        assert self._path is not None
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=OFF")  # while it is filled
            rows: list[Sequence[Any]] = []
            for statement in statements:
                rows = connection.execute(statement).fetchall()
            return rows
        finally:
            connection.close()

    async def _run_postgres(self, statements: Sequence[str]) -> list[Sequence[Any]]:
        connection = await asyncpg.connect(self._url)
        try:
            rows: list[Sequence[Any]] = []
            for statement in statements:
                rows = [tuple(row) for row in await connection.fetch(statement)]
            return rows
        finally:
            await connection.close()

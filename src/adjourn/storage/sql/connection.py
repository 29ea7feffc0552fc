"""What the shared SQL needs of a database: transactions, and statements in them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

__all__ = ["Connection", "Database", "Row", "Rows", "any_of", "look_up"]

T = TypeVar("T")
Row = tuple[Any, ...]


class Rows(Protocol):
    """What a statement gave. `rowcount`: rows that it inserted, updated or deleted."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A transaction's statements. A value stands for each `?`; a statement both databases take as it is.

    So: TRUE and FALSE, ON CONFLICT, RETURNING, row values, an alias for each sub-select; no functions that
    only one of them has, no `?` within a string. Each statement sees what was committed before it began.
    """

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Rows: ...
    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> object: ...

    def hold(self, sql: str, values: Sequence[Any] = (), /) -> Rows:
        """Run a SELECT; its rows, as they are once nobody else is changing them, stay so until the end.

        On PostgreSQL it ends with FOR UPDATE; SQLite has one writer at a time.
        """

    def lock(self, *names: str) -> None:
        """Wait until no other transaction holds any of these names, and hold them until the end: for what is
        no row yet.

        On PostgreSQL advisory locks of the transaction, taken in an order that is the same for everybody.
        """


class Database(Protocol):
    """Runs functions in transactions. Each raises StorageError when the database could not do it."""

    async def write(self, name: str, run: Callable[[Connection], T], *, app_id: str | None = None) -> T:
        """Run statements in one transaction; return once it is on disk. It is undone when `run` raises.

        `app_id`: it changes that app. Nobody else changes it meanwhile, and when this returns no node acts on
        what it was before.
        """

    async def look(self, run: Callable[[Connection], T]) -> T:
        """Look-ups by index: reads whose cost has a bound, on the quickest way there is."""

    async def read(self, run: Callable[[Connection], T], *, turn: str | None = None) -> T:
        """Reads of any length, on one snapshot. Of those with the same `turn` one runs at a time."""


async def look_up(database: Database, sql: str, *values: object) -> list[Row]:
    """The rows of one look-up by index."""
    return await database.look(lambda connection: connection.execute(sql, values).fetchall())


def any_of(values: Sequence[T]) -> tuple[str, Sequence[T]]:
    """What follows `IN`, and its values: at least one is given.

    The last is repeated until they are a power of two, so that few texts of statements come of it.
    """
    count = 1 << (len(values) - 1).bit_length()
    return f"({', '.join('?' * count)})", [*values, *[values[-1]] * (count - len(values))]

"""Many rows in few statements: one statement for each row would cost more than the row."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.rows import text, to_ms

__all__ = ["Milliseconds", "Texts", "id_list", "insert"]

_AT_ONCE = 50  # rows of a statement: with more, each costs hardly less


def insert(connection: Connection, into: str, rows: Sequence[tuple[object, ...]], *, end: str = "") -> int:
    """How many rows there are more. `into`: `INSERT INTO` and the table; `end`: what follows the values."""
    if not rows:
        return 0
    marks = f"({', '.join('?' * len(rows[0]))})"
    whole = len(rows) - len(rows) % _AT_ONCE
    many = f"{into} VALUES {', '.join([marks] * _AT_ONCE)} {end}"
    count = 0
    for first in range(0, whole, _AT_ONCE):
        values = [value for row in rows[first : first + _AT_ONCE] for value in row]
        count += connection.execute(many, values).rowcount
    one = f"{into} VALUES {marks} {end}"
    for row in rows[whole:]:
        count += connection.execute(one, row).rowcount
    return count


def id_list(ids: Iterable[str]) -> str:
    """For `IN (SELECT value FROM json_each(?))`."""
    return text(list(ids))


class Texts:
    """JSON texts of values that are often the very same object. Use it within one batch."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def of(self, value: object) -> str:
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = text(value)
        return known


class Milliseconds:
    """Moments that are often the very same object."""

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._ms = 0

    def of(self, moment: datetime) -> int:
        if moment is not self._last:
            self._last, self._ms = moment, to_ms(moment)
        return self._ms

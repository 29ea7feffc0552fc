"""The days that tables are partitioned by: ids begin with the time, so a day is a range of ids.

Statements on what lies in one day name its partition. That costs less than to go through the whole table, and
leaves the planner no other way than the index: it thinks a day that has just begun to be empty.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from adjourn.storage.sql.rows import to_ms

__all__ = ["Day", "lowest_id", "place_of"]

_DAY = timedelta(days=1)
_DAY_MS = 86_400_000


class Day(NamedTuple):
    """A day, UTC, and the names of its partitions."""

    start: datetime

    @classmethod
    def of(cls, moment: datetime) -> "Day":
        return cls(datetime.combine(moment.astimezone(UTC).date(), time(), UTC))

    @property
    def end(self) -> datetime:
        return self.start + _DAY

    @property
    def suffix(self) -> str:
        return f"_{self.start:%Y%m%d}"

    def partition(self, table: str) -> str:
        return f"{table}{self.suffix}"


def lowest_id(moment: datetime) -> str:
    """The lowest UUIDv7 of that moment, or lower: 48 bits of milliseconds, then zeros."""
    digits = f"{to_ms(moment):012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"


def place_of(ids: Sequence[str]) -> str:
    """What follows a table's name to name the partition of these ids; nothing, where it is several."""
    first, last = _day_number(min(ids)), _day_number(max(ids))
    return _suffix(first) if first == last else ""


def _day_number(id_given: str) -> int:
    return int(id_given[:8] + id_given[9:13], 16) // _DAY_MS


@lru_cache(maxsize=16)
def _suffix(day_number: int) -> str:
    return Day(datetime.fromtimestamp(day_number * 86_400, UTC)).suffix

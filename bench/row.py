"""What is measured: one line of the table each."""

from collections.abc import Mapping, Sequence

import msgspec

__all__ = ["Results", "Row"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement. What a field does not apply to is None.

    `us`: CPU microseconds of a delivery (of a request, a claimed row or a stored event, where `part` measures
    these). `p50_ms` and `p99_ms`: from the 202 to the arrival at half of `per_s`; of one step in the parts
    that measure a step. `mb` are PSS.
    """

    part: str
    name: str
    per_s: float | None = None
    app_us: float | None = None
    database_us: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    app_mb: float | None = None
    app_rss_mb: float | None = None
    database_mb: float | None = None
    wal_bytes: float | None = None

    @property
    def us(self) -> float | None:
        """App and database together."""
        known = [each for each in (self.app_us, self.database_us) if each is not None]
        return sum(known) if known else None


class Results:
    """Rows, found by part and name."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._by_name: Mapping[tuple[str, str], Row] = {(row.part, row.name): row for row in rows}

    def find(self, part: str, name: str) -> Row | None:
        """None where it was not measured."""
        return self._by_name.get((part, name))

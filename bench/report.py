"""The results, told: the one table, the bars, and JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from bench.bars import Verdict
from bench.row import Results, Row

__all__ = ["as_json", "bar_line", "cells", "results_table"]

_HEADS = ("per s", "app us", "db us", "x wrk", "p50 ms", "p99 ms", "app MB", "db MB", "WAL KB")
_OF_DELIVERIES = ("sender", "sqlite", "postgres", "postgres-2", "aiohttp", "directory")


def results_table(results: Results, titles: Mapping[str, str]) -> Table:
    """A row for each measurement, under the title of its part."""
    wrk = results.find("limit", "wrk")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for head in _HEADS:
        table.add_column(head, justify="right")
    part = None
    parts = list(dict.fromkeys(row.part for row in results.rows))
    for row in sorted(results.rows, key=lambda row: parts.index(row.part)):
        if row.part != part:
            part = row.part
            table.add_row(Text(titles.get(part, part), style="bold"))
        table.add_row(f"  {row.name}", *cells(row, None if wrk is None else wrk.app_us))
    return table


def cells(row: Row, wrk_us: float | None) -> list[str]:
    """What the table shows of a row, column by column; empty where it does not apply."""
    over = row.us / wrk_us if row.us and wrk_us and row.part in _OF_DELIVERIES else None
    return [
        _number(row.per_s, 0),
        _number(row.app_us, 1),
        _number(row.database_us, 1),
        _number(over, 1),
        _number(row.p50_ms, 1),
        _number(row.p99_ms, 1),
        _number(row.app_mb, 0),
        _number(row.database_mb, 0),
        _number(None if row.wal_bytes is None else row.wal_bytes / 1000, 2),
    ]


def bar_line(verdict: Verdict) -> str:
    """`reached   PostgreSQL, single: cost over wrk's: 11.1 x, at most 12 (ratio 0.93)`"""
    bound = f"{'at least' if verdict.at_least else 'at most'} {verdict.bound:g}"
    if verdict.value is None or verdict.ratio is None:
        return f"{'not measured':14}{verdict.name}: {bound} {verdict.unit}"
    word = "reached" if verdict.reached else "NOT REACHED"
    value = f"{verdict.value:.3g} {verdict.unit}"
    return f"{word:14}{verdict.name}: {value}, {bound} (ratio {verdict.ratio:.2f})"


def as_json(
    results: Results, verdicts: Sequence[Verdict], *, scale: str, at: datetime, machine: Mapping[str, Any]
) -> bytes:
    """All there is to know of a run."""
    whole = {
        "at": at,
        "scale": scale,
        "machine": machine,
        "rows": [msgspec.structs.asdict(row) for row in results.rows],
        "bars": verdicts,
    }
    return msgspec.json.format(msgspec.json.encode(whole))


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"

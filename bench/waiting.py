"""What claims and publishing cost while more and more waits.

1,000 lanes are full and hold a fifth of all that waits, due before everything else; 1,000 others have room.
What waits is due at random times, four fifths of it by now. Each measured claim is the first after the
database started with cold caches; on PostgreSQL a snapshot is open, older than what was claimed before.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.bench import Bench
from bench.engines import fill_waiting, make_apps, make_lanes
from bench.filling import Filler
from bench.row import Row
from bench.server import STORES
from bench.steps import CLAIMED, Cost, churn, claim_cold, publish

__all__ = ["measure_waiting"]

_FULL, _OPEN = 1000, 1000  # lanes
_HOUR = 3_600_000  # ms
_ORIGIN = "http://127.0.0.1:9"
_OLD = "bench_old_snapshot"


def measure_waiting(bench: Bench) -> Iterator[Row]:
    """Rows of the parts that PARTS and TITLES name; SQLite without the last count."""
    for store in bench.scale.stores:
        name = STORES[store]
        with bench.database(store) as url:
            bench.say(f"{name}: making apps and lanes")
            make_apps(url, _FULL + _OPEN, url=f"'{_ORIGIN}/' || n")
            filler = Filler(url)
            make_lanes(filler, [f"app-{number}" for number in range(_FULL + _OPEN)], origin=_ORIGIN)
            made = 0
            for rows in bench.scale.rows if store == "postgres" else bench.scale.rows[:2]:
                bench.say(f"{name}: making {rows:,} rows that wait")
                _make_rows(filler, range(made, rows))
                filler.settle()
                made = rows
                yield from _measure(bench, store, url, f"{name}, {rows:,} waiting")


def _measure(bench: Bench, store: str, url: str, name: str) -> Iterator[Row]:
    database = (lambda: bench.postgres.pid) if store == "postgres" else None
    bench.say(f"{name}: publishing")
    yield _row("publishing", name, asyncio.run(publish(url, database)))
    bench.say(f"{name}: claims")
    with _old_snapshot(bench, store, url):
        churned = asyncio.run(churn(url, _has_room, database))
        restarted = _claim_cold(bench, store, url, disk=False)
        cold = _claim_cold(bench, store, url, disk=True)
    yield _row("warm claims", name, churned)
    yield _row_of_claims("restarted claims", name, restarted)
    yield _row_of_claims("claims", name, cold)


def _claim_cold(bench: Bench, store: str, url: str, *, disk: bool) -> list[float]:
    """Seconds of a claim, each after the database was cooled."""
    took = []
    for _ in range(bench.scale.rounds):
        bench.cool(store, disk=disk)
        took.append(asyncio.run(claim_cold(url, _has_room)))
    return took


def _row_of_claims(part: str, name: str, took: list[float]) -> Row:
    median = statistics.median(took)
    return Row(part=part, name=name, per_s=CLAIMED / median, p50_ms=median * 1e3, p99_ms=max(took) * 1e3)


def _row(part: str, name: str, cost: Cost) -> Row:
    """Here p99 is the longest step: there are too few for more."""
    return Row(
        part=part,
        name=name,
        per_s=cost.rows / sum(cost.took),
        app_us=cost.own_cpu / cost.rows * 1e6,
        database_us=None if cost.database_cpu is None else cost.database_cpu / cost.rows * 1e6,
        p50_ms=statistics.median(cost.took) * 1e3,
        p99_ms=max(cost.took) * 1e3,
    )


def _has_room(app_id: str) -> bool:
    """The first apps' lanes are full."""
    return int(app_id.removeprefix("app-")) >= _FULL


def _make_rows(filler: Filler, numbers: range) -> None:
    """Every fifth in a lane that is full."""
    now = time.time_ns() // 1_000_000
    first = f"CASE WHEN n % 5 = 0 THEN {now - 2 * _HOUR} ELSE {now - _HOUR * 4 // 5} END"
    fill_waiting(
        filler,
        numbers,
        lane=f"CASE WHEN n % 5 = 0 THEN n / 5 % {_FULL} ELSE {_FULL} + n % {_OPEN} END",
        due=f"{first} + {filler.random(_HOUR)}",
    )


@contextmanager
def _old_snapshot(bench: Bench, store: str, url: str) -> Iterator[None]:
    """Nothing that changes meanwhile may be cleared away: a prepared transaction outlives restarts, too."""
    if store == "sqlite":
        yield
        return
    Filler(url).run_script(f"BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION '{_OLD}'")
    try:
        yield
    finally:
        bench.postgres.run(f"ROLLBACK PREPARED '{_OLD}'", url=url)

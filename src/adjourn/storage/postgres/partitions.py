"""A partition for each day of what is published: made a week ahead, dropped when it is over and old.

There is no partition for what fits into none.
"""

import logging
from datetime import UTC, datetime, timedelta

import asyncpg

from adjourn.storage.postgres.bridge import Link
from adjourn.storage.postgres.database import PostgresDatabase
from adjourn.storage.postgres.days import Day, lowest_id

__all__ = ["drop_old", "make_days"]

_log = logging.getLogger(__name__)

_TABLES = ("attempt", "delivery", "event", "publication")
_AHEAD = 7  # days
_BEHIND = 1  # days: clocks differ, and what was planned before midnight is stored after it
_SLACK = timedelta(hours=1)  # what belongs together may lie on both sides of midnight
_DAY = timedelta(days=1)
_LOCK = 4_027_002  # whoever makes or drops partitions
_PATIENCE = "200ms"  # traffic waits behind a drop that waits for its locks

# Its rows are updated where they lie, and grow by a little; what is dead goes by itself: little to vacuum.
_STORAGE = {
    "delivery": " WITH (fillfactor = 46, autovacuum_vacuum_threshold = 5000)",
}
_FOUND = """
    SELECT child.relname FROM pg_inherits
    JOIN pg_class AS child ON child.oid = inhrelid JOIN pg_class AS parent ON parent.oid = inhparent
    WHERE parent.relname = ANY($1::text[]) AND parent.relnamespace = 'public'::regnamespace
"""
# A callback may be asked for days after its event.
_UNFINISHED = """
    SELECT EXISTS (SELECT FROM job WHERE delivery_id >= $1 AND delivery_id < $2)
        OR EXISTS (SELECT FROM worker WHERE floor < $2)
        OR EXISTS (SELECT FROM lane JOIN job ON job.lane_id = lane.id
                   JOIN delivery ON delivery.id = job.delivery_id
                   WHERE lane.target = 'callback' AND delivery.event_id >= $1 AND delivery.event_id < $2)
"""


async def make_days(database: PostgresDatabase, now: datetime) -> None:
    """See that what is published in the next days has a place. Raises StorageError."""
    today = Day.of(now)
    wanted = [Day(today.start + number * _DAY) for number in range(-_BEHIND, _AHEAD + 1)]
    async with database.guarded("cannot make the tables of the next days"):
        async with database.writing.one() as link:
            there = {row[0] for row in await link.raw.fetch(_FOUND, list(_TABLES))}
        names = {day.partition(table) for day in wanted for table in _TABLES}
        if names <= there:
            return
        async with database.writing.transaction() as link:
            await link.raw.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
            there = {row[0] for row in await link.raw.fetch(_FOUND, list(_TABLES))}
            for day in wanted:
                for table in _TABLES:
                    if day.partition(table) not in there:
                        await _make(link, day, table)


async def _make(link: Link, day: Day, table: str) -> None:
    """Made aside and attached: nobody who reads or writes has to wait."""
    name = day.partition(table)
    await link.raw.execute(
        f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING INDEXES){_STORAGE.get(table, '')};"
        f"ALTER TABLE {table} ATTACH PARTITION {name} "
        f"FOR VALUES FROM ('{lowest_id(day.start)}') TO ('{lowest_id(day.end)}')"
    )


async def drop_old(database: PostgresDatabase, now: datetime, retention: timedelta) -> list[Day]:
    """Drop the days that ended longer ago than that and hold nothing unfinished; which these were.

    One that is in use just now is left to the next time. Raises StorageError.
    """
    dropped: list[Day] = []
    kept: list[Day] = []
    async with database.guarded("cannot drop old tables"), database.writing.one() as link:
        there = {row[0] for row in await link.raw.fetch(_FOUND, list(_TABLES))}
    starts = {datetime.strptime(name.rpartition("_")[2], "%Y%m%d").replace(tzinfo=UTC) for name in there}
    for day in sorted(Day(start) for start in starts):
        if day.end + retention <= now:
            parts = [name for table in _TABLES if (name := day.partition(table)) in there]
            async with database.guarded("cannot drop old tables"):
                done = await _drop(database, day, parts)
            (dropped if done else kept).append(day)
    if kept:
        days = ", ".join(f"{day.start:%Y-%m-%d}" for day in kept)
        _log.info(
            "kept for now, since something of it is unfinished or in use: what was published on %s", days
        )
    return dropped


async def _drop(database: PostgresDatabase, day: Day, partitions: list[str]) -> bool:
    bounds = lowest_id(day.start), lowest_id(day.end + _SLACK)
    try:
        async with database.writing.transaction() as link:
            if await link.raw.fetchval(_UNFINISHED, *bounds):
                return False
            if not await link.raw.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
                return False
            await link.raw.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
            await link.raw.execute(
                f"LOCK TABLE {', '.join((*_TABLES, *partitions))} IN ACCESS EXCLUSIVE MODE"
            )
            if await link.raw.fetchval(_UNFINISHED, *bounds):  # since; now nobody can add to it
                raise _InUse
            await link.raw.execute(f"DROP TABLE {', '.join(partitions)}")
    except (_InUse, asyncpg.LockNotAvailableError):
        return False
    _log.info("dropped what was published on %s", f"{day.start:%Y-%m-%d}")
    return True


class _InUse(Exception):
    pass

"""The queue on SQLite: the moves of ENGINE.md, each one guarded transaction."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from adjourn.models import DeliveryState
from adjourn.storage.base import (
    Claim,
    Claimed,
    Entry,
    KeptAnswer,
    Recorded,
    Result,
    RetryAsked,
)
from adjourn.storage.sql.answers import insert_answer
from adjourn.storage.sql.discarding import any_to_discard, discard
from adjourn.storage.sql.retrying import ask_retry
from adjourn.storage.sql.rows import NEVER, time, to_ms
from adjourn.storage.sql.waiting import enter, wait, wake
from adjourn.storage.sqlite.database import Database
from adjourn.storage.sqlite.publishing import publish
from adjourn.storage.sqlite.recording import record

__all__ = ["SqliteQueue"]

# What an attempt needs of a waiting delivery, beside the app.
_CLAIMED = """
    SELECT job.seq, delivery.id, delivery.app_id, delivery.lane_id, delivery.event_id, delivery.event_type,
           CAST(event.head || coalesce(event.own_data, publication.data) || x'7d' AS BLOB),
           delivery.state, delivery.attempt_no, delivery.retry_count, job.manual, job.order_key,
           delivery.target
    FROM job
    JOIN delivery ON delivery.id = job.delivery_id
    JOIN event ON event.id = delivery.event_id
    JOIN publication ON publication.id = event.publication_id
    WHERE job.lane_id = ? AND job.owner IS NULL AND job.due <= ? AND job.seq > ?
    ORDER BY job.due, job.seq
    LIMIT ?
"""
_LANES = """
    SELECT lane.id, lane.app_id, app.discard_seq, app.drain_seq,
           app.status = 'active' AND app.webhook_enabled AND CASE
               WHEN lane.target IS NULL THEN app.webhook_url IS NOT NULL
               ELSE EXISTS (SELECT 1 FROM automation
                            WHERE automation.id = lane.target AND automation.status = 'active'
                              AND coalesce(automation.webhook_url, app.webhook_url) IS NOT NULL)
           END, app.version
    FROM lane LEFT JOIN app ON app.id = lane.app_id
    WHERE lane.wake_at <= ?
    ORDER BY lane.wake_at
"""
# Whether the oldest that is due in a lane is of the backlog: what is newer lies behind it.
_DRAINS = """
    SELECT seq <= ? FROM job WHERE lane_id = ? AND owner IS NULL AND due <= ? AND seq > ?
    ORDER BY due, seq LIMIT 1
"""
_NO_FLOOR = "~"  # above every id
_FORGET = """
    DELETE FROM idempotency
    WHERE (scope, key) IN (SELECT scope, key FROM idempotency WHERE at < ? LIMIT ?)
"""
_SWEPT_AT_ONCE = 1000  # answers in one commit


class SqliteQueue:
    """`storage.base.Queue` on one file. `clock` rules due times and leases."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def now(self) -> datetime:
        return self._clock()

    async def enlist(self, worker: str, *, lease: timedelta, floor: str) -> None:
        expires_at = to_ms(self._clock() + lease)

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO worker VALUES (?, ?, ?)", (worker, expires_at, floor))

        await self._database.write("enlist", run)

    async def publish(self, entries: Sequence[Entry]) -> None:
        now = to_ms(self._clock())
        await self._database.write("publish", lambda connection: publish(connection, entries, now))

    async def claim(
        self,
        worker: str,
        *,
        room: Callable[[int, str], int],
        limit: int,
        pace: Callable[[str], int] | None = None,
    ) -> Claim:
        now = to_ms(self._clock())
        paced: Counter[str] = Counter()
        versions: dict[str, int] = {}

        def run(connection: sqlite3.Connection) -> list[Claimed]:
            taken: list[Claimed] = []
            for lane_id, app_id, discard_seq, drain_seq, on, version in connection.execute(
                _LANES, (now,)
            ).fetchall():
                most = min(room(lane_id, app_id), limit - len(taken))
                drains = pace is not None and _drains(connection, lane_id, discard_seq, drain_seq, now)
                if pace is not None and drains:
                    most = min(most, pace(app_id) - paced[app_id])
                if on and most > 0:
                    found = _take(connection, worker, (lane_id, now, discard_seq, most), paced=drains)
                    paced[app_id] += len(found) if drains else 0
                    taken += found
                    versions[app_id] = version
                if most > 0 or not on:
                    _sleep(connection, lane_id, discard_seq if on else NEVER)
                if len(taken) >= limit:
                    break
            if taken:
                enter(connection, worker, now, floor=_NO_FLOOR)
            return taken

        taken = []
        if self._database.glance(f"{_LANES} LIMIT 1", (now,)):
            taken = await self._database.write("claim", run)
        ((next_wake,),) = self._database.glance("SELECT min(wake_at) FROM lane WHERE wake_at > ?", (now,))
        return Claim(taken, None if next_wake is None else time(next_wake), versions)

    async def record(self, worker: str, results: Sequence[Result]) -> Recorded:
        now = to_ms(self._clock())
        return await self._database.write(
            "record", lambda connection: record(connection, worker, results, now)
        )

    async def give_back(self, worker: str, deliveries: Sequence[Claimed]) -> None:
        now = to_ms(self._clock())

        def run(connection: sqlite3.Connection) -> None:
            for each in deliveries:
                if each.from_job:
                    connection.execute(
                        "UPDATE job SET owner = NULL WHERE delivery_id = ? AND owner = ?", (each.id, worker)
                    )
                elif connection.execute(
                    "UPDATE delivery SET owner = NULL WHERE id = ? AND owner = ?", (each.id, worker)
                ).rowcount:
                    wait(connection, each.id, each.app_id, each.lane_id, due=now)
                wake(connection, each.lane_id, now)

        await self._database.write("give_back", run)

    async def ask_retry(
        self,
        app_id: str,
        delivery_id: str,
        *,
        quiet: timedelta,
        keep: Callable[[RetryAsked], KeptAnswer | None],
    ) -> RetryAsked:
        now = self._clock()

        def run(connection: sqlite3.Connection) -> RetryAsked:
            asked = ask_retry(connection, app_id, delivery_id, now=to_ms(now), quiet_since=to_ms(now - quiet))
            if (answer := keep(asked)) is not None:
                insert_answer(connection, answer)
            return asked

        return await self._database.write("ask_retry", run)

    async def reap(self) -> int:
        now = to_ms(self._clock())

        dead = "SELECT id, floor FROM worker WHERE expires_at < ? ORDER BY id"

        def run(connection: sqlite3.Connection) -> int:
            dead_workers = connection.execute(dead, (now,)).fetchall()
            return sum(_reap(connection, worker, floor, now) for worker, floor in dead_workers)

        return await self._database.write("reap", run) if self._database.glance(dead, (now,)) else 0

    async def discard(self, *, limit: int) -> int:
        if not await self._database.look(any_to_discard):
            return 0
        now = to_ms(self._clock())
        return await self._database.write("discard", lambda connection: discard(connection, limit, now))

    async def sweep(self, *, answers_before: datetime) -> None:
        before = to_ms(answers_before)

        def run(connection: sqlite3.Connection) -> None:
            connection.execute(_FORGET, (before, _SWEPT_AT_ONCE))

        while self._database.glance("SELECT 1 FROM idempotency WHERE at < ? LIMIT 1", (before,)):
            await self._database.write("sweep", run)

    async def take_over(self) -> None:
        """End every worker's lease: no other process can have the file open (Database's lock)."""
        await self._database.write(
            "take_over", lambda connection: connection.execute("UPDATE worker SET expires_at = 0")
        )


# claim


def _drains(
    connection: sqlite3.Connection, lane_id: int, discard_seq: int | None, drain_seq: int | None, now: int
) -> bool:
    """Whether the app's backlog is what the lane would give now."""
    if not drain_seq:
        return False
    return bool(connection.execute(_DRAINS, (drain_seq, lane_id, now, discard_seq)).fetchone() == (1,))


def _take(
    connection: sqlite3.Connection, worker: str, bounds: tuple[int, int, int, int], *, paced: bool
) -> list[Claimed]:
    rows = connection.execute(_CLAIMED, bounds).fetchall()
    connection.executemany("UPDATE job SET owner = ? WHERE seq = ?", [(worker, row[0]) for row in rows])
    return [
        Claimed(
            id=row[1],
            app_id=row[2],
            lane_id=row[3],
            event_id=row[4],
            event_type=row[5],
            body=row[6],
            state=DeliveryState(row[7]),
            attempt_no=row[8],
            retry_count=row[9],
            manual=bool(row[10]),
            order_key=row[11],
            target=row[12],
            from_job=True,
            paced=paced,
        )
        for row in rows
    ]


def _sleep(connection: sqlite3.Connection, lane_id: int, discard_seq: int) -> None:
    """Set when the lane wakes for what still waits and is not discarded: for nothing, when all is."""
    connection.execute(
        "UPDATE lane SET wake_at = next.due FROM (SELECT nullif(min(due), ?) AS due FROM job "
        "WHERE lane_id = ? AND owner IS NULL AND seq > ?) AS next WHERE id = ? AND wake_at IS NOT next.due",
        (NEVER, lane_id, discard_seq, lane_id),
    )


# reap


def _reap(connection: sqlite3.Connection, worker: str, floor: str, now: int) -> int:
    """Put back what a dead worker held: jobs it had claimed, and deliveries it had from their publishing."""
    jobs = connection.execute(
        "UPDATE job SET owner = NULL WHERE owner = ? RETURNING lane_id", (worker,)
    ).fetchall()
    orphans = connection.execute(
        "UPDATE delivery SET owner = NULL WHERE id >= ? AND owner = ? RETURNING id, app_id, lane_id",
        (floor, worker),
    ).fetchall()
    for delivery_id, app_id, lane_id in sorted(orphans):
        wait(connection, delivery_id, app_id, lane_id, due=now)
    for lane_id in {row[0] for row in jobs} | {row[2] for row in orphans}:
        wake(connection, lane_id, now)
    connection.execute("DELETE FROM worker WHERE id = ?", (worker,))
    return len(jobs) + len(orphans)

"""The queue on SQLite: the moves of ENGINE.md, each one guarded transaction."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from adjourn.errors import NotFound
from adjourn.models import DeliveryState
from adjourn.storage.base import (
    AnswerExists,
    Claim,
    Claimed,
    Entry,
    KeptAnswer,
    NewDelivery,
    Recorded,
    Result,
    RetryAsked,
    StaleApps,
)
from adjourn.storage.sqlite.database import Database
from adjourn.storage.sqlite.recording import record
from adjourn.storage.sqlite.rows import DELIVERY_COLUMNS, NEVER, read_delivery, text, time, to_ms
from adjourn.storage.sqlite.waiting import finish, wait, wake

__all__ = ["SqliteQueue", "insert_answer"]

# What an attempt needs of a waiting delivery, beside the app.
_CLAIMED = """
    SELECT job.seq, delivery.id, delivery.app_id, delivery.lane_id, delivery.event_id, delivery.event_type,
           CAST(event.head || coalesce(event.own_data, publication.data) || x'7d' AS BLOB),
           delivery.state, delivery.attempt_no, delivery.retry_count, job.manual, job.order_key
    FROM job
    JOIN delivery ON delivery.id = job.delivery_id
    JOIN event ON event.id = delivery.event_id
    JOIN publication ON publication.id = event.publication_id
    WHERE job.lane_id = ? AND job.owner IS NULL AND job.due <= ? AND job.seq > ?
    ORDER BY job.due, job.seq
    LIMIT ?
"""
_LANES = """
    SELECT lane.id, app.discard_seq,
           app.status = 'active' AND app.webhook_enabled AND app.webhook_url IS NOT NULL
    FROM lane LEFT JOIN app ON app.id = lane.app_id
    WHERE lane.wake_at <= ?
    ORDER BY lane.wake_at
"""


_DELIVERY = f"SELECT {DELIVERY_COLUMNS} FROM delivery WHERE id = ? AND app_id = ?"  # noqa: S608
_BUSY = """
    SELECT delivery.owner IS NOT NULL
           OR EXISTS (SELECT 1 FROM job
                      WHERE delivery_id = delivery.id AND (job.owner IS NOT NULL OR job.due <= ?))
    FROM delivery WHERE id = ?
"""
_DISCARDED = """
    SELECT job.delivery_id FROM app JOIN job ON job.app_id = app.id AND job.seq <= app.discard_seq
    WHERE app.discard_seq > 0 AND job.owner IS NULL LIMIT ?
"""
_ABANDON = """
    UPDATE delivery SET state = 'abandoned', error = 'discarded', next_retry_at = NULL
    WHERE id = ? AND state IN ('pending', 'failed')
"""


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

        def run(connection: sqlite3.Connection) -> None:
            _check_versions(connection, entries)
            for entry in entries:
                if entry.answer is not None:
                    insert_answer(connection, entry.answer)
                if entry.revokes is not None:
                    _revoke(connection, entry, now)
            _insert(connection, entries, now)

        await self._database.write("publish", run)

    async def claim(self, worker: str, *, room: Callable[[int], int], limit: int) -> Claim:
        now = to_ms(self._clock())

        def run(connection: sqlite3.Connection) -> list[Claimed]:
            taken: list[Claimed] = []
            for lane_id, discard_seq, on in connection.execute(_LANES, (now,)).fetchall():
                most = min(room(lane_id), limit - len(taken))
                if on and most > 0:
                    taken += _take(connection, worker, (lane_id, now, discard_seq, most))
                if most > 0 or not on:
                    _sleep(connection, lane_id, discard_seq if on else NEVER)
                if len(taken) >= limit:
                    break
            return taken

        taken = []
        if self._database.look(f"{_LANES} LIMIT 1", (now,)):
            taken = await self._database.write("claim", run)
        ((next_wake,),) = self._database.look("SELECT min(wake_at) FROM lane WHERE wake_at > ?", (now,))
        return Claim(taken, None if next_wake is None else time(next_wake))

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
            asked = _ask_retry(connection, app_id, delivery_id, (now, now - quiet))
            if (answer := keep(asked)) is not None:
                insert_answer(connection, answer)
            return asked

        return await self._database.write("ask_retry", run)

    async def reap(self) -> int:
        now = to_ms(self._clock())

        dead = "SELECT id, floor FROM worker WHERE expires_at <= ?"

        def run(connection: sqlite3.Connection) -> int:
            dead_workers = connection.execute(dead, (now,)).fetchall()
            return sum(_reap(connection, worker, floor, now) for worker, floor in dead_workers)

        return await self._database.write("reap", run) if self._database.look(dead, (now,)) else 0

    async def discard(self, *, limit: int) -> int:
        now = to_ms(self._clock())

        def run(connection: sqlite3.Connection) -> int:
            rows = connection.execute(_DISCARDED, (limit,)).fetchall()
            for (delivery_id,) in rows:
                connection.execute(_ABANDON, (delivery_id,))
                finish(connection, delivery_id, now)
            return len(rows)

        return await self._database.write("discard", run) if self._database.look(_DISCARDED, (1,)) else 0

    async def sweep(self, *, answers_before: datetime) -> None:
        before = to_ms(answers_before)
        await self._database.write(
            "sweep", lambda connection: connection.execute("DELETE FROM idempotency WHERE at < ?", (before,))
        )

    async def take_over(self) -> None:
        """End every worker's lease: no other process can have the file open (Database's lock)."""
        await self._database.write(
            "take_over", lambda connection: connection.execute("UPDATE worker SET expires_at = 0")
        )


# publish


def _check_versions(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    planned: dict[str, int] = {}
    stale = []
    for entry in entries:
        for app_id, version in entry.app_versions.items():
            if planned.setdefault(app_id, version) != version:
                stale.append(app_id)
    for app_id, version in planned.items():
        row = connection.execute("SELECT version FROM app WHERE id = ?", (app_id,)).fetchone()
        if row != (version,):
            stale.append(app_id)
    if stale:
        raise StaleApps(sorted(set(stale)))


def insert_answer(connection: sqlite3.Connection, answer: KeptAnswer) -> None:
    """Keep the first answer with the work it tells of. Raises AnswerExists."""
    cursor = connection.execute(
        "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            answer.scope,
            answer.key,
            answer.body_hash,
            answer.status,
            answer.body,
            answer.sealed,
            to_ms(answer.at),
        ),
    )
    if cursor.rowcount == 0:
        raise AnswerExists(answer.key)


def _revoke(connection: sqlite3.Connection, entry: Entry, now: int) -> None:
    ended = entry.revokes
    assert ended is not None
    changed = connection.execute(
        "UPDATE connection SET status = 'revoked', updated_at = ? "
        "WHERE user_id = ? AND app_id = ? AND id = ? AND status <> 'revoked'",
        (now, ended.user_id, ended.app_id, ended.id),
    ).rowcount
    if not changed:
        raise NotFound("connection", ended.user_id)


def _insert(connection: sqlite3.Connection, entries: Sequence[Entry], now: int) -> None:
    connection.executemany(
        "INSERT INTO publication VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                each.id,
                to_ms(each.at),
                each.provider,
                each.event_type,
                each.timestamp,
                each.actor_user_id,
                text(each.audience),
                each.data,
                text(each.verdicts),
            )
            for each in (entry.publication for entry in entries)
        ],
    )
    connection.executemany(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)",
        [
            (each.id, each.publication_id, each.app_id, each.user_id, each.head, each.own_data)
            for entry in entries
            for each in entry.events
        ],
    )
    deliveries = [each for entry in entries for each in entry.deliveries]
    connection.executemany(
        "INSERT INTO delivery (id, app_id, event_id, event_type, lane_id, state, owner, created_at) "
        "VALUES (?, ?, ?, ?, ?, 'pending', ?, ?)",
        [
            (each.id, each.app_id, each.event_id, each.event_type, each.lane_id, each.owner, now)
            for each in deliveries
        ],
    )
    _insert_waiting(connection, deliveries, now)


def _insert_waiting(connection: sqlite3.Connection, deliveries: Sequence[NewDelivery], now: int) -> None:
    lanes = {each.lane_id: (each.lane_id, each.app_id, each.origin) for each in deliveries}
    connection.executemany(
        "INSERT INTO lane (id, app_id, origin) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", lanes.values()
    )
    for each in deliveries:
        if each.owner is None:
            wait(connection, each.id, each.app_id, each.lane_id, due=now, order_key=each.order_key)


# claim


def _take(connection: sqlite3.Connection, worker: str, bounds: tuple[int, int, int, int]) -> list[Claimed]:
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
            from_job=True,
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


# retry by hand


def _ask_retry(
    connection: sqlite3.Connection, app_id: str, delivery_id: str, moments: tuple[datetime, datetime]
) -> RetryAsked:
    now, quiet_since = moments
    row = connection.execute(_DELIVERY, (delivery_id, app_id)).fetchone()
    if row is None:
        raise NotFound("delivery", delivery_id)
    delivery = read_delivery(row)
    (busy,) = connection.execute(_BUSY, (to_ms(now), delivery_id)).fetchone()
    asked_at = delivery.retry_asked_at
    if busy or (asked_at is not None and asked_at > quiet_since):
        return RetryAsked(delivery=delivery, scheduled=False, at=asked_at or now)
    due = to_ms(now)
    connection.execute("UPDATE delivery SET retry_asked_at = ? WHERE id = ?", (due, delivery_id))
    wait(connection, delivery_id, app_id, delivery.lane_id, due=due, manual=True)
    return RetryAsked(delivery=delivery, scheduled=True, at=time(due))


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
    for delivery_id, app_id, lane_id in orphans:
        wait(connection, delivery_id, app_id, lane_id, due=now)
    for lane_id in {row[0] for row in jobs} | {row[2] for row in orphans}:
        wake(connection, lane_id, now)
    connection.execute("DELETE FROM worker WHERE id = ?", (worker,))
    return len(jobs) + len(orphans)

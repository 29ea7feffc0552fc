"""The queue on SQLite: the moves of ENGINE.md, each one guarded transaction."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from adjourn.storage.base import Claim, Claimed, Entry, Recorded, Result
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.queue import SqlQueue
from adjourn.storage.sql.rows import HIGHEST_ID, NEVER, read_claimed, time, to_ms
from adjourn.storage.sql.waiting import enter
from adjourn.storage.sqlite.database import Database
from adjourn.storage.sqlite.publishing import publish
from adjourn.storage.sqlite.recording import record
from adjourn.vault import Vault

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
               WHEN lane.target = 'callback' THEN TRUE
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


class SqliteQueue(SqlQueue):
    """`storage.base.Queue` on one file. `clock` rules due times and leases, `vault` seals secrets."""

    def __init__(self, database: Database, vault: Vault, *, clock: Callable[[], datetime]) -> None:
        super().__init__(database, clock=clock)
        self._database = database
        self._vault = vault

    async def publish(self, entries: Sequence[Entry]) -> None:
        now = to_ms(self._clock())
        await self._database.write(
            "publish", lambda connection: publish(connection, entries, self._vault, now)
        )

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

        def run(connection: Connection) -> list[Claimed]:
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
                enter(connection, worker, now, floor=HIGHEST_ID)
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

    async def take_over(self) -> None:
        """End every worker's lease: no other process can have the file open (Database's lock)."""
        await self._database.write(
            "take_over", lambda connection: connection.execute("UPDATE worker SET expires_at = 0")
        )


# claim


def _drains(
    connection: Connection, lane_id: int, discard_seq: int | None, drain_seq: int | None, now: int
) -> bool:
    """Whether the app's backlog is what the lane would give now."""
    if not drain_seq:
        return False
    return bool(connection.execute(_DRAINS, (drain_seq, lane_id, now, discard_seq)).fetchone() == (1,))


def _take(
    connection: Connection, worker: str, bounds: tuple[int, int, int, int], *, paced: bool
) -> list[Claimed]:
    rows = connection.execute(_CLAIMED, bounds).fetchall()
    connection.executemany("UPDATE job SET owner = ? WHERE seq = ?", [(worker, row[0]) for row in rows])
    return [read_claimed(row[1:], paced=paced) for row in rows]


def _sleep(connection: Connection, lane_id: int, discard_seq: int) -> None:
    """Set when the lane wakes for what still waits and is not discarded: for nothing, when all is."""
    connection.execute(
        "UPDATE lane SET wake_at = next.due FROM (SELECT nullif(min(due), ?) AS due FROM job "
        "WHERE lane_id = ? AND owner IS NULL AND seq > ?) AS next WHERE id = ? AND wake_at IS NOT next.due",
        (NEVER, lane_id, discard_seq, lane_id),
    )

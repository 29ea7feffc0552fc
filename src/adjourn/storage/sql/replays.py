"""Replays: what matches is looked for beside the loop, a small write schedules what was found."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from adjourn.errors import Conflict, NotFound
from adjourn.models import DeliveryState, Replay, ReplayStatus
from adjourn.storage.base import KeptAnswer
from adjourn.storage.sql.answers import insert_answer
from adjourn.storage.sql.connection import Connection, Database, look_up
from adjourn.storage.sql.retrying import ask_retry
from adjourn.storage.sql.rows import LOWEST_ID, NEVER, maybe, maybe_ms, time, to_ms

__all__ = ["SqlReplays"]

_COLUMNS = (
    "id, app_id, status, state, event_type, since, until, up_to, total, scheduled, skipped, created_at, "
    "finished_at"
)
_INSERT = f"""
    INSERT INTO replay ({_COLUMNS}, cursor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{LOWEST_ID}')
"""  # noqa: S608
_GET = f"SELECT {_COLUMNS} FROM replay WHERE app_id = ? AND id = ?"  # noqa: S608
_LIST = f"SELECT {_COLUMNS} FROM replay WHERE app_id = ? ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608
_RUNNING = f"""
    SELECT {_COLUMNS} FROM replay
    WHERE status = 'running' AND EXISTS (
        SELECT 1 FROM app WHERE app.id = replay.app_id AND app.status = 'active' AND app.webhook_enabled)
    ORDER BY id LIMIT 200
"""  # noqa: S608
_COUNT_RUNNING = "SELECT count(*) FROM replay WHERE app_id = ? AND status = 'running'"
_CURSOR = "SELECT cursor FROM replay WHERE id = ? AND status = 'running'"
_MOST_RUNNING = 5  # of one app
# It has somewhere to go, and is no follower in order: the one before it is not final yet.
_MAY_GO = f"""
    CASE WHEN delivery.target IS NULL
         THEN (SELECT webhook_url FROM app WHERE app.id = delivery.app_id) IS NOT NULL
         WHEN delivery.target LIKE 'callback:%'
         THEN EXISTS (SELECT 1 FROM subject
                      WHERE subject.app_id = delivery.app_id AND subject.id = substr(delivery.target, 10)
                        AND callback_url IS NOT NULL)
         ELSE EXISTS (SELECT 1 FROM automation
                      WHERE automation.id = delivery.target AND status = 'active') END
    AND NOT EXISTS (SELECT 1 FROM job WHERE job.delivery_id = delivery.id AND job.due = {NEVER})
"""  # noqa: S608
# Those of an automation that is inactive by now wait for that, and hold up nobody.
_BY_HAND = """
    SELECT count(*) FROM (
        SELECT 1 FROM job JOIN lane ON lane.id = job.lane_id
        LEFT JOIN automation ON automation.id = lane.target
        WHERE job.app_id = ? AND job.manual
          AND (lane.target IS NULL OR lane.target = 'callback' OR automation.status = 'active')
        LIMIT ?) AS waiting
"""
# More may match by now than when it was asked for.
_ADVANCE = """
    UPDATE replay SET cursor = ?, scheduled = scheduled + ?, skipped = skipped + ?,
           total = CASE WHEN total < scheduled + skipped + ? THEN scheduled + skipped + ? ELSE total END
    WHERE id = ?
"""
# What matched when it was asked for, and was never found again, was skipped as well.
_DONE = """
    UPDATE replay SET status = 'done', finished_at = ?,
           skipped = CASE WHEN skipped < total - scheduled THEN total - scheduled ELSE skipped END
    WHERE id = ?
"""
_CANCEL = """
    UPDATE replay SET status = 'cancelled', finished_at = ? WHERE app_id = ? AND id = ? AND status = 'running'
"""


class SqlReplays:
    """`storage.base.Replays`."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def count(self, replay: Replay) -> int:
        where, values = _matching(replay)
        sql = f"SELECT count(*) FROM delivery WHERE {where}"  # noqa: S608

        def run(connection: Connection) -> int:
            (count,) = connection.execute(sql, values).fetchone()
            return int(count)

        return await self._database.read(run, turn=replay.app_id)

    async def add(self, replay: Replay, *, answer: KeptAnswer | None) -> None:
        def run(connection: Connection) -> None:
            connection.lock(f"replays of {replay.app_id}")
            (running,) = connection.execute(_COUNT_RUNNING, (replay.app_id,)).fetchone()
            if running >= _MOST_RUNNING:
                raise Conflict(
                    f"{running} bulk retries of this app are running: cancel one, or wait for its end"
                )
            connection.execute(_INSERT, _replay_row(replay))
            if answer is not None:
                insert_answer(connection, answer)

        await self._database.write("add_replay", run)

    async def get(self, app_id: str, replay_id: str) -> Replay:
        for row in await look_up(self._database, _GET, app_id, replay_id):
            return _read_replay(row)
        raise NotFound("replay", replay_id)

    async def list_replays(self, app_id: str, *, limit: int, offset: int) -> tuple[list[Replay], int]:
        def run(connection: Connection) -> tuple[list[Replay], int]:
            (total,) = connection.execute(
                "SELECT count(*) FROM replay WHERE app_id = ?", (app_id,)
            ).fetchone()
            rows = connection.execute(_LIST, (app_id, limit, offset))
            return [_read_replay(row) for row in rows], total

        return await self._database.read(run, turn=app_id)

    async def list_running(self) -> Sequence[Replay]:
        return [_read_replay(row) for row in await look_up(self._database, _RUNNING)]

    async def step(self, replay: Replay, *, limit: int, waiting: int, quiet: timedelta) -> int:
        now = self._clock()
        ((by_hand,),) = await look_up(self._database, _BY_HAND, replay.app_id, waiting)
        if by_hand >= waiting:
            return 0
        found = await self._database.read(lambda connection: _find(connection, replay, limit))
        if found is None:
            return 0
        cursor, ids = found

        def run(connection: Connection) -> int:
            row = connection.hold(_CURSOR, (replay.id,)).fetchone()
            if row is None or row[0] != cursor:
                return 0  # cancelled meanwhile, or somebody else made this step
            moments = {"now": to_ms(now), "quiet_since": to_ms(now - quiet)}
            scheduled = sum(_schedule(connection, replay, each, **moments) for each in ids)
            progress = (ids[-1] if ids else cursor, scheduled, len(ids) - scheduled, len(ids), len(ids))
            connection.execute(_ADVANCE, (*progress, replay.id))
            if len(ids) < limit:
                connection.execute(_DONE, (to_ms(now), replay.id))
            return scheduled

        return await self._database.write("step_replay", run)

    async def cancel(self, app_id: str, replay_id: str) -> Replay:
        now = to_ms(self._clock())
        await self._database.write(
            "cancel_replay", lambda connection: connection.execute(_CANCEL, (now, app_id, replay_id))
        )
        return await self.get(app_id, replay_id)


def _matching(replay: Replay) -> tuple[str, tuple[object, ...]]:
    """The condition that its deliveries meet, and the condition's values. `until` itself is too late."""
    bounds = {
        "app_id = ?": replay.app_id,
        "id <= ?": replay.up_to,
        "state = ?": replay.state,
        "event_type = ?": replay.event_type,
        "created_at >= ?": maybe_ms(replay.since),
        "created_at < ?": maybe_ms(replay.until),
        # what it is about, not what becomes so while it runs
        "delivered_at <= ?": to_ms(replay.created_at) if replay.state is DeliveryState.DELIVERED else None,
    }
    given = {bound: value for bound, value in bounds.items() if value is not None}
    return " AND ".join(given), tuple(given.values())


def _find(connection: Connection, replay: Replay, limit: int) -> tuple[str, list[str]] | None:
    """Where it stands, and the next deliveries; None when it is not running. It may read a long history."""
    row = connection.execute(_CURSOR, (replay.id,)).fetchone()
    if row is None:
        return None
    where, values = _matching(replay)
    sql = f"SELECT id FROM delivery WHERE {where} AND id > ? ORDER BY id LIMIT ?"  # noqa: S608
    start = row[0] or LOWEST_ID  # '': one begun by an older version
    return row[0], [each for (each,) in connection.execute(sql, (*values, start, limit))]


def _schedule(
    connection: Connection, replay: Replay, delivery_id: str, *, now: int, quiet_since: int
) -> bool:
    """Whether it got an extra attempt: it must match still, may go, and is not tried just now.

    Not where it would have to wait: extra attempts that wait would hold the whole replay up. It is held from
    the look on.
    """
    where, values = _matching(replay)
    sql = f"SELECT 1 FROM delivery WHERE {where} AND id = ? AND {_MAY_GO}"  # noqa: S608
    if connection.hold(sql, (*values, delivery_id)).fetchone() is None:
        return False
    try:
        asked = ask_retry(connection, replay.app_id, delivery_id, now=now, quiet_since=quiet_since)
    except Conflict:
        return False
    return asked.scheduled


def _replay_row(replay: Replay) -> tuple[object, ...]:
    return (
        replay.id,
        replay.app_id,
        replay.status,
        replay.state,
        replay.event_type,
        maybe_ms(replay.since),
        maybe_ms(replay.until),
        replay.up_to,
        replay.total,
        replay.scheduled,
        replay.skipped,
        to_ms(replay.created_at),
        maybe_ms(replay.finished_at),
    )


def _read_replay(row: tuple[Any, ...]) -> Replay:
    return Replay(
        id=row[0],
        app_id=row[1],
        status=ReplayStatus(row[2]),
        state=None if row[3] is None else DeliveryState(row[3]),
        event_type=row[4],
        since=maybe(row[5]),
        until=maybe(row[6]),
        up_to=row[7],
        total=row[8],
        scheduled=row[9],
        skipped=row[10],
        created_at=time(row[11]),
        finished_at=maybe(row[12]),
    )

"""What becomes of what waits for an app, when it is switched on or deleted. The app's row is held throughout.

A number tells a backlog from what comes later: the highest seq of a job that was given out when it was taken.
Whatever was published before the change was asked for has a lower one. What is published beside it may be
counted in or not: it began before the change had answered. Numbers are given out in order, so nothing that
begins later has a lower one.
"""

from adjourn.storage.base import Backlog
from adjourn.storage.sql.connection import Connection, any_of
from adjourn.storage.sql.rows import NEVER
from adjourn.storage.sql.waiting import wake

__all__ = ["CANCEL_REPLAYS", "cover_held", "settle_backlog", "wake_lanes"]

CANCEL_REPLAYS = """
    UPDATE replay SET status = 'cancelled', finished_at = ? WHERE app_id = ? AND status = 'running'
"""
_WORKERS = "SELECT id, floor FROM worker ORDER BY id"
_UNHAND = "UPDATE delivery SET owner = NULL WHERE app_id = ? AND id >= ? AND owner = ? RETURNING id, lane_id"
_COVER = f"""
    INSERT INTO job (delivery_id, app_id, lane_id, due, owner) VALUES (?, ?, ?, {NEVER}, ?)
    ON CONFLICT (delivery_id) DO UPDATE SET owner = excluded.owner
"""  # noqa: S608
_DISCARD = """
    UPDATE app SET discard_seq = (SELECT coalesce(max(seq), 0) FROM job WHERE app_id = app.id) WHERE id = ?
"""
_DRAIN = """
    UPDATE app SET drain_seq = (SELECT coalesce(max(seq), 0) FROM job WHERE app_id = app.id) WHERE id = ?
"""
# Those beyond the limit come at their own time, within the half hour: so many at once cost 20 ms.
_RETRIES = f"""
    SELECT seq, delivery_id, lane_id FROM job
    WHERE owner IS NULL AND lane_id IN (SELECT id FROM lane WHERE app_id = ?)
      AND due > ? AND due < {NEVER}
    LIMIT 5000
"""  # noqa: S608
_AT_ONCE = 256  # in one statement
_LANES = "SELECT id FROM lane WHERE app_id = ? ORDER BY id"
_WAKE = f"""
    UPDATE lane SET wake_at = (
        SELECT min(job.due) FROM job WHERE job.lane_id = lane.id AND job.owner IS NULL)
    WHERE app_id = ? AND EXISTS (
        SELECT 1 FROM job
        WHERE job.lane_id = lane.id AND job.owner IS NULL AND job.due < coalesce(lane.wake_at, {NEVER}))
"""  # noqa: S608


def cover_held(connection: Connection, app_id: str) -> None:
    """What workers have held since it was published gets the job it would wait in, to be discarded too.

    An attempt under way may end well; if not, that was the last. The worker moves from the delivery's row to
    the job's, which is never due: so whoever records under its name finds no such owner in the delivery's
    row, and looks for the job then.
    """
    for worker, floor in connection.execute(_WORKERS).fetchall():
        held = connection.execute(_UNHAND, (app_id, floor, worker)).fetchall()
        connection.executemany(_COVER, [(row[0], app_id, row[1], worker) for row in sorted(held)])


def settle_backlog(connection: Connection, app_id: str, backlog: Backlog | None, now: int) -> None:
    match backlog:
        case Backlog.ABANDON:
            cover_held(connection, app_id)
            connection.execute(_DISCARD, (app_id,))
            connection.execute(CANCEL_REPLAYS, (now, app_id))
        case Backlog.DELIVER:
            connection.execute(_DRAIN, (app_id,))
            retries = connection.execute(_RETRIES, (app_id, now)).fetchall()
            for start in range(0, len(retries), _AT_ONCE):
                _make_due(connection, retries[start : start + _AT_ONCE], now)


def wake_lanes(connection: Connection, app_id: str) -> None:
    """After claims have passed over the app: each of its lanes wakes by the time its first job is due.

    The lanes are held before their jobs are looked at.
    """
    connection.hold(_LANES, (app_id,))
    connection.execute(_WAKE, (app_id,))


def _make_due(connection: Connection, retries: list[tuple[int, str, int]], now: int) -> None:
    """Those that still wait are due now. Held: the deliveries, then the lanes; so no claim comes between."""
    of_id, ids = any_of([delivery_id for _, delivery_id, _ in retries])
    of_seq, seqs = any_of([seq for seq, _, _ in retries])
    connection.hold(f"SELECT id FROM delivery WHERE id IN {of_id} ORDER BY id", ids)  # noqa: S608
    for lane_id in sorted({lane_id for _, _, lane_id in retries}):
        wake(connection, lane_id, now)
    made = connection.execute(
        f"UPDATE job SET due = ? WHERE seq IN {of_seq} AND owner IS NULL AND due > ? "  # noqa: S608
        f"AND due < {NEVER} RETURNING delivery_id",
        (now, *seqs, now),
    ).fetchall()
    if made:
        of_id, ids = any_of([delivery_id for (delivery_id,) in made])
        connection.execute(f"UPDATE delivery SET next_retry_at = ? WHERE id IN {of_id}", (now, *ids))  # noqa: S608

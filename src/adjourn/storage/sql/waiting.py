"""Jobs, lanes and workers: what waits, where, until when, for whom. Statements of the queue's moves.

A lane's `wake_at` is the earliest due time of the jobs that wait in it, or earlier; NULL when it has none to
wake for. Whoever lets a job wait, or makes it due earlier, holds the lane's row before and lowers `wake_at`;
only a claim raises it, while it holds that row. So a claim beside it either sees the job or is seen.
"""

from collections.abc import Sequence

from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.rows import NEVER

__all__ = ["ADD_LANE", "enter", "finish", "hold_lane", "promote", "wait", "wake"]

ADD_LANE = "INSERT INTO lane (id, app_id, origin, target) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_ENTER = """
    INSERT INTO worker (id, expires_at, floor) VALUES (?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET floor = excluded.floor WHERE worker.floor > excluded.floor
"""
_WAIT = """
    INSERT INTO job (delivery_id, app_id, lane_id, due, order_key, manual) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (delivery_id) DO UPDATE SET due = excluded.due, owner = NULL, manual = excluded.manual
"""
_LANE = "SELECT wake_at FROM lane WHERE id = ?"
_HAS_JOB = "SELECT 1 FROM job WHERE app_id = ? AND order_key = ? LIMIT 1"
_NEXT = "SELECT seq, lane_id FROM job WHERE app_id = ? AND order_key = ? ORDER BY seq LIMIT 1"
_PROMOTE = f"UPDATE job SET due = ? WHERE seq = ? AND due = {NEVER} AND owner IS NULL"  # noqa: S608


def enter(connection: Connection, worker: str, now: int, *, floor: str) -> None:
    """See that `reap` will find what a worker takes, though its lease may have been reaped unnoticed.

    One that is not enlisted is entered with a lease that is over, until it renews it or is reaped again.
    """
    connection.execute(_ENTER, (worker, now, floor))


def wait(
    connection: Connection,
    delivery_id: str,
    app_id: str,
    lane_id: int,
    *,
    due: int,
    order_key: str | None = None,
    manual: bool = False,
) -> None:
    """Let a delivery wait until `due`; behind the others of its order key, until those are final.

    The caller holds the delivery's row, or has just made it. The order key is locked, then the lane.
    """
    if order_key is not None:
        connection.lock(_order(app_id, order_key))
        if connection.execute(_HAS_JOB, (app_id, order_key)).fetchone():
            due = NEVER
    wake(connection, lane_id, due)
    connection.execute(_WAIT, (delivery_id, app_id, lane_id, due, order_key, manual))


def wake(connection: Connection, lane_id: int, due: int) -> None:
    """Before a job waits in the lane until `due`: hold the lane, and see that it wakes by then."""
    if due != NEVER:
        row = connection.hold(_LANE, (lane_id,)).fetchone()
        if row is not None and (row[0] is None or row[0] > due):
            connection.execute("UPDATE lane SET wake_at = ? WHERE id = ?", (due, lane_id))


def hold_lane(connection: Connection, lane_id: int) -> None:
    """Let nobody claim from the lane until the transaction ends."""
    connection.hold(_LANE, (lane_id,))


def finish(connection: Connection, delivery_id: str, now: int) -> None:
    """Drop a delivery's job: it is final. The next of its order key, if that waits for it, is due.

    The caller holds the delivery's row.
    """
    dropped = connection.execute(
        "DELETE FROM job WHERE delivery_id = ? RETURNING app_id, order_key", (delivery_id,)
    ).fetchall()
    promote(connection, dropped, now)


def promote(connection: Connection, dropped: Sequence[tuple[str, str | None]], now: int) -> None:
    """After jobs were dropped, each an app and an order key: what is first of its order now is due.

    Whoever lets one wait behind another has the order key's lock until that is committed: the look that
    follows the lock finds it.
    """
    orders = {(app_id, order_key) for app_id, order_key in dropped if order_key is not None}
    for app_id, order_key in sorted(orders):
        connection.lock(_order(app_id, order_key))
    for order in sorted(orders):
        first = connection.execute(_NEXT, order).fetchone()
        if first is not None:
            wake(connection, first[1], now)
            connection.execute(_PROMOTE, (now, first[0]))


def _order(app_id: str, order_key: str) -> str:
    return f"order {app_id} {order_key}"

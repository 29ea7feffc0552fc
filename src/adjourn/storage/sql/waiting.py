"""Jobs, lanes and workers: what waits, where, until when, for whom. Statements of the queue's moves."""

from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.rows import NEVER

__all__ = ["enter", "finish", "wait", "wake"]


def enter(connection: Connection, worker: str, now: int, *, floor: str) -> None:
    """See that `reap` will find what a worker takes, though its lease may have been reaped unnoticed.

    One that is not enlisted is entered with a lease that is over, until it renews it or is reaped again.
    """
    connection.execute(
        "INSERT INTO worker VALUES (?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET floor = excluded.floor WHERE floor > excluded.floor",
        (worker, now, floor),
    )


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
    """Let a delivery wait until `due`; behind the others of its order key, until those are final."""
    if order_key is not None and _has_job(connection, app_id, order_key):
        due = NEVER
    connection.execute(
        "INSERT INTO job (delivery_id, app_id, lane_id, due, order_key, manual) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (delivery_id) DO UPDATE SET due = excluded.due, owner = NULL, manual = excluded.manual",
        (delivery_id, app_id, lane_id, due, order_key, manual),
    )
    wake(connection, lane_id, due)


def wake(connection: Connection, lane_id: int, due: int) -> None:
    """See that the lane wakes at `due` at the latest."""
    if due != NEVER:
        connection.execute(
            "UPDATE lane SET wake_at = ? WHERE id = ? AND (wake_at IS NULL OR wake_at > ?)",
            (due, lane_id, due),
        )


def finish(connection: Connection, delivery_id: str, now: int) -> None:
    """Drop a delivery's job: it is final. The next of its order key, if that waits for it, is due."""
    row = connection.execute(
        "DELETE FROM job WHERE delivery_id = ? RETURNING app_id, order_key", (delivery_id,)
    ).fetchone()
    if row is None or row[1] is None:
        return
    follower = connection.execute(
        "UPDATE job SET due = ? WHERE due = ? AND owner IS NULL AND seq = "
        "(SELECT min(seq) FROM job WHERE app_id = ? AND order_key = ?) RETURNING lane_id",
        (now, NEVER, *row),
    ).fetchone()
    if follower is not None:
        wake(connection, follower[0], now)


def _has_job(connection: Connection, app_id: str, order_key: str) -> bool:
    row = connection.execute(
        "SELECT 1 FROM job WHERE app_id = ? AND order_key = ? LIMIT 1", (app_id, order_key)
    ).fetchone()
    return row is not None

"""Extra attempts: of one delivery by hand, of many by a replay."""

from adjourn.errors import Conflict, NotFound
from adjourn.models import Delivery
from adjourn.storage.base import RetryAsked
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.discarding import ORPHANED, discard_one, is_orphaned
from adjourn.storage.sql.rows import DELIVERY_COLUMNS, is_id, read_delivery, time, to_ms
from adjourn.storage.sql.waiting import hold_lane, wait

__all__ = ["ask_retry"]

_DELIVERY = f"SELECT {DELIVERY_COLUMNS} FROM delivery WHERE id = ? AND app_id = ?"  # noqa: S608
_EVENT = "SELECT 1 FROM event WHERE id = ?"  # on PostgreSQL its day may have been dropped
_BUSY = """
    SELECT delivery.owner IS NOT NULL
           OR EXISTS (SELECT 1 FROM job
                      WHERE job.delivery_id = delivery.id AND (job.owner IS NOT NULL OR job.due <= ?))
    FROM delivery WHERE id = ?
"""


def ask_retry(
    connection: Connection, app_id: str, delivery_id: str, *, now: int, quiet_since: int
) -> RetryAsked:
    """What Queue.ask_retry does. Raises NotFound, and Conflict where the automation it is for was deleted, or
    its event was dropped.

    It holds the delivery, so that one asks at a time and no outcome is recorded, then the lane, so that
    nobody claims; then it looks.
    """
    delivery = _hold(connection, app_id, delivery_id)
    # as `Queue.discard` will, or the new job would share its end
    if discard_one(connection, delivery_id, now):
        delivery = _hold(connection, app_id, delivery_id)
    if is_orphaned(connection, delivery):
        raise Conflict(f"delivery {delivery_id!r} cannot be retried: {ORPHANED}")
    if connection.execute(_EVENT, (delivery.event_id,)).fetchone() is None:
        raise Conflict(f"delivery {delivery_id!r} cannot be retried: its event is older than what is kept")
    hold_lane(connection, delivery.lane_id)
    (busy,) = connection.execute(_BUSY, (now, delivery_id)).fetchone()
    asked_at = delivery.retry_asked_at
    repeated = asked_at is not None and quiet_since <= to_ms(asked_at) <= now
    if busy or repeated:
        return RetryAsked(delivery=delivery, scheduled=False, at=asked_at or time(now), is_repeated=repeated)
    connection.execute("UPDATE delivery SET retry_asked_at = ? WHERE id = ?", (now, delivery_id))
    wait(connection, delivery_id, app_id, delivery.lane_id, due=now, manual=True)
    return RetryAsked(delivery=delivery, scheduled=True, at=time(now))


def _hold(connection: Connection, app_id: str, delivery_id: str) -> Delivery:
    row = connection.hold(_DELIVERY, (delivery_id, app_id)).fetchone() if is_id(delivery_id) else None
    if row is None:
        raise NotFound("delivery", delivery_id)
    return read_delivery(row)

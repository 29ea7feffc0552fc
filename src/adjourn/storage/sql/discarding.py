"""Deliveries that wait for nothing any more: discarded by their app, or their automation was deleted."""

from adjourn.models import Delivery
from adjourn.storage.sql.connection import Connection, any_of
from adjourn.storage.sql.waiting import promote

__all__ = ["ORPHANED", "any_to_discard", "discard", "discard_one", "is_orphaned"]

_DISCARDED = "discarded"
ORPHANED = "its automation was deleted"

# CROSS JOIN: first the apps, or the deleted automations. Else SQLite would look at everything that waits.
_FIND_DISCARDED = """
    SELECT job.seq, job.delivery_id FROM app CROSS JOIN job
    WHERE app.discard_seq > 0 AND job.app_id = app.id AND job.seq <= app.discard_seq AND job.owner IS NULL
    LIMIT ?
"""
_FIND_ORPHANED = """
    SELECT job.seq, job.delivery_id FROM automation CROSS JOIN lane CROSS JOIN job
    WHERE automation.status = 'deleted' AND lane.target = automation.id AND job.lane_id = lane.id
      AND job.owner IS NULL
    LIMIT ?
"""
_IS_DISCARDED = """
    SELECT job.seq, job.delivery_id FROM job JOIN app ON app.id = job.app_id
    WHERE job.delivery_id = ? AND job.seq <= app.discard_seq AND job.owner IS NULL
"""
_IS_ORPHANED = "SELECT 1 FROM automation WHERE id = ? AND status = 'deleted'"
_ABANDON = """
    UPDATE delivery SET state = 'abandoned', error = ?, next_retry_at = NULL
    WHERE state IN ('pending', 'failed')
"""
_AT_ONCE = 256  # in one statement

Found = list[tuple[int, str]]
"""Jobs: seq, and the delivery."""


def any_to_discard(connection: Connection) -> bool:
    return any(connection.execute(each, (1,)).fetchone() for each in (_FIND_DISCARDED, _FIND_ORPHANED))


def discard(connection: Connection, limit: int, now: int) -> int:
    """Abandon up to `limit` of them; how many it was."""
    count = 0
    for query, error in ((_FIND_DISCARDED, _DISCARDED), (_FIND_ORPHANED, ORPHANED)):
        found = connection.execute(query, (limit - count,)).fetchall() if count < limit else []
        for start in range(0, len(found), _AT_ONCE):
            count += _abandon(connection, found[start : start + _AT_ONCE], error, now)
    return count


def discard_one(connection: Connection, delivery_id: str, now: int) -> bool:
    """Abandon it, if its app has discarded it; whether it was."""
    found = connection.execute(_IS_DISCARDED, (delivery_id,)).fetchall()
    return bool(found and _abandon(connection, found, _DISCARDED, now))


def is_orphaned(connection: Connection, delivery: Delivery) -> bool:
    if delivery.target is None:
        return False
    return connection.execute(_IS_ORPHANED, (delivery.target,)).fetchone() is not None


def _abandon(connection: Connection, found: Found, error: str, now: int) -> int:
    """How many were still there to abandon: by then one may be claimed, or wait anew with another seq.

    The deliveries are held first, as by all who move one: then the jobs tell what is so.
    """
    of_seq, seqs = any_of([seq for seq, _ in found])
    of_id, ids = any_of([delivery_id for _, delivery_id in found])
    connection.hold(f"SELECT id FROM delivery WHERE id IN {of_id} ORDER BY id", ids)  # noqa: S608
    dropped = connection.execute(
        f"DELETE FROM job WHERE seq IN {of_seq} AND owner IS NULL "  # noqa: S608
        "RETURNING delivery_id, app_id, order_key",
        seqs,
    ).fetchall()
    if dropped:
        of_id, ids = any_of([row[0] for row in dropped])
        connection.execute(
            f"{_ABANDON} AND id IN {of_id}",
            (error, *ids),
        )
        promote(connection, [(row[1], row[2]) for row in dropped], now)
    return len(dropped)

"""Deliveries that wait for nothing any more: discarded by their app, or their automation was deleted."""

from adjourn.models import Delivery
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.waiting import finish

__all__ = ["ORPHANED", "any_to_discard", "discard", "discard_one", "is_orphaned"]

_DISCARDED = "discarded"
ORPHANED = "its automation was deleted"

# CROSS JOIN: first the apps, or the deleted automations. Else it would look at everything that waits.
_FIND_DISCARDED = """
    SELECT job.delivery_id FROM app CROSS JOIN job ON job.app_id = app.id AND job.seq <= app.discard_seq
    WHERE app.discard_seq > 0 AND job.owner IS NULL LIMIT ?
"""
_FIND_ORPHANED = """
    SELECT job.delivery_id FROM automation CROSS JOIN lane ON lane.target = automation.id
    CROSS JOIN job ON job.lane_id = lane.id
    WHERE automation.status = 'deleted' AND job.owner IS NULL LIMIT ?
"""
_IS_DISCARDED = """
    SELECT 1 FROM job JOIN app ON app.id = job.app_id AND job.seq <= app.discard_seq
    WHERE job.delivery_id = ? AND job.owner IS NULL
"""
_IS_ORPHANED = "SELECT 1 FROM automation WHERE id = ? AND status = 'deleted'"
_ABANDON = """
    UPDATE delivery SET state = 'abandoned', error = ?, next_retry_at = NULL
    WHERE id = ? AND state IN ('pending', 'failed')
"""


def any_to_discard(connection: Connection) -> bool:
    return any(connection.execute(each, (1,)).fetchone() for each in (_FIND_DISCARDED, _FIND_ORPHANED))


def discard(connection: Connection, limit: int, now: int) -> int:
    """Abandon up to `limit` of them; how many it was."""
    found = 0
    for query, error in ((_FIND_DISCARDED, _DISCARDED), (_FIND_ORPHANED, ORPHANED)):
        rows = connection.execute(query, (limit - found,)).fetchall()
        for (delivery_id,) in rows:
            _abandon(connection, delivery_id, error, now)
        found += len(rows)
    return found


def discard_one(connection: Connection, delivery_id: str, now: int) -> None:
    """Abandon it, if its app has discarded it."""
    if connection.execute(_IS_DISCARDED, (delivery_id,)).fetchone():
        _abandon(connection, delivery_id, _DISCARDED, now)


def is_orphaned(connection: Connection, delivery: Delivery) -> bool:
    if delivery.target is None:
        return False
    return connection.execute(_IS_ORPHANED, (delivery.target,)).fetchone() is not None


def _abandon(connection: Connection, delivery_id: str, error: str, now: int) -> None:
    connection.execute(_ABANDON, (error, delivery_id))
    finish(connection, delivery_id, now)

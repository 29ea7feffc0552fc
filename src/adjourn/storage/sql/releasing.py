"""Putting back what a worker holds: given back by itself, or taken from it when its lease is over.

A delivery that a worker holds has the worker in its row, if it was published to it, or else in its job's.
"""

from collections.abc import Sequence

from adjourn.storage.base import Claimed
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.rows import NEVER
from adjourn.storage.sql.waiting import wait, wake

__all__ = ["give_back", "reap"]

_RELEASE = "UPDATE delivery SET owner = NULL WHERE id = ? AND owner = ?"
_JOB = "SELECT lane_id, due FROM job WHERE delivery_id = ? AND owner = ?"
_RELEASE_JOB = "UPDATE job SET owner = NULL WHERE delivery_id = ? AND owner = ?"
_RELEASE_COVERED = f"{_RELEASE_JOB} AND due = {NEVER}"  # backlog.cover_held
_DEAD = "SELECT id, floor FROM worker WHERE expires_at < ? ORDER BY id"
_JOBS = "SELECT lane_id, due FROM job WHERE owner = ?"
_RELEASE_JOBS = "UPDATE job SET owner = NULL WHERE owner = ?"
_ORPHANS = "UPDATE delivery SET owner = NULL WHERE id >= ? AND owner = ? RETURNING id, app_id, lane_id"


def give_back(connection: Connection, worker: str, deliveries: Sequence[Claimed], now: int) -> None:
    """Put those that the worker still holds back to wait: under its own name, so nobody else moves them."""
    for each in sorted(deliveries, key=lambda claimed: claimed.id):
        if each.from_job:
            job = connection.execute(_JOB, (each.id, worker)).fetchone()
            if job is not None:
                wake(connection, *job)
                connection.execute(_RELEASE_JOB, (each.id, worker))
        elif connection.execute(_RELEASE, (each.id, worker)).rowcount:
            wait(connection, each.id, each.app_id, each.lane_id, due=now)
        else:
            connection.execute(_RELEASE_COVERED, (each.id, worker))


def reap(connection: Connection, now: int) -> int:
    """Put back what workers whose lease is over held; how many deliveries that was.

    It holds the worker's row: one that renews its lease meanwhile is left alone, and one that takes
    something must wait, for it holds its row as well, and will enter anew.
    """
    return sum(
        _reap(connection, worker, floor, now) for worker, floor in connection.hold(_DEAD, (now,)).fetchall()
    )


def _reap(connection: Connection, worker: str, floor: str, now: int) -> int:
    """Put back what a dead worker held: jobs it had claimed, and deliveries it had from their publishing."""
    orphans = connection.execute(_ORPHANS, (floor, worker)).fetchall()
    wakes: dict[int, int] = {}
    for lane_id, due in [*connection.execute(_JOBS, (worker,)), *((row[2], now) for row in orphans)]:
        wakes[lane_id] = min(due, wakes.get(lane_id, due))
    for lane_id, due in sorted(wakes.items()):
        wake(connection, lane_id, due)
    count = connection.execute(_RELEASE_JOBS, (worker,)).rowcount
    for delivery_id, app_id, lane_id in sorted(orphans):
        wait(connection, delivery_id, app_id, lane_id, due=now)
    connection.execute("DELETE FROM worker WHERE id = ?", (worker,))
    return count + len(orphans)

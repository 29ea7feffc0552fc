"""Putting back what a worker holds, in batches: storage/sql/releasing.py says what and why."""

from collections.abc import Collection, Sequence
from typing import Any

from adjourn.storage.base import Claimed
from adjourn.storage.postgres.bridge import Link
from adjourn.storage.postgres.waiting import Waits, wait, wake
from adjourn.storage.sql.rows import NEVER

__all__ = ["forget_claims", "give_back", "reap"]

# Both take deliveries by their ids' index, one after the other.
_RELEASE = """
    UPDATE delivery SET owner = NULL WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 AND owner = $4
    RETURNING id::text
"""
_JOBS = "SELECT lane_id, due FROM job WHERE delivery_id = ANY($1::uuid[]) AND owner = $2"
_RELEASE_JOBS = "UPDATE job SET owner = NULL WHERE delivery_id = ANY($1::uuid[]) AND owner = $2"
_RELEASE_COVERED = f"{_RELEASE_JOBS} AND due = {NEVER}"
_HOLD_DEAD = "SELECT floor FROM worker WHERE id = $1 AND expires_at < $2 FOR UPDATE SKIP LOCKED"
_ORPHANS = """
    UPDATE delivery SET owner = NULL WHERE id >= $1 AND owner = $2
    RETURNING id::text, app_id, lane_id, event_id::text, event_type, state, attempt_no, retry_count
"""
# What it claimed, and what backlog.cover_held moved from deliveries to jobs.
_JOBS_OF = """
    SELECT delivery_id, lane_id, due FROM job
    WHERE owner = $1
      AND delivery_id = ANY(ARRAY(SELECT unnest(deliveries) FROM claim WHERE worker = $1))
    UNION
    SELECT delivery_id, lane_id, due FROM job WHERE owner = $1 AND delivery_id >= $2
"""
_CLAIMANTS = "SELECT DISTINCT worker FROM claim WHERE worker = ANY($1::bigint[])"
# Those of which it holds nothing any more.
_FORGET = """
    DELETE FROM claim WHERE worker = ANY($1::bigint[]) AND NOT EXISTS (
        SELECT FROM job WHERE delivery_id = ANY(claim.deliveries) AND owner = claim.worker)
"""


async def give_back(link: Link, worker: int, deliveries: Sequence[Claimed], now: int) -> None:
    """Put those that the worker still holds back to wait."""
    of_jobs = [each.id for each in deliveries if each.from_job]
    published = sorted(each.id for each in deliveries if not each.from_job)
    ids: set[str] = set()
    if published:
        rows = await link.raw.fetch(_RELEASE, published, published[0], published[-1], worker)
        ids = {row[0] for row in rows}
    if of_jobs:
        await wake(link, [(row[0], row[1]) for row in await link.raw.fetch(_JOBS, of_jobs, worker)])
        await link.raw.execute(_RELEASE_JOBS, of_jobs, worker)
    await wait(link, sorted(Waits.of(each, now) for each in deliveries if each.id in ids))
    if covered := [each for each in published if each not in ids]:
        await link.raw.execute(_RELEASE_COVERED, covered, worker)


async def reap(link: Link, worker: int, now: int) -> int:
    """Put back what a dead worker held; how many that was. None if it lives, or another reaps it.

    It holds the worker's row: who publishes or claims for it holds that, too, and is waited for, or enters
    the worker anew.
    """
    found = await link.raw.fetchrow(_HOLD_DEAD, worker, now)
    if found is None:
        return 0
    orphans = await link.raw.fetch(_ORPHANS, found[0], worker)
    jobs = await link.raw.fetch(_JOBS_OF, worker, found[0])
    await wake(link, [*((row[1], row[2]) for row in jobs), *((row[2], now) for row in orphans)])
    released = await link.raw.execute(_RELEASE_JOBS, [row[0] for row in jobs], worker)
    await wait(link, sorted(_orphan(row, now) for row in orphans))
    await link.raw.execute("DELETE FROM claim WHERE worker = $1", worker)
    await link.raw.execute("DELETE FROM worker WHERE id = $1", worker)
    return int(released.rpartition(" ")[2]) + len(orphans)


def _orphan(row: Any, now: int) -> Waits:
    """Without its body: that is in the memory of the dead."""
    delivery_id, app_id, lane_id, event_id, event_type, state, attempt_no, retry_count = row
    return Waits(
        delivery_id, app_id, lane_id, now, None, event_id, event_type, state, attempt_no, retry_count
    )


async def forget_claims(link: Link, workers: Collection[int]) -> set[int]:
    """Let go of claims all of which has ended: `reap` need not look for it. Workers that have others."""
    await link.raw.execute(_FORGET, list(workers))
    return {row[0] for row in await link.raw.fetch(_CLAIMANTS, list(workers))}

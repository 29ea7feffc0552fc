"""Jobs and lanes in batches: what storage/sql/waiting.py does one by one, with the same locks.

Whoever takes something for a worker holds the worker's row first; whoever moves a delivery holds its row,
then its order key, then lanes by their ids, then jobs.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Self

from adjourn.storage.base import Claimed
from adjourn.storage.postgres.bridge import Link, lock
from adjourn.storage.sql.rows import NEVER

__all__ = ["Waits", "carried", "enter", "hold_orders", "promote", "wait", "wake"]

_CARRIED = 4096  # bytes of a body: longer ones cost more to copy than to look up when they are claimed

_ENTERED = """
    SELECT count(*) FROM (
        SELECT 1 FROM unnest($1::bigint[], $2::uuid[]) AS given (id, floor)
        JOIN worker ON worker.id = given.id AND worker.floor <= given.floor
        FOR KEY SHARE OF worker) AS entered
"""
# One that is not enlisted is entered with a lease that is over, until it renews it or is reaped.
_ENTER = """
    INSERT INTO worker
    SELECT id, $3, floor FROM unnest($1::bigint[], $2::uuid[]) AS given (id, floor) ORDER BY id
    ON CONFLICT (id) DO UPDATE SET floor = excluded.floor WHERE worker.floor > excluded.floor
"""
_HOLD_LANES = "SELECT id, wake_at FROM lane WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"
_WAKE = """
    UPDATE lane SET wake_at = given.due FROM unnest($1::bigint[], $2::bigint[]) AS given (id, due)
    WHERE lane.id = given.id AND (lane.wake_at IS NULL OR lane.wake_at > given.due)
"""
_WAIT = """
    INSERT INTO job (delivery_id, app_id, lane_id, due, body, event_id, event_type, state, attempt_no,
                     retry_count)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::uuid[],
                         $7::text[], $8::text[], $9::bigint[], $10::bigint[])
    ON CONFLICT (delivery_id) DO UPDATE SET due = excluded.due, owner = NULL, manual = false,
           body = CASE WHEN excluded.body IS NOT NULL THEN coalesce(job.body, excluded.body) END,
           event_id = excluded.event_id, event_type = excluded.event_type, state = excluded.state,
           attempt_no = excluded.attempt_no, retry_count = excluded.retry_count
"""
# After the order keys are locked: what let one wait behind another is committed by now.
_PROMOTE = f"""
    SELECT seq, lane_id
    FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS given (app_id, order_key)) AS ended,
         LATERAL (SELECT seq, lane_id, due, owner FROM job
                  WHERE job.app_id = ended.app_id AND job.order_key = ended.order_key
                  ORDER BY seq LIMIT 1) AS first
    WHERE first.due = {NEVER} AND first.owner IS NULL
"""  # noqa: S608
_PROMOTED = f"""
    UPDATE job SET due = $2 WHERE seq = ANY($1::bigint[]) AND lane_id = ANY($3::bigint[])
      AND due = {NEVER} AND owner IS NULL
"""  # noqa: S608


class Waits(NamedTuple):
    """A delivery that is to wait until `due`, and what its next attempt needs, where the body is carried."""

    id: str
    app_id: str
    lane_id: int
    due: int
    body: bytes | None
    event_id: str
    event_type: str
    state: str
    attempt_no: int
    retry_count: int

    @classmethod
    def of(cls, claimed: Claimed, due: int) -> Self:
        """As it was claimed."""
        return cls(
            claimed.id,
            claimed.app_id,
            claimed.lane_id,
            due,
            carried(claimed.body),
            claimed.event_id,
            claimed.event_type,
            claimed.state,
            claimed.attempt_no,
            claimed.retry_count,
        )


def carried(body: bytes) -> bytes | None:
    """What of a body its job carries: all, or nothing."""
    return body if len(body) <= _CARRIED else None


async def enter(link: Link, floors: dict[int, str], now: int) -> None:
    """See that `reap` will find what these workers take, whatever became of them meanwhile.

    Their rows are held so that none is reaped before the transaction ends.
    """
    given = (list(floors), list(floors.values()))
    if await link.raw.fetchval(_ENTERED, *given) < len(floors):
        await link.raw.execute(_ENTER, *given, now)


async def hold_orders(link: Link, orders: Collection[tuple[str, str]]) -> None:
    """Each an app and an order key: nobody else ends or begins one of these."""
    if orders:
        await lock(link, [f"order {app_id} {order_key}" for app_id, order_key in orders])


async def wake(link: Link, dues: Sequence[tuple[int, int]]) -> dict[int, int | None]:
    """Before jobs wait, each a lane and a due time: hold the lanes, and see that they wake by then.

    When each of them was to wake.
    """
    first: dict[int, int] = {}
    for lane_id, due in dues:
        if due < first.get(lane_id, NEVER):
            first[lane_id] = due
    if not first:
        return {}
    held = await link.raw.fetch(_HOLD_LANES, list(first))
    await link.raw.execute(_WAKE, list(first), list(first.values()))
    return {row[0]: row[1] for row in held}


async def wait(link: Link, waits: Sequence[Waits]) -> None:
    """Let them wait, in jobs that are new or were theirs before."""
    if waits:
        await wake(link, [(each.lane_id, each.due) for each in waits])
        await link.raw.execute(_WAIT, *zip(*waits, strict=True))


async def promote(link: Link, orders: Collection[tuple[str, str]], now: int) -> None:
    """After jobs of these orders were dropped, under their locks: what is first of each now is due."""
    if orders:
        apps, keys = zip(*orders, strict=True)
        found = await link.raw.fetch(_PROMOTE, apps, keys)
        if found:
            await wake(link, [(row[1], now) for row in found])
            await link.raw.execute(_PROMOTED, [row[0] for row in found], now, [row[1] for row in found])

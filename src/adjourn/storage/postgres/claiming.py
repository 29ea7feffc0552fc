"""Claiming: lanes that are due, and of each the oldest jobs for which there is room.

Lanes are found without locks. Those that may give something are locked, unless somebody else has them just
now; then a statement of its own looks for jobs, so that it sees all that was committed before the lock.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from adjourn.models import CALLBACK_LANE
from adjourn.storage.base import Claimed
from adjourn.storage.postgres.bridge import Link
from adjourn.storage.postgres.waiting import enter
from adjourn.storage.sql.rows import HIGHEST_ID, NEVER, read_claimed

__all__ = ["Asked", "Lane", "Taken", "find_lanes", "groups", "has_more", "take"]

_PAGE = 200  # lanes
_FIRST = 50  # lanes looked into at least: many may hold less than there is room for

# One row at least: what it tells of the next lane and of the workers is wanted always.
_LANES = f"""
    SELECT lane.wake_at, lane.id, lane.app_id,
           (SELECT wake_at FROM lane WHERE wake_at > $1 ORDER BY wake_at LIMIT 1),
           (SELECT count(*) FROM worker WHERE expires_at >= $1)
    FROM (SELECT 1) AS one LEFT JOIN LATERAL (
        SELECT wake_at, id, app_id FROM lane WHERE wake_at <= $1 AND (wake_at, id) > ($2, $3)
        ORDER BY wake_at, id LIMIT {_PAGE}) AS lane ON true
"""  # noqa: S608
_HOLD = """
    SELECT id FROM lane WHERE id = ANY($1::bigint[]) AND wake_at <= $2 ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
"""
# An app that is off, and is being changed just now, may be on in a moment: its lanes are left alone.
_STATES = """
    SELECT lane.id, lane.wake_at, lane.app_id, lane.target, app.version, app.discard_seq, app.drain_seq,
           app.status = 'active' AND app.webhook_enabled AND CASE
               WHEN lane.target IS NULL THEN app.webhook_url IS NOT NULL
               WHEN lane.target = 'callback' THEN TRUE
               ELSE EXISTS (SELECT 1 FROM automation
                            WHERE automation.id = lane.target AND automation.status = 'active'
                              AND coalesce(automation.webhook_url, app.webhook_url) IS NOT NULL)
           END
    FROM lane LEFT JOIN app ON app.id = lane.app_id
    WHERE lane.id = ANY($1::bigint[])
"""
_UNCHANGED = """
    SELECT id, version FROM app WHERE id = ANY($1::text[]) ORDER BY id FOR SHARE SKIP LOCKED
"""
# How much of each lane is due, at most so many, and whether the oldest is of the backlog.
_BACKLOG = """
    SELECT given.id, count(*), bool_or(found.seq <= given.drain_seq AND found.place = 1)
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::int[])
             AS given (id, wake_at, discard_seq, drain_seq, most),
         LATERAL (SELECT seq, row_number() OVER (ORDER BY due, seq) AS place FROM job
                  WHERE lane_id = given.id AND owner IS NULL AND due >= given.wake_at AND due <= $6
                    AND seq > given.discard_seq
                  ORDER BY due, seq LIMIT given.most) AS found
    GROUP BY given.id
"""
# By their place on the page, which the locks keep: by an index each would be looked up again.
_TAKE = """
    WITH picked AS MATERIALIZED (
        SELECT found.*, given.place, given.target
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::text[])
                 WITH ORDINALITY AS given (id, wake_at, discard_seq, most, target, place),
             LATERAL (SELECT ctid AS tid, due, seq FROM job
                      WHERE lane_id = given.id AND owner IS NULL AND due >= given.wake_at AND due <= $6
                        AND seq > given.discard_seq
                      ORDER BY due, seq LIMIT given.most FOR UPDATE SKIP LOCKED) AS found
        LIMIT $7),
    taken AS (
        UPDATE job SET owner = $8 FROM picked WHERE job.ctid = picked.tid
        RETURNING job.*, picked.place, picked.target),
    noted AS (
        INSERT INTO claim (worker, deliveries)
        SELECT $8, array_agg(delivery_id) FROM taken HAVING count(*) > 0)
    SELECT taken.delivery_id::text, taken.app_id, taken.lane_id, needed.event_id::text, needed.event_type,
           needed.body, needed.state, needed.attempt_no, needed.retry_count, taken.manual, taken.order_key,
           taken.target
    FROM taken, LATERAL (
        SELECT taken.event_id, taken.event_type, taken.body, taken.state, taken.attempt_no, taken.retry_count
        WHERE taken.body IS NOT NULL
        UNION ALL
        SELECT event.id, delivery.event_type,
               event.head || coalesce(event.own_data, publication.data) || '}'::bytea,
               delivery.state, delivery.attempt_no, delivery.retry_count
        FROM delivery
        JOIN event ON event.id = delivery.event_id
        JOIN publication ON publication.id = event.publication_id
        WHERE taken.body IS NULL AND delivery.id = taken.delivery_id) AS needed
    ORDER BY taken.place, taken.due, taken.seq
"""
_TARGETS = "SELECT id::text, target FROM delivery WHERE id = ANY($1::uuid[])"
# What still waits decides when a lane wakes: for nothing, when all is discarded or its app is off.
_SLEEP = f"""
    WITH next AS MATERIALIZED (
        SELECT given.id, CASE WHEN given.is_on THEN (
            SELECT due FROM job WHERE lane_id = given.id AND owner IS NULL AND due >= given.wake_at
              AND due < {NEVER} AND seq > given.discard_seq ORDER BY due, seq LIMIT 1) END AS due
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bool[])
                 AS given (id, wake_at, discard_seq, is_on))
    UPDATE lane SET wake_at = next.due FROM next
    WHERE lane.id = next.id AND lane.wake_at IS DISTINCT FROM next.due
"""  # noqa: S608


class Lane(NamedTuple):
    """One that is due."""

    wake_at: int
    id: int
    app_id: str


class Asked(NamedTuple):
    """What a claim may take: from each lane so many, in this order; of a backlog at most what `pace` says."""

    room: dict[int, int]
    limit: int
    pace: Callable[[str], int] | None
    paced: Counter[str]  # what was taken of each app's backlog


class Taken(NamedTuple):
    """`skipped`: lanes that somebody else had just then."""

    deliveries: list[Claimed]
    versions: dict[str, int]
    skipped: bool


class _Held(NamedTuple):
    """A lane that is locked now, and its app as it is."""

    id: int
    wake_at: int
    app_id: str
    target: str | None
    version: int | None
    discard_seq: int
    drain_seq: int
    is_on: bool


async def find_lanes(link: Link, now: int, after: Lane | None) -> tuple[list[Lane], int | None, int]:
    """A page of lanes that are due, when the next one is, and how many workers are alive."""
    start = (-1, 0) if after is None else (after.wake_at, after.id)
    rows = await link.raw.fetch(_LANES, now, *start)
    lanes = [Lane(row[0], row[1], row[2]) for row in rows if row[1] is not None]
    return lanes, rows[0][3], rows[0][4]


def has_more(lanes: Sequence[Lane]) -> bool:
    return len(lanes) == _PAGE


def groups(lanes: Sequence[Lane], room: Callable[[Lane], int], limit: int) -> Iterator[dict[int, int]]:
    """Lanes with room, and how much: first as many as may give `limit`, then the others.

    What each further lane costs, to lock and to put to sleep, is spared where the first bring enough.
    """
    group: dict[int, int] = {}
    is_first = True
    for lane in lanes:
        if (most := room(lane)) > 0:
            group[lane.id] = most
        if is_first and len(group) >= _FIRST and sum(group.values()) >= limit:
            yield group
            group, is_first = {}, False
    if group:
        yield group


async def take(link: Link, worker: int, asked: Asked, now: int) -> Taken:
    """In a transaction of its own."""
    await enter(link, {worker: HIGHEST_ID}, now)
    held_ids = [row[0] for row in await link.raw.fetch(_HOLD, list(asked.room), now)]
    states = {row[0]: row for row in await link.raw.fetch(_STATES, held_ids)} if held_ids else {}
    held = await _settled(link, [_held(states[each]) for each in asked.room if each in states])
    giving = await _shares(link, [each for each in held if each.is_on], asked, now)
    taken: list[Claimed] = []
    if giving:
        lanes, mosts, drains = zip(*giving, strict=True)
        rows = await link.raw.fetch(
            _TAKE,
            [each.id for each in lanes],
            [each.wake_at for each in lanes],
            [each.discard_seq for each in lanes],
            mosts,
            [each.target for each in lanes],
            now,
            asked.limit,
            worker,
        )
        draining = {lane.id for lane, drained in zip(lanes, drains, strict=True) if drained}
        taken = [read_claimed(row, paced=row[2] in draining) for row in rows]
        if any(each.target == CALLBACK_LANE for each in lanes):
            taken = await _with_callbacks(link, taken)
    await _sleep(link, held)
    versions = {each.app_id: each.version for each in held if each.version is not None}
    wanted = {each.app_id for each in taken}
    asked.paced.update(each.app_id for each in taken if each.paced)
    return Taken(
        taken,
        {app_id: version for app_id, version in versions.items() if app_id in wanted},
        len(held) < len(asked.room),
    )


async def _with_callbacks(link: Link, taken: Sequence[Claimed]) -> list[Claimed]:
    """Their lane is that of many callbacks: the delivery names its own."""
    ids = [each.id for each in taken if each.target == CALLBACK_LANE]
    targets = {row[0]: row[1] for row in await link.raw.fetch(_TARGETS, ids)}
    return [replace(each, target=targets.get(each.id, each.target)) for each in taken]


def _held(row: Any) -> _Held:
    return _Held(row[0], row[1], row[2], row[3], row[4], row[5] or 0, row[6] or 0, bool(row[7]))


async def _settled(link: Link, held: Sequence[_Held]) -> list[_Held]:
    """Without the lanes of apps that are off and are being changed, or were since we looked."""
    off = {each.app_id: each.version for each in held if not each.is_on}
    known = {app_id for app_id, version in off.items() if version is not None}
    if not known:
        return list(held)
    rows = await link.raw.fetch(_UNCHANGED, list(known))
    same = {row[0] for row in rows if off[row[0]] == row[1]} | (off.keys() - known)
    return [each for each in held if each.is_on or each.app_id in same]


async def _shares(
    link: Link, lanes: Sequence[_Held], asked: Asked, now: int
) -> list[tuple[_Held, int, bool]]:
    """The lanes that may give something, how much each, and whether that is of a backlog at a pace."""
    pace = asked.pace
    found: dict[int, Any] = {}
    draining = [each for each in lanes if each.drain_seq and pace is not None]
    if draining:
        rows = await link.raw.fetch(
            _BACKLOG,
            [each.id for each in draining],
            [each.wake_at for each in draining],
            [each.discard_seq for each in draining],
            [each.drain_seq for each in draining],
            [asked.room[each.id] for each in draining],
            now,
        )
        found = {row[0]: row for row in rows if row[2]}
    paced = Counter(asked.paced)
    shares = []
    for lane in lanes:
        most, drains = asked.room[lane.id], lane.id in found
        if drains and pace is not None:
            most = min(found[lane.id][1], pace(lane.app_id) - paced[lane.app_id])
            paced[lane.app_id] += max(most, 0)
        if most > 0:
            shares.append((lane, most, drains))
    return shares


async def _sleep(link: Link, held: Sequence[_Held]) -> None:
    if held:
        await link.raw.execute(
            _SLEEP,
            [each.id for each in held],
            [each.wake_at for each in held],
            [each.discard_seq for each in held],
            [each.is_on for each in held],
        )

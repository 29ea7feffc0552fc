"""Publishing a batch: in one statement where nothing has to wait, else in a transaction around it."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from msgspec.json import decode, encode

from adjourn.errors import NotFound
from adjourn.models import lane_target
from adjourn.storage.base import AnswerExists, Entry, NewDelivery, StaleApps
from adjourn.storage.postgres.bridge import Link, run_on
from adjourn.storage.postgres.days import place_of
from adjourn.storage.postgres.waiting import carried, enter, hold_orders, wake
from adjourn.storage.postgres.workers import number_of
from adjourn.storage.sql.rows import NEVER, to_ms
from adjourn.storage.sql.shorthand import short_ids
from adjourn.storage.sql.subjects import note_subjects
from adjourn.vault import Vault

__all__ = ["Batch", "add_lanes", "is_stored", "publish_at_once", "publish_in_steps"]

# Nothing is stored where an app has another version than planned with, or where the worker that holds what is
# published is not entered with a floor below it: `reap` would not find that.
# `unnest` side by side in the select list: in FROM each would be a table in memory first.
# `place`: of which day (days.py).
_PUBLISH = """
    WITH stale AS MATERIALIZED (
        SELECT planned.id FROM unnest($1::text[], $2::bigint[]) AS planned (id, version)
        LEFT JOIN app ON app.id = planned.id WHERE app.version IS DISTINCT FROM planned.version),
    held AS MATERIALIZED (
        SELECT 1 FROM worker WHERE id = $3 AND floor <= $4 FOR KEY SHARE),
    may AS MATERIALIZED (
        SELECT WHERE NOT EXISTS (SELECT FROM stale) AND ($3 IS NULL OR EXISTS (SELECT FROM held))),
    publications AS (
        INSERT INTO publication{place}
        SELECT unnest($5::uuid[]), unnest($6::bigint[]), unnest($7::text[]), unnest($8::text[]),
               unnest($9::text[]), unnest($10::text[]), unnest($11::bytea[]), unnest($12::bytea[]),
               unnest($13::bytea[])
        WHERE EXISTS (SELECT FROM may)),
    events AS (
        INSERT INTO event{place}
        SELECT unnest($14::uuid[]), unnest($15::uuid[]), unnest($16::bytea[]), unnest($17::bytea[])
        WHERE EXISTS (SELECT FROM may)),
    deliveries AS (
        INSERT INTO delivery{place}
            (id, app_id, event_id, event_type, lane_id, target, owner, state, created_at)
        SELECT unnest($18::uuid[]), unnest($19::text[]), unnest($20::uuid[]), unnest($21::text[]),
               unnest($22::bigint[]), unnest($23::text[]), unnest($24::bigint[]), 'pending', $25::bigint
        WHERE EXISTS (SELECT FROM may))
    SELECT EXISTS (SELECT FROM may), (SELECT json_agg(id ORDER BY id)::text FROM stale)
"""
# The same of one event with one delivery, in half the time: nodes with little to do publish one by one.
_PUBLISH_ONE = """
    WITH may AS MATERIALIZED (
        SELECT FROM worker
        WHERE id = $3 AND floor <= $4
          AND EXISTS (SELECT FROM app WHERE app.id = $1::text AND app.version = $2::bigint)
        FOR KEY SHARE),
    publications AS (
        INSERT INTO publication{place}
        SELECT $5::uuid, $6::bigint, $7::text, $8::text, $9::text, $10::text, $11::bytea, $12::bytea,
               $13::bytea
        FROM may),
    events AS (
        INSERT INTO event{place} SELECT $14::uuid, $15::uuid, $16::bytea, $17::bytea FROM may)
    INSERT INTO delivery{place}
        (id, app_id, event_id, event_type, lane_id, target, owner, state, created_at)
    SELECT $18::uuid, $19::text, $20::uuid, $21::text, $22::bigint, $23::text, $24::bigint, 'pending',
           $25::bigint
    FROM may
"""
_ANSWERS = """
    INSERT INTO idempotency
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::int[], $5::bytea[], $6::bool[],
                         $7::bigint[])
    ORDER BY 1, 2
    ON CONFLICT DO NOTHING RETURNING scope, key
"""
_REVOKE = """
    UPDATE connection SET status = 'revoked', updated_at = $4
    WHERE user_id = $1 AND app_id = $2 AND id = $3 AND status <> 'revoked'
"""
_LANES = """
    INSERT INTO lane (id, app_id, origin, target)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) ORDER BY 1 ON CONFLICT DO NOTHING
"""
# They carry the body only where it may lie cold by the time it is claimed: else it were stored twice in vain.
# In the order of their publishing: so the database numbers them. One of an order key waits behind another.
_JOBS = f"""
    INSERT INTO job (delivery_id, app_id, lane_id, due, order_key, body, event_id, event_type, state,
                     attempt_no, retry_count)
    SELECT given.id, app_id, lane_id,
           CASE WHEN order_key IS NOT NULL AND (
                    place > min(place) OVER (PARTITION BY app_id, order_key)
                    OR EXISTS (SELECT FROM job
                               WHERE job.app_id = given.app_id AND job.order_key = given.order_key))
                THEN {NEVER} ELSE $5 END,
           order_key, carried.*
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $6::bytea[], $7::uuid[], $8::text[],
                $9::bool[])
             WITH ORDINALITY AS given (id, app_id, lane_id, order_key, body, event_id, event_type, is_late,
                                       place)
    LEFT JOIN LATERAL (
        SELECT given.body, given.event_id, given.event_type, 'pending', 0, 0
        WHERE given.is_late OR NOT EXISTS (
            SELECT FROM app WHERE app.id = given.app_id AND webhook_enabled AND status = 'active')
        ) AS carried ON true
    ORDER BY place
"""  # noqa: S608
_LATE = 10_000  # ms: a lane in which something has been due for so long has a backlog
_IS_STORED = "SELECT count(*) FROM publication WHERE id = ANY($1::uuid[])"


class Batch(NamedTuple):
    """What entries store, ready to be sent."""

    entries: Sequence[Entry]
    deliveries: list[NewDelivery]
    versions: dict[str, int]
    floors: dict[int, str]  # of each owner, by its number: the lowest that it holds

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> "Batch":
        """Raises StaleApps, where two were planned with different versions."""
        versions: dict[str, int] = {}
        floors: dict[int, str] = {}
        deliveries: list[NewDelivery] = []
        stale = set()
        for entry in entries:
            for app_id, version in entry.app_versions.items():
                if versions.setdefault(app_id, version) != version:
                    stale.add(app_id)
            deliveries += entry.deliveries
        for each in deliveries:
            if each.owner is not None:
                owner = number_of(each.owner)
                if owner not in floors or each.id < floors[owner]:
                    floors[owner] = each.id
        if stale:
            raise StaleApps(sorted(stale))
        return cls(entries, deliveries, versions, floors)

    def new_lanes(self, known: Collection[int]) -> dict[int, NewDelivery]:
        return {each.lane_id: each for each in self.deliveries if each.lane_id not in known}

    @property
    def is_plain(self) -> bool:
        """Whether one statement stores it: nothing waits, and one worker holds it all; no answer is kept, no
        connection revoked, no subject made known.
        """
        return (
            len(self.floors) <= 1
            and not any(
                entry.answer is not None or entry.revokes is not None or entry.subjects
                for entry in self.entries
            )
            and not any(each.owner is None for each in self.deliveries)
        )

    @property
    def is_one(self) -> bool:
        """Whether it is one event with one delivery, which is held, and one app."""
        return (
            len(self.deliveries) == len(self.floors) == len(self.versions) == len(self.entries) == 1
            and len(self.entries[0].events) == 1
        )

    @property
    def place(self) -> str:
        """The day of all of it (days.py), if it is one."""
        ids = [entry.publication.id for entry in self.entries]
        ids += [each.id for entry in self.entries for each in entry.events]
        ids += [each.id for each in self.deliveries]
        return place_of(ids)

    def values(self, now: int) -> tuple[Any, ...]:
        """Of `_PUBLISH`; the worker is not checked where there are several."""
        publications = [entry.publication for entry in self.entries]
        events = [each for entry in self.entries for each in entry.events]
        deliveries = self.deliveries
        owner, floor = next(iter(self.floors.items())) if len(self.floors) == 1 else (None, None)
        return (
            list(self.versions),
            list(self.versions.values()),
            owner,
            floor,
            [each.id for each in publications],
            [to_ms(each.at) for each in publications],
            [each.provider for each in publications],
            [each.event_type for each in publications],
            [each.timestamp for each in publications],
            [each.actor_user_id for each in publications],
            [encode(each.audience) for each in publications],
            [each.data for each in publications],
            [short_ids(encode(each.verdicts), each.id) for each in publications],
            [each.id for each in events],
            [each.publication_id for each in events],
            [each.head for each in events],
            [each.own_data for each in events],
            [each.id for each in deliveries],
            [each.app_id for each in deliveries],
            [each.event_id for each in deliveries],
            [each.event_type for each in deliveries],
            [each.lane_id for each in deliveries],
            [each.target for each in deliveries],
            [None if each.owner is None else number_of(each.owner) for each in deliveries],
            now,
        )


async def add_lanes(link: Link, lanes: Iterable[NewDelivery]) -> None:
    """They are never deleted: whoever knows that one is there need not look again."""
    rows = [(each.lane_id, each.app_id, each.origin, lane_target(each.target)) for each in lanes]
    await link.raw.execute(_LANES, *zip(*rows, strict=True))


async def publish_at_once(link: Link, batch: Batch, now: int) -> bool:
    """One statement, which commits by itself where no transaction is open. False: its worker is not entered.

    Raises StaleApps.
    """
    values, place = batch.values(now), batch.place
    if batch.is_one:
        one = (each[0] if isinstance(each, list) else each for each in values)
        if await link.raw.execute(_PUBLISH_ONE.format(place=place), *one) == "INSERT 0 1":
            return True
    row = await link.raw.fetchrow(_PUBLISH.format(place=place), *values)
    assert row is not None
    if row[1] is not None:
        raise StaleApps(decode(row[1], type=list[str]))
    return bool(row[0])


async def publish_in_steps(link: Link, batch: Batch, vault: Vault, now: int) -> None:
    """In a transaction. Raises StaleApps, AnswerExists and NotFound."""
    if batch.floors:
        await enter(link, batch.floors, now)
    await _keep_answers(link, batch.entries)
    for entry in batch.entries:
        if entry.revokes is not None:
            await _revoke(link, entry, now)
    if any(entry.subjects for entry in batch.entries):
        await run_on(link, lambda connection: note_subjects(connection, batch.entries, vault, now))
    waiting = [each for each in batch.deliveries if each.owner is None]
    await hold_orders(link, [(each.app_id, each.order_key) for each in waiting if each.order_key is not None])
    woke = await wake(link, [(each.lane_id, now) for each in waiting])
    stored = await publish_at_once(link, batch, now)
    assert stored  # its worker was entered, and is held
    if waiting:
        bodies = _bodies(batch.entries, {each.event_id for each in waiting})
        await link.raw.execute(
            _JOBS,
            [each.id for each in waiting],
            [each.app_id for each in waiting],
            [each.lane_id for each in waiting],
            [each.order_key for each in waiting],
            now,
            [bodies[each.event_id] for each in waiting],
            [each.event_id for each in waiting],
            [each.event_type for each in waiting],
            [(woke.get(each.lane_id) or now) < now - _LATE for each in waiting],
        )


def _bodies(entries: Sequence[Entry], event_ids: Collection[str]) -> dict[str, bytes | None]:
    """What jobs carry of these events."""
    bodies = {}
    for entry in entries:
        for event in entry.events:
            if event.id in event_ids:
                data = entry.publication.data if event.own_data is None else event.own_data
                bodies[event.id] = carried(event.head + data + b"}")
    return bodies


async def is_stored(link: Link, batch: Batch) -> bool:
    """Whether it was committed: it is stored whole or not at all."""
    ids = [entry.publication.id for entry in batch.entries]
    return int(await link.raw.fetchval(_IS_STORED, ids)) == len(ids)


async def _keep_answers(link: Link, entries: Sequence[Entry]) -> None:
    answers = [entry.answer for entry in entries if entry.answer is not None]
    if not answers:
        return
    rows = await link.raw.fetch(
        _ANSWERS,
        [each.scope for each in answers],
        [each.key for each in answers],
        [each.body_hash for each in answers],
        [each.status for each in answers],
        [each.body for each in answers],
        [each.sealed for each in answers],
        [to_ms(each.at) for each in answers],
    )
    if len(rows) < len(answers):
        kept = {(row[0], row[1]) for row in rows}
        raise AnswerExists(next((a.key for a in answers if (a.scope, a.key) not in kept), answers[-1].key))


async def _revoke(link: Link, entry: Entry, now: int) -> None:
    ended = entry.revokes
    assert ended is not None
    tag = await link.raw.execute(_REVOKE, ended.user_id, ended.app_id, ended.id, now)
    if tag == "UPDATE 0":
        raise NotFound("connection", ended.user_id)

"""Recording a batch of attempts: the guards of ENGINE.md for 2xx, failure and manual retry.

The deliveries are held and looked at, then it is decided here what becomes of each, and written at once.
What needs none of that: plain.py.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from msgspec.json import encode

from adjourn.errors import InputError
from adjourn.models import DeliveryState
from adjourn.storage.base import Claimed, Result
from adjourn.storage.postgres.bridge import Link, run_on
from adjourn.storage.postgres.days import place_of
from adjourn.storage.postgres.health import record_health
from adjourn.storage.postgres.plain import GONE, TOO_LATE
from adjourn.storage.postgres.waiting import Waits, hold_orders, promote, wait
from adjourn.storage.sql.ailing import switch_off
from adjourn.storage.sql.rows import NEVER, to_ms
from adjourn.storage.sql.shorthand import short_headers

__all__ = ["record"]

_NEVER_EARLY = timedelta(microseconds=999)  # times are kept in whole milliseconds, rounded down
_UNFINISHED = (DeliveryState.PENDING, DeliveryState.FAILED)

_ATTEMPTS = """
    INSERT INTO attempt{place}
        (delivery_id, no, at, duration_ms, http_status, error, response, response_headers, owner)
    SELECT *, $9::bigint
    FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::int[], $6::text[], $7::bytea[],
                $8::bytea[])
    ON CONFLICT DO NOTHING RETURNING delivery_id::text, no
"""
_HOLD = """
    SELECT id::text, state, owner, attempt_no, retry_count, next_retry_at, delivered_at, http_status, error
    FROM delivery{place} WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""
_HOLD_JOBS = """
    SELECT delivery_id::text, owner, seq,
           order_key IS NULL OR NOT EXISTS (SELECT FROM job AS earlier
                                            WHERE earlier.app_id = job.app_id AND earlier.seq < job.seq
                                              AND earlier.order_key = job.order_key)
    FROM job WHERE delivery_id = ANY($1::uuid[]) ORDER BY delivery_id FOR NO KEY UPDATE
"""
_MOVE = """
    UPDATE delivery{place} AS delivery
    SET state = given.state, attempt_no = given.attempt_no, retry_count = given.retry_count,
           next_retry_at = given.next_retry_at, delivered_at = given.delivered_at,
           http_status = given.http_status, error = given.error, owner = given.owner
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::int[], $5::int[], $6::bigint[], $7::bigint[],
                $8::int[], $9::text[])
             AS given (id, state, owner, attempt_no, retry_count, next_retry_at, delivered_at, http_status,
                       error)
    WHERE delivery.id = given.id
"""
_DROP = "DELETE FROM job WHERE delivery_id = ANY($1::uuid[]) RETURNING app_id, order_key"


async def record(link: Link, worker: int, results: Sequence[Result], now: int) -> list[str]:
    """In a transaction. The apps that changed, since a URL of theirs is gone.

    Raises InputError where one is of a day that was dropped: then there is nothing to put it on record for.
    """
    try:
        return await _record(link, worker, results, now)
    except GONE as exc:
        raise InputError(TOO_LATE) from exc


async def _record(link: Link, worker: int, results: Sequence[Result], now: int) -> list[str]:
    given = sorted(results, key=_id)
    ids = list(dict.fromkeys(each.claimed.id for each in given))
    orders = {(each.claimed.app_id, each.claimed.order_key) for each in given}
    place = _place(given)
    rows = {row[0]: _Row(*row) for row in await link.raw.fetch(_HOLD.format(place=place), ids)}
    await hold_orders(link, [(app_id, key) for app_id, key in orders if key is not None])
    jobs = {row[0]: row for row in await link.raw.fetch(_HOLD_JOBS, ids)}
    appended = await link.raw.fetch(_ATTEMPTS.format(place=place), *_attempts(given), worker)
    new = {(row[0], row[1]) for row in appended}
    moves = _Moves(worker, rows, jobs, now)
    counted = moves.make(results, new)
    await moves.write(link)
    await record_health(link, counted, moves.exhausted, now)
    if any(each.step.gone_url is not None for each in counted):
        return await run_on(link, lambda connection: switch_off(connection, counted, now))
    return []


class _Row(msgspec.Struct):
    """A delivery's state, held, and as it is to be."""

    id: str
    state: str
    owner: int | None
    attempt_no: int
    retry_count: int
    next_retry_at: int | None
    delivered_at: int | None
    http_status: int | None
    error: str


class _Moves:
    """What becomes of each delivery, decided on what is held."""

    def __init__(self, worker: int, rows: dict[str, _Row], jobs: dict[str, Any], now: int) -> None:
        self._worker = worker
        self._rows = rows
        self._jobs = jobs
        self._now = now
        self._moved: dict[str, _Row] = {}
        self._waits: dict[str, tuple[Claimed, int]] = {}  # until when
        self._ended: dict[str, None] = {}
        self.exhausted: set[str] = set()

    def make(self, results: Sequence[Result], new: set[tuple[str, int]]) -> list[Result]:
        """Those that count: what is on record already changes nothing that its guards do not allow.

        A worker that lost a delivery and claimed it again may make two attempts under one number: so one that
        went well counts until the delivery is delivered.
        """
        counted = []
        for each in results:
            key = (each.claimed.id, each.attempt.no)
            row = self._rows.get(each.claimed.id)
            delivered = each.step.state is DeliveryState.DELIVERED
            if key in new or (delivered and row is not None and row.state != DeliveryState.DELIVERED):
                new.discard(key)
                counted.append(each)
                if delivered and row is not None:
                    self._succeed(row, each)
        for each in results:
            row = self._rows.get(each.claimed.id)
            if row is not None and each.step.state is not DeliveryState.DELIVERED:
                self._fail(row, each)
        return counted

    def _succeed(self, row: _Row, result: Result) -> None:
        """Whoever reports it; the first success stands."""
        row.state = DeliveryState.DELIVERED
        row.delivered_at = self._now if row.delivered_at is None else row.delivered_at
        row.next_retry_at = None
        row.http_status, row.error, row.owner = result.attempt.http_status, "", None
        row.attempt_no = max(row.attempt_no, result.attempt.no)
        row.retry_count = max(row.retry_count, result.step.retry_count)
        self._moved[row.id] = row
        self._end(row.id)

    def _fail(self, row: _Row, result: Result) -> None:
        """Only by the worker that holds it, and only if no other attempt came between."""
        claimed, step = result.claimed, result.step
        job = self._jobs.get(row.id)
        holds_job = job is not None and job[1] == self._worker
        if row.attempt_no != claimed.attempt_no or not (holds_job or row.owner == self._worker):
            return
        if step.state is not DeliveryState.PENDING and row.state in _UNFINISHED:
            row.state, row.retry_count, row.owner = step.state, step.retry_count, None
            row.next_retry_at = None if step.retry_at is None else to_ms(step.retry_at + _NEVER_EARLY)
            row.http_status, row.error = result.attempt.http_status, _text(result.attempt.error)
            if step.exhausted:
                self.exhausted.add(row.id)
            self._wait(claimed, row.next_retry_at)
        elif claimed.manual and job is not None and holds_job:  # state and schedule stay as they were
            due = {
                DeliveryState.FAILED: row.next_retry_at,
                DeliveryState.PENDING: self._now if job[3] else NEVER,
            }.get(DeliveryState(row.state))
            self._wait(claimed, due)
        else:
            return
        row.attempt_no += 1
        self._moved[row.id] = row

    def _wait(self, claimed: Claimed, due: int | None) -> None:
        if due is None:
            self._end(claimed.id)
        else:
            self._waits[claimed.id] = claimed, due
            self._jobs.pop(claimed.id, None)  # nobody's any more

    def _end(self, delivery_id: str) -> None:
        self._ended[delivery_id] = None
        self._waits.pop(delivery_id, None)
        self._jobs.pop(delivery_id, None)

    async def write(self, link: Link) -> None:
        if self._moved:
            ids = sorted(self._moved)
            columns = zip(*(msgspec.structs.astuple(self._moved[each]) for each in ids), strict=True)
            await link.raw.execute(_MOVE.format(place=place_of(ids)), *columns)
        waits = [Waits.of(claimed, due) for claimed, due in self._waits.values()]
        await wait(link, [_as_moved(each, self._rows[each.id]) for each in waits])
        if self._ended:  # after that: what waits again may be the next of an order that ends here
            dropped = await link.raw.fetch(_DROP, list(self._ended))
            orders = {(row[0], row[1]) for row in dropped if row[1] is not None}
            await hold_orders(link, orders)
            await promote(link, orders, self._now)


def _as_moved(waits: Waits, row: _Row) -> Waits:
    return waits._replace(state=row.state, attempt_no=row.attempt_no, retry_count=row.retry_count)


def _attempts(results: Collection[Result]) -> tuple[list[Any], ...]:
    attempts = [each.attempt for each in results]
    return (
        [each.delivery_id for each in attempts],
        [each.no for each in attempts],
        [to_ms(each.at) for each in attempts],
        [each.duration_ms for each in attempts],
        [each.http_status for each in attempts],
        [_text(each.error) for each in attempts],
        [each.response.encode("utf-8", "replace") for each in attempts],
        [short_headers(encode(each.response_headers)) for each in attempts],
    )


def _text(text: str) -> str:
    """What an endpoint said: as PostgreSQL can keep it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _place(results: Sequence[Result]) -> str:
    return place_of([each.claimed.id for each in results])


def _id(result: Result) -> str:
    return result.claimed.id

"""Recording first attempts that went well, of what was in memory since it was published: in one statement."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from msgspec.json import encode

from adjourn.errors import InputError
from adjourn.models import DeliveryState, subject_of_target
from adjourn.storage.base import Result
from adjourn.storage.postgres.bridge import Link
from adjourn.storage.postgres.days import place_of
from adjourn.storage.sql.rows import to_ms
from adjourn.storage.sql.shorthand import short_headers

__all__ = ["GONE", "TOO_LATE", "is_plain", "record_plain"]

GONE = (asyncpg.UndefinedTableError, asyncpg.CheckViolationError)
TOO_LATE = "the day of a delivery whose attempt is to be recorded was dropped"

# Only what its worker still holds, so that no job waits for it. Deliveries by their ids, so that nobody waits
# for one who waits for him.
# `place`: of which day (days.py).
_PLAIN = """
    WITH recorded AS (
        INSERT INTO attempt{place}
            (delivery_id, at, duration_ms, http_status, response, response_headers, no, owner, error)
        SELECT unnest($1::uuid[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::bigint[]),
               unnest($5::bytea[]), unnest($6::bytea[]), 1, $7::bigint, ''),
    moved AS (
        UPDATE delivery{place} AS delivery
        SET state = 'delivered', delivered_at = $8::bigint, next_retry_at = NULL,
               http_status = given.http_status, error = '', owner = NULL,
               attempt_no = greatest(delivery.attempt_no, 1)
        FROM (SELECT unnest($1::uuid[]) AS id, unnest($4::bigint[]) AS http_status) AS given
        WHERE delivery.id = given.id AND delivery.owner = $7::bigint
        RETURNING delivery.app_id),
    well AS (
        UPDATE health SET succeeded_at = $8, failed_first = NULL, failed_last = NULL, exhausted_at = NULL
        FROM (SELECT DISTINCT app_id FROM moved ORDER BY app_id) AS its
        WHERE health.app_id = its.app_id
          AND (succeeded_at IS NULL OR succeeded_at < $8 - 1000 OR failed_first IS NOT NULL
               OR failed_last IS NOT NULL OR exhausted_at IS NOT NULL))
    SELECT count(*) FROM moved
"""
_ONE = """
    WITH recorded AS (
        INSERT INTO attempt{place}
            (delivery_id, at, duration_ms, http_status, response, response_headers, no, owner, error)
        VALUES ($1::uuid, $2::bigint, $3::bigint, $4::bigint, $5::bytea, $6::bytea, 1, $7::bigint, '')),
    moved AS (
        UPDATE delivery{place} AS delivery
        SET state = 'delivered', delivered_at = $8::bigint, next_retry_at = NULL,
               http_status = $4::bigint, error = '', owner = NULL,
               attempt_no = greatest(delivery.attempt_no, 1)
        WHERE delivery.id = $1::uuid AND delivery.owner = $7::bigint
        RETURNING delivery.app_id),
    well AS (
        UPDATE health SET succeeded_at = $8, failed_first = NULL, failed_last = NULL, exhausted_at = NULL
        FROM moved
        WHERE health.app_id = moved.app_id
          AND (succeeded_at IS NULL OR succeeded_at < $8 - 1000 OR failed_first IS NOT NULL
               OR failed_last IS NOT NULL OR exhausted_at IS NOT NULL))
    SELECT count(*) FROM moved
"""


def is_plain(result: Result) -> bool:
    """A first attempt that went well, of a delivery that was in memory since it was published.

    At no callback: that tells nothing of the app's health.
    """
    claimed = result.claimed
    return (
        result.step.state is DeliveryState.DELIVERED
        and not claimed.from_job
        and not result.attempt.error
        and result.attempt.no == 1
        and result.step.retry_count == 0
        and claimed.order_key is None
        and subject_of_target(claimed.target) is None
    )


async def record_plain(link: Link, worker: int, results: Sequence[Result], now: int) -> bool:
    """Of plain ones only; commits by itself. False: not all could be, and the rest is for `record`.

    That takes what is recorded by then, too, and changes nothing of it.
    """
    results = sorted(results, key=lambda each: each.claimed.id)
    values, sql = _plain_values(results, worker, now), _PLAIN
    if len(results) == 1:  # nodes with little to do record one by one
        values, sql = tuple(each[0] if isinstance(each, list) else each for each in values), _ONE
    try:
        moved = await link.raw.fetchval(
            sql.format(place=place_of([each.claimed.id for each in results])), *values
        )
    except asyncpg.UniqueViolationError:  # one is on record already
        return False
    except GONE as exc:
        raise InputError(TOO_LATE) from exc
    return bool(moved == len(results))


def _plain_values(results: Sequence[Result], worker: int, now: int) -> tuple[Any, ...]:
    ids = [each.claimed.id for each in results]
    attempts = [each.attempt for each in results]
    return (
        ids,
        [to_ms(each.at) for each in attempts],
        [each.duration_ms for each in attempts],
        [each.http_status for each in attempts],
        [each.response.encode("utf-8", "replace") for each in attempts],
        [short_headers(encode(each.response_headers)) for each in attempts],
        worker,
        now,
    )

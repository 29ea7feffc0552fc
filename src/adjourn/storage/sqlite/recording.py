"""Recording a batch of attempts: the guards of ENGINE.md for 2xx, failure and manual retry."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from adjourn.models import DeliveryState
from adjourn.storage.base import Recorded, Result
from adjourn.storage.sql.ailing import record_health, switch_off
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.rows import NEVER, to_ms
from adjourn.storage.sql.waiting import finish, wait
from adjourn.storage.sqlite.rows import Milliseconds, Texts, id_list, insert

__all__ = ["record"]

_NEVER_EARLY = timedelta(microseconds=999)  # times are kept in whole milliseconds, rounded down

_ATTEMPTS = "INSERT INTO attempt"
_IF_NEW = "ON CONFLICT DO NOTHING"
_UNDELIVERED = "SELECT 1 FROM delivery WHERE id = ? AND state <> 'delivered'"
# Whoever reports it; the first success stands.
_DELIVERED = """
    UPDATE delivery SET state = 'delivered', delivered_at = coalesce(delivered_at, ?), next_retry_at = NULL,
           http_status = ?, error = '', owner = NULL, attempt_no = max(attempt_no, ?),
           retry_count = max(retry_count, ?)
    WHERE id IN (SELECT value FROM json_each(?))
"""
_IF_HELD = "AND owner = ?"  # since it was published: then it has no job
_DROP = "DELETE FROM job WHERE delivery_id IN (SELECT value FROM json_each(?))"
# Only by the worker that holds it, and only if no other attempt came between.
_FAILED = """
    UPDATE delivery SET state = ?, retry_count = ?, next_retry_at = ?,
           http_status = ?, error = ?, owner = NULL, attempt_no = attempt_no + 1
    WHERE id = ? AND attempt_no = ? AND state IN ('pending', 'failed')
      AND (owner = ? OR EXISTS (SELECT 1 FROM job WHERE delivery_id = delivery.id AND job.owner = ?))
"""
# An extra attempt leaves state and schedule as they were; its job goes back to where they put it.
_EXTRA = """
    UPDATE delivery SET attempt_no = attempt_no + 1 WHERE id = ? AND attempt_no = ?
      AND EXISTS (SELECT 1 FROM job WHERE delivery_id = delivery.id AND job.owner = ?)
    RETURNING state, next_retry_at
"""
_IS_FIRST = """
    SELECT NOT EXISTS (SELECT 1 FROM job AS earlier
                       WHERE earlier.app_id = job.app_id AND earlier.order_key = job.order_key
                         AND earlier.seq < job.seq)
    FROM job WHERE delivery_id = ?
"""


def record(connection: Connection, worker: str, results: Sequence[Result], now: int) -> Recorded:
    # What is on record already changes nothing that its guards do not allow.
    results, given = _append(connection, worker, results), results
    delivered = [each for each in results if each.step.state is DeliveryState.DELIVERED]
    _deliver(connection, worker, delivered, now)
    exhausted: set[str] = set()
    for result in given:
        if result.step.state is DeliveryState.DELIVERED:
            continue
        if _failed(connection, worker, result, now):
            exhausted.update({result.claimed.id} if result.step.exhausted else ())
        elif result.claimed.manual:
            _extra_failed(connection, worker, result, now)
    record_health(connection, results, exhausted, now)
    return Recorded(switch_off(connection, results, now))


def _append(connection: Connection, worker: str, results: Sequence[Result]) -> Sequence[Result]:
    """Put the attempts on record. Those that count still: not when they were recorded before."""
    rows = _attempt_rows(worker, results)
    connection.execute("SAVEPOINT attempts")
    if insert(connection, _ATTEMPTS, rows, end=_IF_NEW) < len(rows):
        connection.execute("ROLLBACK TO attempts")
        results = [each for each, row in zip(results, rows, strict=True) if _is_new(connection, each, row)]
    connection.execute("RELEASE attempts")
    return results


def _is_new(connection: Connection, result: Result, row: tuple[object, ...]) -> bool:
    if insert(connection, _ATTEMPTS, [row], end=_IF_NEW):
        return True
    if result.step.state is not DeliveryState.DELIVERED:
        return False
    # a worker that lost a delivery and claimed it again may make two attempts under one number
    return connection.execute(_UNDELIVERED, (result.claimed.id,)).fetchone() is not None


def _attempt_rows(worker: str, results: Sequence[Result]) -> list[tuple[object, ...]]:
    ms, texts = Milliseconds(), Texts()
    return [
        (
            each.delivery_id,
            each.no,
            worker,
            ms.of(each.at),
            each.duration_ms,
            each.http_status,
            each.error,
            each.response,
            texts.of(each.response_headers),
        )
        for each in (result.attempt for result in results)
    ]


def _deliver(connection: Connection, worker: str, delivered: Sequence[Result], now: int) -> None:
    alike: dict[tuple[int | None, int, int, bool], list[Result]] = defaultdict(list)
    for each in delivered:
        claimed, step = each.claimed, each.step
        alike[each.attempt.http_status, each.attempt.no, step.retry_count, claimed.from_job].append(each)
    for (status, no, retry_count, from_job), those in alike.items():
        values = (now, status, no, retry_count, id_list(each.claimed.id for each in those))
        if not from_job:
            held = connection.execute(_DELIVERED + _IF_HELD, (*values, worker)).rowcount
            if held == len(those):
                continue
        connection.execute(_DELIVERED, values)
        connection.execute(_DROP, (id_list(each.claimed.id for each in those if not _is_ordered(each)),))
    for each in delivered:
        if _is_ordered(each):
            finish(connection, each.claimed.id, now)


def _is_ordered(result: Result) -> bool:
    return result.claimed.order_key is not None


def _failed(connection: Connection, worker: str, result: Result, now: int) -> bool:
    """Move the delivery as the step says, where its guards hold; whether they did."""
    claimed, attempt, step = result.claimed, result.attempt, result.step
    if step.state is DeliveryState.PENDING:
        return False
    retry_at = None if step.retry_at is None else to_ms(step.retry_at + _NEVER_EARLY)
    moved = connection.execute(
        _FAILED,
        (
            step.state,
            step.retry_count,
            retry_at,
            attempt.http_status,
            attempt.error,
            claimed.id,
            claimed.attempt_no,
            worker,
            worker,
        ),
    ).rowcount
    if not moved:
        return False  # the lease is lost, or it is final already: only the attempt is on record
    if retry_at is None:
        finish(connection, claimed.id, now)
    else:
        wait(connection, claimed.id, claimed.app_id, claimed.lane_id, due=retry_at)
    return True


def _extra_failed(connection: Connection, worker: str, result: Result, now: int) -> None:
    claimed = result.claimed
    row = connection.execute(_EXTRA, (claimed.id, claimed.attempt_no, worker)).fetchone()
    if row is None:
        return
    state, next_retry_at = row
    if state == DeliveryState.FAILED:
        due = next_retry_at
    elif state == DeliveryState.PENDING:
        (first,) = connection.execute(_IS_FIRST, (claimed.id,)).fetchone()
        due = now if first else NEVER
    else:
        finish(connection, claimed.id, now)
        return
    wait(connection, claimed.id, claimed.app_id, claimed.lane_id, due=due)

"""Recording a batch of attempts: the receipts are held, it is decided what becomes of each, and written."""

from collections.abc import Iterable, Sequence

import msgspec

from adjourn.models import ReceiptState
from adjourn.storage.base import Handled
from adjourn.storage.inbox.orders import hold_orders, promote
from adjourn.storage.inbox.rows import plain_text, to_due
from adjourn.storage.sql.connection import Connection, any_of
from adjourn.storage.sql.rows import text, to_ms

__all__ = ["record"]

_HOLD = """
    SELECT seq, order_key, owner, state, attempt_no, retry_count, due, handled_at, done, error
    FROM adjourn_receipt WHERE seq IN {} ORDER BY provider, id
"""
_KNOWN = "SELECT seq, no, error FROM adjourn_receipt_attempt WHERE worker = ? AND seq IN {}"
_APPEND = """
    INSERT INTO adjourn_receipt_attempt (seq, no, worker, at, duration_ms, error) VALUES (?, ?, ?, ?, ?, ?)
"""
_MOVE = """
    UPDATE adjourn_receipt SET owner = NULL, state = ?, attempt_no = ?, retry_count = ?, due = ?,
           handled_at = ?, done = ?, error = ?
    WHERE seq = ?
"""


class _Row(msgspec.Struct):
    """A receipt that is held, and as it is to be."""

    seq: int
    order_key: str | None
    owner: str | None
    state: str
    attempt_no: int
    retry_count: int
    due: int | None
    handled_at: int | None
    done: str
    error: str
    is_moved: bool = False

    def succeed(self, result: Handled, now: int) -> None:
        """Whoever reports it; the first success stands."""
        if self.state != ReceiptState.HANDLED:
            self.handled_at, self.done = now, text(result.done)
        self.state, self.due, self.error = ReceiptState.HANDLED, None, ""
        self.attempt_no = max(self.attempt_no, result.attempt.no)
        self.retry_count = max(self.retry_count, result.retry_count)
        self.owner, self.is_moved = None, True

    def fail(self, result: Handled) -> None:
        self.state, self.retry_count = result.state, result.retry_count
        self.due = None if result.due is None else to_due(result.due)
        self.done, self.error = text(result.done), plain_text(result.attempt.error)
        self.attempt_no += 1
        self.owner, self.is_moved = None, True


def record(connection: Connection, worker: str, results: Sequence[Handled], now: int) -> None:
    if not results:
        return
    orders = hold_orders(connection, (each.receipt.order_key for each in results))
    marks, seqs = any_of([each.receipt.seq for each in results])
    rows = {row[0]: _Row(*row) for row in connection.hold(_HOLD.format(marks), seqs)}
    known = {(seq, no): error for seq, no, error in connection.execute(_KNOWN.format(marks), (worker, *seqs))}
    for each in results:
        row = rows.get(each.receipt.seq)
        if row is None:
            continue
        if each.state is ReceiptState.HANDLED:
            # One number may stand for two attempts of a worker that lost the receipt and claimed it again;
            # but what went well before went well: if it is not handled now, it was replayed since.
            if known.get((row.seq, each.attempt.no)) != "":
                row.succeed(each, now)
        elif row.owner == worker and row.attempt_no == each.receipt.attempt_no:
            row.fail(each)
    _append(connection, worker, [each for each in results if _key(each) not in known])
    _write(connection, [row for row in rows.values() if row.is_moved])
    promote(connection, orders)


def _key(result: Handled) -> tuple[int, int]:
    return result.receipt.seq, result.attempt.no


def _append(connection: Connection, worker: str, results: Iterable[Handled]) -> None:
    given = {_key(each): each.attempt for each in results}
    connection.executemany(
        _APPEND,
        [
            (seq, no, worker, to_ms(each.at), each.duration_ms, plain_text(each.error))
            for (seq, no), each in sorted(given.items())
        ],
    )


def _write(connection: Connection, rows: Sequence[_Row]) -> None:
    connection.executemany(
        _MOVE,
        [
            (
                row.state,
                row.attempt_no,
                row.retry_count,
                row.due,
                row.handled_at,
                row.done,
                row.error,
                row.seq,
            )
            for row in rows
        ],
    )

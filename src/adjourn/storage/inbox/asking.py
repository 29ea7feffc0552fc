"""What people ask: which receipts there are, by what they look for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adjourn.models import Receipt, ReceiptState
from adjourn.storage.base import ReceiptFilter
from adjourn.storage.inbox.rows import COLUMNS, read_receipt
from adjourn.storage.sql.connection import Connection, any_of
from adjourn.storage.sql.rows import maybe, to_ms

__all__ = ["count", "find_seqs", "list_receipts", "oldest_waiting", "where"]

# Neither database sees by itself that the index of what is not handled serves.
_NOT_HANDLED = "state <> 'handled'"
_WAITING = f"""
    SELECT seq, received_at FROM adjourn_receipt WHERE state = '{{}}' AND {_NOT_HANDLED} ORDER BY seq LIMIT 1
"""  # noqa: S608
_COUNT = "SELECT state, count(*) FROM adjourn_receipt GROUP BY state"


def where(wanted: ReceiptFilter) -> tuple[str, list[Any]]:
    """A condition on the table `receipt`, and its values."""
    terms, values = ["TRUE"], list[Any]()
    for name in ("provider", "event_type"):
        if (value := getattr(wanted, name)) is not None:
            terms.append(f"receipt.{name} = ?")
            values.append(value)
    if wanted.state is not None:
        terms.append(f"receipt.state = '{wanted.state.value}'")
        if wanted.state is not ReceiptState.HANDLED:
            terms.append(f"receipt.{_NOT_HANDLED}")
    if wanted.since is not None:
        terms.append("receipt.received_at >= ?")
        values.append(to_ms(wanted.since))
    if wanted.until is not None:
        terms.append("receipt.received_at < ?")
        values.append(to_ms(wanted.until))
    if wanted.seqs is not None:
        marks, seqs = any_of(wanted.seqs or (0,))
        terms.append(f"receipt.seq IN {marks}")
        values += seqs
    return " AND ".join(terms), values


def list_receipts(
    connection: Connection, wanted: ReceiptFilter, *, limit: int, below: int | None
) -> list[Receipt]:
    terms, values = where(wanted)
    if below is not None:
        terms, values = f"{terms} AND receipt.seq < ?", [*values, below]
    sql = f"SELECT {COLUMNS} FROM adjourn_receipt AS receipt WHERE {terms} ORDER BY receipt.seq DESC LIMIT ?"  # noqa: S608
    return [read_receipt(row) for row in connection.execute(sql, (*values, limit))]


def find_seqs(
    connection: Connection, wanted: ReceiptFilter, *, also: str, above: int, limit: int
) -> list[tuple[int, str | None]]:
    """Each with its order key, oldest first; `also`: what must be so, too."""
    terms, values = where(wanted)
    sql = (
        f"SELECT receipt.seq, receipt.order_key FROM adjourn_receipt AS receipt "  # noqa: S608
        f"WHERE {terms} AND {also} AND receipt.seq > ? ORDER BY receipt.seq LIMIT ?"
    )
    return [(row[0], row[1]) for row in connection.execute(sql, (*values, above, limit))]


def count(connection: Connection) -> Mapping[ReceiptState, int]:
    found = dict(connection.execute(_COUNT).fetchall())
    return {state: found.get(state, 0) for state in ReceiptState}


def oldest_waiting(connection: Connection) -> datetime | None:
    """Of what was kept first."""
    first = [
        connection.execute(_WAITING.format(state.value)).fetchone()
        for state in (ReceiptState.NEW, ReceiptState.FAILED)
    ]
    found = min((row for row in first if row is not None), default=None)
    return None if found is None else maybe(found[1])

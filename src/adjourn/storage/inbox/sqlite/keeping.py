"""Keeping events in SQLite: many in one statement, where none of them depends on another."""

from collections.abc import Sequence

from adjourn.storage.base import Kept, NewReceipt
from adjourn.storage.inbox.keeping import KEEP, KEEP_BODY, values_of
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.rows import to_ms

__all__ = ["keep"]

_MANY = 16  # events: 10 us each with the commit, one by one 14

_KEEP = KEEP.format(due="?")
_KEEP_MANY = f"""
    INSERT INTO adjourn_receipt (provider, id, event_type, scheme, profile, received_at, behind, due)
    VALUES {", ".join(["(?, ?, ?, ?, ?, ?, FALSE, ?)"] * _MANY)}
    ON CONFLICT (provider, id) DO UPDATE SET duplicates = adjourn_receipt.duplicates + 1
    RETURNING provider, id, seq, duplicates
"""  # noqa: S608
"""The same as KEEP, of events without an order key. What it returns comes in any order."""


def keep(connection: Connection, receipts: Sequence[NewReceipt], now: int) -> list[Kept]:
    """In the order given; due at `now`, in milliseconds."""
    kept: list[Kept] = []
    for first in range(0, len(receipts), _MANY):
        some = receipts[first : first + _MANY]
        if _are_apart(some):
            kept += _keep_many(connection, some, now)
        else:
            kept += [_keep_one(connection, new, now) for new in some]
    return kept


def _are_apart(some: Sequence[NewReceipt]) -> bool:
    """As many as fill a statement, no two of one event, none in an order."""
    keys = {(new.provider, new.id) for new in some if new.order_key is None}
    return len(keys) == _MANY


def _keep_one(connection: Connection, new: NewReceipt, now: int) -> Kept:
    seq, duplicates = connection.execute(_KEEP, (*values_of(new), now)).fetchone()
    if not duplicates:
        connection.execute(KEEP_BODY, (seq, new.body))
    return Kept(seq, duplicates > 0)


def _keep_many(connection: Connection, some: Sequence[NewReceipt], now: int) -> list[Kept]:
    values: list[object] = []
    for new in some:
        at = to_ms(new.received_at)
        values += (new.provider, new.id, new.event_type, new.scheme, new.profile, at, now)
    found = {
        (provider, event_id): Kept(seq, duplicates > 0)
        for provider, event_id, seq, duplicates in connection.execute(_KEEP_MANY, values)
    }
    kept = [found[new.provider, new.id] for new in some]
    bodies = [
        (its_own.seq, new.body) for new, its_own in zip(some, kept, strict=True) if not its_own.is_duplicate
    ]
    connection.executemany(KEEP_BODY, bodies)
    return kept

"""Keeping one event: the statements, in the SQL that both databases take.

`{due}` stands for the moment, in milliseconds, from which on it may be handled. Who keeps one with an order
key holds that key (orders.py) from before its `seq` is given until the commit.
"""

from collections.abc import Sequence

from adjourn.storage.base import NewReceipt
from adjourn.storage.sql.rows import to_ms

__all__ = ["KEEP", "KEEP_BODY", "values_of"]

KEEP = """
    INSERT INTO adjourn_receipt
        (provider, id, event_type, order_key, scheme, profile, received_at, behind, due)
    VALUES (?, ?, ?, ?, ?, ?, ?,
            EXISTS (SELECT 1 FROM adjourn_receipt AS earlier
                    WHERE earlier.order_key = ? AND earlier.due IS NOT NULL),
            {due})
    ON CONFLICT (provider, id) DO UPDATE SET duplicates = adjourn_receipt.duplicates + 1
    RETURNING seq, duplicates
"""
"""It was not there before if it has no duplicates."""

KEEP_BODY = "INSERT INTO adjourn_receipt_body (seq, body) VALUES (?, ?)"
"""After that, of one that was not there."""


def values_of(new: NewReceipt) -> Sequence[object]:
    """Of KEEP, up to `due`."""
    key = new.order_key
    at = to_ms(new.received_at)
    return (new.provider, new.id, new.event_type, key, new.scheme, new.profile, at, key)

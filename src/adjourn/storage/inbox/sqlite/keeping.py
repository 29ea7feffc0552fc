"""Keeping events in SQLite: many in one statement, where none of them depends on another.

Whoever keeps has begun to write: nobody else gives a number until the commit.
"""

from collections.abc import Sequence
from functools import cache

from adjourn.storage.base import Kept, NewReceipt
from adjourn.storage.inbox.keeping import KEEP, KEEP_BODY, values_of
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.rows import to_ms

__all__ = ["keep"]

_MOST = 64  # events in one statement: 4 us each, one by one 10

_KEEP = KEEP.format(due="?")
_LAST = """
    SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'adjourn_receipt'), 0),
               coalesce((SELECT max(seq) FROM adjourn_receipt), 0))
"""
_NEW_SINCE = "SELECT seq FROM adjourn_receipt WHERE seq > ?"


def keep(connection: Connection, receipts: Sequence[NewReceipt], now: int) -> list[Kept]:
    """In the order given; due at `now`, in milliseconds."""
    kept: list[Kept] = []
    for first in range(0, len(receipts), _MOST):
        some = receipts[first : first + _MOST]
        if _are_apart(some):
            kept += _keep_many(connection, some, now)
        else:
            kept += [_keep_one(connection, new, now) for new in some]
    return kept


def _are_apart(some: Sequence[NewReceipt]) -> bool:
    """No two of one event, none in an order."""
    return len({(new.provider, new.id) for new in some if new.order_key is None}) == len(some)


def _keep_one(connection: Connection, new: NewReceipt, now: int) -> Kept:
    seq, duplicates = connection.execute(_KEEP, (*values_of(new), now)).fetchone()
    if not duplicates:
        connection.execute(KEEP_BODY, (seq, new.body))
    return Kept(seq, duplicates > 0)


def _keep_many(connection: Connection, some: Sequence[NewReceipt], now: int) -> list[Kept]:
    """Under given numbers: to have each returned would cost a third more."""
    last: int = connection.execute(_LAST).fetchone()[0]
    rows, bodies = list[object](), list[object]()
    for seq, new in enumerate(some, last + 1):
        at = to_ms(new.received_at)
        rows += (seq, new.provider, new.id, new.event_type, new.scheme, new.profile, at, now)
        bodies += (seq, new.body)
    if connection.execute(_insert(len(some)), rows).rowcount == len(some):
        connection.execute(_insert_bodies(len(some)), bodies)
        return [Kept(seq, False) for seq in range(last + 1, last + 1 + len(some))]
    return _tell_apart(connection, some, now, last)


def _tell_apart(connection: Connection, some: Sequence[NewReceipt], now: int, last: int) -> list[Kept]:
    """Some had been there: those are counted, and the others have the numbers that they were given."""
    inserted = {row[0] for row in connection.execute(_NEW_SINCE, (last,))}
    kept: list[Kept] = []
    for seq, new in enumerate(some, last + 1):
        if seq in inserted:
            connection.execute(KEEP_BODY, (seq, new.body))
            kept.append(Kept(seq, False))
        else:
            kept.append(_keep_one(connection, new, now))
    return kept


@cache
def _insert(count: int) -> str:
    """So many rows; one of an event that is there is left out."""
    rows = ", ".join(["(?, ?, ?, ?, ?, ?, ?, FALSE, ?)"] * count)
    return f"""
        INSERT INTO adjourn_receipt
            (seq, provider, id, event_type, scheme, profile, received_at, behind, due)
        VALUES {rows} ON CONFLICT (provider, id) DO NOTHING
    """  # noqa: S608


@cache
def _insert_bodies(count: int) -> str:
    return f"{KEEP_BODY.partition('VALUES')[0]} VALUES {', '.join(['(?, ?)'] * count)}"

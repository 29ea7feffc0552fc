"""Receipts of one order key are handled one after the other, in the order that they were kept.

Of the unfinished ones of a key the first kept is not `behind`, and all others are: only those that are not
can be claimed, so what waits behind another costs nothing. While one is in hand, and an earlier one begins
anew, all are behind until that ends or is put back. Whoever adds to a key, ends one of it, or puts one back
holds the key until the commit, before it holds any receipt, and looks after it holds it.
"""

from collections.abc import Iterable

from adjourn.storage.sql.connection import Connection

__all__ = ["hold_orders", "lock_name", "promote", "set_back"]

_FIRST = """
    (SELECT first.seq FROM adjourn_receipt AS first
     WHERE first.order_key = ? AND first.due IS NOT NULL ORDER BY first.seq LIMIT 1)
"""
_IN_HAND = "SELECT 1 FROM adjourn_receipt AS held WHERE held.order_key = ? AND held.owner IS NOT NULL"
_SET = f"UPDATE adjourn_receipt SET behind = {{}} WHERE seq = {_FIRST}"  # noqa: S608
_PROMOTE = f"{_SET.format('FALSE')} AND behind AND NOT EXISTS ({_IN_HAND})"
_SET_BACK = _SET.format("TRUE")


def lock_name(order_key: str) -> str:
    return f"inbox order {order_key}"


def hold_orders(connection: Connection, keys: Iterable[str | None]) -> list[str]:
    """Nobody else begins or ends one of these until the transaction ends. Each once, sorted."""
    held = sorted({key for key in keys if key is not None})
    if held:
        connection.lock(*map(lock_name, held))
    return held


def promote(connection: Connection, held: Iterable[str]) -> None:
    """After some of these ended, began, or were put back: what is first now is behind nothing."""
    connection.executemany(_PROMOTE, [(key, key) for key in held])


def set_back(connection: Connection, held: Iterable[str]) -> None:
    """Before earlier ones of these begin anew: what is first now will be behind them."""
    connection.executemany(_SET_BACK, [(key,) for key in held])

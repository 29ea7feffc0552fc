"""Putting back what was in hands: what waited meanwhile for one of its order key may have its turn then."""

from collections.abc import Sequence

from adjourn.models import Receipt
from adjourn.storage.inbox.orders import hold_orders, promote
from adjourn.storage.sql.connection import Connection, any_of

__all__ = ["give_back", "release"]

_GIVE_BACK = "UPDATE adjourn_receipt SET owner = NULL WHERE seq = ? AND owner = ?"
_ORDERS = "SELECT order_key FROM adjourn_receipt WHERE owner IN {} AND order_key IS NOT NULL"
_RELEASE = "UPDATE adjourn_receipt SET owner = NULL WHERE owner IN {}"
_DISMISS = "DELETE FROM adjourn_inbox_worker WHERE id IN {}"


def give_back(connection: Connection, worker: str, held: Sequence[Receipt]) -> None:
    """Those of them that this worker still has."""
    orders = hold_orders(connection, (each.order_key for each in held))
    rows = [(each.seq, worker) for each in sorted(held, key=_in_order)]
    connection.executemany(_GIVE_BACK, rows)
    promote(connection, orders)


def release(connection: Connection, workers: Sequence[str]) -> int:
    """All that these had, and they are no workers any more; how many that was. Their rows are held."""
    if not workers:
        return 0
    marks, values = any_of(workers)
    found = connection.execute(_ORDERS.format(marks), values).fetchall()
    orders = hold_orders(connection, (row[0] for row in found))
    count = connection.execute(_RELEASE.format(marks), values).rowcount
    connection.execute(_DISMISS.format(marks), values)
    promote(connection, orders)
    return count


def _in_order(receipt: Receipt) -> tuple[str, str]:
    """Everybody holds receipts in this order: so nobody waits for one who waits for him."""
    return receipt.provider, receipt.id

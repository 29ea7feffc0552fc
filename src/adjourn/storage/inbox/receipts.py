"""The inbox's moves that both databases share: each adds its own keeping and claiming."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from adjourn.errors import NotFound
from adjourn.models import Handling, Receipt, ReceiptState
from adjourn.storage.base import Handled, ReceiptFilter
from adjourn.storage.inbox import asking
from adjourn.storage.inbox.orders import hold_orders, promote, set_back
from adjourn.storage.inbox.recording import record
from adjourn.storage.inbox.releasing import give_back, release
from adjourn.storage.inbox.rows import ATTEMPT_COLUMNS, COLUMNS, read_attempt, read_receipt
from adjourn.storage.sql.connection import Connection, Database, any_of, look_up
from adjourn.storage.sql.rows import to_ms

__all__ = ["SqlReceipts"]

_HIGHEST = 2**63 - 1
_MOST_AT_ONCE = 10_000  # receipts replayed, forgotten or hastened in one commit
_BURIED_AT_ONCE = 1000  # receipts
_PEOPLE = "people"  # those who ask share one thread, and leave the others to what must go on

_ENLIST = """
    INSERT INTO adjourn_inbox_worker (id, expires_at) VALUES (?, ?)
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
"""
_DEAD = "SELECT id FROM adjourn_inbox_worker WHERE expires_at < ?"
_AHEAD = f"""
    SELECT seq FROM adjourn_receipt
    WHERE state = 'new' AND state <> 'handled' AND due > ? LIMIT {_MOST_AT_ONCE}
"""  # noqa: S608
_HASTEN = f"UPDATE adjourn_receipt SET due = ? WHERE state = 'new' AND seq IN ({_AHEAD})"  # noqa: S608
_HOLD_WORKER = "SELECT id FROM adjourn_inbox_worker WHERE id = ?"

_RECEIPT = f"""
    SELECT {COLUMNS}, body.body FROM adjourn_receipt AS receipt
    LEFT JOIN adjourn_receipt_body AS body ON body.seq = receipt.seq
"""  # noqa: S608
_ATTEMPTS = f"SELECT {ATTEMPT_COLUMNS} FROM adjourn_receipt_attempt WHERE seq = ? ORDER BY no, at, worker"  # noqa: S608

_IN_NO_HANDS = "receipt.owner IS NULL"
_WAITING = f"{_IN_NO_HANDS} AND receipt.due IS NOT NULL"
_KEPT = f"{_IN_NO_HANDS} AND NOT receipt.forgotten"
_REPLAY = """
    UPDATE adjourn_receipt AS receipt
    SET state = 'new', due = ?, behind = (order_key IS NOT NULL), retry_count = 0, done = '[]', error = '',
        handled_at = NULL, replays = replays + 1
"""
_BURY = "UPDATE adjourn_receipt AS receipt SET state = 'dead', due = NULL, behind = FALSE"
_OLD = "state = 'handled' AND NOT forgotten AND handled_at < ?"
_FIND_OLD = f"SELECT seq FROM adjourn_receipt WHERE {_OLD} ORDER BY handled_at LIMIT ?"  # noqa: S608
_FORGET = f"UPDATE adjourn_receipt SET forgotten = TRUE WHERE {_OLD} AND seq IN {{}} RETURNING seq"  # noqa: S608
_FORGET_IN = "DELETE FROM {} WHERE seq IN {}"

Change = tuple[str, Sequence[object]]
"""An UPDATE without its WHERE, and its values."""


class SqlReceipts:
    """Of `storage.base.Receipts`. `clock` rules due times and leases."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._shared = database
        self._clock = clock
        self._reaped_at = _HIGHEST

    # what every queue promises

    async def now(self) -> datetime:
        return self._clock()

    async def enlist(self, worker: str, *, lease: timedelta) -> None:
        values = (worker, to_ms(self._clock() + lease))
        await self._shared.write("enlist", lambda connection: connection.execute(_ENLIST, values))

    async def record(self, worker: str, results: Sequence[Handled]) -> None:
        now = to_ms(self._clock())
        await self._shared.write("record", lambda connection: record(connection, worker, results, now))

    async def give_back(self, worker: str, held: Sequence[Receipt]) -> None:
        if held:
            await self._shared.write("give_back", lambda connection: give_back(connection, worker, held))

    async def reap(self) -> int:
        now = to_ms(self._clock())
        if now < self._reaped_at:  # the first time, too: it may have been set back before
            await self._hasten(now)
        self._reaped_at = now
        if not await look_up(self._shared, f"{_DEAD} LIMIT 1", now):
            return 0

        def run(connection: Connection) -> int:
            dead = [row[0] for row in connection.hold(f"{_DEAD} ORDER BY id", (now,)).fetchall()]
            return release(connection, dead)

        return await self._shared.write("reap", run)

    async def end(self, worker: str) -> int:
        def run(connection: Connection) -> int:
            connection.hold(_HOLD_WORKER, (worker,)).fetchall()
            return release(connection, [worker])

        return await self._shared.write("end", run)

    async def _hasten(self, now: int) -> None:
        """What was kept by a clock that was fast need not wait until that time has come."""
        while await self._shared.read(lambda connection: connection.execute(_AHEAD, (now,)).fetchone()):
            await self._shared.write("hasten", lambda connection: connection.execute(_HASTEN, (now, now)))

    # what people ask

    async def get(self, seq: int) -> Receipt:
        rows = await look_up(self._shared, f"{_RECEIPT} WHERE receipt.seq = ?", min(max(seq, 0), _HIGHEST))
        if not rows:
            raise NotFound("receipt", str(seq))
        return read_receipt(rows[0])

    async def find(self, provider: str, event_id: str) -> Receipt | None:
        rows = await look_up(
            self._shared, f"{_RECEIPT} WHERE receipt.provider = ? AND receipt.id = ?", provider, event_id
        )
        return read_receipt(rows[0]) if rows else None

    async def list_receipts(
        self, wanted: ReceiptFilter, *, limit: int, below: int | None = None
    ) -> list[Receipt]:
        return await self._shared.read(
            lambda connection: asking.list_receipts(connection, wanted, limit=limit, below=below),
            turn=_PEOPLE,
        )

    async def list_attempts(self, seq: int) -> list[Handling]:
        return [read_attempt(row) for row in await look_up(self._shared, _ATTEMPTS, seq)]

    async def count(self) -> Mapping[ReceiptState, int]:
        return await self._shared.read(asking.count, turn=_PEOPLE)

    async def oldest_waiting(self) -> datetime | None:
        return await self._shared.look(asking.oldest_waiting)

    async def replay(self, wanted: ReceiptFilter, *, limit: int, above: int = 0) -> tuple[int, int | None]:
        limit = min(limit, _MOST_AT_ONCE)
        found = await self._find(wanted, also="TRUE", above=above, limit=limit + 1)
        change = _REPLAY, (to_ms(self._clock()),)
        count = await self._change(found[:limit], change, wanted, also=_KEPT)
        return count, found[limit - 1][0] if len(found) > limit else None

    async def bury(self, wanted: ReceiptFilter) -> int:
        count, above = 0, 0
        while found := await self._find(wanted, also=_WAITING, above=above, limit=_BURIED_AT_ONCE):
            count += await self._change(found, (_BURY, ()), wanted, also=_WAITING)
            above = found[-1][0]
        return count

    async def forget(self, *, before: datetime, limit: int = 1000) -> int:
        moment = to_ms(before)
        old = [row[0] for row in await look_up(self._shared, _FIND_OLD, moment, min(limit, _MOST_AT_ONCE))]
        if not old:
            return 0
        return await self._shared.write("forget", lambda connection: _forget(connection, old, moment))

    async def _find(
        self, wanted: ReceiptFilter, *, also: str, above: int, limit: int
    ) -> list[tuple[int, str | None]]:
        return await self._shared.read(
            lambda connection: asking.find_seqs(connection, wanted, also=also, above=above, limit=limit),
            turn=_PEOPLE,
        )

    async def _change(
        self, found: Sequence[tuple[int, str | None]], change: Change, wanted: ReceiptFilter, *, also: str
    ) -> int:
        """Those of the found that are still as they were looked for; how many."""
        if not found:
            return 0
        terms, values = asking.where(wanted)
        marks, seqs = any_of([seq for seq, _ in found])
        sql = f"{change[0]} WHERE {terms} AND {also} AND receipt.seq IN {marks}"

        def run(connection: Connection) -> int:
            orders = hold_orders(connection, (key for _, key in found))
            set_back(connection, orders)
            count = connection.execute(sql, (*change[1], *values, *seqs)).rowcount
            promote(connection, orders)
            return count

        return await self._shared.write("change", run)


def _forget(connection: Connection, seqs: Sequence[int], before: int) -> int:
    marks, values = any_of(seqs)
    forgotten = [row[0] for row in connection.execute(_FORGET.format(marks), (before, *values))]
    if forgotten:
        marks, values = any_of(forgotten)
        for table in ("adjourn_receipt_body", "adjourn_receipt_attempt"):
            connection.execute(_FORGET_IN.format(table, marks), values)
    return len(forgotten)

"""The inbox in a PostgreSQL database: keeping and claiming in batches, from many processes at once."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from adjourn.models import Receipt
from adjourn.storage.base import Kept, NewReceipt, ReceiptClaim
from adjourn.storage.inbox.orders import hold_orders, promote
from adjourn.storage.inbox.receipts import SqlReceipts
from adjourn.storage.inbox.releasing import give_back
from adjourn.storage.inbox.rows import COLUMNS, read_receipt
from adjourn.storage.migrate import Tables
from adjourn.storage.postgres.bridge import Link, run_on
from adjourn.storage.postgres.database import PostgresDatabase
from adjourn.storage.postgres.doubts import Doubts
from adjourn.storage.postgres.faults import FOREIGN, is_lost
from adjourn.storage.sql.rows import maybe, to_ms

__all__ = ["PostgresReceipts", "open_database"]

_TABLES = Tables("adjourn.storage.inbox.postgres", "adjourn_inbox_schema")
_MISSING = "there is no inbox in this database: its tables are made when an Inbox opens it"

# `seq` in the order given; the rows in an order that is the same for everybody, so that nobody waits for one
# who waits for him. Ordered ones are behind all others until it is known who is first.
_KEEP = """
    WITH given AS MATERIALIZED (
        SELECT nextval('adjourn_receipt_seq') AS seq, given.*
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                    $8::bytea[], $9::bigint[])
             AS given (provider, id, event_type, order_key, scheme, profile, received_at, body, duplicates)),
    kept AS (
        INSERT INTO adjourn_receipt AS receipt (seq, provider, id, event_type, order_key, scheme, profile,
                                                received_at, duplicates, behind, due)
        SELECT seq, provider, id, event_type, order_key, scheme, profile, received_at, duplicates,
               order_key IS NOT NULL, $10::bigint
        FROM given ORDER BY provider COLLATE "C", id COLLATE "C"
        ON CONFLICT (provider, id) DO UPDATE SET duplicates = receipt.duplicates + excluded.duplicates + 1
        RETURNING receipt.seq, receipt.provider, receipt.id),
    bodies AS (
        INSERT INTO adjourn_receipt_body SELECT seq, given.body FROM kept JOIN given USING (seq))
    SELECT kept.provider, kept.id, seq, given.seq IS NULL FROM kept LEFT JOIN given USING (seq)
"""
_FREE = "owner IS NULL AND due IS NOT NULL AND NOT behind"
_NEXT_DUE = f"SELECT min(due) FROM adjourn_receipt WHERE {_FREE}"  # noqa: S608
_CLAIM = f"""
    WITH due AS MATERIALIZED (
        SELECT seq FROM adjourn_receipt WHERE {_FREE} AND due <= $2 ORDER BY due, seq LIMIT $3
        FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE adjourn_receipt AS receipt SET owner = $1
    FROM due LEFT JOIN adjourn_receipt_body AS body ON body.seq = due.seq
    WHERE receipt.seq = due.seq
    RETURNING {COLUMNS}, body.body
"""  # noqa: S608
# Its row is held, so that it is not reaped meanwhile. One that is not enlisted is entered with a lease that
# is over, until it renews it or is reaped.
_ENTERED = "SELECT 1 FROM adjourn_inbox_worker WHERE id = $1 FOR KEY SHARE"
_ENTER = """
    INSERT INTO adjourn_inbox_worker VALUES ($1, $2)
    ON CONFLICT (id) DO UPDATE SET expires_at = adjourn_inbox_worker.expires_at
"""

Columns = Sequence[Sequence[object]]
Key = tuple[str, str]
"""A receipt's provider and id."""


async def open_database(
    url: str, *, clock: Callable[[], datetime] | None, create: bool
) -> "PostgresReceipts":
    """`clock`: a test's, which waits for no lease before it reaps. Raises ConfigError."""
    tables = _TABLES if create else _TABLES._replace(missing=_MISSING)
    database = await PostgresDatabase.open(url, tables, named="the inbox's URL", clock=clock)
    return PostgresReceipts(database, is_patient=clock is None)


class PostgresReceipts(SqlReceipts):
    """`storage.base.Receipts` on one database, whose clock rules.

    `is_patient`: nobody reaps who was not connected for as long as a lease: after a break of the database the
    others, too, could not renew theirs.
    """

    def __init__(self, database: PostgresDatabase, *, is_patient: bool = True) -> None:
        super().__init__(database, clock=database.clock)
        self._database = database
        self._is_patient = is_patient
        self._lease = timedelta(0)
        self._doubts: Doubts[str, Receipt] = Doubts()

    async def enlist(self, worker: str, *, lease: timedelta) -> None:
        self._lease = max(self._lease, lease)
        await super().enlist(worker, lease=lease)

    async def reap(self) -> int:
        connected = self._database.elapsed() - self._database.whole_since()
        if self._is_patient and connected < self._lease.total_seconds():
            return 0
        return await super().reap()

    async def keep(self, receipts: Sequence[NewReceipt]) -> list[Kept]:
        """Where the connection was lost, perhaps long ago, it asks again: what was kept by then is told of as
        a duplicate.
        """
        if not receipts:
            return []
        first = dict[Key, NewReceipt]()
        for each in receipts:
            first.setdefault((each.provider, each.id), each)
        again = Counter((each.provider, each.id) for each in receipts)
        columns = (*_columns(list(first.values())), [again[key] - 1 for key in first])
        orders = [each.order_key for each in first.values() if each.order_key is not None]

        async def act() -> dict[Key, Kept]:
            try:
                return await self._keep(columns, orders)
            except FOREIGN as exc:
                if not is_lost(exc) or isinstance(exc, TimeoutError):
                    raise
                return await self._keep(columns, orders)

        return _told(receipts, await self._database.again("keeping failed", act))

    async def _keep(self, columns: Columns, orders: Sequence[str]) -> dict[Key, Kept]:
        now = to_ms(self._clock())
        if not orders:
            async with self._database.publishing.one() as link:
                return await _keep(link, columns, now)
        async with self._database.publishing.transaction() as link:
            held = await run_on(link, lambda connection: hold_orders(connection, orders))
            kept = await _keep(link, columns, now)
            await run_on(link, lambda connection: promote(connection, held))
            return kept

    async def claim(self, worker: str, *, limit: int) -> ReceiptClaim:
        async def act() -> ReceiptClaim:
            await self._settle_doubts()
            return await self._claim(worker, limit)

        return await self._database.again("claiming failed", act)

    async def close(self) -> None:
        await self._database.close()

    async def _claim(self, worker: str, limit: int) -> ReceiptClaim:
        now = to_ms(self._clock())
        async with self._database.claiming.one() as link:
            next_due = await link.raw.fetchval(_NEXT_DUE)
        if limit <= 0 or next_due is None or next_due > now:
            return ReceiptClaim([], maybe(next_due))
        return await self._take(worker, limit, now)

    async def _take(self, worker: str, limit: int, now: int) -> ReceiptClaim:
        taken: list[Receipt] = []
        session = ""
        try:
            async with self._database.claiming.transaction() as link:
                session = link.name
                if await link.raw.fetchval(_ENTERED, worker) is None:
                    await link.raw.execute(_ENTER, worker, now)
                rows = await link.raw.fetch(_CLAIM, worker, now, limit)
                taken = [read_receipt(row) for row in sorted(rows, key=_by_due)]
                next_due = await link.raw.fetchval(_NEXT_DUE)
        except BaseException as exc:
            if taken and is_lost(exc):  # whether it was committed, nobody knows
                self._doubts.note_session(session)
                self._doubts.note_claimed(worker, taken)
            raise
        return ReceiptClaim(taken, maybe(next_due))

    async def _settle_doubts(self) -> None:
        """Put back what may have been claimed by a transaction whose end nobody knows."""
        while (doubtful := self._doubts.next_claimed()) is not None:
            worker, held = doubtful
            async with self._database.claiming.transaction() as link:
                await self._doubts.end_sessions(link)
                await run_on(link, partial(give_back, worker=worker, held=held))
            self._doubts.settled(worker, len(held))


async def _keep(link: Link, columns: Columns, now: int) -> dict[Key, Kept]:
    rows = await link.raw.fetch(_KEEP, *columns, now)
    return {(provider, its_id): Kept(seq, was_there) for provider, its_id, seq, was_there in rows}


def _columns(receipts: Sequence[NewReceipt]) -> Columns:
    return (
        [each.provider for each in receipts],
        [each.id for each in receipts],
        [each.event_type for each in receipts],
        [each.order_key for each in receipts],
        [each.scheme for each in receipts],
        [each.profile for each in receipts],
        [to_ms(each.received_at) for each in receipts],
        [each.body for each in receipts],
    )


def _told(receipts: Sequence[NewReceipt], kept: dict[Key, Kept]) -> list[Kept]:
    """In the order given; the second of one key is a duplicate of the first."""
    told = []
    for each in receipts:
        key = (each.provider, each.id)
        told.append(kept[key])
        kept[key] = Kept(kept[key].seq, True)
    return told


def _by_due(row: Any) -> tuple[int, int]:
    return row[13], row[0]

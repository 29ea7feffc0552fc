"""The inbox's store: what was received is kept once, handled, and kept to be replayed.

Its tables are its own, and none of them is a lane: what is due is due.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from adjourn.models import Handling, Receipt, ReceiptState
from adjourn.storage.base.work import WorkQueue

__all__ = ["Handled", "Kept", "NewReceipt", "ReceiptClaim", "ReceiptFilter", "Receipts"]


class NewReceipt(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A verified event to be kept. With an `order_key` it waits for those of the same key kept before it."""

    provider: str
    id: str
    event_type: str
    order_key: str | None
    scheme: str
    profile: str
    received_at: datetime
    body: bytes


class Kept(msgspec.Struct, frozen=True, gc=False):
    """The receipt's `seq`, and whether its event was there before."""

    seq: int
    is_duplicate: bool


class ReceiptClaim(msgspec.Struct, frozen=True):
    """What a claim brought, bodies included, and when the next is due.

    None: none waits for a time, or what was taken is all that could be told.
    """

    receipts: Sequence[Receipt]
    next_due: datetime | None


class Handled(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that ended, and the step that follows.

    `state` is HANDLED, FAILED with a `due`, or DEAD. `receipt` is as it was claimed. `done`: the handlers
    that succeeded so far. The attempt's `no` is the receipt's attempt_no + 1.
    """

    receipt: Receipt
    attempt: Handling
    state: ReceiptState
    retry_count: int
    due: datetime | None = None
    done: tuple[str, ...] = ()


class ReceiptFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which receipts are meant: all that is given must fit.

    They were received at `since` or later, and before `until`. `seqs`: none but these.
    """

    provider: str | None = None
    event_type: str | None = None
    state: ReceiptState | None = None
    since: datetime | None = None
    until: datetime | None = None
    seqs: tuple[int, ...] | None = None


class Receipts(WorkQueue[Receipt, Handled], Protocol):
    """Every verb is one transaction, on disk when it returns. Each raises StorageError when the store could
    not do it; nothing was changed then, and asking again is safe.

    What was kept by a clock that was fast is due once `reap` was called by the right one; a retry waits.

    Of the unfinished receipts of one order key one is in hand at a time: the first kept, that was replayed or
    not. One that is replayed while a later one is in hand waits until that is recorded, given back or reaped.
    """

    async def keep(self, receipts: Sequence[NewReceipt]) -> list[Kept]:
        """Keep each event that is not there yet, and count the others; answers in the order given.

        All or nothing. Of two of the same (provider, id) in one call the second is a duplicate.
        """

    async def claim(self, worker: str, *, limit: int) -> ReceiptClaim:
        """Take up to `limit` receipts that are due, those due first and kept first before others.

        One with an order_key is taken only when none of that key kept before it is unfinished.
        """

    # what people ask

    async def get(self, seq: int) -> Receipt:
        """With its body. Raises NotFound."""

    async def find(self, provider: str, event_id: str) -> Receipt | None:
        """With its body."""

    async def list_receipts(
        self, wanted: ReceiptFilter, *, limit: int, below: int | None = None
    ) -> list[Receipt]:
        """A page, newest first, without bodies; the next one is `below` the last seq of this."""

    async def list_attempts(self, seq: int) -> list[Handling]:
        """Oldest first."""

    async def count(self) -> Mapping[ReceiptState, int]:
        """How many there are in each state; every state is there."""

    async def oldest_waiting(self) -> datetime | None:
        """When the oldest was received that is new or failed."""

    async def replay(self, wanted: ReceiptFilter, *, limit: int, above: int = 0) -> tuple[int, int | None]:
        """Have up to `limit` receipts handled anew, oldest first: how many, and the last seq looked at.

        None in its place when there are no more above it. They are new again: due now, all their handlers
        run, with every retry. Those in a worker's hands, or whose body was forgotten, are passed over.
        """

    async def bury(self, wanted: ReceiptFilter) -> int:
        """Make what is new or failed, and in no worker's hands, dead: nobody wants it handled. How many.

        In commits of bounded size: after an error some may be dead, and asking again goes on.
        """

    async def forget(self, *, before: datetime, limit: int = 1000) -> int:
        """Delete the bodies and attempts of up to `limit` receipts handled before that moment; how many.

        The receipts stay: what was had before is known for good.
        """

    async def close(self) -> None: ...

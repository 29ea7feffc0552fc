"""The step between verifying and the answer: what was received is on disk when `keep` returns.

What comes while a commit is in flight shares the next one.
"""

import asyncio
from collections.abc import Callable, Sequence

from adjourn.errors import StorageError
from adjourn.storage.base import Kept, NewReceipt, Receipts

__all__ = ["Keeper"]

_BATCH = 500  # receipts in one commit

_Waiting = tuple[NewReceipt, "asyncio.Future[Kept]"]


class Keeper:
    """Keeps receipts in batches. `on_new` is told after a commit that brought something to handle."""

    def __init__(self, receipts: Receipts, *, on_new: Callable[[], None]) -> None:
        self._receipts = receipts
        self._on_new = on_new
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def keep(self, receipt: NewReceipt) -> Kept:
        """Raises StorageError; then nothing was kept. Who is cancelled meanwhile takes nothing back."""
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[Kept] = loop.create_future()
        self._waiting.append((receipt, kept))
        if self._task is None:
            self._task = loop.create_task(self._keep_all())
        return await kept

    async def finish(self) -> None:
        """Wait until all that was asked for is on disk, or refused."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _keep_all(self) -> None:
        await asyncio.sleep(0)  # what this pass of the loop still brings joins
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                await self._keep_batch(batch)
        finally:
            self._task = None

    async def _keep_batch(self, batch: Sequence[_Waiting]) -> None:
        """One that the store refuses must not fail the others: then each is on its own."""
        try:
            kept = await self._receipts.keep([receipt for receipt, _ in batch])
        except Exception as exc:
            if len(batch) > 1 and not isinstance(exc, StorageError):
                for each in batch:
                    await self._keep_batch([each])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(exc)
            return
        for (_, future), its_own in zip(batch, kept, strict=True):
            if not future.done():
                future.set_result(its_own)
        if not all(each.is_duplicate for each in kept):
            self._on_new()

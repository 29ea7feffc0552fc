"""An inbox that is open: its store, what keeps and what handles, in one event loop of one process."""

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta

from adjourn.errors import ConfigError
from adjourn.receiving.keeper import Keeper
from adjourn.receiving.worker import Worker
from adjourn.storage.base import Receipts

__all__ = ["GRACE", "Session"]

GRACE = timedelta(seconds=10)
"""How long handlers may take to end when an inbox closes."""

MakeWorker = Callable[[Receipts], Worker]


class Session:
    """Made in the loop that it is for. `close` it there."""

    def __init__(self, receipts: Receipts, make_worker: MakeWorker) -> None:
        self.receipts = receipts
        self.keeper = Keeper(receipts, on_new=self._poke)
        self._make_worker = make_worker
        self._worker: Worker | None = None
        self._starting = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()

    def is_here(self) -> bool:
        """Whether it is open in the loop that runs."""
        return self._loop is asyncio.get_running_loop() and self._pid == os.getpid()

    def check_here(self, *, survives_fork: bool) -> bool:
        """Whether it is; False: it is over, and another may be opened. Raises ConfigError for neither."""
        if self._pid != os.getpid() and not survives_fork:
            raise ConfigError(
                "the inbox was open when this process was forked, and SQLite does not survive that: "
                "let each process open it"
            )
        if self.is_over():
            return False
        if not self.is_here():
            raise ConfigError("the inbox is open in another event loop: each loop needs an Inbox of its own")
        return True

    def is_over(self) -> bool:
        """Of the process that forked this one, or of a loop that is gone."""
        return self._pid != os.getpid() or self._loop.is_closed()

    async def start_worker(self) -> Worker:
        """Raises StorageError."""
        async with self._starting:
            if self._worker is None:
                worker = self._make_worker(self.receipts)
                await worker.start()
                self._worker = worker
            return self._worker

    async def settle(self) -> None:
        """All that is due is handled; a worker that was not there is gone again."""
        was_working = self._worker is not None
        await (await self.start_worker()).settle()
        if not was_working:
            await self._stop_worker(GRACE)

    async def close(self, grace: timedelta) -> None:
        await self.keeper.finish()
        try:
            await self._stop_worker(grace)
        except asyncio.CancelledError:  # whoever waits has no more patience
            await self._stop_worker(timedelta(0))
            raise
        finally:
            await self.receipts.close()

    async def _stop_worker(self, grace: timedelta) -> None:
        if self._worker is not None:
            await self._worker.drain(grace)
            self._worker = None

    def _poke(self) -> None:
        if self._worker is not None:
            self._worker.poke()

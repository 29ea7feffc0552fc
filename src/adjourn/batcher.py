"""Things on their way to the store: what comes while a commit is in flight shares the next one."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from adjourn.errors import StorageError

__all__ = ["Batcher"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_BATCH = 500
_RETRY_EVERY = 0.5  # seconds, while the store cannot take them


class Batcher(Generic[T]):
    """Collects things and stores them in batches, each again and again until the store took it.

    `full`: from this many on, `wait_for_room` waits. `linger`: seconds that a batch is waited for while it is
    small: where a commit costs much, more should share it; nothing that is `urgent` waits. After a failure
    batches are smaller, so that one bad thing is soon alone; then it goes behind the others. What the store
    refuses with anything but a StorageError is dropped, and logged.
    """

    def __init__(
        self,
        store: Callable[[Sequence[T]], Awaitable[None]],
        *,
        full: int,
        retry_every: float = _RETRY_EVERY,
        linger: float = 0.0,
        urgent: Callable[[T], bool] = lambda thing: False,
    ) -> None:
        self._store = store
        self._urgent = urgent
        self._full = full
        self._retry_every = retry_every
        self._linger = linger
        self._enough = asyncio.Event()  # to be stored without waiting for more
        self._waiting: list[T] = []
        self._under_way = 0
        self._batch = _BATCH
        self._task: asyncio.Task[None] | None = None
        self._has_room = asyncio.Event()
        self._has_room.set()

    def __len__(self) -> int:
        return len(self._waiting) + self._under_way

    def add(self, thing: T) -> None:
        self._waiting.append(thing)
        count = len(self._waiting)
        if count + self._under_way >= self._full:
            self._has_room.clear()
        if count == _BATCH or (self._linger and self._urgent(thing)):
            self._enough.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._flush())

    async def wait_for_room(self, *, within: float) -> bool:
        """Whether there is room, at the latest after so many seconds."""
        if not self._has_room.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._has_room.wait()
        return self._has_room.is_set()

    async def finish(self, *, within: float) -> bool:
        """Wait until all is stored, at most so many seconds; then leave the rest. Whether all was stored."""
        self._linger = 0.0
        self._enough.set()
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + within
        while (task := self._task) is not None:
            await asyncio.wait([task], timeout=max(ends_at - loop.time(), 0))
            if self._task is not None and loop.time() >= ends_at:
                self._task.cancel()
                await asyncio.wait([self._task])
                return False
        return True

    async def _flush(self) -> None:
        try:
            while self._waiting:
                await self._wait_for_more()
                await self._store_some()
                if len(self) < self._full:
                    self._has_room.set()
        finally:
            self._under_way = 0
            self._task = None

    async def _wait_for_more(self) -> None:
        if self._linger and len(self._waiting) < self._batch and not self._enough.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._linger):
                    await self._enough.wait()
        else:
            await asyncio.sleep(0)  # what this pass of the loop still brings joins

    async def _store_some(self) -> None:
        batch, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
        self._enough.clear()
        self._under_way = len(batch)
        try:
            await self._store(batch)
        except Exception as exc:
            if isinstance(exc, StorageError):
                _log.warning("cannot store %d outcomes, trying again: %s", len(batch), exc)
                await asyncio.sleep(self._retry_every)
            elif len(batch) == 1:
                _log.exception("an outcome cannot be stored, and is dropped")
                batch = []
            self._waiting = self._waiting + batch if self._batch == 1 else batch + self._waiting
            self._batch = max(self._batch // 2, 1) if len(batch) > 1 else 1
        else:
            self._batch = min(self._batch * 2, _BATCH)
        self._under_way = 0

"""Things on their way to the store: what comes while a commit is in flight shares the next one."""

import asyncio
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

    `full`: from this many on, `wait_for_room` waits.
    """

    def __init__(self, store: Callable[[Sequence[T]], Awaitable[None]], *, full: int) -> None:
        self._store = store
        self._full = full
        self._waiting: list[T] = []
        self._under_way = 0
        self._task: asyncio.Task[None] | None = None
        self._has_room = asyncio.Event()
        self._has_room.set()

    def __len__(self) -> int:
        return len(self._waiting) + self._under_way

    def add(self, thing: T) -> None:
        self._waiting.append(thing)
        if len(self) >= self._full:
            self._has_room.clear()
        if self._task is None:
            self._task = asyncio.create_task(self._flush())

    async def wait_for_room(self) -> None:
        await self._has_room.wait()

    async def finish(self) -> None:
        """Wait until all is stored."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _flush(self) -> None:
        await asyncio.sleep(0)
        try:
            while self._waiting:
                await self._store_some()
                if len(self) < self._full:
                    self._has_room.set()
        finally:
            self._task = None

    async def _store_some(self) -> None:
        batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
        self._under_way = len(batch)
        try:
            await self._store(batch)
        except StorageError as exc:
            _log.warning("cannot store %d outcomes, trying again: %s", len(batch), exc)
            await asyncio.sleep(_RETRY_EVERY)
            self._waiting = batch + self._waiting
        self._under_way = 0

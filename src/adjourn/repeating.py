"""A step that a task repeats: when it is woken, and every so often without being asked."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from adjourn.errors import StorageError

__all__ = ["Repeating"]

_log = logging.getLogger(__name__)


class Repeating:
    """Runs `step` at once and then every `every` seconds, or as soon as it is woken. `start`, then `stop`.

    A step that fails is logged and run again after `after_error` seconds.
    """

    def __init__(self, step: Callable[[], Awaitable[None]], *, every: float, after_error: float) -> None:
        self._step = step
        self._name = getattr(step, "__qualname__", repr(step))
        self._every = every
        self._after_error = after_error
        self._woken = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        self._woken.set()

    async def stop(self, grace: timedelta) -> None:
        """Let the step under way end; past the grace it is cancelled."""
        self._stopping = True
        self.wake()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=grace.total_seconds())
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                await self._step()
            except Exception as exc:
                _log.warning("%s failed, trying again: %s", self._name, exc, exc_info=_unexpected(exc))
                await asyncio.sleep(self._after_error)
            else:
                await self._wait()

    async def _wait(self) -> None:
        if not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._woken.wait()


def _unexpected(exc: Exception) -> Exception | None:
    return None if isinstance(exc, StorageError) else exc

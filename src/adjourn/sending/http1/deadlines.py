"""One coarse sweep for everything that waits: a timer for each request would cost more than sending it."""

import asyncio
from collections.abc import Callable
from typing import Protocol

__all__ = ["Deadlines", "Expiring", "Timers"]


class Timers(Protocol):
    """What is needed of an event loop."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle: ...


class Expiring(Protocol):
    def expire(self) -> None:
        """Its time is over. Does nothing where it is over already."""


class Deadlines:
    """A wheel of slots, `every` seconds each: what is due is told up to two slots late, never early.

    The timer runs only while anything waits, or did so lately.
    """

    def __init__(self, loop: Timers, *, every: float) -> None:
        self._loop = loop
        self._every = every
        self._slots: dict[int, set[Expiring]] = {}
        self._swept = 0  # the last slot that was
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiting: Expiring, at: float) -> int:
        """`at`: by the loop's clock. Returns the slot, to `remove` it from."""
        slot = int(at / self._every) + 1
        if self._timer is None:
            self._swept = min(self._now(), slot) - 1
            self._wind()
        elif slot <= self._swept:
            slot = self._swept + 1
        waiters = self._slots.get(slot)
        if waiters is None:
            self._slots[slot] = {waiting}
        else:
            waiters.add(waiting)
        return slot

    def remove(self, waiting: Expiring, slot: int) -> None:
        waiters = self._slots.get(slot)
        if waiters is not None:
            waiters.discard(waiting)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()

    def _now(self) -> int:
        return int(self._loop.time() / self._every)

    def _wind(self) -> None:
        self._timer = self._loop.call_later(self._every, self._sweep)

    def _sweep(self) -> None:
        due = range(self._swept + 1, self._now() + 1)
        self._swept = max(self._swept, due.stop - 1)
        for slot in due:
            for waiting in self._slots.pop(slot, ()):
                waiting.expire()
        if self._slots:
            self._wind()
        else:
            self._timer = None

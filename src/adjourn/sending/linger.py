"""Whether a commit waits for more requests to share it: where one costs much, a few together cost as much."""

import asyncio
import contextlib

__all__ = ["Linger"]

_ENOUGH = 4  # requests: they share a commit well enough
_MANY = 32  # events: their own cost outweighs that of the commit
_MOST_SKIPPED = 64  # commits, after those that waited in vain


class Linger:
    """Waits up to `seconds` while requests come one by one, each soon after the last commit.

    Nobody waits where nothing was committed just before, where many wait already, or where as many are back
    as shared the last commit: callers that ask one after the other bring no more. Each wait that brought
    nothing lets twice as many commits pass before the next.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = 0  # requests in the last commit
        self._ended_at = float("-inf")
        self._skips = 0
        self._skip = 1
        self._wanted = 0  # requests; 0: nobody waits
        self._there = asyncio.Event()

    def arrived(self, requests: int) -> None:
        """So many are there by now."""
        if 0 < self._wanted <= requests:
            self._there.set()

    def committed(self, requests: int, *, now: float) -> None:
        self._last, self._ended_at = requests, now

    def wants(self, requests: int, *, events: int, now: float) -> int:
        """For how many requests to wait; 0: commit those that are there."""
        wanted = max(self._last, _ENOUGH)
        if requests >= wanted or events >= _MANY or now - self._ended_at > self._seconds:
            return 0
        if self._skips:
            self._skips -= 1
            return 0
        return wanted

    async def wait(self, requests: int) -> None:
        """Until so many requests are there, or the time is over."""
        self._wanted = requests
        self._there.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self._there.wait()
        self._wanted = 0

    def brought(self, more: int) -> None:
        """What the wait was good for, in requests."""
        self._skip = 1 if more else min(self._skip * 2, _MOST_SKIPPED)
        self._skips = 0 if more else self._skip

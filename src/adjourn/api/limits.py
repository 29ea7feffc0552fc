"""How often an app or the platform may ask: fixed windows of a minute, counted in this process."""

import math
import time
from collections.abc import Callable, Mapping

from adjourn.api.problems import Problem

__all__ = ["RateLimit"]

_WINDOW = 60.0  # seconds


class RateLimit:
    """`most` requests a minute for each key; its minute starts with its first request.

    Remembers only the keys that asked within the last minute. `clock` gives seconds and never goes back.
    `noun`: what is counted, for the text of a refusal.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic, noun: str = "key") -> None:
        self._most = most
        self._noun = noun
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}  # when it ends and how many asked, the oldest first

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._windows)

    def count(self, key: str) -> Mapping[str, str]:
        """One more request: the headers that tell how many are left. Raises Problem (429)."""
        now = self._clock()
        self._forget(now)
        ends, asked = self._windows.get(key, (now + _WINDOW, 0))
        reset = max(1, math.ceil(ends - now))
        self._windows[key] = (ends, asked + 1)
        headers = {
            "RateLimit-Limit": str(self._most),
            "RateLimit-Remaining": str(max(0, self._most - asked - 1)),
            "RateLimit-Reset": str(reset),
        }
        if asked >= self._most:
            message = (
                f"more than {self._most:,} requests a minute for this {self._noun}; ask again in {reset} s"
            )
            raise Problem(429, message, headers={**headers, "Retry-After": str(reset)})
        return headers

    def _forget(self, now: float) -> None:
        while self._windows:
            oldest = next(iter(self._windows))
            if self._windows[oldest][0] > now:
                break
            del self._windows[oldest]

"""New identifiers: UUID version 7 (RFC 9562), ascending within a process.

The store relies on the order: a worker's `floor` is an id below which it owns nothing.
"""

import hashlib
import random
import time
from collections.abc import Callable

__all__ = ["Uuid7"]


_NS_IN_MS = 1_000_000
_TAIL = (1 << 48) - 1  # the last group: 12 hex digits


class Uuid7:
    """Call it for the next id. Ids ascend even when the clock is set back.

    The 12 bits behind the milliseconds count within one; `bits` gives the 62 random ones, anew for each.
    """

    def __init__(
        self, *, now_ms: Callable[[], int] | None = None, bits: Callable[[int], int] | None = None
    ) -> None:
        self._now_ms = now_ms
        self._bits = bits or random.Random().getrandbits  # noqa: S311 - ids are no secrets
        self._last = 0
        self._ms = -1
        self._start = self._end = ""  # of all ids of that millisecond

    def __call__(self) -> str:
        ms = time.time_ns() // _NS_IN_MS if self._now_ms is None else self._now_ms()
        count = ms << 12
        if count <= self._last:
            count = self._last + 1
            ms = count >> 12
        self._last = count
        if ms != self._ms:
            self._ms, self._start, self._end = ms, _start(ms), _end(self._bits(62))
        return f"{self._start}{count & 0xFFF:03x}{self._end}"

    def start_above(self, given: str) -> None:
        """Give only ids above this one, which an earlier process gave: its clock may have been ahead."""
        digits = given.replace("-", "")
        self._last = max(self._last, int(digits[:12], 16) << 12 | int(digits[13:16], 16))

    def floor(self) -> str:
        """An id below every id still to come, and above every id given before."""
        now = time.time_ns() // _NS_IN_MS if self._now_ms is None else self._now_ms()
        self._last = max(self._last + 1, now << 12)
        return _text(self._last, 0)

    @staticmethod
    def of(ms: int, seed: str) -> str:
        """The same id for the same moment and seed: for what has no id but a number that tells too much."""
        noise = int.from_bytes(
            hashlib.blake2b(seed.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        )
        return _text((ms << 12) | (noise & 0xFFF), (noise >> 12) & ((1 << 62) - 1))


def _start(ms: int) -> str:
    """The 48 bits of the time, and the version."""
    digits = f"{ms & 0xFFFFFFFFFFFF:012x}"
    return f"{digits[:8]}-{digits[8:]}-7"


def _end(noise: int) -> str:
    return f"-{0x8000 | noise >> 48:04x}-{noise & _TAIL:012x}"


def _text(count: int, noise: int) -> str:
    return f"{_start(count >> 12)}{count & 0xFFF:03x}{_end(noise)}"

"""New identifiers: UUID version 7 (RFC 9562), ascending within a process.

The store relies on the order: a worker's `floor` is an id below which it owns nothing.
"""

import hashlib
import random
import time
from collections.abc import Callable

__all__ = ["Uuid7"]


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Uuid7:
    """Call it for the next id. Ids ascend even when the clock is set back.

    The 12 bits behind the milliseconds count within one; `bits` gives the 62 random ones.
    """

    def __init__(
        self, *, now_ms: Callable[[], int] = _wall_ms, bits: Callable[[int], int] | None = None
    ) -> None:
        self._now_ms = now_ms
        self._bits = bits or random.Random().getrandbits  # noqa: S311 - ids are no secrets
        self._last = 0

    def __call__(self) -> str:
        return self._text(self._next(), self._bits(62))

    def start_above(self, given: str) -> None:
        """Give only ids above this one, which an earlier process gave: its clock may have been ahead."""
        digits = given.replace("-", "")
        self._last = max(self._last, int(digits[:12], 16) << 12 | int(digits[13:16], 16))

    def floor(self) -> str:
        """An id below every id still to come, and above every id given before."""
        return self._text(self._next(), 0)

    def _next(self) -> int:
        self._last = max(self._last + 1, self._now_ms() << 12)
        return self._last

    @classmethod
    def of(cls, ms: int, seed: str) -> str:
        """The same id for the same moment and seed: for what has no id but a number that tells too much."""
        noise = int.from_bytes(
            hashlib.blake2b(seed.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        )
        return cls._text((ms << 12) | (noise & 0xFFF), (noise >> 12) & ((1 << 62) - 1))

    @staticmethod
    def _text(count: int, noise: int) -> str:
        text = f"{(count >> 12) & 0xFFFFFFFFFFFF:012x}7{count & 0xFFF:03x}{(0b10 << 62) | noise:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

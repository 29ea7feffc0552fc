"""How often an app or the platform may ask: a minute's count, of all processes of a node."""

import fcntl
import hashlib
import math
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from adjourn.api.problems import Problem

__all__ = ["OwnWindows", "RateLimit", "SharedWindows", "Windows"]

_WINDOW = 60.0  # seconds


class Windows(Protocol):
    """The minutes under way. Each starts with its key's first request."""

    def count(self, key: str, now: float) -> tuple[float, int]:
        """One more request: when its minute ends, and how many were before it."""


class RateLimit:
    """`most` requests a minute for each key. `clock` gives seconds and never goes back.

    `noun`: what is counted, for the text of a refusal. Limits of different nouns may share `windows`.
    """

    def __init__(
        self,
        most: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        noun: str = "key",
        windows: Windows | None = None,
    ) -> None:
        self._most = most
        self._noun = noun
        self._clock = clock
        self._windows: Windows = OwnWindows() if windows is None else windows

    def count(self, key: str) -> Mapping[str, str]:
        """One more request: the headers that tell how many are left. Raises Problem (429)."""
        now = self._clock()
        ends, asked = self._windows.count(f"{self._noun} {key}", now)
        reset = max(1, math.ceil(ends - now))
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


class OwnWindows:
    """In this process alone. Remembers only the keys that asked within the last minute."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}  # when it ends and how many asked, the oldest first

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._windows)

    def count(self, key: str, now: float) -> tuple[float, int]:
        self._forget(now)
        ends, asked = self._windows.get(key, (now + _WINDOW, 0))
        self._windows[key] = (ends, asked + 1)
        return ends, asked

    def _forget(self, now: float) -> None:
        while self._windows:
            oldest = next(iter(self._windows))
            if self._windows[oldest][0] > now:
                break
            del self._windows[oldest]


_SLOT = struct.Struct("=QdQ")  # a key's digest, when its minute ends (0: free), how many asked
_WAYS = 8  # slots in which a key may lie
_BUCKETS = 8192
_BUCKET = _WAYS * _SLOT.size  # bytes
_SIZE = _BUCKETS * _BUCKET
_TRIES = 2000  # a few milliseconds


class SharedWindows:
    """In memory that processes of one machine share: `file` is what `make_file` made, given to each of them.

    Their clocks must be the same, as the machine's monotonic one is. 65,536 keys find room; of more than 8
    that fall together, the one whose minute ends first gives way.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._memory = mmap.mmap(file, _SIZE)

    @staticmethod
    def make_file() -> int:
        """A file without a name, for as long as any process has it open."""
        with tempfile.TemporaryFile() as file:
            file.truncate(_SIZE)
            return os.dup(file.fileno())

    def count(self, key: str, now: float) -> tuple[float, int]:
        digest = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
        start = digest % _BUCKETS * _BUCKET
        with self._alone(start):
            found, ends, asked = self._find(start, digest, now)
            _SLOT.pack_into(self._memory, found, digest, ends, asked + 1)
        return ends, asked

    def _find(self, start: int, digest: int, now: float) -> tuple[int, float, int]:
        """Where the key lies, or is to: with its minute and count, or a new minute."""
        slots = [
            (at, *_SLOT.unpack_from(self._memory, at)) for at in range(start, start + _BUCKET, _SLOT.size)
        ]
        for at, owner, ends, asked in slots:
            if owner == digest and ends > now:
                return at, ends, asked
        return min(slots, key=lambda slot: slot[2])[0], now + _WINDOW, 0

    @contextmanager
    def _alone(self, start: int) -> Iterator[None]:
        """No other process counts in this bucket meanwhile.

        None waits for long, lest one that is stopped right there holds up all: better to count one too few.
        """
        locked = any(self._lock(start) for _ in range(_TRIES))
        try:
            yield
        finally:
            if locked:
                fcntl.lockf(self._file, fcntl.LOCK_UN, _BUCKET, start)

    def _lock(self, start: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, _BUCKET, start)
        except OSError:
            time.sleep(0)  # whoever is there may go on
            return False
        return True

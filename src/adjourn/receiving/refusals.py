"""The log of requests that were refused: a line for each, and the likely cause for some."""

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic

from adjourn.errors import VerificationError

__all__ = ["Refusals"]

_log = logging.getLogger("adjourn.receiving")

_BURST = 5  # causes that are looked for at once
_EVERY = 1.0  # seconds from each to the next, after that


class Refusals:
    """Looks for the cause where somebody reads it, and for a few a second: each takes milliseconds.

    So a flood of forgeries costs little, and the mistake of an honest sender, who tries again, is named all
    the same. `clock` gives seconds. Safe to share between threads.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._may = float(_BURST)  # causes that may be looked for at once
        self._then = clock()
        self._left_out = 0  # since one was looked for

    def note(self, error: VerificationError) -> None:
        """A warning: the error, and its hint, or how many had none since the last that had."""
        if not _log.isEnabledFor(logging.WARNING):
            return
        left_out = self._count()
        if left_out == 0:
            _log.warning("webhook refused: %s (%s)", error, error.hint)
        else:
            _log.warning(
                "webhook refused: %s (too many to look for each one's cause: %d left out)", error, left_out
            )

    def _count(self) -> int:
        """Of those left out, with this one; 0: look for its cause."""
        with self._lock:
            now = self._clock()
            self._may = min(self._may + (now - self._then) / _EVERY, _BURST)
            self._then = now
            if self._may < 1:
                self._left_out += 1
                return self._left_out
            self._may -= 1
            self._left_out = 0
            return 0

"""The database's clock, told here without asking: this machine's boot clock and how far that is behind it."""

import time
from collections import deque
from datetime import UTC, datetime, timedelta

from adjourn.boot import boot_seconds

__all__ = ["DbClock"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT = 8  # measurements: the quickest of them counts


class DbClock:
    """Call it for the time. `measured` sets it; before the first time it tells this machine's own."""

    def __init__(self) -> None:
        self._offset = time.time() - boot_seconds()
        self._measured: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def __call__(self) -> datetime:
        return _EPOCH + timedelta(seconds=boot_seconds() + self._offset)

    def measured(self, asked: float, answered: float, told: float) -> None:
        """The database said that it is `told`, in seconds since 1970, between two of our boot seconds."""
        self._measured.append((answered - asked, told - (asked + answered) / 2))
        self._offset = min(self._measured)[1]

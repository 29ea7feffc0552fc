"""How fast an app's backlog drains: a bounded number of deliveries a second."""

from collections.abc import Callable

__all__ = ["Pacer"]

_BURST = 0.25  # seconds: what was not used longer ago is lost


class Pacer:
    """One allowance for each app, `rate` deliveries a second. `clock` gives seconds."""

    def __init__(self, rate: float, *, clock: Callable[[], float]) -> None:
        self._whole = rate
        self.share(1)
        self._clock = clock
        self._spent: dict[str, tuple[float, float]] = {}  # app: its allowance, and when it was that

    def share(self, workers: int) -> None:
        """So many drain the same backlogs: each has its part of the rate."""
        self._rate = self._whole / workers
        self._most = max(self._rate * _BURST, 1.0)

    def allowance(self, app_id: str) -> int:
        """How many deliveries of its backlog may go now."""
        return int(self._left(app_id))

    def spend(self, app_id: str, count: int) -> None:
        self._spent[app_id] = (self._left(app_id) - count, self._clock())

    def _left(self, app_id: str) -> float:
        left, at = self._spent.get(app_id, (self._most, self._clock()))
        return min(left + (self._clock() - at) * self._rate, self._most)

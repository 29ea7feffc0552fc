"""How much of each lane this process may hold in memory: one slow endpoint costs nobody else anything."""

import msgspec

__all__ = ["Lanes", "Limits"]


class Limits(msgspec.Struct, frozen=True):
    """Deliveries in flight: in all, and for one (app, origin)."""

    total: int = 1024
    start: int = 16  # a lane that has shown nothing yet
    most: int = 64  # a lane that succeeds
    failing_share: float = 0.2  # of the total, for all lanes that fail, together


class _Lane(msgspec.Struct):
    limit: int
    held: int = 0
    failing: bool = False
    backlog: bool = False  # older deliveries wait in the store: newer ones queue behind them


class Lanes:
    """Counts what is held. A lane shrinks to 1 after a timeout and grows by 1 with each success."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lanes: dict[int, _Lane] = {}
        self._held = 0
        self._failing_held = 0
        self._backlogs = 0

    @property
    def held(self) -> int:
        return self._held

    @property
    def has_backlog(self) -> bool:
        """Whether any lane waits for room to take more from the store."""
        return self._backlogs > 0

    def try_hold(self, lane_id: int) -> bool:
        """Hold one that was never stored to wait, if there is room and none waits before it."""
        lane = self._lane(lane_id)
        if lane.backlog or self._room(lane) <= 0:
            self._set_backlog(lane, waiting=True)
            return False
        self._hold(lane)
        return True

    def begin_claim(self, lane_id: int) -> int:
        """How many to claim from this lane; until `end_claim`, nothing else takes its room."""
        lane = self._lane(lane_id)
        self._set_backlog(lane, waiting=True)
        return max(self._room(lane), 0)

    def end_claim(self, lane_id: int, *, taken: int, asked: int) -> None:
        lane = self._lane(lane_id)
        for _ in range(taken):
            self._hold(lane)
        self._set_backlog(lane, waiting=taken >= asked)

    def release(self, lane_id: int) -> None:
        lane = self._lane(lane_id)
        lane.held -= 1
        self._held -= 1
        self._failing_held -= lane.failing

    def succeeded(self, lane_id: int) -> None:
        lane = self._lane(lane_id)
        lane.limit = min(lane.limit + 1, self._limits.most)
        self._set_failing(lane, failing=False)

    def failed(self, lane_id: int, *, timed_out: bool) -> None:
        lane = self._lane(lane_id)
        if timed_out:
            lane.limit = 1
        self._set_failing(lane, failing=True)

    def _lane(self, lane_id: int) -> _Lane:
        lane = self._lanes.get(lane_id)
        if lane is None:
            lane = self._lanes[lane_id] = _Lane(limit=self._limits.start)
        return lane

    def _room(self, lane: _Lane) -> int:
        room = min(lane.limit - lane.held, self._limits.total - self._held)
        if lane.failing:
            room = min(room, int(self._limits.total * self._limits.failing_share) - self._failing_held)
        return room

    def _hold(self, lane: _Lane) -> None:
        lane.held += 1
        self._held += 1
        self._failing_held += lane.failing

    def _set_failing(self, lane: _Lane, *, failing: bool) -> None:
        if lane.failing != failing:
            lane.failing = failing
            self._failing_held += lane.held if failing else -lane.held

    def _set_backlog(self, lane: _Lane, *, waiting: bool) -> None:
        if lane.backlog != waiting:
            lane.backlog = waiting
            self._backlogs += 1 if waiting else -1

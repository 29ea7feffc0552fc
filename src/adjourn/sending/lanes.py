"""How much of each lane this process may hold in memory: one slow endpoint costs nobody else anything."""

import msgspec

__all__ = ["Lanes", "Limits"]


_EASED = 4  # what fails has this part of its share at least, however busy the process is


class Limits(msgspec.Struct, frozen=True):
    """Deliveries in flight: in all, and for one (app, origin)."""

    total: int = 1024  # beside the one that each lane may always hold
    start: int = 16  # a lane that has shown nothing yet
    most: int = 64  # a lane that succeeds
    app: int = 128  # for all lanes of one app, together
    failing_share: float = 0.2  # of the total, for all lanes that fail, together
    # Of the total and beside it: kept for all lanes whose last answer came quickly, whatever others hold.
    quick_share: float = 0.2


class _App(msgspec.Struct):
    held: int = 0
    short: bool = False  # a lane of it got less, for want of the app's own room


class _Lane(msgspec.Struct):
    app: _App
    limit: int  # for all workers together
    held: int = 0
    failing: bool = False
    quick: bool = False  # its last answer was, and a success
    backlog: bool = False  # older deliveries wait in the store: newer ones queue behind them


class Lanes:
    """Counts what is held, for each lane and each app.

    A lane shrinks to 1 after a timeout and grows by 1 with each success. What endpoints and apps may have in
    flight is for all workers together: `share`. The total is each process's own. While the process is busy,
    what fails is tried less: `ease`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._workers = 1
        self._app_most = limits.app
        self._failing_most = max(int(limits.total * limits.failing_share), 1)
        self._turn = self._failing_most  # of what fails, until `ease` is called again
        self._turn_left = self._turn
        self._quick_most = int(limits.total * limits.quick_share)
        self._lanes: dict[int, _Lane] = {}
        self._apps: dict[str, _App] = {}
        self._held = 0
        self._failing_held = 0
        self._quick_held = 0
        # A lane got less than its own limit allows: for want of any slot, of one for lanes that fail, or of
        # one of those that are kept for quick ones.
        self._short = False
        self._failing_short = False
        self._quick_short = False

    @property
    def held(self) -> int:
        return self._held

    def share(self, workers: int) -> None:
        """So many send to the same endpoints: each holds its part of what a lane or an app may."""
        self._workers = workers
        self._app_most = max(self._limits.app // workers, 1)

    def ease(self, *, busy: bool) -> None:
        """Before a claim. What fails costs the most, and brings nothing: half as much of it is claimed while
        all else has to wait for its turn, twice as much when it has not.
        """
        turn = self._turn // 2 if busy else self._turn * 2
        self._turn = min(max(turn, self._failing_most // _EASED, 1), self._failing_most)
        self._turn_left = self._turn

    def try_hold(self, lane_id: int, app_id: str) -> bool:
        """Hold one that was never stored to wait, if there is room and none waits before it."""
        lane = self._lane(lane_id, app_id)
        room = self._room(lane)
        if lane.backlog or room <= 0:
            lane.backlog = True
            self._note_short(lane, room)
            return False
        self._hold(lane, 1)
        return True

    def begin_claim(self, lane_id: int, app_id: str) -> int:
        """How many to claim from this lane. They are held, until `end_claim` tells how many there were."""
        lane = self._lane(lane_id, app_id)
        lane.backlog = True
        room = self._room(lane)
        if lane.failing:
            room = max(min(room, self._turn_left), 0)
            self._turn_left -= room
        self._note_short(lane, room)
        self._hold(lane, max(room, 0))
        return max(room, 0)

    def end_claim(self, lane_id: int, *, taken: int, asked: int) -> bool:
        """Whether another claim would find room that was wanting."""
        lane = self._lanes[lane_id]
        self._hold(lane, taken - asked)
        if lane.failing:
            self._turn_left += asked - taken
        lane.backlog = taken >= asked
        return self._serves(lane)

    def release(self, lane_id: int) -> bool:
        """Let go of one. Whether something that waits in the store now has room."""
        lane = self._lanes[lane_id]
        self._hold(lane, -1)
        return self._serves(lane)

    def succeeded(self, lane_id: int, *, quickly: bool = True) -> None:
        lane = self._lanes[lane_id]
        if quickly and lane.limit < self._limits.most:
            lane.limit = min(lane.limit + self._workers, self._limits.most)
        self._set_failing(lane, failing=False)
        self._set_quick(lane, quick=quickly)

    def failed(self, lane_id: int, *, timed_out: bool) -> None:
        lane = self._lanes[lane_id]
        if timed_out:
            lane.limit = self._workers
        self._set_failing(lane, failing=True)
        self._set_quick(lane, quick=False)

    def _lane(self, lane_id: int, app_id: str) -> _Lane:
        lane = self._lanes.get(lane_id)
        if lane is None:
            app = self._apps.setdefault(app_id, _App())
            lane = self._lanes[lane_id] = _Lane(app=app, limit=self._limits.start)
        return lane

    def _most_of(self, lane: _Lane) -> int:
        """What this process may hold of it."""
        return max(lane.limit // self._workers, 1)

    def _room(self, lane: _Lane) -> int:
        free = self._limits.total - self._held
        if lane.quick:
            free = max(free, self._quick_most - self._quick_held)
        room = min(self._most_of(lane) - lane.held, free, self._app_most - lane.app.held)
        if lane.failing:
            return min(room, self._failing_most - self._failing_held)
        # However many slots slow lanes have taken: an app that does not fail is never without any.
        return max(room, 1) if lane.app.held == 0 else room

    def _note_short(self, lane: _Lane, room: int) -> None:
        if room >= self._app_most - lane.app.held:
            lane.app.short = True
        elif room < self._most_of(lane) - lane.held:
            self._short |= room >= self._limits.total - self._held
            self._failing_short |= room < self._limits.total - self._held
            self._quick_short |= lane.quick

    def _serves(self, lane: _Lane) -> bool:
        """Whether there is room for what waits: in this lane, or in one that came off short."""
        if self._held >= self._limits.total:
            return self._serves_some(lane)
        if lane.app.short and lane.app.held < self._app_most:
            lane.app.short = False
            return True
        failing_room = self._failing_held < self._failing_most
        if self._short or (self._failing_short and failing_room):
            self._short = False
            self._failing_short = self._failing_short and not failing_room
            return True
        return lane.backlog and lane.held < self._most_of(lane) and (failing_room or not lane.failing)

    def _serves_some(self, lane: _Lane) -> bool:
        """The same, while all slots are taken."""
        if self._quick_held < self._quick_most and self._quick_short:
            self._quick_short = False
            return True
        has_some = lane.app.held == 0 and not lane.failing
        return lane.backlog and (has_some or (lane.quick and self._room(lane) > 0))

    def _hold(self, lane: _Lane, count: int) -> None:
        lane.held += count
        lane.app.held += count
        self._held += count
        if lane.failing:
            self._failing_held += count
        if lane.quick:
            self._quick_held += count

    def _set_failing(self, lane: _Lane, *, failing: bool) -> None:
        if lane.failing != failing:
            lane.failing = failing
            self._failing_held += lane.held if failing else -lane.held

    def _set_quick(self, lane: _Lane, *, quick: bool) -> None:
        if lane.quick != quick:
            lane.quick = quick
            self._quick_held += lane.held if quick else -lane.held

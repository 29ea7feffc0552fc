"""The sweep of deadlines, on a clock that stands still until it is moved."""

import asyncio
import random
from collections.abc import Callable
from typing import cast

from adjourn.sending.http1.deadlines import Deadlines


class Clock:
    """An event loop's timers: one at a time, as the sweep uses them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: tuple[float, Callable[[], None]] | None = None

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        assert self.due is None, "one timer for all"
        self.due = (self.now + delay, callback)
        return cast("asyncio.TimerHandle", self)

    def cancel(self) -> None:
        self.due = None

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self.due is not None and self.due[0] <= until:
            (self.now, callback), self.due = self.due, None
            callback()
        self.now = until


class Waiting:
    def __init__(self, clock: Clock, at: float) -> None:
        self.clock = clock
        self.at = at
        self.ended: list[float] = []

    def expire(self) -> None:
        self.ended.append(self.clock.now)


def test_each_ends_once_never_early_and_at_most_two_slots_late() -> None:
    clock, rng = Clock(), random.Random(7)
    deadlines = Deadlines(clock, every=0.05)
    waiting = []
    for _ in range(2000):
        clock.advance(rng.random() * 0.02)
        each = Waiting(clock, clock.now + rng.choice([0.0, 0.001, 0.05, 0.3, 5 * rng.random()]))
        deadlines.add(each, each.at)
        waiting.append(each)
    clock.advance(6)
    for each in waiting:
        assert len(each.ended) == 1
        assert each.at <= each.ended[0] <= each.at + 0.1 + 1e-6
    assert clock.due is None, "nothing waits, so no timer runs"


def test_what_was_removed_does_not_end() -> None:
    clock = Clock()
    deadlines = Deadlines(clock, every=0.05)
    gone, stays = Waiting(clock, clock.now + 1), Waiting(clock, clock.now + 1)
    slot = deadlines.add(gone, gone.at)
    deadlines.add(stays, stays.at)
    deadlines.remove(gone, slot)
    clock.advance(2)
    deadlines.remove(gone, slot)
    assert (gone.ended, len(stays.ended)) == ([], 1)


def test_a_time_that_is_over_already_ends_with_the_next_sweep() -> None:
    clock = Clock()
    deadlines = Deadlines(clock, every=0.05)
    first, second = Waiting(clock, clock.now - 10), Waiting(clock, clock.now - 10)
    deadlines.add(first, first.at)
    clock.advance(0.01)
    deadlines.add(second, second.at)
    clock.advance(0.15)
    assert len(first.ended) == len(second.ended) == 1


def test_a_loop_that_was_held_up_sweeps_what_it_missed() -> None:
    clock = Clock()
    deadlines = Deadlines(clock, every=0.05)
    waiting = [Waiting(clock, clock.now + number / 10) for number in range(50)]
    for each in waiting:
        deadlines.add(each, each.at)
    assert clock.due is not None
    clock.now += 10
    clock.due = (clock.now, clock.due[1])
    clock.advance(0)
    assert all(len(each.ended) == 1 for each in waiting)


def test_closed_it_sweeps_no_more() -> None:
    clock = Clock()
    deadlines = Deadlines(clock, every=0.05)
    each = Waiting(clock, clock.now + 1)
    deadlines.add(each, each.at)
    deadlines.close()
    assert clock.due is None
    clock.advance(5)
    assert each.ended == []

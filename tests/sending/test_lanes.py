"""How much each lane may hold: ENGINE.md, "Room"."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from adjourn.sending.lanes import Lanes, Limits

A, B, C, D = 1, 2, 3, 4


def lanes_of(limits: Limits) -> Lanes:
    """Lanes of an app each, which have held something before."""
    lanes = Lanes(limits)
    for lane_id in (A, B, C, D):
        lanes.end_claim(lane_id, taken=0, asked=lanes.begin_claim(lane_id, f"app {lane_id}"))
    return lanes


def holdable(lanes: Lanes, lane_id: int) -> int:
    """How many more of a lane may be held; they are let go again."""
    count = 0
    while lanes.try_hold(lane_id, f"app {lane_id}"):
        count += 1
    for _ in range(count):
        lanes.release(lane_id)
    lanes.end_claim(lane_id, taken=0, asked=lanes.begin_claim(lane_id, f"app {lane_id}"))
    return count


def test_the_defaults_are_those_of_the_design() -> None:
    assert Limits() == Limits(total=1024, start=16, most=64, app=128, failing_share=0.2, quick_share=0.2)


@pytest.mark.parametrize(
    ("outcomes", "room"),
    [
        ("", 16),
        ("+", 17),
        ("+" * 47, 63),
        ("+" * 48, 64),
        ("+" * 500, 64),
        ("t", 1),
        ("t+", 2),
        ("t" + "+" * 62, 63),
        ("t" + "+" * 100, 64),
        ("+" * 100 + "t", 1),
        ("tttt", 1),
        ("-", 16),
        ("+++---", 19),
        ("t-", 1),
        ("t+t", 1),
    ],
)
def test_a_lane_grows_by_one_with_each_success_and_shrinks_to_one_after_a_timeout(
    outcomes: str, room: int
) -> None:
    lanes = lanes_of(Limits())
    for outcome in outcomes:
        if outcome == "+":
            lanes.succeeded(A)
        else:
            lanes.failed(A, timed_out=outcome == "t")
    assert holdable(lanes, A) == room


def test_one_lane_takes_nothing_from_another() -> None:
    lanes = lanes_of(Limits())
    lanes.failed(A, timed_out=True)
    assert lanes.try_hold(A, f"app {A}")
    assert not lanes.try_hold(A, f"app {A}")
    assert holdable(lanes, B) == 16


def test_all_lanes_together_hold_no_more_than_the_total() -> None:
    lanes = lanes_of(Limits(total=20))
    assert [lanes.try_hold(A, f"app {A}") for _ in range(17)].count(True) == 16
    assert [lanes.try_hold(B, f"app {B}") for _ in range(17)].count(True) == 4
    assert lanes.held == 20
    assert lanes.begin_claim(C, f"app {C}") == 1, (
        "however many slots are taken, a lane that does not fail has one"
    )


def test_failing_lanes_share_a_fifth_of_all_slots() -> None:
    lanes = lanes_of(Limits(total=50))
    for lane in (A, B, C):
        lanes.failed(lane, timed_out=False)
    assert [lanes.try_hold(A, f"app {A}") for _ in range(7)] == [True] * 7
    assert [lanes.try_hold(B, f"app {B}") for _ in range(7)] == [True] * 3 + [False] * 4
    assert not lanes.try_hold(C, f"app {C}")
    assert holdable(lanes, D) == 16, "a lane that does not fail is not concerned"


def test_what_a_lane_holds_counts_as_failing_from_its_first_failure_on() -> None:
    lanes = lanes_of(Limits(total=50))
    lanes.failed(B, timed_out=False)
    assert all(lanes.try_hold(A, f"app {A}") for _ in range(12))
    lanes.failed(A, timed_out=False)
    assert not lanes.try_hold(B, f"app {B}")
    lanes.succeeded(A)
    assert lanes.begin_claim(B, f"app {B}") == 10


def fill(lanes: Lanes, lane_id: int) -> None:
    while lanes.try_hold(lane_id, f"app {lane_id}"):
        pass


def claimable(lanes: Lanes, lane_id: int) -> int:
    asked = lanes.begin_claim(lane_id, f"app {lane_id}")
    lanes.end_claim(lane_id, taken=0, asked=asked)
    return asked


def test_lanes_that_answer_quickly_have_slots_that_no_other_takes() -> None:
    lanes = lanes_of(Limits(total=16, quick_share=0.25))
    lanes.succeeded(A)
    lanes.succeeded(B)
    fill(lanes, C)
    assert lanes.held == 16
    assert claimable(lanes, A) == 4
    assert all(lanes.try_hold(A, f"app {A}") for _ in range(3))
    assert claimable(lanes, B) == 1, "all that are quick share them"
    assert claimable(lanes, D) == 1, "one that has shown nothing has what every app has"


@pytest.mark.parametrize("outcome", ["slow", "failure", "timeout"])
def test_a_lane_that_does_not_answer_quickly_any_more_has_none_of_these(outcome: str) -> None:
    lanes = lanes_of(Limits(total=16, quick_share=0.25))
    lanes.succeeded(A)
    assert lanes.try_hold(A, f"app {A}")
    fill(lanes, C)
    if outcome == "slow":
        lanes.succeeded(A, quickly=False)
    else:
        lanes.failed(A, timed_out=outcome == "timeout")
    assert claimable(lanes, A) == 0
    for _ in range(4):
        lanes.succeeded(A)
    assert claimable(lanes, A) == 3


def test_a_release_tells_when_a_quick_lane_waits_for_one_of_these() -> None:
    lanes = lanes_of(Limits(total=16, quick_share=0.25))
    lanes.succeeded(A)
    lanes.succeeded(B)
    fill(lanes, C)
    assert lanes.begin_claim(A, f"app {A}") == 4
    lanes.end_claim(A, taken=4, asked=4)
    assert lanes.begin_claim(B, f"app {B}") == 1
    lanes.end_claim(B, taken=1, asked=1)
    assert not lanes.release(A), "they hold what is kept for them still"
    assert lanes.release(A)


def test_while_the_process_is_busy_less_and_less_of_what_fails_is_tried() -> None:
    lanes = lanes_of(Limits(total=50))
    lanes.failed(A, timed_out=False)
    rooms = []
    for busy in (True, True, True, True, False, False, False, False, False):
        lanes.ease(busy=busy)
        rooms.append(claimable(lanes, A))
    assert rooms == [5, 2, 2, 2, 4, 8, 10, 10, 10]
    assert holdable(lanes, B) == 16, "a lane that does not fail is not concerned"


def test_however_busy_the_process_is_what_fails_goes_on() -> None:
    lanes = lanes_of(Limits(total=1600, start=400))
    lanes.failed(A, timed_out=False)
    for _ in range(20):
        lanes.ease(busy=True)
    assert claimable(lanes, A) == 80, "of 320"


def test_what_is_claimed_of_failing_lanes_is_for_one_turn_whatever_they_hold() -> None:
    lanes = lanes_of(Limits(total=80))
    for lane in (A, B):
        lanes.failed(lane, timed_out=False)
    assert lanes.begin_claim(A, f"app {A}") == 16
    lanes.end_claim(A, taken=8, asked=16)
    lanes.ease(busy=True)
    lanes.ease(busy=True)
    assert lanes.begin_claim(B, f"app {B}") == 4
    lanes.end_claim(B, taken=3, asked=4)
    assert lanes.begin_claim(A, f"app {A}") == 1, "what was not taken"
    assert lanes.end_claim(A, taken=1, asked=1), "another turn would bring more"
    assert claimable(lanes, A) == 0
    lanes.ease(busy=True)
    assert claimable(lanes, A) == 4


def test_a_failing_lane_always_has_one_slot_to_recover_with() -> None:
    lanes = lanes_of(Limits(total=3))
    lanes.failed(A, timed_out=True)
    assert lanes.try_hold(A, f"app {A}")


def test_newer_deliveries_queue_behind_those_that_wait_in_the_store() -> None:
    lanes = lanes_of(Limits(start=2))
    assert [lanes.try_hold(A, f"app {A}") for _ in range(3)] == [True, True, False]
    lanes.release(A)
    assert not lanes.try_hold(A, f"app {A}"), "the third waits in the store"
    assert lanes.begin_claim(A, f"app {A}") == 1
    lanes.end_claim(A, taken=1, asked=1)
    lanes.release(A)
    assert not lanes.try_hold(A, f"app {A}"), "as many as asked for: more may wait"
    assert lanes.begin_claim(A, f"app {A}") == 1
    lanes.end_claim(A, taken=0, asked=1)
    assert lanes.try_hold(A, f"app {A}"), "fewer than asked for: none is left"


def test_nothing_takes_the_room_of_a_claim_under_way() -> None:
    lanes = lanes_of(Limits(total=6, start=4))
    assert lanes.begin_claim(A, f"app {A}") == 4
    assert not lanes.try_hold(A, f"app {A}")
    assert lanes.begin_claim(B, f"app {B}") == 2
    assert [lanes.try_hold(C, f"app {C}"), lanes.try_hold(C, f"app {C}")] == [True, False], (
        "one is beside the total"
    )
    lanes.end_claim(A, taken=4, asked=4)
    lanes.end_claim(B, taken=2, asked=2)
    assert lanes.held == 7


def test_a_release_tells_when_what_waits_has_room() -> None:
    lanes = lanes_of(Limits(total=6, start=4))
    for lane in (A, A, A, B):
        lanes.try_hold(lane, f"app {lane}")
    assert not lanes.release(A), "nothing waits"
    lanes.try_hold(A, f"app {A}")
    lanes.try_hold(A, f"app {A}")
    assert not lanes.try_hold(A, f"app {A}")
    assert not lanes.release(B), "lane A waits, and is as full as before"
    assert lanes.release(A)


def test_a_release_elsewhere_tells_when_a_lane_waits_for_the_total() -> None:
    lanes = lanes_of(Limits(total=4, start=4))
    assert all(lanes.try_hold(A, f"app {A}") for _ in range(4))
    assert [lanes.try_hold(B, f"app {B}"), lanes.try_hold(B, f"app {B}")] == [True, False]
    assert not lanes.release(A), "all of the total is still taken"
    assert lanes.release(A)


def test_a_slow_lane_gets_no_more_room() -> None:
    lanes = lanes_of(Limits(start=2))
    for _ in range(5):
        lanes.succeeded(A, quickly=False)
    assert holdable(lanes, A) == 2


def test_a_lane_that_waits_with_nothing_in_flight_is_told_of_by_its_own_release() -> None:
    lanes = lanes_of(Limits(total=4, start=4))
    assert all(lanes.try_hold(A, f"app {A}") for _ in range(4))
    assert [lanes.try_hold(B, f"app {B}"), lanes.try_hold(B, f"app {B}")] == [True, False]
    assert lanes.release(B), "its one slot is free for what waits"


def test_a_failing_lane_that_recovers_lets_the_others_in() -> None:
    lanes = lanes_of(Limits(total=20, start=4))
    assert all(lanes.try_hold(A, f"app {A}") for _ in range(4))
    lanes.failed(A, timed_out=False)
    lanes.failed(B, timed_out=False)
    assert not lanes.try_hold(B, f"app {B}")
    lanes.succeeded(A)
    assert lanes.release(A)


def test_room_that_a_claim_did_not_use_is_told_to_those_that_came_off_short() -> None:
    lanes = lanes_of(Limits(total=4, start=4))
    assert lanes.begin_claim(A, f"app {A}") == 4
    assert lanes.begin_claim(B, f"app {B}") == 1
    assert lanes.end_claim(A, taken=1, asked=4)
    lanes.end_claim(B, taken=1, asked=1)
    assert lanes.begin_claim(B, f"app {B}") == 2
    assert not lanes.end_claim(B, taken=2, asked=2), "all slots are taken: another claim would bring nothing"


def test_all_lanes_of_an_app_share_its_room() -> None:
    lanes = Lanes(Limits(start=4, app=6))
    assert [lanes.try_hold(lane, "one") for lane in (A, A, A, A, B, B, B, C)] == [True] * 6 + [False] * 2
    assert lanes.begin_claim(B, "one") == 0
    assert lanes.begin_claim(D, "another") == 4
    lanes.end_claim(B, taken=0, asked=0)
    assert lanes.release(A), "another lane of the app came off short"
    assert lanes.begin_claim(B, "one") == 1


def test_only_an_app_that_holds_nothing_is_never_without_a_slot() -> None:
    lanes = Lanes(Limits(total=2, start=2))
    assert [lanes.try_hold(lane, "one") for lane in (A, A, B, C)] == [True, True, False, False]
    assert [lanes.try_hold(D, "another"), lanes.try_hold(D, "another")] == [True, False]


@pytest.mark.parametrize(
    ("workers", "outcomes", "room"),
    [
        (1, "", 16),
        (2, "", 8),
        (3, "", 5),
        (16, "", 1),
        (100, "", 1),
        (2, "+", 9),
        (2, "+" * 500, 32),
        (3, "t", 1),
        (3, "t+", 2),
        (100, "t+" + "+" * 500, 1),
    ],
)
def test_workers_share_what_a_lane_may_hold(workers: int, outcomes: str, room: int) -> None:
    lanes = lanes_of(Limits())
    lanes.share(workers)
    for outcome in outcomes:
        if outcome == "+":
            lanes.succeeded(A)
        else:
            lanes.failed(A, timed_out=True)
    assert holdable(lanes, A) == room
    lanes.share(1)
    assert holdable(lanes, A) >= room, "the others are gone"


def test_workers_share_what_an_app_may_hold_but_not_the_total() -> None:
    lanes = Lanes(Limits(start=40, most=40, app=40, total=30))
    lanes.share(4)
    assert [lanes.try_hold(lane, "one") for lane in (A, A, A, A, A, B, B, B, B, B, C)].count(True) == 10
    assert [lanes.try_hold(D, f"app {number}") for number in range(1)] == [True]
    lanes.share(1)
    assert lanes.begin_claim(A, "one") == 19


class LanesUnderWork(RuleBasedStateMachine):
    """Whatever happens in whatever order, what is held stays within the limits and is counted right."""

    LIMITS = Limits(total=10, start=3, most=5)
    OUTCOMES = st.sampled_from(["given back", "success", "slow success", "failure", "timeout"])
    held = Bundle("held")
    claims = Bundle("claims")
    lane_ids = st.integers(1, 5)

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes(self.LIMITS)
        self.count: Counter[int] = Counter()
        self.open: set[int] = set()

    @rule(target=held, lane_id=lane_ids)
    def hold(self, lane_id: int) -> object:
        if not self.lanes.try_hold(lane_id, f"app {lane_id}"):
            return multiple()
        assert lane_id not in self.open
        self.count[lane_id] += 1
        assert self.count[lane_id] <= self.LIMITS.most
        return lane_id

    @rule(target=claims, lane_id=lane_ids)
    def begin(self, lane_id: int) -> object:
        if lane_id in self.open:
            return multiple()
        asked = self.lanes.begin_claim(lane_id, f"app {lane_id}")
        assert 0 <= asked <= self.LIMITS.most - self.count[lane_id] or asked == 0
        self.open.add(lane_id)
        self.count[lane_id] += asked
        return (lane_id, asked)

    @rule(target=held, claim=consumes(claims), share=st.floats(0, 1))
    def end(self, claim: tuple[int, int], share: float) -> object:
        lane_id, asked = claim
        taken = int(asked * share)
        self.lanes.end_claim(lane_id, taken=taken, asked=asked)
        self.open.discard(lane_id)
        self.count[lane_id] -= asked - taken
        return multiple(*[lane_id] * taken)

    @rule(lane_id=consumes(held), outcome=OUTCOMES)
    def finish(self, lane_id: int, outcome: str) -> None:
        if outcome == "success":
            self.lanes.succeeded(lane_id)
        elif outcome == "slow success":
            self.lanes.succeeded(lane_id, quickly=False)
        elif outcome != "given back":
            self.lanes.failed(lane_id, timed_out=outcome == "timeout")
        self.lanes.release(lane_id)
        self.count[lane_id] -= 1

    @rule(busy=st.booleans())
    def ease(self, busy: bool) -> None:
        self.lanes.ease(busy=busy)

    @invariant()
    def counts_what_is_held(self) -> None:
        assert self.lanes.held == sum(self.count.values())
        assert self.lanes.held < self.LIMITS.total + 2 + 5, "the total, its fifth, and one for each lane"
        assert min(self.count.values(), default=0) >= 0

    def teardown(self) -> None:
        """When all is let go, and the store has nothing, every lane has room again."""
        for lane_id, count in self.count.items():
            if lane_id not in self.open:
                for _ in range(count):
                    self.lanes.release(lane_id)
        if not self.open:
            assert self.lanes.held == 0
            for lane_id in range(1, 6):
                asked = self.lanes.begin_claim(lane_id, f"app {lane_id}")
                assert asked >= 1
                self.lanes.end_claim(lane_id, taken=0, asked=asked)


TestLanesUnderWork = LanesUnderWork.TestCase
TestLanesUnderWork.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

"""Identifiers: the layout of RFC 9562, 5.7, and an order that no clock can upset."""

import itertools
import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjourn.ids import Uuid7


class Clock:
    def __init__(self, ms: int = 1_700_000_000_000) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


def test_the_layout_is_that_of_the_rfcs_example() -> None:
    """RFC 9562, A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F. Ours counts where it has 12 random bits."""
    made = Uuid7(now_ms=Clock(0x017F22E279B0), bits=lambda count: 0x18C4DC0C0C07398F)()
    expected = "017f22e2-79b0-7000-98c4-dc0c0c07398f"
    assert made == expected


@pytest.mark.parametrize("noise", [0, 2**62 - 1])
def test_version_and_variant_hold_for_all_random_bits(noise: int) -> None:
    ids = Uuid7(now_ms=Clock(2**48 - 2), bits=lambda count: noise)
    for text in (ids(), ids.floor()):
        made = uuid.UUID(text)
        assert str(made) == text
        assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_62_random_bits_are_asked_for() -> None:
    asked: list[int] = []

    def bits(count: int) -> int:
        asked.append(count)
        return 0

    Uuid7(now_ms=Clock(), bits=bits)()
    assert asked == [62]


def test_the_first_of_a_millisecond_counts_from_zero_and_the_4097th_borrows_the_next() -> None:
    clock = Clock()
    ids = Uuid7(now_ms=clock, bits=lambda count: 0)
    made = [uuid.UUID(ids()).int for _ in range(4097)]
    assert [(each >> 64) & 0xFFF for each in made[:4096]] == list(range(4096))
    assert {each >> 80 for each in made[:4096]} == {clock.ms}
    assert (made[4096] >> 80, (made[4096] >> 64) & 0xFFF) == (clock.ms + 1, 0)


@given(st.lists(st.integers(0, 2**47), min_size=2, max_size=50), st.randoms(use_true_random=False))
def test_ids_ascend_whatever_the_clock_does(times: list[int], rng: random.Random) -> None:
    clock = Clock()
    ids = Uuid7(now_ms=clock, bits=rng.getrandbits)
    made = []
    for clock.ms in times:
        made += [ids(), ids()]
    assert all(one < other for one, other in itertools.pairwise(made))


def test_a_floor_is_above_all_ids_before_and_below_all_after() -> None:
    clock = Clock()
    ids = Uuid7(now_ms=clock, bits=random.Random(1).getrandbits)
    for _ in range(20):
        before = ids()
        floor = ids.floor()
        assert before < floor < ids()
        clock.ms += 1


def test_a_floor_stays_below_later_ids_within_its_millisecond() -> None:
    ids = Uuid7(now_ms=Clock(), bits=random.Random(1).getrandbits)
    floors = [ids.floor(), ids.floor()]
    after = ids()
    assert all(each < after for each in floors)


def test_a_floor_stays_below_later_ids_when_the_clock_is_set_back() -> None:
    clock = Clock()
    ids = Uuid7(now_ms=clock, bits=random.Random(1).getrandbits)
    ids()
    clock.ms += 10_000
    floor = ids.floor()
    clock.ms -= 5_000
    assert floor < ids()


def test_two_makers_make_no_id_twice() -> None:
    makers = [Uuid7(now_ms=Clock()) for _ in range(2)]
    made = [maker() for maker in makers for _ in range(1000)]
    assert len(set(made)) == 2000


def test_ids_go_on_above_what_an_earlier_process_gave() -> None:
    earlier = Uuid7(now_ms=lambda: 2_000)
    given = [earlier() for _ in range(3)][-1]
    ids = Uuid7(now_ms=lambda: 1_000)  # its clock was set back
    ids.start_above(given)
    assert given < ids.floor() < ids()
    ahead = Uuid7(now_ms=lambda: 3_000)
    ahead.start_above(given)
    assert ahead().startswith("00000000-0bb8-7000")


def test_an_id_made_of_a_seed_is_always_the_same() -> None:
    made = uuid.UUID(Uuid7.of(0x017F22E279B0, "app 1"))
    assert (made.version, made.variant, str(made)[:13]) == (7, uuid.RFC_4122, "017f22e2-79b0")
    assert (
        made == uuid.UUID(Uuid7.of(0x017F22E279B0, "app 1")) != uuid.UUID(Uuid7.of(0x017F22E279B0, "app 2"))
    )

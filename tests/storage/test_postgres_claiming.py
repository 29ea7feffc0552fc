"""Which lanes a claim looks into together."""

from adjourn.storage.postgres.claiming import Lane, groups

LANES = [Lane(number, number, f"app {number}") for number in range(1, 201)]


def sizes(room: dict[int, int], limit: int) -> list[int]:
    return [len(group) for group in groups(LANES, lambda lane: room.get(lane.id, 0), limit)]


def test_first_come_as_many_lanes_as_may_bring_enough_then_all_others() -> None:
    assert sizes(dict.fromkeys(range(1, 201), 4), limit=400) == [100, 100]


def test_even_for_little_a_good_many_are_looked_into_together() -> None:
    assert sizes(dict.fromkeys(range(1, 201), 16), limit=1) == [50, 150]


def test_lanes_that_cannot_bring_enough_are_looked_into_at_once() -> None:
    assert sizes(dict.fromkeys(range(1, 201), 1), limit=500) == [200]


def test_a_lane_without_room_is_left_out() -> None:
    (group,) = groups(LANES, lambda lane: 3 if lane.id in (7, 9) else 0, 500)
    assert group == {7: 3, 9: 3}
    assert sizes({}, limit=500) == []


def test_no_room_is_asked_for_of_lanes_that_are_not_needed() -> None:
    asked: list[int] = []

    def room(lane: Lane) -> int:
        asked.append(lane.id)
        return 10

    assert len(next(groups(LANES, room, 100))) == 50
    assert asked == list(range(1, 51))

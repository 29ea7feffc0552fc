"""Queue.claim: lane by lane, and never more than there is room for.

What every queue promises of claims: test_work_contract.py.
"""

import pytest
from tests.storage.harness import MINUTE, MS, World, ids_of

from adjourn.endpoint import lane_id
from adjourn.models import AppStatus, DeliveryState
from adjourn.storage.base import Claimed

pytestmark = pytest.mark.anyio

OTHER = "https://other.example.com:443"


async def test_a_claimed_delivery_carries_all_that_an_attempt_needs(world: World) -> None:
    await world.add_app()
    new = world.delivery(event_type="meeting.updated")
    entry = world.entry(new)
    await world.store.queue.publish([entry])
    assert await world.claim_one() == Claimed(
        id=new.id,
        app_id="app",
        lane_id=new.lane_id,
        event_id=new.event_id,
        event_type="meeting.updated",
        body=entry.events[0].head + entry.publication.data + b"}",
        from_job=True,
    )


async def test_oldest_first_within_a_lane(world: World) -> None:
    await world.add_app()
    published = [await world.publish_waiting() for _ in range(5)]
    assert ids_of(await world.claim(room=2)) == published[:2]
    assert ids_of(await world.claim(room=2)) == published[2:4]
    assert ids_of(await world.claim(room=2)) == published[4:]


async def test_a_lane_gives_no_more_than_its_room(world: World) -> None:
    await world.add_app()
    await world.publish(
        *(world.delivery() for _ in range(3)), *(world.delivery(origin=OTHER) for _ in range(3))
    )
    rooms = {lane_id("app", OTHER): 2}
    claim = await world.store.queue.claim("w1", room=lambda lane, app: rooms.get(lane, 0), limit=10)
    assert [each.lane_id for each in claim.deliveries] == [lane_id("app", OTHER)] * 2


async def test_room_is_asked_once_for_each_lane(world: World) -> None:
    await world.add_app()
    await world.publish(
        *(world.delivery() for _ in range(3)), *(world.delivery(origin=OTHER) for _ in range(3))
    )
    asked: list[int] = []

    def room(lane: int, app: str) -> int:
        asked.append(lane)
        return 1

    await world.store.queue.claim("w1", room=room, limit=10)
    assert sorted(asked) == sorted([lane_id("app", OTHER), world.delivery().lane_id])


async def test_a_negative_room_is_none(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    assert await world.claim(room=-1) == []
    assert len(await world.claim(room=1)) == 1


async def test_limit_holds_over_all_lanes_and_leaves_the_rest_due(world: World) -> None:
    await world.add_app()
    await world.publish(
        *(world.delivery() for _ in range(3)), *(world.delivery(origin=OTHER) for _ in range(3))
    )
    taken = [await world.claim(limit=2) for _ in range(4)]
    assert [len(each) for each in taken] == [2, 2, 2, 0]


async def test_full_lanes_hide_no_other(world: World) -> None:
    await world.add_app()
    full = [world.delivery(origin=f"https://full-{number}.example.com:443") for number in range(1000)]
    await world.publish(*full)
    world.clock.advance(MS)
    (wanted,) = await world.publish(world.delivery(origin=OTHER))
    full_lanes = {each.lane_id for each in full}
    claim = await world.store.queue.claim("w1", room=lambda lane, app: int(lane not in full_lanes), limit=500)
    assert ids_of(claim.deliveries) == [wanted]
    assert len(await world.claim("w1", room=1, limit=2000)) == 1000


@pytest.mark.parametrize("obstacle", ["off", "suspended", "inactive", "no URL"])
async def test_deliveries_of_an_app_that_is_off_stay(world: World, obstacle: str) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    if obstacle == "off":
        await world.change(enabled=False)
    elif obstacle == "no URL":
        await world.change(url=None)
    else:
        await world.change(status=AppStatus(obstacle))
    assert await world.claim() == []
    assert await world.next_wake() is None
    assert await world.state(delivery_id) is DeliveryState.PENDING
    await world.change(enabled=True, url="https://example.com/new", status=AppStatus.ACTIVE)
    assert ids_of(await world.claim()) == [delivery_id]


async def test_an_app_that_is_off_does_not_keep_others_waiting(world: World) -> None:
    await world.add_app("off")
    await world.add_app("on")
    await world.change("off", enabled=False)
    await world.publish_waiting("off")
    wanted = await world.publish_waiting("on")
    assert ids_of(await world.claim()) == [wanted]


async def test_what_came_while_an_app_was_off_is_due_once_it_is_on_oldest_first(world: World) -> None:
    await world.add_app()
    first = await world.publish_waiting()
    await world.change(enabled=False)
    assert await world.claim() == []
    world.clock.advance(MINUTE)
    second = await world.publish_waiting()
    assert await world.claim() == []
    await world.change(enabled=True)
    assert ids_of(await world.claim()) == [first, second]


async def test_next_wake_is_the_earliest_moment_that_anything_is_due(world: World) -> None:
    await world.add_app()
    await world.publish(world.delivery(), world.delivery(origin=OTHER))
    one, two = await world.claim()
    assert await world.next_wake() is None
    await world.record(world.failure(one, retry_in=5 * MINUTE), world.failure(two, retry_in=MINUTE))
    assert await world.next_wake() == world.clock.now + MINUTE
    world.clock.advance(MINUTE)
    assert ids_of(await world.claim()) == [two.id]
    assert await world.next_wake() == world.clock.now + 4 * MINUTE


async def test_next_wake_looks_past_a_lane_that_is_due_but_full(world: World) -> None:
    await world.add_app()
    await world.publish(world.delivery(), world.delivery(origin=OTHER))
    (one,) = await world.claim(limit=1)
    await world.record(world.failure(one, retry_in=MINUTE))
    assert await world.next_wake() == world.clock.now + MINUTE
    assert len(await world.claim()) == 1


async def test_what_an_app_discarded_is_never_claimed(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    await world.publish_waiting()
    await world.change(enabled=False)
    await world.change(enabled=True, discard=True)
    after = await world.publish_waiting()
    assert ids_of(await world.claim()) == [after]


async def test_what_a_deleted_app_left_is_never_claimed_not_even_after_it_is_added_again(
    world: World,
) -> None:
    await world.add_app()
    await world.publish_waiting()
    await world.store.directory.delete_app("app")
    assert await world.claim() == []
    await world.add_app()
    assert await world.claim() == []
    wanted = await world.publish_waiting()
    assert ids_of(await world.claim()) == [wanted]

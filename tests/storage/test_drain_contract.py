"""A backlog that is to be delivered goes at a pace, oldest first; what is new does not wait for it."""

import pytest
from tests.storage.harness import MINUTE, MS, World, ids_of

from adjourn.models import DeliveryState
from adjourn.storage.base import Claimed

pytestmark = pytest.mark.anyio


async def claim(world: World, *, pace: int, limit: int = 500) -> list[Claimed]:
    found = await world.store.queue.claim(
        "w1", room=lambda lane, app: 100, limit=limit, pace=lambda app_id: pace
    )
    return list(found.deliveries)


async def test_without_a_backlog_nothing_is_paced(world: World) -> None:
    await world.add_app()
    published = [await world.publish_waiting() for _ in range(3)]
    claimed = await claim(world, pace=0)
    assert (ids_of(claimed), any(each.paced for each in claimed)) == (published, False)


async def test_a_backlog_gives_no_more_than_its_pace_oldest_first(world: World) -> None:
    await world.add_app()
    await world.change(enabled=False)
    published = []
    for _ in range(5):
        published.append(await world.publish_waiting())
        world.clock.advance(MS)
    await world.change(enabled=True, drain=True)
    first = await claim(world, pace=2)
    assert (ids_of(first), all(each.paced for each in first)) == (published[:2], True)
    assert await claim(world, pace=0) == []
    assert ids_of(await claim(world, pace=9)) == published[2:]
    later = await world.publish_waiting()
    assert ids_of(await claim(world, pace=0)) == [later]


async def test_the_pace_is_shared_by_an_apps_lanes(world: World) -> None:
    await world.add_app()
    await world.change(enabled=False)
    for number in range(3):
        await world.publish(world.delivery(origin=f"https://{number}.example:443"))
    await world.change(enabled=True, drain=True)
    assert len(await claim(world, pace=2)) == 2


async def test_another_app_is_not_held_up(world: World) -> None:
    await world.add_app("slow")
    await world.add_app("other")
    await world.publish_waiting("slow")
    await world.change("slow", enabled=False)
    await world.change("slow", enabled=True, drain=True)
    other = await world.publish_waiting("other")
    assert ids_of(await claim(world, pace=0)) == [other]


async def test_retries_that_were_not_due_yet_become_due(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    await world.record(world.failure(await world.claim_one(), retry_in=30 * MINUTE))
    await world.change(enabled=False)
    world.clock.advance(MINUTE)
    await world.change(enabled=True, drain=True)
    delivery = await world.get(delivery_id)
    assert (delivery.state, delivery.next_retry_at) == (DeliveryState.FAILED, world.clock.now)
    (claimed,) = await claim(world, pace=1)
    assert (claimed.id, claimed.retry_count, claimed.manual) == (delivery_id, 0, False)


async def test_followers_in_order_go_on_waiting_for_their_head(world: World) -> None:
    await world.add_app(ordered=True)
    head, follower = [await world.publish_waiting(order_key="m") for _ in range(2)]
    await world.record(world.failure(await world.claim_one(), retry_in=30 * MINUTE))
    await world.change(enabled=False)
    await world.change(enabled=True, drain=True)
    assert ids_of(await claim(world, pace=9)) == [head]
    assert await world.state(follower) is DeliveryState.PENDING


async def test_a_backlog_can_still_be_abandoned_while_it_drains(world: World) -> None:
    await world.add_app()
    await world.change(enabled=False)
    for _ in range(3):
        await world.publish_waiting()
    await world.change(enabled=True, drain=True)
    await claim(world, pace=1)
    await world.change(enabled=False)
    await world.change(enabled=True, discard=True)
    assert await claim(world, pace=9) == []


async def test_one_that_waits_on_does_not_pace_what_is_new(world: World) -> None:
    """A backlog's delivery may wait for long, as a retry or for an inactive automation."""
    await world.add_app()
    await world.publish_waiting()
    await world.change(enabled=False)
    await world.change(enabled=True, drain=True)
    (old,) = await claim(world, pace=9)
    await world.record(world.failure(old, retry_in=30 * MINUTE))
    new = [await world.publish_waiting() for _ in range(3)]
    assert ids_of(await claim(world, pace=0)) == new

"""Deliveries with an order key: one at a time, in the order of their publishing, until each is final."""

from collections.abc import Awaitable, Callable

import pytest
from tests.storage.harness import MINUTE, MS, World, ids_of

from adjourn.models import DeliveryState
from adjourn.storage.base import Claimed

pytestmark = pytest.mark.anyio


async def publish(world: World, count: int, key: str = "meeting") -> list[str]:
    await world.add_app(ordered=True)
    return [await world.publish_waiting(order_key=key) for _ in range(count)]


async def deliver(world: World, claimed: Claimed) -> None:
    await world.record(world.success(claimed))


async def abandon(world: World, claimed: Claimed) -> None:
    await world.record(world.last_failure(claimed))


async def deliver_by_hand(world: World, claimed: Claimed) -> None:
    await world.record(world.failure(claimed))
    await world.ask(claimed.id)
    manual = await world.claim_one()
    assert manual.id == claimed.id
    await world.record(world.success(manual))


async def test_followers_wait_for_the_head(world: World) -> None:
    head, *_ = await publish(world, 3)
    assert ids_of(await world.claim()) == [head]
    world.clock.advance(100 * MINUTE)
    assert await world.claim() == []
    assert await world.next_wake() is None


async def test_a_head_that_waits_for_its_retry_holds_its_followers(world: World) -> None:
    head, follower = await publish(world, 2)
    await world.record(world.failure(await world.claim_one(), retry_in=MINUTE))
    world.clock.advance(MINUTE - MS)
    assert await world.claim() == []
    world.clock.advance(MS)
    claimed = await world.claim_one()
    assert claimed.id == head
    await deliver(world, claimed)
    assert ids_of(await world.claim()) == [follower]


@pytest.mark.parametrize("finish", [deliver, abandon, deliver_by_hand])
async def test_a_final_head_lets_the_next_go_and_only_that(
    world: World, finish: Callable[[World, Claimed], Awaitable[None]]
) -> None:
    expected = await publish(world, 4)
    for delivery_id in expected:
        claimed = await world.claim_one()
        assert claimed.id == delivery_id
        await finish(world, claimed)
    assert await world.claim() == []


async def test_order_holds_within_one_batch(world: World) -> None:
    await world.add_app(ordered=True)
    batch = [world.delivery(order_key="meeting") for _ in range(3)]
    await world.store.queue.publish([world.entry(*batch[:2]), world.entry(batch[2])])
    for new in batch:
        claimed = await world.claim_one()
        assert claimed.id == new.id
        await deliver(world, claimed)


async def test_keys_do_not_wait_for_each_other(world: World) -> None:
    await world.add_app(ordered=True)
    one = await world.publish_waiting(order_key="one")
    await world.publish_waiting(order_key="one")
    two = await world.publish_waiting(order_key="two")
    none = await world.publish_waiting()
    also_none = await world.publish_waiting()
    assert ids_of(await world.claim()) == [one, two, none, also_none]


async def test_one_key_of_two_apps_is_two_keys(world: World) -> None:
    await world.add_app("a", ordered=True)
    await world.add_app("b", ordered=True)
    published = [await world.publish_waiting(app_id, order_key="meeting") for app_id in ("a", "b")]
    assert sorted(ids_of(await world.claim())) == sorted(published)


async def test_a_follower_in_another_lane_is_let_go_too(world: World) -> None:
    await world.add_app(ordered=True)
    head, follower = await world.publish(
        world.delivery(order_key="meeting"),
        world.delivery(order_key="meeting", origin="https://moved.example.com:443"),
    )
    claimed = await world.claim_one()
    assert claimed.id == head
    await deliver(world, claimed)
    assert ids_of(await world.claim()) == [follower]


async def test_one_published_after_all_were_final_waits_for_none(world: World) -> None:
    await publish(world, 1)
    await deliver(world, await world.claim_one())
    wanted = await world.publish_waiting(order_key="meeting")
    assert ids_of(await world.claim()) == [wanted]


async def test_one_published_while_the_head_is_under_way_waits(world: World) -> None:
    await publish(world, 1)
    head = await world.claim_one()
    follower = await world.publish_waiting(order_key="meeting")
    assert await world.claim() == []
    await deliver(world, head)
    assert ids_of(await world.claim()) == [follower]


async def test_a_discarded_head_lets_what_came_after_go(world: World) -> None:
    await publish(world, 3)
    await world.change(enabled=False)
    await world.change(enabled=True, discard=True)
    after = [await world.publish_waiting(order_key="meeting") for _ in range(2)]
    assert await world.claim() == []
    while await world.store.queue.discard(limit=2):
        pass
    claimed = await world.claim_one()
    assert claimed.id == after[0]
    await deliver(world, claimed)
    assert ids_of(await world.claim()) == after[1:]


async def test_heads_that_ended_in_one_batch_let_their_followers_go(world: World) -> None:
    await world.add_app(ordered=True)
    keys = [f"k{number}" for number in range(3)]
    followers = []
    for key in keys:
        await world.publish_waiting(order_key=key)
        followers.append(await world.publish_waiting(order_key=key))
    one, two, three = await world.claim()
    await world.record(world.success(one), world.last_failure(two), world.failure(three))
    assert ids_of(await world.claim()) == followers[:2]


# by hand, out of turn


async def test_a_follower_may_be_sent_by_hand_and_then_waits_again(world: World) -> None:
    head, follower, last = await publish(world, 3)
    first = await world.claim_one()
    assert (await world.ask(follower)).scheduled
    manual = await world.claim_one()
    assert (manual.id, manual.manual) == (follower, True)
    await world.record(world.extra_failure(manual))
    assert await world.state(follower) is DeliveryState.PENDING
    assert await world.claim() == []
    await deliver(world, first)
    again = await world.claim_one()
    assert (again.id, again.manual, again.attempt_no) == (follower, False, 1)
    await deliver(world, again)
    assert ids_of(await world.claim()) == [last]
    assert await world.state(head) is DeliveryState.DELIVERED


async def test_a_follower_delivered_by_hand_is_skipped(world: World) -> None:
    _, follower, last = await publish(world, 3)
    head = await world.claim_one()
    await world.ask(follower)
    await deliver(world, await world.claim_one())
    assert await world.claim() == []
    await deliver(world, head)
    assert ids_of(await world.claim()) == [last]


@pytest.mark.parametrize("head_first", [True, False])
async def test_a_follower_that_fails_by_hand_as_its_head_ends_is_next(world: World, head_first: bool) -> None:
    _, follower = await publish(world, 2)
    head = await world.claim_one()
    await world.ask(follower)
    manual = await world.claim_one()
    ends = [world.success(head), world.extra_failure(manual)]
    await world.record(*(ends if head_first else ends[::-1]))
    again = await world.claim_one()
    assert (again.id, again.manual) == (follower, False)


async def test_a_head_that_ends_while_its_follower_waits_by_hand_costs_it_nothing(world: World) -> None:
    _, follower = await publish(world, 2)
    head = await world.claim_one()
    await world.ask(follower)
    await deliver(world, head)
    manual = await world.claim_one()
    assert (manual.id, manual.manual) == (follower, True)
    await world.record(world.extra_failure(manual))
    assert ids_of(await world.claim()) == [follower]


async def test_a_final_delivery_sent_again_by_hand_moves_no_follower(world: World) -> None:
    head, follower, last = await publish(world, 3)
    await deliver(world, await world.claim_one())
    await world.ask(head)
    claimed = {each.id: each for each in await world.claim()}
    assert set(claimed) == {head, follower}
    await deliver(world, claimed[head])
    assert await world.claim() == []
    await deliver(world, claimed[follower])
    assert ids_of(await world.claim()) == [last]

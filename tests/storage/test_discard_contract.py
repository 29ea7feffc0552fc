"""Queue.discard and sweep: what is over is cleared away in small commits."""

import msgspec
import pytest
from tests.storage.harness import LEASE, MINUTE, MS, START, World, ids_of, kept

from adjourn.models import DeliveryState

pytestmark = pytest.mark.anyio


async def discard_all(world: World, *, limit: int = 100) -> list[int]:
    moved = []
    while count := await world.store.queue.discard(limit=limit):
        moved.append(count)
    return moved


async def test_nothing_is_discarded_unasked(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    await world.change(enabled=False)
    assert await world.store.queue.discard(limit=10) == 0


async def test_what_was_discarded_is_abandoned_in_chunks(world: World) -> None:
    await world.add_app()
    published = [await world.publish_waiting() for _ in range(5)]
    await world.change(discard=True)
    assert await discard_all(world, limit=2) == [2, 2, 1]
    for delivery_id in published:
        delivery = await world.get(delivery_id)
        assert (delivery.state, delivery.error) == (DeliveryState.ABANDONED, "discarded")
    assert await world.claim() == []


async def test_a_frozen_retry_is_discarded_too(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    await world.record(world.failure(await world.claim_one(), retry_in=30 * MINUTE))
    await world.change(discard=True)
    assert await discard_all(world) == [1]
    delivery = await world.get(delivery_id)
    assert (delivery.state, delivery.next_retry_at) == (DeliveryState.ABANDONED, None)
    world.clock.advance(60 * MINUTE)
    assert await world.claim() == []


async def test_only_what_waited_then_and_for_that_app_is_discarded(world: World) -> None:
    await world.add_app("a")
    await world.add_app("b")
    await world.publish_waiting("a")
    of_b = await world.publish_waiting("b")
    await world.change("a", discard=True)
    later = await world.publish_waiting("a")
    assert await discard_all(world) == [1]
    assert sorted(ids_of(await world.claim())) == sorted([of_b, later])


async def test_an_attempt_under_way_may_still_succeed(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    claimed = await world.claim_one()
    await world.change(discard=True)
    assert await discard_all(world) == []
    await world.record(world.success(claimed))
    assert await world.state(claimed.id) is DeliveryState.DELIVERED


async def test_an_attempt_under_way_that_fails_is_the_last(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    claimed = await world.claim_one()
    await world.change(discard=True)
    await world.record(world.failure(claimed))
    world.clock.advance(MINUTE)
    assert await world.claim() == []
    assert await discard_all(world) == [1]
    assert await world.state(claimed.id) is DeliveryState.ABANDONED


async def test_an_attempt_under_way_whose_worker_dies_is_the_last(world: World) -> None:
    await world.add_app()
    await world.enlist()
    held = await world.publish_held()
    await world.change(enabled=False)
    await world.change(enabled=True, discard=True)
    assert await world.store.queue.discard(limit=10) == 0
    world.clock.advance(LEASE + MS)
    assert await world.store.queue.reap() == 1
    assert await world.store.queue.discard(limit=10) == 1
    assert await world.state(held.id) is DeliveryState.ABANDONED


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.ABANDONED])
async def test_discarding_a_retry_by_hand_leaves_a_final_state(world: World, state: DeliveryState) -> None:
    await world.add_app()
    await world.publish_waiting()
    before = await world.finished_after(await world.claim_one(), state)
    await world.ask(before.id)
    await world.change(discard=True)
    assert await discard_all(world) == [1]
    after = await world.get(before.id)
    assert (after.state, after.error, after.delivered_at) == (before.state, before.error, before.delivered_at)


async def test_what_a_deleted_app_left_is_abandoned(world: World) -> None:
    await world.add_app()
    await world.enlist()
    waiting = await world.publish_waiting()
    claimed = await world.claim_one()
    held = await world.publish_held()
    await world.store.directory.delete_app("app")
    assert await discard_all(world) == []
    await world.store.queue.give_back("w1", [claimed, held])
    assert await world.claim() == []
    assert await discard_all(world) == [2]
    assert claimed.id == waiting
    assert await world.state(held.id) is DeliveryState.ABANDONED


async def test_a_discarded_delivery_can_still_be_sent_by_hand(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    await world.change(discard=True)
    await discard_all(world)
    assert (await world.ask(delivery_id)).scheduled
    assert ids_of(await world.claim()) == [delivery_id]


async def test_sweeping_forgets_answers_older_than_the_moment_given(world: World) -> None:
    moment = START + MINUTE
    for name, at in (("before", moment - MS), ("at", moment), ("after", moment + MS)):
        await world.store.directory.keep_answer(kept(key=name, at=at))
    await world.store.queue.sweep(answers_before=moment)
    left = [
        name
        for name in ("before", "at", "after")
        if await world.store.directory.find_answer("POST /events", name)
    ]
    assert left == ["at", "after"]


async def test_sweeping_ends_whatever_there_is(world: World) -> None:
    answers = [kept(key=f"k{number}") for number in range(2500)]
    entries = [world.entry() for _ in answers]
    await world.store.queue.publish(
        [
            msgspec.structs.replace(entry, answer=answer)
            for entry, answer in zip(entries, answers, strict=True)
        ]
    )
    await world.store.queue.sweep(answers_before=START + MS)
    for number in (0, 999, 1000, 2499):
        assert await world.store.directory.find_answer("POST /events", f"k{number}") is None


async def test_a_key_may_be_used_again_after_it_was_swept(world: World) -> None:
    await world.store.directory.keep_answer(kept())
    await world.store.queue.sweep(answers_before=START + MS)
    again = kept(at=START + MINUTE)
    await world.store.directory.keep_answer(again)
    assert await world.store.directory.find_answer("POST /events", "k") == again


async def test_a_failure_after_its_app_was_deleted_and_made_again_is_not_the_new_apps(world: World) -> None:
    """What was in memory when the app was deleted waits under its discarded number, too."""
    await world.add_app()
    await world.enlist("w1")
    held = await world.publish_held("w1")
    await world.store.directory.delete_app("app")
    await world.add_app()
    await world.record(world.failure(held))
    world.clock.advance(MINUTE)
    assert await world.claim() == []
    assert await world.store.queue.discard(limit=10) == 1
    assert await world.state(held.id) is DeliveryState.ABANDONED

"""Queue.ask_retry: one extra attempt by hand, in any state, and never two at once."""

import pytest
from tests.storage.harness import LEASE, MINUTE, MS, QUIET, World, ids_of, keep_nothing, kept

from adjourn.errors import NotFound
from adjourn.models import DeliveryState
from adjourn.storage.base import AnswerExists, KeptAnswer, RetryAsked

pytestmark = pytest.mark.anyio

FINAL = [DeliveryState.DELIVERED, DeliveryState.ABANDONED]


async def finished(world: World, state: DeliveryState = DeliveryState.DELIVERED) -> str:
    await world.add_app()
    await world.publish_waiting()
    return (await world.finished_after(await world.claim_one(), state)).id


@pytest.mark.parametrize("state", FINAL)
async def test_a_final_delivery_is_sent_once_more_at_once(world: World, state: DeliveryState) -> None:
    delivery_id = await finished(world, state)
    world.clock.advance(MINUTE)
    asked = await world.ask(delivery_id)
    assert (asked.scheduled, asked.at, asked.delivery.state) == (True, world.clock.now, state)
    claimed = await world.claim_one()
    assert (claimed.id, claimed.manual, claimed.attempt_no) == (delivery_id, True, 1)
    assert await world.claim() == []


async def test_a_failed_delivery_is_sent_before_its_retry(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    await world.record(world.failure(await world.claim_one(), retry_in=30 * MINUTE))
    assert (await world.ask(delivery_id)).scheduled
    assert (await world.claim_one()).manual


async def test_asking_changes_neither_state_nor_schedule(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    await world.record(world.failure(await world.claim_one(), retry_in=30 * MINUTE))
    before = await world.get(delivery_id)
    await world.ask(delivery_id)
    after = await world.get(delivery_id)
    assert (after.state, after.next_retry_at, after.retry_count) == (
        before.state,
        before.next_retry_at,
        before.retry_count,
    )
    assert after.retry_asked_at == world.clock.now


async def test_nothing_more_is_scheduled_within_the_quiet_period(world: World) -> None:
    delivery_id = await finished(world)
    asked_at = (await world.ask(delivery_id)).at
    await world.record(world.extra_failure(await world.claim_one()))
    for wait in (MS, QUIET - 2 * MS, MS):
        world.clock.advance(wait)
        again = await world.ask(delivery_id)
        assert (again.scheduled, again.at) == (False, asked_at)
    assert world.clock.now == asked_at + QUIET
    assert await world.claim() == []
    world.clock.advance(MS)
    assert (await world.ask(delivery_id)).scheduled
    assert len(await world.claim()) == 1


async def test_an_ask_that_scheduled_nothing_does_not_prolong_the_quiet_period(world: World) -> None:
    delivery_id = await finished(world)
    await world.ask(delivery_id)
    await world.record(world.extra_failure(await world.claim_one()))
    world.clock.advance(QUIET)
    await world.ask(delivery_id)
    world.clock.advance(MS)
    assert (await world.ask(delivery_id)).scheduled


async def test_nothing_is_scheduled_while_the_first_attempt_waits(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    asked = await world.ask(delivery_id)
    assert (asked.scheduled, asked.at) == (False, world.clock.now)
    assert not (await world.claim_one()).manual


async def test_nothing_is_scheduled_while_an_attempt_is_under_way(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    claimed = await world.claim_one()
    assert not (await world.ask(delivery_id)).scheduled
    await world.record(world.success(claimed))
    assert await world.claim() == []


async def test_nothing_is_scheduled_while_it_is_sent_from_memory(world: World) -> None:
    await world.add_app()
    await world.enlist()
    held = await world.publish_held()
    assert not (await world.ask(held.id)).scheduled
    assert await world.claim() == []


async def test_nothing_is_scheduled_while_a_retry_is_due(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    await world.record(world.failure(await world.claim_one(), retry_in=MINUTE))
    world.clock.advance(MINUTE)
    assert not (await world.ask(delivery_id)).scheduled
    assert not (await world.claim_one()).manual


async def test_nothing_is_scheduled_while_the_last_one_asked_for_is_unfinished(world: World) -> None:
    delivery_id = await finished(world)
    await world.ask(delivery_id)
    world.clock.advance(2 * QUIET)
    assert not (await world.ask(delivery_id)).scheduled
    manual = await world.claim_one()
    world.clock.advance(2 * QUIET)
    assert not (await world.ask(delivery_id)).scheduled
    await world.record(world.extra_failure(manual))
    assert (await world.ask(delivery_id)).scheduled


async def test_a_retry_asked_for_while_the_app_is_off_waits_with_it(world: World) -> None:
    delivery_id = await finished(world)
    await world.change(enabled=False)
    assert (await world.ask(delivery_id)).scheduled
    assert await world.claim() == []
    await world.change(enabled=True)
    assert ids_of(await world.claim()) == [delivery_id]


async def test_a_retry_given_back_is_still_one_by_hand(world: World) -> None:
    delivery_id = await finished(world)
    await world.ask(delivery_id)
    await world.store.queue.give_back("w1", [await world.claim_one()])
    claimed = await world.claim_one()
    assert (claimed.id, claimed.manual) == (delivery_id, True)


async def test_a_retry_of_a_dead_worker_is_still_one_by_hand(world: World) -> None:
    delivery_id = await finished(world)
    await world.enlist("w1")
    await world.ask(delivery_id)
    await world.claim_one("w1")
    world.clock.advance(LEASE + MS)
    await world.store.queue.reap()
    assert (await world.claim_one("w2")).manual


async def test_what_the_app_discarded_is_abandoned_first_and_then_sent(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    await world.record(world.failure(await world.claim_one(), retry_in=30 * MINUTE))
    await world.change(discard=True)
    asked = await world.ask(delivery_id)
    assert (asked.scheduled, asked.delivery.state) == (True, DeliveryState.ABANDONED)
    assert await world.store.queue.discard(limit=10) == 0
    manual = await world.claim_one()
    await world.record(world.extra_failure(manual))
    assert await world.state(delivery_id) is DeliveryState.ABANDONED
    world.clock.advance(60 * MINUTE)
    assert await world.claim() == []


@pytest.mark.parametrize("app_id", ["app", "other"])
async def test_a_delivery_of_another_app_is_not_found(world: World, app_id: str) -> None:
    delivery_id = await finished(world)
    asked_for = delivery_id if app_id == "other" else "no-such-delivery"
    with pytest.raises(NotFound):
        await world.ask(asked_for, app_id)
    assert await world.claim() == []


async def test_the_answer_is_kept_in_the_same_commit_and_may_tell_of_it(world: World) -> None:
    delivery_id = await finished(world)
    seen: list[RetryAsked] = []

    def keep(asked: RetryAsked) -> KeptAnswer:
        seen.append(asked)
        return kept(key="retry")

    asked = await world.store.queue.ask_retry("app", delivery_id, quiet=QUIET, keep=keep)
    assert seen == [asked]
    assert await world.store.directory.find_answer("POST /events", "retry") == kept(key="retry")


async def test_the_answer_is_kept_when_nothing_was_scheduled_too(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    await world.store.queue.ask_retry("app", delivery_id, quiet=QUIET, keep=lambda asked: kept(key="retry"))
    assert await world.store.directory.find_answer("POST /events", "retry") is not None


async def test_nothing_is_scheduled_when_the_key_was_used_before(world: World) -> None:
    delivery_id = await finished(world)
    await world.store.directory.keep_answer(kept())
    with pytest.raises(AnswerExists):
        await world.store.queue.ask_retry("app", delivery_id, quiet=QUIET, keep=lambda asked: kept())
    assert (await world.get(delivery_id)).retry_asked_at is None
    assert await world.claim() == []
    asked = await world.store.queue.ask_retry("app", delivery_id, quiet=QUIET, keep=keep_nothing)
    assert asked.scheduled

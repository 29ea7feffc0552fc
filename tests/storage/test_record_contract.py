"""Queue.record: what is the deliveries' own; test_work_contract.py has what every queue promises."""

import pytest
from tests.storage.harness import LEASE, MINUTE, MS, World, ids_of

from adjourn.models import DeliveryState

pytestmark = pytest.mark.anyio

URL = "https://example.com/webhooks"
FINAL = [DeliveryState.DELIVERED, DeliveryState.ABANDONED]


async def test_a_success_delivers(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    claimed = await world.claim_one()
    world.clock.advance(MS)
    assert not (await world.record(world.success(claimed))).changed
    delivery = await world.get(claimed.id)
    assert (delivery.state, delivery.delivered_at) == (DeliveryState.DELIVERED, world.clock.now)
    assert (delivery.attempt_no, delivery.http_status, delivery.error) == (1, 200, "")
    world.clock.advance(100 * MINUTE)
    assert await world.claim() == []


async def test_a_success_from_memory_delivers(world: World) -> None:
    await world.add_app()
    await world.enlist()
    held = await world.publish_held()
    await world.record(world.success(held))
    assert await world.state(held.id) is DeliveryState.DELIVERED
    world.clock.advance(LEASE + MS)
    assert await world.store.queue.reap() == 0


async def test_a_failure_from_memory_waits_for_its_retry(world: World) -> None:
    await world.add_app()
    await world.enlist()
    held = await world.publish_held()
    await world.record(world.failure(held))
    assert await world.state(held.id) is DeliveryState.FAILED
    world.clock.advance(MINUTE)
    (retry,) = await world.claim("w2")
    assert (retry.id, retry.attempt_no, retry.from_job) == (held.id, 1, True)


async def test_a_failure_from_memory_without_its_lease_moves_nothing(world: World) -> None:
    await world.add_app()
    await world.enlist("w1")
    held = await world.publish_held("w1")
    world.clock.advance(LEASE + MS)
    await world.store.queue.reap()
    await world.record(world.last_failure(held), worker="w1")
    assert await world.state(held.id) is DeliveryState.PENDING
    assert ids_of(await world.claim("w2")) == [held.id]


@pytest.mark.parametrize("known", [0, 1, 60, 119, 120])
async def test_of_a_batch_some_may_be_on_record_already(world: World, known: int) -> None:
    """Held since they were published, claimed, delivered and failed, all in one batch."""
    await world.add_app()
    held = [await world.publish_held() for _ in range(40)]
    for _ in range(80):
        await world.publish_waiting()
    claimed = await world.claim()
    assert len(claimed) == 80
    results = [world.success(each) for each in (*held, *claimed[:60])]
    results += [world.failure(each) for each in claimed[60:]]
    await world.record(*results[::-1][:known])
    await world.record(*results)
    await world.record(*results)
    for result in results:
        delivery = await world.get(result.claimed.id)
        assert (delivery.state, delivery.attempt_no) == (result.step.state, 1)
        assert await world.attempts(result.claimed.id) == [1]
    assert await world.claim() == []
    world.clock.advance(MINUTE)
    assert len(await world.claim()) == 20


async def test_a_success_of_what_was_reaped_leaves_nothing_to_wait(world: World) -> None:
    """Its worker lost the lease while it sent; the delivery waits for another, and is not sent again."""
    await world.add_app()
    await world.enlist()
    held = [await world.publish_held() for _ in range(3)]
    world.clock.advance(LEASE + MS)
    await world.store.queue.reap()
    await world.record(*(world.success(each) for each in held))
    assert await world.claim("w2") == []


async def test_recording_a_success_again_spares_the_retry_asked_for_since(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    success = world.success(await world.claim_one())
    await world.record(success)
    assert (await world.ask(success.claimed.id)).scheduled
    await world.record(success)
    assert (await world.claim_one()).manual


async def test_recording_a_410_again_spares_the_app_that_was_enabled_since(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    gone = world.last_failure(await world.claim_one(), gone_url=URL)
    assert list((await world.record(gone)).changed) == ["app"]
    await world.change(enabled=True)
    assert not (await world.record(gone)).changed
    assert (await world.store.directory.get_app("app")).webhook_enabled


# manual attempts


@pytest.mark.parametrize("state", FINAL)
async def test_a_manual_attempt_that_fails_leaves_a_final_state(world: World, state: DeliveryState) -> None:
    await world.add_app()
    await world.publish_waiting()
    before = await world.finished_after(await world.claim_one(), state)
    await world.ask(before.id)
    manual = await world.claim_one()
    assert manual.manual
    await world.record(world.extra_failure(manual))
    after = await world.get(before.id)
    assert (after.state, after.retry_count, after.delivered_at, after.next_retry_at, after.attempt_no) == (
        before.state,
        before.retry_count,
        before.delivered_at,
        None,
        2,
    )
    world.clock.advance(100 * MINUTE)
    assert await world.claim() == []


async def test_a_manual_attempt_that_fails_leaves_the_schedule_of_a_failed_one(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    await world.record(world.failure(await world.claim_one(), retry_in=5 * MINUTE))
    before = await world.get(delivery_id)
    await world.ask(delivery_id)
    manual = await world.claim_one()
    assert (manual.manual, manual.attempt_no) == (True, 1)
    await world.record(world.extra_failure(manual))
    after = await world.get(delivery_id)
    assert (after.state, after.next_retry_at, after.retry_count, after.attempt_no) == (
        DeliveryState.FAILED,
        before.next_retry_at,
        before.retry_count,
        2,
    )
    world.clock.advance(5 * MINUTE - MS)
    assert await world.claim() == []
    world.clock.advance(MS)
    retry = await world.claim_one()
    assert (retry.manual, retry.attempt_no) == (False, 2)


async def test_a_manual_attempt_whose_retry_fell_due_meanwhile_is_followed_by_it(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    await world.record(world.failure(await world.claim_one(), retry_in=MINUTE))
    await world.ask(delivery_id)
    manual = await world.claim_one()
    world.clock.advance(2 * MINUTE)
    await world.record(world.extra_failure(manual))
    assert not (await world.claim_one()).manual


@pytest.mark.parametrize("state", [DeliveryState.ABANDONED, DeliveryState.FAILED])
async def test_a_manual_success_delivers(world: World, state: DeliveryState) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    end = world.failure if state is DeliveryState.FAILED else world.last_failure
    await world.record(end(await world.claim_one()))
    await world.ask(delivery_id)
    await world.record(world.success(await world.claim_one()))
    delivery = await world.get(delivery_id)
    assert (delivery.state, delivery.next_retry_at) == (DeliveryState.DELIVERED, None)
    assert delivery.delivered_at == world.clock.now
    world.clock.advance(100 * MINUTE)
    assert await world.claim() == []


async def test_a_manual_failure_without_its_lease_leaves_the_attempt_to_its_new_owner(world: World) -> None:
    await world.add_app()
    await world.enlist("w1")
    await world.publish_waiting()
    delivery = await world.finished_after(await world.claim_one(), DeliveryState.DELIVERED)
    await world.ask(delivery.id)
    before = await world.claim_one("w1")
    world.clock.advance(LEASE + MS)
    await world.store.queue.reap()
    now = await world.claim_one("w2")
    assert now.manual
    await world.record(world.extra_failure(before), worker="w1")
    await world.record(world.extra_failure(now), worker="w2")
    assert await world.attempts(delivery.id) == [1, 2, 2]
    assert await world.claim() == []


@pytest.mark.parametrize("state", [DeliveryState.FAILED, *FINAL])
async def test_a_manual_410_abandons_what_is_not_final(world: World, state: DeliveryState) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    ends = {DeliveryState.FAILED: world.failure, DeliveryState.DELIVERED: world.success}
    await world.record(ends.get(state, world.last_failure)(await world.claim_one()))
    await world.ask(delivery_id)
    await world.record(world.last_failure(await world.claim_one(), gone_url=URL))
    expected = DeliveryState.DELIVERED if state is DeliveryState.DELIVERED else DeliveryState.ABANDONED
    assert await world.state(delivery_id) is expected
    await world.change(enabled=True)
    world.clock.advance(100 * MINUTE)
    assert await world.claim() == []


# 410


async def test_410_switches_off_the_app_that_still_has_the_url(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    claimed = await world.claim_one()
    recorded = await world.record(world.last_failure(claimed, gone_url=URL))
    app = await world.store.directory.get_app("app")
    assert list(recorded.changed) == ["app"]
    assert (app.webhook_enabled, app.version, app.updated_at) == (False, 2, world.clock.now)
    assert await world.state(claimed.id) is DeliveryState.ABANDONED


async def test_410_of_a_url_that_was_replaced_switches_nothing_off(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    claimed = await world.claim_one()
    changed = await world.change(url="https://example.com/new")
    assert not (await world.record(world.last_failure(claimed, gone_url=URL))).changed
    assert await world.store.directory.get_app("app") == changed
    assert await world.state(claimed.id) is DeliveryState.ABANDONED


async def test_two_410s_switch_an_app_off_once(world: World) -> None:
    await world.add_app()
    await world.publish(world.delivery(), world.delivery())
    one, two = await world.claim()
    gone = [world.last_failure(each, gone_url=URL) for each in (one, two)]
    assert list((await world.record(*gone)).changed) == ["app"]
    assert (await world.store.directory.get_app("app")).version == 2


async def test_what_waits_stays_when_a_410_switches_the_app_off(world: World) -> None:
    await world.add_app()
    await world.publish(world.delivery(), world.delivery())
    (one,) = await world.claim(limit=1)
    await world.record(world.last_failure(one, gone_url=URL))
    assert await world.claim() == []
    await world.change(enabled=True)
    assert len(await world.claim()) == 1

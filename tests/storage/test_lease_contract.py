"""Queue.enlist, give_back and reap, of what a worker holds since it was published.

What every queue promises of claims: test_work_contract.py.
"""

import pytest
from tests.storage.harness import LEASE, MS, Backend, Clock, World, ids_of

from adjourn.models import DeliveryState

pytestmark = pytest.mark.anyio


# giving back


async def test_what_was_given_back_from_memory_waits(world: World) -> None:
    await world.add_app()
    await world.enlist()
    held = await world.publish_held()
    await world.store.queue.give_back("w1", [held])
    (claimed,) = await world.claim("w2")
    assert (claimed.id, claimed.attempt_no, claimed.from_job) == (held.id, 0, True)


async def test_giving_back_twice_changes_nothing(world: World) -> None:
    await world.add_app()
    await world.enlist()
    held = await world.publish_held()
    await world.publish_waiting()
    claimed = await world.claim_one()
    for _ in range(2):
        await world.store.queue.give_back("w1", [held, claimed])
    taken = await world.claim("w2")
    assert sorted(ids_of(taken)) == sorted([held.id, claimed.id])
    await world.store.queue.give_back("w1", [held, claimed])
    assert await world.claim("w3") == []


async def test_what_an_app_that_is_off_gave_back_waits_for_it(world: World) -> None:
    await world.add_app()
    await world.enlist()
    held = await world.publish_held()
    await world.change(enabled=False)
    await world.store.queue.give_back("w1", [held])
    assert await world.claim() == []
    await world.change(enabled=True)
    assert ids_of(await world.claim()) == [held.id]


# leases


async def test_a_worker_is_alive_to_the_end_of_its_lease_and_not_a_millisecond_longer(world: World) -> None:
    await world.add_app()
    await world.enlist("w1")
    held = await world.publish_held("w1")
    world.clock.advance(LEASE)
    assert await world.store.queue.reap() == 0
    assert await world.claim("w2") == []
    world.clock.advance(MS)
    assert await world.store.queue.reap() == 1
    assert ids_of(await world.claim("w2")) == [held.id]


async def test_only_the_dead_workers_deliveries_are_put_back(world: World) -> None:
    await world.add_app()
    await world.enlist("dead")
    of_dead = [(await world.publish_held("dead")).id, await world.publish_waiting()]
    await world.claim("dead")
    world.clock.advance(LEASE)
    await world.enlist("alive")
    of_alive = await world.publish_held("alive")
    await world.publish_waiting()
    claimed = await world.claim_one("alive")
    world.clock.advance(MS)
    assert await world.store.queue.reap() == 2
    assert sorted(ids_of(await world.claim("alive"))) == sorted(of_dead)
    await world.record(world.success(of_alive), world.success(claimed), worker="alive")
    assert await world.state(of_alive.id) is DeliveryState.DELIVERED


async def test_a_floor_is_respected(world: World) -> None:
    """Below its floor a worker owns nothing, by its own word: nothing there is looked at."""
    await world.add_app()
    await world.enlist("w1")
    below = await world.publish_held("w1")
    above = [await world.publish_held("w1") for _ in range(2)]
    await world.enlist("w1", floor=above[0].id)
    world.clock.advance(LEASE + MS)
    assert await world.store.queue.reap() == 2
    assert ids_of(await world.claim("w2")) == ids_of(above)
    await world.store.queue.give_back("w1", [below])
    assert ids_of(await world.claim("w2")) == [below.id]


async def test_reaping_twice_frees_nothing_twice(world: World) -> None:
    await world.add_app()
    await world.enlist("w1")
    await world.publish_held("w1")
    await world.publish_waiting()
    await world.claim("w1")
    world.clock.advance(LEASE + MS)
    assert [await world.store.queue.reap() for _ in range(3)] == [2, 0, 0]
    assert len(await world.claim("w2")) == 2
    assert await world.claim("w3") == []


async def test_a_finished_delivery_is_not_put_back(world: World) -> None:
    await world.add_app()
    await world.enlist("w1")
    held = await world.publish_held("w1")
    await world.publish_waiting()
    claimed = await world.claim_one("w1")
    await world.record(world.success(held), world.last_failure(claimed))
    world.clock.advance(LEASE + MS)
    assert await world.store.queue.reap() == 0
    assert await world.claim("w2") == []


async def test_what_is_published_by_a_worker_reaped_unnoticed_is_not_lost(world: World) -> None:
    """A machine that slept: housekeeping reaps its own worker before the heartbeat renews it."""
    await world.add_app()
    await world.enlist("w1")
    world.clock.advance(LEASE + MS)
    await world.store.queue.reap()
    held = await world.publish_held("w1")
    world.clock.advance(MS)
    assert await world.store.queue.reap() == 1
    assert ids_of(await world.claim("w2")) == [held.id]


async def test_what_is_published_by_a_worker_that_was_never_enlisted_is_not_lost(world: World) -> None:
    await world.add_app()
    held = await world.publish_held("never enlisted")
    world.clock.advance(MS)
    assert await world.store.queue.reap() == 1
    assert ids_of(await world.claim("w2")) == [held.id]


async def test_what_is_published_below_the_floor_is_not_lost(world: World) -> None:
    """A clock set back between a heartbeat and the next publishing."""
    await world.add_app()
    new = world.delivery(owner="w1")
    await world.enlist("w1", floor=world.ids.floor())
    await world.publish(new)
    world.clock.advance(LEASE + MS)
    assert await world.store.queue.reap() == 1


async def test_after_a_restart_everything_unfinished_waits(backend: Backend) -> None:
    clock = Clock()
    store = await backend.open(clock)
    world = World(store, clock)
    await world.add_app()
    await world.enlist("w1")
    held = await world.publish_held("w1")
    await world.publish_waiting()
    claimed = await world.claim_one("w1")
    waiting = await world.publish_waiting()
    done = await world.publish_held("w1")
    await world.record(world.success(done))
    await store.close()
    clock.advance(LEASE + MS)
    store = await backend.open(clock)
    try:
        again = World(store, clock)
        await store.queue.reap()
        assert sorted(ids_of(await again.claim("w2"))) == sorted([held.id, claimed.id, waiting])
        assert await again.state(done.id) is DeliveryState.DELIVERED
    finally:
        await store.close()

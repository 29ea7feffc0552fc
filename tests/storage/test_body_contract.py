"""However a delivery came to wait, what is sent is what was published."""

from collections.abc import Awaitable, Callable

import pytest
from tests.storage.harness import LEASE, MINUTE, MS, World

from adjourn.storage.base import Claimed

pytestmark = pytest.mark.anyio

Way = Callable[[World, bytes], Awaitable[Claimed]]
"""Publishes an event with that data, and lets it wait; as it was published."""


async def published(world: World, data: bytes) -> Claimed:
    new = world.delivery()
    entry = world.entry(new, data=data)
    await world.store.queue.publish([entry])
    return Claimed(
        id=new.id,
        app_id=new.app_id,
        lane_id=new.lane_id,
        event_id=new.event_id,
        event_type=new.event_type,
        body=entry.events[0].head + data + b"}",
    )


async def published_to_a_backlog(world: World, data: bytes) -> Claimed:
    await published(world, b"{}")
    world.clock.advance(MINUTE)
    before = await published(world, data)
    await world.claim(limit=1)  # what came first
    return before


async def claimed_and_given_back(world: World, data: bytes) -> Claimed:
    before = await published(world, data)
    await world.store.queue.give_back("w1", [await world.claim_one()])
    return before


async def held(world: World, data: bytes) -> Claimed:
    return await world.publish_held("w1", data=data)


async def given_back(world: World, data: bytes) -> Claimed:
    before = await held(world, data)
    await world.store.queue.give_back("w1", [before])
    return before


async def failed(world: World, data: bytes) -> Claimed:
    before = await held(world, data)
    await world.record(world.failure(before))
    world.clock.advance(MINUTE)
    return before


async def failed_twice(world: World, data: bytes) -> Claimed:
    before = await failed(world, data)
    await world.record(world.failure(await world.claim_one()))
    world.clock.advance(MINUTE)
    return before


async def left_by_the_dead(world: World, data: bytes) -> Claimed:
    before = await held(world, data)
    world.clock.advance(LEASE + MS)
    await world.store.queue.reap()
    return before


async def left_and_failed(world: World, data: bytes) -> Claimed:
    before = await left_by_the_dead(world, data)
    await world.enlist()
    await world.record(world.failure(await world.claim_one()))
    world.clock.advance(MINUTE)
    return before


async def by_hand(world: World, data: bytes) -> Claimed:
    before = await held(world, data)
    await world.record(world.last_failure(before))
    await world.ask(before.id)
    return before


WAYS: list[Way] = [
    published,
    published_to_a_backlog,
    claimed_and_given_back,
    given_back,
    failed,
    failed_twice,
    left_by_the_dead,
    left_and_failed,
    by_hand,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("length", [2, 3_000, 4_097, 300_000])
async def test_what_waited_is_sent_as_it_was_published(world: World, way: Way, length: int) -> None:
    await world.add_app()
    await world.enlist()
    before = await way(world, b'"' + "☂".encode() * (length // 3) + b'"')
    (claimed,) = await world.claim("w2")
    names = ("id", "app_id", "lane_id", "event_id", "event_type", "target", "body")
    assert [getattr(claimed, name) for name in names] == [getattr(before, name) for name in names]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_what_waited_is_told_with_the_attempts_that_were_made(world: World, way: Way) -> None:
    await world.add_app()
    await world.enlist()
    before = await way(world, b"{}")
    claimed, delivery = await world.claim_one("w2"), await world.get(before.id)
    assert (claimed.state, claimed.attempt_no, claimed.retry_count) == (
        delivery.state,
        delivery.attempt_no,
        delivery.retry_count,
    )

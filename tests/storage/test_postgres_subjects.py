"""What is PostgreSQL's own in subjects: days that are dropped, many nodes, and the straight path."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest
from tests.postgres import new_database
from tests.storage.harness import KEY, MS, VAULT, Clock, World, ids_of

from adjourn.config import Secret
from adjourn.errors import Conflict, StorageError
from adjourn.models import Callback, Subject, callback_target
from adjourn.storage.base import NewDelivery
from adjourn.storage.postgres.publishing import Batch
from adjourn.storage.postgres.store import PostgresStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
CALLBACK = Callback(url="https://bots.example.com/", secret=Secret("bot's own"))
BOT = Subject(app_id="app", id="bot", callback=CALLBACK)
NEW_KEY = Secret("4q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")


@pytest.fixture
def url() -> str:
    return new_database("adjourn_subjects")


async def opened(url: str, clock: Clock, vault: Vault = VAULT) -> PostgresStore:
    return await PostgresStore.open(url, vault, clock=clock, retention=3 * DAY, lease=timedelta(0))


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    store = await opened(url, Clock())
    yield store
    await store.close()


@pytest.fixture
async def world(store: PostgresStore) -> World:
    """It keeps three days."""
    assert isinstance(store.clock, Clock)
    world = World(store, store.clock)
    await world.add_app()
    return world


async def ended(world: World) -> NewDelivery:
    """A bot's final event, which the app has."""
    delivery = world.delivery()
    told = msgspec.structs.replace(BOT, event_id=delivery.event_id, delivery_id=delivery.id)
    await world.store.queue.publish([world.entry(delivery, subjects=[told])])
    await world.record(world.success(await world.claim_one()))
    await retired(world)
    return delivery


async def retired(world: World) -> None:
    """No worker holds back what is dropped."""
    await world.store.queue.end("w1")


def called_back(world: World, event: NewDelivery) -> NewDelivery:
    delivery = world.delivery(target=callback_target("bot"))
    return msgspec.structs.replace(delivery, event_id=event.event_id)


async def pass_days(world: World, store: PostgresStore, days: int) -> None:
    for _ in range(days):
        world.clock.advance(DAY)
        await store.queue.tend()


async def test_subjects_are_forgotten_with_what_is_kept_no_longer(world: World, store: PostgresStore) -> None:
    event = world.delivery()
    await store.queue.publish([world.entry(event, subjects=[BOT])])
    await pass_days(world, store, 3)
    assert await store.subjects.find("app", "bot") == BOT
    world.clock.advance(MS)
    await store.queue.tend()
    assert await store.subjects.find("app", "bot") is None


async def test_all_are_kept_where_no_retention_is_set(world: World, url: str) -> None:
    await world.store.queue.publish([world.entry(world.delivery(), subjects=[BOT])])
    world.clock.advance(100 * DAY)
    other = await PostgresStore.open(url, VAULT, clock=world.clock, lease=timedelta(0))
    await other.queue.tend()
    assert await other.subjects.find("app", "bot") == BOT
    await other.close()


async def test_the_day_of_an_event_is_kept_while_its_callback_waits(
    world: World, store: PostgresStore
) -> None:
    """Its delivery is of a later day."""
    event = await ended(world)
    await pass_days(world, store, 3)
    await world.change(enabled=False)
    delivery = called_back(world, event)
    assert await store.subjects.call_back("app", "bot", delivery)
    await pass_days(world, store, 5)
    await world.change(enabled=True)
    (claimed,) = await world.claim()
    assert (claimed.id, claimed.event_id) == (delivery.id, event.event_id)
    await world.record(world.success(claimed))
    await retired(world)
    await pass_days(world, store, 1)
    assert await store.log.find_published(event.event_id) is None


async def test_an_event_that_is_not_kept_any_more_cannot_be_called_back(
    world: World, store: PostgresStore
) -> None:
    event = await ended(world)
    for _ in range(5):
        await pass_days(world, store, 1)
        await store.subjects.set_callback("app", "bot", CALLBACK)
    delivery = called_back(world, event)
    with pytest.raises(Conflict, match="older than what is kept"):
        await store.subjects.call_back("app", "bot", delivery)
    assert await world.claim() == []
    its = await store.subjects.find("app", "bot")
    assert its is not None
    assert its.callback_delivery_id is None


async def test_of_two_nodes_one_calls_back(world: World, store: PostgresStore, url: str) -> None:
    other = await opened(url, world.clock)
    for _ in range(10):
        event = await ended(world)
        news = [called_back(world, event) for _ in range(4)]
        nodes = (store, other, store, other)
        asks = (node.subjects.call_back("app", "bot", each) for node, each in zip(nodes, news, strict=True))
        done = await asyncio.gather(*asks)
        assert sorted(done) == [False, False, False, True]
        (claimed,) = await world.claim()
        assert claimed.id == news[done.index(True)].id
        await world.record(world.success(claimed))
    await other.close()


async def test_nodes_that_tell_of_the_same_subjects_do_not_stop_each_other(
    world: World, store: PostgresStore, url: str
) -> None:
    other = await opened(url, world.clock)
    ids = [f"bot {number}" for number in range(20)]
    orders = (ids, ids[::-1])
    for _ in range(10):
        batches = [
            [
                world.entry(world.delivery(), subjects=[Subject(app_id="app", id=each, callback=CALLBACK)])
                for each in order
            ]
            for order in orders
        ]
        nodes = zip((store, other), batches, strict=True)
        await asyncio.gather(*(node.queue.publish(batch) for node, batch in nodes))
    assert len(await other.subjects.callbacks_of([("app", each) for each in ids])) == len(ids)
    assert len(ids_of(await world.claim(limit=1000, room=1000))) == 400
    await other.close()


async def test_a_secret_that_another_node_sealed_with_a_newer_key_cannot_be_read(
    world: World, store: PostgresStore, url: str
) -> None:
    await store.queue.publish([world.entry(world.delivery(), subjects=[BOT])])
    newer = await opened(url, world.clock, Vault([NEW_KEY, KEY]))
    assert await newer.subjects.find("app", "bot") == BOT
    await newer.close()
    with pytest.raises(StorageError, match="ADJOURN_SECRET_KEY"):
        await store.subjects.callbacks_of([("app", "bot")])


async def test_what_makes_no_subject_known_goes_the_straight_way(world: World) -> None:
    held = world.delivery(owner="w1")
    assert Batch.of([world.entry(held)]).is_plain
    assert not Batch.of([world.entry(held), world.entry(held, subjects=[BOT])]).is_plain

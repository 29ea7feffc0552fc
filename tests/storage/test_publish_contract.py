"""Queue.publish: a batch is stored with all the work it causes, or not at all."""

import msgspec
import pytest
from tests.storage.harness import MS, World, connected, ids_of, kept

from adjourn.errors import NotFound, StorageError
from adjourn.models import ConnectionStatus, DeliveryState
from adjourn.storage.base import AnswerExists, Entry, StaleApps

pytestmark = pytest.mark.anyio


async def is_stored(world: World, entry: Entry) -> bool:
    found = await world.store.log.find_published(entry.publication.id)
    deliveries = len(await world.claim("finder"))
    assert (found is not None) == (deliveries > 0)
    return found is not None


async def test_a_waiting_delivery_is_pending_and_can_be_claimed(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    delivery = await world.get(delivery_id)
    assert (delivery.state, delivery.attempt_no, delivery.retry_count) == (DeliveryState.PENDING, 0, 0)
    assert delivery.created_at == world.clock.now
    assert ids_of(await world.claim()) == [delivery_id]


async def test_a_delivery_owned_from_the_start_is_no_one_elses(world: World) -> None:
    await world.add_app()
    await world.enlist("w1")
    held = await world.publish_held("w1")
    assert (await world.get(held.id)).state is DeliveryState.PENDING
    assert await world.claim("w2") == []
    assert await world.claim("w1") == []


async def test_the_body_claimed_is_head_data_and_brace_byte_for_byte(world: World) -> None:
    await world.add_app()
    new = world.delivery()
    entry = world.entry(new)
    await world.store.queue.publish([entry])
    claimed = await world.claim_one()
    assert claimed.body == entry.events[0].head + entry.publication.data + b"}"
    assert "Größe ☂".encode() in claimed.body


async def test_an_events_own_data_replaces_the_publications(world: World) -> None:
    await world.add_app()
    entry = world.entry(world.delivery())
    event = msgspec.structs.replace(entry.events[0], own_data=b'{"old":1}')
    await world.store.queue.publish([msgspec.structs.replace(entry, events=[event])])
    assert (await world.claim_one()).body == event.head + b'{"old":1}}'


async def test_a_publication_that_reaches_nobody_is_stored(world: World) -> None:
    entry = world.entry()
    await world.store.queue.publish([entry])
    found = await world.store.log.find_published(entry.publication.id)
    assert found is not None
    assert found.publication == entry.publication


async def test_nothing_of_a_batch_is_stored_when_one_app_is_stale(world: World) -> None:
    await world.add_app("a")
    await world.add_app("b")
    await world.change("b")
    good = world.entry(world.delivery("a"), versions={"a": 1})
    stale = world.entry(world.delivery("b"), versions={"b": 1})
    with pytest.raises(StaleApps) as caught:
        await world.store.queue.publish([good, stale])
    assert caught.value.app_ids == ("b",)
    assert not await is_stored(world, good)
    assert not await is_stored(world, stale)


async def test_every_stale_app_is_named_once(world: World) -> None:
    for app_id in ("a", "b", "c"):
        await world.add_app(app_id)
    entries = [world.entry(versions={"c": 1, "b": 7}), world.entry(versions={"b": 7, "gone": 1, "a": 1})]
    with pytest.raises(StaleApps) as caught:
        await world.store.queue.publish(entries)
    assert caught.value.app_ids == ("b", "gone")


async def test_two_plans_with_different_versions_of_one_app_are_stale(world: World) -> None:
    await world.add_app("a")
    with pytest.raises(StaleApps) as caught:
        await world.store.queue.publish([world.entry(versions={"a": 1}), world.entry(versions={"a": 2})])
    assert caught.value.app_ids == ("a",)


async def test_a_deleted_app_is_stale(world: World) -> None:
    await world.add_app("a")
    await world.store.directory.delete_app("a")
    with pytest.raises(StaleApps):
        await world.store.queue.publish([world.entry(versions={"a": 1})])


async def test_an_answer_is_kept_with_the_work(world: World) -> None:
    await world.add_app()
    entry = msgspec.structs.replace(world.entry(world.delivery()), answer=kept(key="once"))
    await world.store.queue.publish([entry])
    assert await world.store.directory.find_answer("POST /events", "once") == kept(key="once")
    assert await is_stored(world, entry)


async def test_nothing_of_a_batch_is_stored_when_one_key_was_used_before(world: World) -> None:
    await world.add_app()
    await world.store.directory.keep_answer(kept(key="used"))
    fresh = msgspec.structs.replace(world.entry(world.delivery()), answer=kept(key="fresh"))
    again = msgspec.structs.replace(world.entry(world.delivery()), answer=kept(key="used"))
    with pytest.raises(AnswerExists):
        await world.store.queue.publish([fresh, again])
    assert not await is_stored(world, fresh)
    assert not await is_stored(world, again)
    assert await world.store.directory.find_answer("POST /events", "fresh") is None


async def test_one_key_in_two_scopes_is_two_keys(world: World) -> None:
    await world.store.directory.keep_answer(kept("POST /a", "k"))
    entry = msgspec.structs.replace(world.entry(), answer=kept("POST /b", "k"))
    await world.store.queue.publish([entry])
    assert await world.store.directory.find_answer("POST /b", "k") is not None


async def test_a_connection_is_revoked_in_the_same_commit(world: World) -> None:
    await world.add_app()
    await world.store.directory.put_connections([connected("app", "ana", id="c1")], new_id=world.ids)
    world.clock.advance(MS)
    entry = world.entry(world.delivery())
    await world.store.queue.publish(
        [msgspec.structs.replace(entry, revokes=connected("app", "ana", id="c1"))]
    )
    after = await world.store.directory.find_connection("app", "ana")
    assert after is not None
    assert (after.status, after.updated_at) == (ConnectionStatus.REVOKED, world.clock.now)
    assert await is_stored(world, entry)


@pytest.mark.parametrize("case", ["never connected", "revoked already", "connected anew"])
async def test_nothing_is_stored_when_the_connection_to_revoke_is_not_there(world: World, case: str) -> None:
    await world.add_app()
    if case != "never connected":
        await world.store.directory.put_connections([connected("app", "ana", id="c1")], new_id=world.ids)
        revokes = msgspec.structs.replace(world.entry(), revokes=connected("app", "ana", id="c1"))
        await world.store.queue.publish([revokes])
    if case == "connected anew":
        await world.store.directory.put_connections([connected("app", "ana", id="c2")], new_id=world.ids)
    before = await world.store.directory.find_connection("app", "ana")
    good = msgspec.structs.replace(world.entry(world.delivery()), answer=kept())
    bad = msgspec.structs.replace(world.entry(world.delivery()), revokes=connected("app", "ana", id="c1"))
    with pytest.raises(NotFound):
        await world.store.queue.publish([good, bad])
    assert not await is_stored(world, good)
    assert not await is_stored(world, bad)
    assert await world.store.directory.find_answer("POST /events", "k") is None
    assert await world.store.directory.find_connection("app", "ana") == before


async def test_an_id_stored_before_fails_the_whole_batch(world: World) -> None:
    await world.add_app()
    first = world.entry(world.delivery())
    await world.store.queue.publish([first])
    other = world.entry(world.delivery())
    with pytest.raises(StorageError):
        await world.store.queue.publish([other, first])
    assert await world.store.log.find_published(other.publication.id) is None
    assert len(await world.claim()) == 1


async def test_a_batch_may_hold_many_publications_of_many_apps(world: World) -> None:
    for number in range(5):
        await world.add_app(f"a{number}")
    entries = [
        world.entry(*(world.delivery(f"a{number}") for number in range(5)), versions={"a0": 1, "a4": 1})
        for _ in range(20)
    ]
    await world.store.queue.publish(entries)
    assert len(await world.claim()) == 100

"""Log: what the APIs show of deliveries, attempts and publications."""

import pytest
from tests.storage.harness import MINUTE, World

from adjourn.errors import NotFound
from adjourn.models import DeliveryState

pytestmark = pytest.mark.anyio


async def listed(
    world: World,
    app_id: str | None = None,
    *,
    state: DeliveryState | None = None,
    event_type: str | None = None,
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[str], int]:
    found, total = await world.store.log.list_deliveries(
        app_id, state=state, event_type=event_type, limit=limit, offset=offset
    )
    return [each.id for each in found], total


async def test_a_delivery_is_found_by_its_app_or_by_none_given(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    assert await world.store.log.get_delivery("app", delivery_id) == await world.get(delivery_id)
    for app_id, wanted in (("other", delivery_id), ("app", "none"), (None, "none")):
        with pytest.raises(NotFound):
            await world.store.log.get_delivery(app_id, wanted)


async def test_deliveries_are_listed_newest_first_with_their_number(world: World) -> None:
    await world.add_app("a")
    await world.add_app("b")
    of_a = [await world.publish_waiting("a") for _ in range(3)]
    of_b = await world.publish_waiting("b")
    assert await listed(world, "a") == (of_a[::-1], 3)
    assert await listed(world, "a", limit=2) == (of_a[:0:-1], 3)
    assert await listed(world, "a", limit=2, offset=2) == (of_a[:1], 3)
    assert await listed(world, "a", offset=5) == ([], 3)
    assert await listed(world) == ([of_b, *of_a[::-1]], 4)
    assert await listed(world, "none") == ([], 0)


async def test_deliveries_are_listed_by_state_and_type(world: World) -> None:
    await world.add_app()
    await world.publish(world.delivery(), world.delivery(event_type="meeting.updated"), world.delivery())
    one, two, three = await world.claim()
    await world.record(world.success(one), world.success(two), world.failure(three))
    assert await listed(world, "app", state=DeliveryState.DELIVERED) == ([two.id, one.id], 2)
    assert await listed(world, "app", event_type="meeting.updated") == ([two.id], 1)
    assert await listed(world, state=DeliveryState.DELIVERED, event_type="meeting.created", limit=1) == (
        [one.id],
        1,
    )
    assert await listed(world, state=DeliveryState.ABANDONED) == ([], 0)


async def test_attempts_are_listed_oldest_first(world: World) -> None:
    await world.add_app()
    delivery_id = await world.publish_waiting()
    results = []
    for _ in range(3):
        results.append(world.failure(await world.claim_one()))
        await world.record(results[-1])
        world.clock.advance(MINUTE)
    assert await world.store.log.list_attempts(delivery_id) == [each.attempt for each in results]
    assert await world.store.log.list_attempts("none") == []


async def test_a_publication_is_found_by_its_id_and_by_any_events(world: World) -> None:
    await world.add_app("a")
    await world.add_app("b")
    entry = world.entry(world.delivery("a"), world.delivery("b"))
    await world.store.queue.publish([entry, world.entry(world.delivery("a"))])
    by_id = await world.store.log.find_published(entry.publication.id)
    assert by_id is not None
    assert by_id.publication == entry.publication
    assert by_id.deliveries == {each.id: await world.get(each.id) for each in entry.deliveries}
    assert by_id.apps == {app_id: await world.store.directory.get_app(app_id) for app_id in ("a", "b")}
    for event in entry.events:
        assert await world.store.log.find_published(event.id) == by_id
    assert await world.store.log.find_published("none") is None


async def test_what_became_of_a_publication_is_as_it_is_now(world: World) -> None:
    await world.add_app()
    entry = world.entry(world.delivery())
    await world.store.queue.publish([entry])
    await world.record(world.success(await world.claim_one()))
    await world.change(enabled=False)
    found = await world.store.log.find_published(entry.publication.id)
    assert found is not None
    assert [each.state for each in found.deliveries.values()] == [DeliveryState.DELIVERED]
    assert not found.apps["app"].webhook_enabled


async def test_a_verdict_about_an_app_deleted_since_stays(world: World) -> None:
    await world.add_app()
    entry = world.entry(world.delivery())
    await world.store.queue.publish([entry])
    await world.store.directory.delete_app("app")
    found = await world.store.log.find_published(entry.publication.id)
    assert found is not None
    assert found.publication.verdicts == entry.publication.verdicts
    assert dict(found.apps) == {}


async def test_publications_are_listed_newest_first_with_their_number(world: World) -> None:
    entries = [
        world.entry(world.delivery(event_type=event_type))
        for event_type in ("meeting.created", "meeting.updated", "meeting.created")
    ]
    await world.store.queue.publish(entries)
    publications = [each.publication for each in entries]
    log = world.store.log
    assert await log.list_publications(event_type=None, limit=9, offset=0) == (publications[::-1], 3)
    assert await log.list_publications(event_type=None, limit=1, offset=1) == ([publications[1]], 3)
    assert await log.list_publications(event_type="meeting.created", limit=9, offset=0) == (
        [publications[2], publications[0]],
        2,
    )
    assert await log.list_publications(event_type="none", limit=9, offset=0) == ([], 0)


async def test_the_newest_delivery(world: World) -> None:
    assert await world.store.log.find_newest() is None
    await world.add_app()
    published = [await world.publish_waiting() for _ in range(3)]
    assert await world.store.log.find_newest() == published[-1]

"""Recording an attempt tells of its app's health, in the same commit: CONTRACTS 1.6."""

import pytest
from tests.storage.harness import MINUTE, START, World

from adjourn.models import Health

pytestmark = pytest.mark.anyio


async def health(world: World) -> Health:
    found = await world.store.infirmary.find_health("app")
    assert found is not None
    return found


async def test_a_new_app_is_well_since_it_was_added(world: World) -> None:
    await world.add_app()
    assert await health(world) == Health(app_id="app", enabled_at=START)
    assert await world.store.infirmary.find_health("nobody") is None


async def test_failures_are_remembered_from_the_first_to_the_last(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    for _ in range(3):
        world.clock.advance(MINUTE)
        await world.record(world.failure(await world.claim_one()))
    found = await health(world)
    assert (found.failed_first, found.failed_last) == (START + MINUTE, START + 3 * MINUTE)
    assert (found.abandoned, found.exhausted_at) == (0, None)


async def test_one_that_exhausts_its_retries_counts(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    await world.record(world.last_failure(await world.claim_one()))
    found = await health(world)
    assert (found.abandoned, found.exhausted_at) == (1, START)


@pytest.mark.parametrize("how", ["410", "discarded", "recorded again", "lease lost"])
async def test_no_other_end_counts(world: World, how: str) -> None:
    await world.add_app()
    await world.publish_waiting()
    if how == "discarded":
        await world.change(discard=True)
        await world.store.queue.discard(limit=10)
    elif how == "410":
        await world.record(world.last_failure(await world.claim_one(), gone_url="https://elsewhere.example"))
    elif how == "recorded again":
        ended = world.last_failure(await world.claim_one())
        await world.record(ended)
        await world.record(ended)
    else:
        await world.record(world.last_failure(await world.claim_one("w2")))
    assert (await health(world)).abandoned == (1 if how == "recorded again" else 0)


async def test_a_success_wipes_out_failures_but_not_the_count(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    await world.record(world.last_failure(await world.claim_one()))
    world.clock.advance(MINUTE)
    await world.publish_waiting()
    await world.record(world.success(await world.claim_one()))
    assert await health(world) == Health(
        app_id="app", enabled_at=START, abandoned=1, succeeded_at=START + MINUTE
    )


@pytest.mark.parametrize("last", ["success", "failure"])
async def test_within_a_batch_the_last_one_says_whether_it_fails(world: World, last: str) -> None:
    await world.add_app()
    for _ in range(2):
        await world.publish_waiting()
    one, two = await world.claim()
    results = [world.last_failure(one), world.success(two)]
    await world.record(*(results if last == "success" else reversed(results)))
    found = await health(world)
    assert (found.abandoned, found.succeeded_at) == (1, START)
    fails = None if last == "success" else START
    assert (found.failed_first, found.failed_last, found.exhausted_at) == (fails, fails, fails)


async def test_enabling_begins_anew(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    await world.record(world.success(await world.claim_one()))
    await world.publish_waiting()
    await world.record(world.last_failure(await world.claim_one()))
    world.clock.advance(MINUTE)
    await world.change(enabled=False)
    await world.change(enabled=True)
    assert await health(world) == Health(app_id="app", enabled_at=START + MINUTE, succeeded_at=START)


async def test_an_attempt_from_before_the_enabling_tells_nothing(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    ended = world.last_failure(await world.claim_one())
    world.clock.advance(MINUTE)
    await world.change(enabled=False)
    await world.change(enabled=True)
    await world.record(ended)
    assert await health(world) == Health(app_id="app", enabled_at=START + MINUTE)


async def test_another_change_of_the_app_begins_nothing_anew(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    await world.record(world.last_failure(await world.claim_one()))
    await world.change(url="https://example.com/other")
    assert (await health(world)).abandoned == 1


async def test_a_deleted_app_has_no_health(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    claimed = await world.claim_one()
    await world.store.directory.delete_app("app")
    await world.record(world.last_failure(claimed))
    assert await world.store.infirmary.find_health("app") is None

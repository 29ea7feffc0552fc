"""Contract: many connections put at once, and ids that are none of ours."""

import pytest
from tests.storage.harness import World, connected

from adjourn.errors import Conflict, NotFound

pytestmark = pytest.mark.anyio


async def put(world: World, *connections: tuple[str, str]) -> list[bool]:
    """Each a user and the connection's id."""
    new = [connected("app", user_id, id=connection_id) for user_id, connection_id in connections]
    return await world.store.directory.put_connections(new, new_id=world.ids)


async def ids_by_user(world: World) -> dict[str, str]:
    found = await world.store.directory.connections_of(["ana", "ben", "eve"])
    return {each.user_id: each.id for each in found}


async def test_a_user_twice_in_a_batch_is_new_once_and_the_last_counts(world: World) -> None:
    assert await put(world, ("ana", "1"), ("ben", "2"), ("ana", "3")) == [True, True, False]
    assert await ids_by_user(world) == {"ana": "3", "ben": "2"}


async def test_in_a_batch_a_user_may_take_the_id_that_another_gave_up(world: World) -> None:
    await put(world, ("ana", "1"))
    assert await put(world, ("ana", "2"), ("ben", "1")) == [False, True]
    assert await ids_by_user(world) == {"ana": "2", "ben": "1"}


async def test_two_users_with_one_id_in_a_batch_are_a_conflict_and_nothing_is_changed(world: World) -> None:
    with pytest.raises(Conflict, match="that of user 'ana'"):
        await put(world, ("ana", "1"), ("ben", "1"))
    assert await ids_by_user(world) == {}


async def test_a_batch_for_two_apps_is_told_in_the_order_it_was_given(world: World) -> None:
    await world.add_app("other")
    await world.store.directory.put_connections([connected("other", "ana")], new_id=world.ids)
    new = [connected(app_id, user_id) for user_id in ("ana", "ben") for app_id in ("other", "app")]
    assert await world.store.directory.put_connections(new, new_id=world.ids) == [False, True, True, True]


async def test_more_connections_than_one_statement_takes(world: World) -> None:
    users = [f"user {number}" for number in range(1000)]
    new = [connected("app", user_id) for user_id in users]
    assert all(await world.store.directory.put_connections(new, new_id=world.ids))
    assert not any(await world.store.directory.put_connections(new, new_id=world.ids))
    found = await world.store.directory.connections_of(users)
    assert sorted(each.user_id for each in found) == sorted(users)
    assert await world.store.directory.connections_of([]) == []


@pytest.mark.parametrize(
    "strange",
    [
        "",
        "none",
        "0",
        "{}",
        "019B8E07-4600-7000-BCA9-D37952E6B438",
        "019b8e0746007000bca9d37952e6b438",
        "é" * 36,
    ],
)
async def test_what_is_no_id_of_ours_is_found_nowhere(world: World, strange: str) -> None:
    log = world.store.log
    with pytest.raises(NotFound):
        await log.get_delivery(None, strange)
    with pytest.raises(NotFound):
        await world.ask(strange)
    assert await log.list_attempts(strange) == []
    assert await log.find_published(strange) is None

"""Directory: apps, connections, settings and kept answers."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest
from tests.storage.harness import MINUTE, MS, START, World, connected, credentials, kept, made_app

from adjourn.config import Secret
from adjourn.errors import Conflict, NotFound
from adjourn.models import App, AppStatus, Connection, ConnectionStatus, Filter, SignatureProfile
from adjourn.providers.contio import ContioOptions
from adjourn.storage.base import AnswerExists, Backlog, StaleApps

pytestmark = pytest.mark.anyio


async def put(world: World, *connections: Connection) -> list[bool]:
    return await world.store.directory.put_connections(connections, new_id=world.ids)


async def find(world: World, user_id: str = "ana", app_id: str = "app") -> Connection:
    found = await world.store.directory.find_connection(app_id, user_id)
    assert found is not None
    return found


# apps


async def test_an_app_comes_back_as_it_was_added(world: World) -> None:
    app = msgspec.structs.replace(
        made_app("app"),
        description="Größe ☂",
        slug="slug",
        webhook_filter=Filter("include", ("meeting.created",)),
        options=ContioOptions(signature_profile=SignatureProfile.SDK, auto_disable=False, ordered=True),
        webhook_secret=Secret("whsec_ü\ud800"),
        created_at=START + MS,
    )
    await world.store.directory.add_app(app, credentials("app"), answer=None)
    assert await world.store.directory.get_app("app") == app
    assert await world.store.keyring.find_app_by_key(b"key app") == app
    assert await world.store.directory.load_apps(["app", "no such app"]) == [app]


async def test_an_app_that_is_not_there(world: World) -> None:
    with pytest.raises(NotFound):
        await world.store.directory.get_app("app")
    assert await world.store.keyring.find_app_by_key(b"key app") is None
    assert await world.store.directory.load_apps([]) == []


@pytest.mark.parametrize("taken", ["id", "client id", "api key"])
async def test_what_identifies_an_app_is_its_own(world: World, taken: str) -> None:
    await world.add_app("app")
    new = made_app("app" if taken == "id" else "new")
    if taken == "client id":
        new = msgspec.structs.replace(new, client_id="client_app")
    elif taken == "id":
        new = msgspec.structs.replace(new, client_id="client_new")
    keys = credentials("app" if taken == "api key" else "new")
    with pytest.raises(Conflict):
        await world.store.directory.add_app(new, keys, answer=kept())
    assert await world.store.directory.list_apps(status=None, limit=10, offset=0) == ([made_app("app")], 1)
    assert await world.store.keyring.find_app_by_key(b"key new") is None
    assert await world.store.directory.find_answer("POST /events", "k") is None


async def test_an_app_is_added_with_its_answer_or_not_at_all(world: World) -> None:
    await world.store.directory.add_app(made_app("one"), credentials("one"), answer=kept())
    with pytest.raises(AnswerExists):
        await world.store.directory.add_app(made_app("two"), credentials("two"), answer=kept())
    assert await world.store.directory.load_apps(["two"]) == []


async def test_saving_changes_an_app_and_counts_its_version(world: World) -> None:
    app = await world.add_app()
    world.clock.advance(MINUTE)
    changed = msgspec.structs.replace(
        app,
        name="New",
        description="d",
        company_name="c",
        primary_contact_email="e@example.com",
        webhook_url=None,
        webhook_enabled=False,
        webhook_filter=Filter("exclude", ()),
        status=AppStatus.INACTIVE,
        slug="s",
        options=ContioOptions(legacy_event_names=True),
    )
    saved = await world.store.directory.save_app(changed)
    assert saved == msgspec.structs.replace(changed, version=2, updated_at=world.clock.now)
    assert await world.store.directory.get_app("app") == saved


async def test_saving_an_old_version_changes_nothing(world: World) -> None:
    old = await world.add_app()
    new = await world.store.directory.save_app(msgspec.structs.replace(old, name="first"))
    waiting = await world.publish_waiting()
    with pytest.raises(StaleApps) as caught:
        await world.store.directory.save_app(
            msgspec.structs.replace(old, name="second"), backlog=Backlog.ABANDON
        )
    assert caught.value.app_ids == ("app",)
    assert await world.store.directory.get_app("app") == new
    assert (await world.claim_one()).id == waiting


async def test_saving_an_app_that_is_not_there_is_stale(world: World) -> None:
    with pytest.raises(StaleApps):
        await world.store.directory.save_app(made_app("app"))


async def test_a_deleted_app_is_gone_with_its_keys_and_connections(world: World) -> None:
    app = await world.add_app()
    await world.add_app("other")
    await put(world, connected("app", "ana"), connected("other", "ana"))
    await world.store.directory.delete_app("app")
    with pytest.raises(NotFound):
        await world.store.directory.get_app("app")
    assert await world.store.keyring.find_app_by_key(b"key app") is None
    assert await world.store.directory.find_connection("app", "ana") is None
    assert [each.app_id for each in await world.store.directory.connections_of(["ana"])] == ["other"]
    apps, total = await world.store.directory.list_apps(status=None, limit=10, offset=0)
    assert ([each.id for each in apps], total) == (["other"], 1)
    with pytest.raises(NotFound):
        await world.store.directory.delete_app("app")
    with pytest.raises(StaleApps):
        await world.store.directory.save_app(app)


async def test_a_deleted_app_may_be_added_again_and_is_newer_than_it_was(world: World) -> None:
    await world.add_app()
    await world.change()
    await world.store.directory.delete_app("app")
    world.clock.advance(MINUTE)
    again = await world.add_app()
    found = await world.store.directory.get_app("app")
    assert found == msgspec.structs.replace(again, version=found.version)
    assert found.version > 2
    with pytest.raises(StaleApps):
        await world.store.queue.publish([world.entry(versions={"app": 1})])


async def test_apps_are_listed_oldest_first_with_their_number(world: World) -> None:
    for name in ("c", "a", "b"):
        await world.add_app(name)
        world.clock.advance(MS)
    directory = world.store.directory
    apps, total = await directory.list_apps(status=None, limit=2, offset=0)
    assert ([each.id for each in apps], total) == (["c", "a"], 3)
    apps, total = await directory.list_apps(status=None, limit=2, offset=2)
    assert ([each.id for each in apps], total) == (["b"], 3)
    assert await directory.list_apps(status=None, limit=2, offset=9) == ([], 3)


async def test_apps_are_listed_by_status(world: World) -> None:
    await world.add_app("a")
    await world.add_app("b")
    await world.change("b", status=AppStatus.SUSPENDED)
    apps, total = await world.store.directory.list_apps(status=AppStatus.SUSPENDED, limit=5, offset=0)
    assert ([each.id for each in apps], total) == (["b"], 1)


# connections


async def test_connecting_is_new_once(world: World) -> None:
    assert await put(world, connected("app", "ana"), connected("app", "bo"), connected("app", "ana")) == [
        True,
        True,
        False,
    ]
    assert await put(world, connected("app", "ana")) == [False]


async def test_an_active_connection_keeps_its_id_and_age(world: World) -> None:
    await put(world, connected("app", "ana"))
    before = await find(world)
    assert before.id
    world.clock.advance(MINUTE)
    change = msgspec.structs.replace(
        connected("app", "ana", at=world.clock.now), user_email="new@example.com", oauth_scopes=("a", "b")
    )
    await put(world, change)
    assert await find(world) == msgspec.structs.replace(change, id=before.id, created_at=before.created_at)


async def test_a_given_id_is_taken(world: World) -> None:
    await put(world, connected("app", "ana", id="c1"))
    assert (await find(world)).id == "c1"
    assert await put(world, connected("app", "ana", id="c2")) == [False]
    assert (await find(world)).id == "c2"


async def revoke(world: World, connection: Connection) -> None:
    await world.store.queue.publish([msgspec.structs.replace(world.entry(), revokes=connection)])


async def expire(world: World, connection: Connection) -> None:
    await put(world, msgspec.structs.replace(connection, status=ConnectionStatus.EXPIRED))


@pytest.mark.parametrize("end", [revoke, expire])
async def test_a_connection_that_ended_starts_anew(
    world: World, end: Callable[[World, Connection], Awaitable[None]]
) -> None:
    await put(world, connected("app", "ana"))
    before = await find(world)
    await end(world, before)
    world.clock.advance(MINUTE)
    assert await put(world, connected("app", "ana", at=world.clock.now)) == [True]
    after = await find(world)
    assert after.id not in ("", before.id)
    assert (after.status, after.created_at) == (ConnectionStatus.ACTIVE, world.clock.now)


async def test_an_id_of_another_user_is_a_conflict_and_nothing_is_changed(world: World) -> None:
    await put(world, connected("app", "ana", id="c1"))
    with pytest.raises(Conflict):
        await put(world, connected("app", "bo"), connected("app", "cy", id="c1"))
    assert await world.store.directory.find_connection("app", "bo") is None
    assert await world.store.directory.find_connection("app", "cy") is None
    assert (await find(world)).id == "c1"


async def test_the_same_id_at_two_apps_is_no_conflict(world: World) -> None:
    assert await put(world, connected("a", "ana", id="c1"), connected("b", "bo", id="c1")) == [True, True]


async def test_connections_of_users_are_all_there_active_or_not(world: World) -> None:
    await put(world, connected("a", "ana"), connected("b", "ana"), connected("a", "bo"), connected("a", "cy"))
    await expire(world, await find(world, app_id="b"))
    found = await world.store.directory.connections_of(["ana", "cy", "nobody"])
    assert sorted((each.user_id, each.app_id, str(each.status)) for each in found) == [
        ("ana", "a", "active"),
        ("ana", "b", "expired"),
        ("cy", "a", "active"),
    ]


async def test_connections_are_listed_oldest_first_with_their_number(world: World) -> None:
    for user_id in ("cy", "ana", "bo"):
        await put(world, connected("app", user_id, at=world.clock.now), connected("other", user_id))
        world.clock.advance(MS)
    await expire(world, await find(world, "ana"))

    async def listed(
        *, user_id: str | None = None, status: ConnectionStatus | None = None, limit: int = 9, offset: int = 0
    ) -> tuple[list[str], int]:
        found, total = await world.store.directory.list_connections(
            "app", user_id=user_id, status=status, limit=limit, offset=offset
        )
        return [each.user_id for each in found], total

    assert sorted((await listed())[0]) == ["ana", "bo", "cy"]
    assert await listed(status=ConnectionStatus.ACTIVE) == (["cy", "bo"], 2)
    assert await listed(status=ConnectionStatus.ACTIVE, limit=1, offset=1) == (["bo"], 2)
    assert await listed(status=ConnectionStatus.EXPIRED) == (["ana"], 1)
    assert await listed(user_id="cy") == (["cy"], 1)
    assert await listed(user_id="cy", status=ConnectionStatus.EXPIRED) == ([], 0)
    assert await listed(offset=5) == ([], 3)


# answers and settings


async def test_the_first_answer_stands(world: World) -> None:
    first = msgspec.structs.replace(kept(), status=400, body=b"\x00\xff", sealed=True)
    await world.store.directory.keep_answer(first)
    await world.store.directory.keep_answer(kept())
    assert await world.store.directory.find_answer("POST /events", "k") == first
    assert await world.store.directory.find_answer("POST /other", "k") is None


async def test_a_setting_is_set_once(world: World) -> None:
    directory = world.store.directory
    assert await directory.find_setting("a") is None
    assert [await directory.add_setting("a", value) for value in (b"\x00one", b"two")] == [True, False]
    assert await directory.find_setting("a") == b"\x00one"


def test_an_app_shows_no_secret() -> None:
    app: App = made_app("app")
    assert "whsec_" not in repr(app)

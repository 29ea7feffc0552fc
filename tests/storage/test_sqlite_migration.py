"""A database of an older version is brought up to date whole."""

import sqlite3
from pathlib import Path

import pytest
from tests.storage.harness import KEY, MINUTE, ORIGIN, START, Clock, World, ids_of, made_app

from adjourn.endpoint import lane_id
from adjourn.errors import ConfigError
from adjourn.models import AppStatus, DeliveryState, Health
from adjourn.storage.base import Credential, CredentialType
from adjourn.storage.migrate import migrations
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

AT = Clock().ms()
LANE = lane_id("app", ORIGIN)
OPTIONS = '{"signature_profile":"documented","auto_disable":true,"ordered":false,"legacy_event_names":false}'


def app_row(vault: Vault, app_id: str, status: AppStatus | str = AppStatus.ACTIVE) -> tuple[object, ...]:
    """As version 1 kept the app that the harness makes; one that was deleted has no keys."""
    there = status != "deleted"
    return (
        app_id,
        1,
        "contio",
        f"App {app_id}",
        None,
        "Company",
        f"client_{app_id}" if there else None,
        "contact@example.com",
        "https://example.com/webhooks",
        1,
        None,
        status,
        None,
        OPTIONS,
        f"key {app_id}".encode() if there else None,
        b"secret" if there else None,
        vault.seal(f"whsec_{app_id}".encode()),
        3,
        AT,
        AT,
    )


def delivery_id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of version 1: two apps and one that was deleted; one delivery waits, three are discarded."""
    path = tmp_path / "adjourn.db"
    vault = Vault([KEY])
    connection = sqlite3.connect(path)
    connection.executescript(migrations("adjourn.storage.sqlite")[0].sql)
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO setting VALUES ('sealed', ?)", (vault.seal(b"adjourn"),))
    rows = [app_row(vault, "app"), app_row(vault, "gone", "deleted"), app_row(vault, "paused", "suspended")]
    connection.executemany(f"INSERT INTO app VALUES ({', '.join('?' * 20)})", rows)
    connection.execute(
        "INSERT INTO publication VALUES ('p', ?, 'contio', 't', '', NULL, '{}', x'7b7d', '[]')", (AT,)
    )
    connection.execute("INSERT INTO lane VALUES (?, 'app', ?, ?)", (LANE, ORIGIN, AT))
    for number in range(1, 5):  # the first three are discarded
        connection.execute("INSERT INTO event VALUES (?, 'p', 'app', NULL, x'7b', NULL)", (f"e{number}",))
        connection.execute(
            "INSERT INTO delivery (id, app_id, event_id, event_type, lane_id, state, created_at) "
            "VALUES (?, 'app', ?, 't', ?, 'pending', ?)",
            (delivery_id(number), f"e{number}", LANE, AT),
        )
        connection.execute(
            "INSERT INTO job (delivery_id, app_id, lane_id, due) VALUES (?, 'app', ?, ?)",
            (delivery_id(number), LANE, AT),
        )
    connection.commit()
    connection.close()
    return path


async def opened(path: Path) -> World:
    clock = Clock()
    return World(await SqliteStore.open(path, Vault([KEY]), clock=clock), clock)


async def test_the_apps_of_version_1_are_found_by_their_keys(path: Path) -> None:
    world = await opened(path)
    try:
        assert await world.store.keyring.find_app_by_key(b"key app") == made_app("app")
        paused = await world.store.directory.get_app("paused")
        assert (paused.status, paused.webhook_secret) == (
            AppStatus.SUSPENDED,
            made_app("paused").webhook_secret,
        )
        assert await world.store.keyring.list_credentials("app") == [
            Credential(type=kind, created_at=START, rotated_at=None, used_at=None, grace_ends_at=None)
            for kind in sorted(CredentialType)
        ]
    finally:
        await world.store.close()


async def test_the_apps_of_version_1_are_well_from_now_on(path: Path) -> None:
    world = await opened(path)
    try:
        health = await world.store.infirmary.find_health("app")
        assert health is not None
        assert health == Health(app_id="app", enabled_at=health.enabled_at)
        assert await world.store.infirmary.find_health("gone") is None
    finally:
        await world.store.close()


async def test_an_app_deleted_in_version_1_stays_so_and_may_be_added_again(path: Path) -> None:
    world = await opened(path)
    try:
        assert [each.id for each in await world.store.directory.load_apps(["app", "gone"])] == ["app"]
        assert await world.store.keyring.list_credentials("gone") == []
        again = await world.add_app("gone")
        assert await world.store.keyring.find_app_by_key(b"key gone") is not None
        assert (await world.store.directory.get_app("gone")).version > again.version
    finally:
        await world.store.close()


async def test_what_waited_in_version_1_is_sent_and_what_was_discarded_is_not(path: Path) -> None:
    world = await opened(path)
    try:
        assert ids_of(await world.claim()) == [delivery_id(4)]
        assert await world.store.queue.discard(limit=10) == 3
        assert await world.state(delivery_id(1)) is DeliveryState.ABANDONED
        world.clock.advance(MINUTE)
        assert await world.claim() == []
    finally:
        await world.store.close()


async def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE replay (somebody_elses TEXT)")  # in the way of the last tables
    connection.commit()
    before = list(connection.iterdump())
    connection.close()
    with pytest.raises(ConfigError, match="replay already exists"):
        await opened(path)
    connection = sqlite3.connect(path)
    assert list(connection.iterdump()) == before
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.execute("DROP TABLE replay")
    connection.commit()
    connection.close()
    await (await opened(path)).store.close()

"""What is SQLite's own in subjects: a database from before them gets their table, and no look is long."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.storage.harness import KEY, MINUTE, ORIGIN, Clock, World, ids_of, made_app

from adjourn.config import Secret
from adjourn.endpoint import lane_id
from adjourn.errors import ConfigError
from adjourn.models import Callback, Subject, callback_target
from adjourn.storage.migrate import migrations
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

AT = Clock().ms()
LANE = lane_id("app", ORIGIN)
WAITING = "00000000-0000-7000-8000-000000000001"
OPTIONS = '{"signature_profile":"documented","auto_disable":true,"ordered":false,"legacy_event_names":false}'
BOT = Subject(
    app_id="app", id="bot", callback=Callback(url="https://bots.example.com/", secret=Secret("bot's own"))
)
# As version 2 kept the app that the harness makes, and a delivery that waits.
_FILL = f"""
    INSERT INTO app VALUES ('app', 1, 'contio', 'App app', NULL, 'Company', 'client_app',
                            'contact@example.com', 'https://example.com/webhooks', 1, NULL, 'active', NULL,
                            '{OPTIONS}', NULL, 0, 0, {AT}, {AT});
    INSERT INTO health (app_id, enabled_at) VALUES ('app', {AT});
    INSERT INTO publication VALUES ('p', {AT}, 'contio', 't', '', NULL, '{{}}', x'7b7d', '[]');
    INSERT INTO event VALUES ('e', 'p', 'app', NULL, x'7b', NULL);
    INSERT INTO lane VALUES ({LANE}, 'app', '{ORIGIN}', {AT}, NULL);
    INSERT INTO delivery (id, app_id, event_id, event_type, lane_id, state, created_at)
    VALUES ('{WAITING}', 'app', 'e', 't', {LANE}, 'pending', {AT});
    INSERT INTO job (delivery_id, app_id, lane_id, due) VALUES ('{WAITING}', 'app', {LANE}, {AT});
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of version 2."""
    path = tmp_path / "adjourn.db"
    vault = Vault([KEY])
    with closing(sqlite3.connect(path)) as connection:
        for migration in migrations("adjourn.storage.sqlite")[:2]:
            connection.executescript(migration.sql)
        connection.execute("PRAGMA user_version = 2")
        connection.executescript(_FILL)
        connection.execute("INSERT INTO setting VALUES ('sealed', ?)", (vault.seal(b"adjourn"),))
        connection.execute(
            "INSERT INTO credential (app_id, type, sealed, created_at) "
            "VALUES ('app', 'webhook_secret', ?, ?)",
            (vault.seal(b"whsec_app"), AT),
        )
        connection.commit()
    return path


@pytest.fixture
async def world(path: Path) -> AsyncIterator[World]:
    clock = Clock()
    store = await SqliteStore.open(path, Vault([KEY]), clock=clock)
    yield World(store, clock)
    await store.close()


async def test_what_version_2_kept_is_there_and_goes_on(world: World) -> None:
    assert await world.store.directory.get_app("app") == made_app("app")
    claimed = await world.claim_one()
    assert (claimed.id, claimed.target, claimed.body) == (WAITING, None, b"{{}}")


async def test_an_app_of_version_2_may_have_subjects(world: World) -> None:
    assert await world.store.subjects.find("app", "bot") is None
    called_back = world.delivery(target=callback_target("bot"))
    await world.store.queue.publish([world.entry(called_back, subjects=[BOT])])
    assert await world.store.subjects.find("app", "bot") == BOT
    assert sorted(ids_of(await world.claim())) == sorted([WAITING, called_back.id])


async def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE INDEX subject_by_age ON app (name)")  # in the way of the last statement
        connection.commit()
        before = list(connection.iterdump())
    with pytest.raises(ConfigError, match="subject_by_age already exists"):
        await SqliteStore.open(path, Vault([KEY]))
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)


async def every_move(world: World) -> None:
    """Each statement about subjects at least once."""
    subjects = world.store.subjects
    event = world.delivery()
    told = Subject(app_id="app", id="bot", event_id=event.event_id, delivery_id=event.id)
    await world.store.queue.publish([world.entry(event, subjects=[told])])
    await subjects.set_callback("app", "bot", Callback(url="https://bots.example.com/"))
    assert len(await subjects.callbacks_of([("app", "bot"), ("app", "other"), ("other", "bot")])) == 1
    called_back = world.delivery(target=callback_target("bot"))
    called_back = msgspec.structs.replace(called_back, event_id=event.event_id)
    assert await subjects.call_back("app", "bot", called_back)
    await world.record(*[world.success(each) for each in await world.claim()])
    world.clock.advance(MINUTE)
    assert await subjects.sweep(before=world.clock.now) == 1


async def test_no_statement_on_the_loop_reads_a_whole_table(world: World, path: Path) -> None:
    store = world.store
    assert isinstance(store, SqliteStore)
    statements: set[str] = set()
    for connection in (store._database._writer, store._database._quick):
        connection.set_trace_callback(statements.add)
    await world.enlist("w1")
    await every_move(world)
    for connection in (store._database._writer, store._database._quick):
        connection.set_trace_callback(None)
    about = [each.strip() for each in statements if "subject" in each]
    assert {each.split()[0] for each in about} == {"INSERT", "UPDATE", "SELECT", "DELETE", "WITH"}
    with closing(sqlite3.connect(path)) as plans:
        scans = [
            (statement, detail)
            for statement in about
            for _, _, _, detail in plans.execute(f"EXPLAIN QUERY PLAN {statement}")
            if detail.startswith("SCAN") and "CONSTANT" not in detail and detail != "SCAN given"
        ]
    assert scans == []


async def test_nothing_is_written_when_there_is_nothing_to_forget(world: World, path: Path) -> None:
    await world.store.queue.publish([world.entry(world.delivery(), subjects=[BOT])])
    log = path.with_name(path.name + "-wal")
    before = log.stat().st_size, log.stat().st_mtime_ns
    assert await world.store.subjects.sweep(before=world.clock.now) == 0
    assert (log.stat().st_size, log.stat().st_mtime_ns) == before


async def test_a_batch_tells_of_each_once_in_the_order_of_their_keys(world: World) -> None:
    """So that two nodes that tell of the same ones wait for each other, and neither for both."""
    store = world.store
    assert isinstance(store, SqliteStore)
    told = [("b", "1"), ("a", "2"), ("b", "0"), ("a", "10"), ("a", "2"), ("b", "1")]
    entries = [world.entry(subjects=[Subject(app_id=app_id, id=each)]) for app_id, each in told]
    statements: list[str] = []
    store._database._writer.set_trace_callback(statements.append)
    await store.queue.publish(entries)
    store._database._writer.set_trace_callback(None)
    values = [each.partition("VALUES (")[2] for each in statements if "INSERT INTO subject" in each]
    assert [tuple(each.split(", ")[:2]) for each in values] == [
        ("'a'", "'10'"),
        ("'a'", "'2'"),
        ("'b'", "'0'"),
        ("'b'", "'1'"),
    ]

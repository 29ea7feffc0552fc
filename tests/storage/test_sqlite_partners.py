"""What is SQLite's own in keyring, infirmary and replays: idle looks write nothing, no look is long."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.storage.harness import KEY, LEASE, MINUTE, QUIET, Clock, World, kept

from adjourn.config import Secret
from adjourn.models import DeliveryState, NoticeState, Replay, ReplayStatus
from adjourn.storage.base import CredentialType, Rotation, Step, Verdict, Who
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.vault import Vault, digest_key

pytestmark = pytest.mark.anyio

WARN = Verdict(disable=False, reason="It fails.")
DISABLE = Verdict(disable=True, reason="It fails.")
WHO = Who(kind="partner")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "adjourn.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(path, Vault([KEY]), clock=clock)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite(store: SqliteStore, clock: Clock) -> World:
    world = World(store, clock)
    await world.add_app()
    return world


async def abandoned(world: World, count: int) -> None:
    await world.publish(*(world.delivery() for _ in range(count)))
    step = Step(state=DeliveryState.ABANDONED, retry_count=3, exhausted=True)
    await world.record(*(world.result(each, step, status=500) for each in await world.claim()))


def rotation(world: World, kind: CredentialType, secret: str) -> Rotation:
    return Rotation(
        app_id="app",
        type=kind,
        secret=Secret(secret),
        at=world.clock.now,
        grace_ends_at=world.clock.now + MINUTE,
        rollback_hash=b"token",
        who=WHO,
        reason=None,
    )


def replay_of(world: World) -> Replay:
    return Replay(
        id=world.ids(),
        app_id="app",
        status=ReplayStatus.RUNNING,
        state=DeliveryState.ABANDONED,
        event_type="meeting.created",
        since=world.clock.now - MINUTE,
        until=world.clock.now + MINUTE,
        up_to=world.ids.floor(),
        total=2,
        created_at=world.clock.now,
    )


@contextmanager
def traced(*connections: sqlite3.Connection) -> Iterator[set[str]]:
    """The statements that these run."""
    statements: set[str] = set()
    for connection in connections:
        connection.set_trace_callback(statements.add)
    yield statements
    for connection in connections:
        connection.set_trace_callback(None)


def written(path: Path) -> tuple[int, int, int]:
    """Changes with every byte that goes into the file or its log."""
    log = path.with_name(path.name + "-wal").stat()
    return log.st_size, log.st_mtime_ns, path.stat().st_mtime_ns


async def test_nothing_is_written_when_there_is_nothing_to_do(sqlite: World, path: Path) -> None:
    store = sqlite.store
    await abandoned(sqlite, 2)
    await store.keyring.rotate(rotation(sqlite, CredentialType.API_KEY, "new"), answer=None)
    await store.infirmary.judge(None, lambda health, now: WARN)
    await store.infirmary.claim_notices(limit=10, lease=LEASE)
    replay = replay_of(sqlite)
    await store.replays.add(replay, answer=None)
    before = written(path)
    for _ in range(3):
        assert await store.keyring.end_grace() == 0
        assert await store.infirmary.judge(None, lambda health, now: None) == []
        assert await store.infirmary.judge(["app"], lambda health, now: WARN) == []  # it was warned before
        assert await store.infirmary.claim_notices(limit=10, lease=LEASE) == []
        assert await store.replays.step(replay, limit=10, waiting=0, quiet=QUIET) == 0
    assert written(path) == before


async def every_move(world: World) -> None:
    """Each statement of the three at least once."""
    store, keyring = world.store, world.store.keyring
    await abandoned(world, 2)
    for kind, secret in ((CredentialType.API_KEY, "new"), (CredentialType.WEBHOOK_SECRET, "whsec_new")):
        await keyring.rotate(rotation(world, kind, secret), answer=kept("rotate", kind))
        back = keyring.roll_back("app", kind, rollback_hash=b"token", who=WHO, reason=None, answer=None)
        assert await back
        await keyring.rotate(rotation(world, kind, f"{secret} 2"), answer=None)
    await keyring.find_app_by_key(digest_key(b"new 2"))
    await keyring.note_used(digest_key(b"new 2"), world.clock.now)
    await keyring.list_credentials("app")
    world.clock.advance(MINUTE)
    assert await keyring.end_grace() == 2
    replay = replay_of(world)
    await store.replays.add(replay, answer=kept("replay"))
    assert await store.replays.step(replay, limit=2, waiting=5, quiet=QUIET) == 2
    assert await store.replays.step(replay, limit=2, waiting=5, quiet=QUIET) == 0
    await store.replays.cancel("app", replay.id)
    await store.replays.list_running()
    await store.infirmary.judge(None, lambda health, now: WARN)
    await store.infirmary.judge(["app"], lambda health, now: DISABLE)
    for notice in await store.infirmary.claim_notices(limit=10, lease=LEASE):
        await store.infirmary.settle_notice(notice.id, state=NoticeState.SENT)
    await store.infirmary.list_notices("app", limit=10)
    await store.infirmary.find_health("app")


async def test_no_statement_on_the_loop_reads_a_whole_table(
    sqlite: World, store: SqliteStore, path: Path
) -> None:
    database = store._database
    with traced(database._writer, database._quick) as statements:
        await every_move(sqlite)
    verbs = ("SELECT", "INSERT", "UPDATE", "DELETE")
    plans = sqlite3.connect(path)
    try:
        scans = [
            (statement, detail)
            for statement in sorted(each for each in statements if each.strip().startswith(verbs))
            for _, _, _, detail in plans.execute(f"EXPLAIN QUERY PLAN {statement}")
            if (detail.startswith("SCAN") and detail.split()[1] not in _MAY_BE_SCANNED)
            or "TEMP B-TREE" in detail
        ]
    finally:
        plans.close()
    assert scans == []


# one row; what runs, by its index; what is bounded already
_MAY_BE_SCANNED = {"CONSTANT", "next", "replay", "waiting"}


async def test_all_that_fail_are_found_by_their_index(sqlite: World, store: SqliteStore, path: Path) -> None:
    readers = store._database._snapshots
    connections = [readers.get() for _ in range(readers.qsize())]
    for each in connections:
        readers.put(each)
    with traced(*connections) as statements:
        await store.infirmary.judge(None, lambda health, now: None)
    (query,) = [each for each in statements if "FROM health" in each]
    plans = sqlite3.connect(path)
    try:
        details = [row[3] for row in plans.execute(f"EXPLAIN QUERY PLAN {query}")]
    finally:
        plans.close()
    assert any("health_ailing" in each for each in details), details


async def test_a_replay_reads_the_history_beside_the_loop(sqlite: World, store: SqliteStore) -> None:
    await abandoned(sqlite, 3)
    replay = replay_of(sqlite)
    await store.replays.add(replay, answer=None)
    with traced(store._database._writer, store._database._quick) as statements:
        assert await store.replays.count(replay) == 3
        assert await store.replays.step(replay, limit=10, waiting=10, quiet=QUIET) == 3
    of_history = [each for each in statements if "FROM delivery" in each and " id = '" not in each]
    assert of_history == []

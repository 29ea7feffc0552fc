"""With a hundred thousand rows the hot moves still go by their indexes, and updates stay on their page."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import asyncpg
import pytest
from tests.postgres import new_database, run_sql
from tests.storage.harness import KEY, Clock, World

from adjourn.storage.postgres import claiming, plain, publishing, recording, releasing
from adjourn.storage.postgres.links import HOT
from adjourn.storage.postgres.store import PostgresStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

DAY = "_20260105"
# One lane in a thousand is due; ids are those of 5 January 2026 from noon on.
_FILL = """
    INSERT INTO lane SELECT n, 'app', 'https://example.com:443', NULL, n FROM generate_series(1, 1000) AS n;
    INSERT INTO publication
    SELECT ('019b8e07-4600-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, n, 'contio', 'meeting.created', '',
           NULL, '{}', '{}', '[]' FROM generate_series(1, ROWS) AS n;
    INSERT INTO event
    SELECT id, id, '{"data":', NULL FROM publication;
    INSERT INTO delivery (id, app_id, event_id, event_type, lane_id, state, owner, created_at)
    SELECT id, 'app', id, 'meeting.created', at % 1000 + 1, 'pending', 1, at FROM publication;
    INSERT INTO attempt SELECT id, at, 9, 1, 1, 200, '', '', '{}' FROM publication;
    INSERT INTO job (delivery_id, app_id, lane_id, due)
    SELECT id, 'app', lane_id, created_at FROM delivery;
    INSERT INTO app (id, version, provider, name, company_name, primary_contact_email, webhook_enabled,
                     status, options, created_at, updated_at)
    SELECT 'app' || n, 1, 'contio', '', '', '', true, 'active', '{}', n, n FROM generate_series(1, 60) AS n;
    INSERT INTO health SELECT id, 0 FROM app;
    INSERT INTO worker VALUES (1, 0, '00000000-0000-0000-0000-000000000000');
"""
STATEMENTS = {
    "publish": publishing._PUBLISH.format(place=DAY),
    "publish one": publishing._PUBLISH_ONE.format(place=DAY),
    "record one": plain._ONE.format(place=DAY),
    "record one of several days": plain._ONE.format(place=""),
    "record": plain._PLAIN.format(place=DAY),
    "record of several days": plain._PLAIN.format(place=""),
    "record what failed": recording._MOVE.format(place=DAY),
    "record what failed on several days": recording._MOVE.format(place=""),
    "hold": recording._HOLD.format(place=DAY),
    "hold jobs": recording._HOLD_JOBS,
    "find lanes": claiming._LANES,
    "states": claiming._STATES,
    "take": claiming._TAKE,
    "sleep": claiming._SLEEP,
    "give back": releasing._RELEASE,
    "reap": releasing._ORPHANS,
    "reap jobs": releasing._JOBS_OF,
    "forget claims": releasing._FORGET,
}


def filled(name: str, rows: int) -> str:
    """A database with so many rows, which the planner knows of."""
    url = new_database(name)

    async def fill() -> None:
        await (await PostgresStore.open(url, Vault([KEY]), clock=Clock())).close()
        connection = await asyncpg.connect(url)
        if rows:
            await connection.execute(_FILL.replace("ROWS", str(rows)))
            await connection.execute("ANALYZE")
        await connection.close()

    asyncio.run(fill())
    return url


@pytest.fixture(scope="module")
def full() -> str:
    return filled("adjourn_full", 100_000)


@pytest.fixture(scope="module", params=[0, 60], ids=["empty", "analyzed when there were 60 rows"])
def young(request: pytest.FixtureRequest) -> str:
    return filled(f"adjourn_young_{request.param}", request.param)


async def plan_of(url: str, name: str) -> str:
    connection = await asyncpg.connect(url, server_settings=HOT)
    try:
        statement = await connection.prepare(STATEMENTS[name])
        nulls = ", ".join("NULL" for _ in statement.get_parameters())
        types = ", ".join(each.name for each in statement.get_parameters())
        await connection.execute(f"PREPARE hot ({types}) AS {STATEMENTS[name]}")
        return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE hot({nulls})"))
    finally:
        await connection.close()


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_hot_statement_reads_no_table_from_end_to_end(full: str, name: str) -> None:
    plan = await plan_of(full, name)
    scanned = [line for line in plan.splitlines() if "Seq Scan" in line and " on worker" not in line]
    assert scanned == [], plan
    assert "Hash Join" not in plan
    assert "Merge Join" not in plan


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_plan_made_when_there_was_little_looks_rows_up_by_their_index(young: str, name: str) -> None:
    """It stays for as long as the connection does, and each batch would be compared with each row."""
    plan = await plan_of(young, name)
    assert "Join Filter" not in plan


async def test_what_is_recorded_stays_on_its_page(full: str) -> None:
    store = await PostgresStore.open(full, Vault([KEY]), clock=Clock(), lease=timedelta(0))
    world = World(store, store.queue._clock)  # type: ignore[arg-type]
    worker = world.ids()
    await world.enlist(worker)
    held = [await world.publish_held(worker) for _ in range(200)]
    await world.record(*(world.success(each) for each in held), worker=worker)
    await store.close()
    connection = await asyncpg.connect(full)
    with suppress(asyncpg.UndefinedFunctionError):
        await connection.execute("SELECT pg_stat_force_next_flush()")
    row = await connection.fetchrow(
        "SELECT sum(n_tup_upd), sum(n_tup_hot_upd) FROM pg_stat_user_tables WHERE relname LIKE 'delivery_2%'"
    )
    await connection.close()
    assert row is not None
    assert row[0] >= 200
    assert row[1] == row[0]


def test_no_column_of_a_delivery_that_changes_is_in_an_index(full: str) -> None:
    """What `record` and `reap` write, so that an update needs no new entry in any index."""
    changes = (
        "{state,owner,attempt_no,retry_count,http_status,error,next_retry_at,delivered_at,retry_asked_at}"
    )
    run_sql(
        full,
        f"""
        DO $$ BEGIN
            ASSERT NOT EXISTS (
                SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
                WHERE indrelid = 'delivery'::regclass AND attname = ANY('{changes}'::text[]));
        END $$
        """,
    )

"""Killed at any step, the store opens again with all that was committed and nothing else."""

import itertools
import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.storage.harness import KEY, START, Clock, World, ids_of

from adjourn.errors import NotFound
from adjourn.models import DeliveryState
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
MOVES = ["publish", "claim", "record", "give_back", "ask_retry", "reap", "take_over"]
PHASES = ["begun", "written", "committed"]

Owners = dict[str | None, int]

# after each move: whose deliveries are held since their publishing, and whose jobs there are
_OWNED: dict[str, tuple[Owners, Owners]] = {
    "": ({}, {}),
    "publish": ({"w1": 2, "dead": 1}, {None: 3}),
    "(dead claims)": ({"w1": 2, "dead": 1}, {None: 2, "dead": 1}),
    "claim": ({"w1": 2, "dead": 1}, {"w1": 2, "dead": 1}),
    "record": ({"w1": 1, "dead": 1}, {None: 1, "w1": 1, "dead": 1}),
    "give_back": ({"dead": 1}, {None: 3, "dead": 1}),
    "ask_retry": ({"dead": 1}, {None: 4, "dead": 1}),
    "reap": ({}, {None: 6}),
    "take_over": ({}, {None: 6}),
}


def killed_at(path: Path, step: str) -> list[str]:
    """The ids of the six deliveries: two of w1, one of the dead worker, three that wait."""
    command = [sys.executable, "-m", "tests.storage.kill_child", str(path), step]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.split()


def last_move(step: str) -> str:
    """The last move that was committed."""
    move, phase = step.split(".")
    order = list(_OWNED)
    return order[order.index(move) - (phase != "committed")]


def owners(connection: sqlite3.Connection, sql: str) -> Owners:
    return dict(connection.execute(sql).fetchall())


@pytest.mark.parametrize("step", [f"{move}.{phase}" for move, phase in itertools.product(MOVES, PHASES)])
async def test_killed(tmp_path: Path, step: str) -> None:
    path = tmp_path / "adjourn.db"
    ids = killed_at(path, step)
    check_file(path, last_move(step))
    store = await SqliteStore.open(path, Vault([KEY]), clock=Clock(START + timedelta(days=1)))
    try:
        await check_store(World(store, Clock(START + timedelta(days=1))), ids, last_move(step))
    finally:
        await store.close()


def check_file(path: Path, last: str) -> None:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        held = owners(connection, "SELECT owner, count(*) FROM delivery WHERE owner NOTNULL GROUP BY owner")
        jobs = owners(connection, "SELECT owner, count(*) FROM job GROUP BY owner")
        assert (held, jobs) == _OWNED[last]
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("publication", "event", "delivery", "attempt")
        ]
        stored = 0 if last == "" else 6
        assert counts == [stored, stored, stored, 2 if was(last, "record") else 0]
    finally:
        connection.close()


def was(last: str, move: str) -> bool:
    """Whether `move` was committed when `last` was the last that was."""
    order = list(_OWNED)
    return order.index(last) >= order.index(move)


async def check_store(world: World, ids: list[str], last: str) -> None:
    if last == "":
        with pytest.raises(NotFound):
            await world.get(ids[0])
        assert await world.claim("new") == []
        return
    h1, _, _, _, q2, _ = ids
    recorded, asked = was(last, "record"), was(last, "ask_retry")
    states = {each: await world.state(each) for each in ids}
    assert states == {
        **dict.fromkeys(ids, DeliveryState.PENDING),
        **({h1: DeliveryState.DELIVERED, q2: DeliveryState.FAILED} if recorded else {}),
    }
    assert (await world.get(h1)).retry_asked_at == (START if asked else None)
    # whatever is unfinished goes to a new worker, once; what is finished does not, unless by hand
    claimed = await world.claim("new")
    assert sorted(ids_of(claimed)) == sorted(set(ids) - ({h1} if recorded and not asked else set()))
    assert [each.id for each in claimed if each.manual] == ([h1] if asked else [])
    tried = {q2} | ({h1} if asked else set()) if recorded else set()
    assert {each.id for each in claimed if each.attempt_no} == tried
    await world.record(*(world.success(each) for each in claimed), worker="new")
    assert {await world.state(each) for each in ids} == {DeliveryState.DELIVERED}
    assert await world.claim("new") == []

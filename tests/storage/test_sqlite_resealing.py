"""Sealing anew: after a start with a new key first, the old one can be dropped from the setting."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from tests.storage.harness import KEY, MINUTE, Clock, World, kept

from adjourn.config import Secret
from adjourn.errors import ConfigError
from adjourn.storage.base import CredentialType, KeptAnswer, Rotation, Who
from adjourn.storage.sql.resealing import reseal
from adjourn.storage.sqlite.store import SqliteStore, open_database
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

NEW_KEY = Secret("4q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
OLD, BOTH, NEW = Vault([KEY]), Vault([NEW_KEY, KEY]), Vault([NEW_KEY])
SEALED = 6  # values: of two apps two secrets and one, of answers two, and the mark


class Killed(Exception):
    pass


class Dying(Vault):
    """Seals so many values, and no more."""

    def __init__(self, keys: Sequence[Secret], *, seals: int) -> None:
        super().__init__(keys)
        self._left = seals

    def seal(self, plain: bytes) -> bytes:
        if self._left == 0:
            raise Killed
        self._left -= 1
        return super().seal(plain)


def secret_answer(vault: Vault, key: str) -> KeptAnswer:
    return msgspec.structs.replace(kept("a", key), body=vault.seal(key.encode()), sealed=True)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A database all of whose secrets the old key sealed."""
    path = tmp_path / "adjourn.db"
    clock = Clock()
    store = await SqliteStore.open(path, OLD, clock=clock)
    world = World(store, clock)
    for app_id in ("app", "other"):
        await world.add_app(app_id)
    rotation = Rotation(
        app_id="app",
        type=CredentialType.WEBHOOK_SECRET,
        secret=Secret("whsec_new"),
        at=clock.now,
        grace_ends_at=clock.now + MINUTE,
        rollback_hash=None,
        who=Who(kind="partner"),
        reason=None,
    )
    await store.keyring.rotate(rotation, answer=secret_answer(OLD, "1"))
    for answer in (kept("a", "0"), secret_answer(OLD, "2"), kept("b", "1")):
        await store.directory.keep_answer(answer)
    await store.close()
    return path


async def run(path: Path, vault: Vault, *, at_once: int = 2) -> None:
    database = open_database(path)
    try:
        await reseal(database, vault, at_once=at_once)
    finally:
        await database.close()


def sealed_values(path: Path) -> list[bytes]:
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute(
            "SELECT sealed FROM credential WHERE sealed IS NOT NULL "
            "UNION ALL SELECT body FROM idempotency WHERE sealed "
            "UNION ALL SELECT value FROM setting WHERE name = 'sealed'"
        ).fetchall()
    finally:
        connection.close()
    return [value for (value,) in rows]


def sealed_anew(path: Path) -> int:
    return sum(NEW.is_newest(each) for each in sealed_values(path))


async def check_whole(path: Path) -> None:
    """The new key alone opens everything, and everything says what it said."""
    assert sealed_anew(path) == len(sealed_values(path)) == SEALED
    store = await SqliteStore.open(path, NEW, clock=Clock())
    try:
        app = await store.directory.get_app("app")
        other = await store.directory.get_app("other")
        (old,) = app.old_secrets
        secrets = [app.webhook_secret, old.secret, other.webhook_secret]
        assert [each.reveal() for each in secrets] == ["whsec_new", "whsec_app", "whsec_other"]
        for key in ("1", "2"):
            answer = await store.directory.find_answer("a", key)
            assert answer is not None
            assert NEW.open(answer.body) == key.encode()
        for plain in (kept("a", "0"), kept("b", "1")):
            assert await store.directory.find_answer(plain.scope, plain.key) == plain
    finally:
        await store.close()


@pytest.mark.parametrize("at_once", [1, 2, 500])
async def test_the_new_key_alone_opens_what_was_sealed_anew(path: Path, at_once: int) -> None:
    assert sealed_anew(path) == 0
    await run(path, BOTH, at_once=at_once)
    await check_whole(path)


@pytest.mark.parametrize("seals", range(SEALED))
async def test_one_that_was_killed_goes_on_at_the_next_start(path: Path, seals: int) -> None:
    with pytest.raises(Killed):
        await run(path, Dying([NEW_KEY, KEY], seals=seals), at_once=1)
    assert sealed_anew(path) == seals
    with pytest.raises(ConfigError):
        await SqliteStore.open(path, NEW)  # the mark comes last: until then the old key must stay
    await run(path, Dying([NEW_KEY, KEY], seals=SEALED - seals))
    await check_whole(path)


async def test_nothing_is_sealed_anew_while_the_newest_key_is_the_same(path: Path) -> None:
    before = sealed_values(path)
    await run(path, Dying([KEY, NEW_KEY], seals=0))
    assert sealed_values(path) == before


async def test_what_another_node_still_sealed_with_the_old_key_is_found_by_the_next_start(path: Path) -> None:
    await run(path, BOTH)
    store = await SqliteStore.open(path, BOTH)
    await store.directory.keep_answer(secret_answer(OLD, "late"))
    await store.close()
    assert sealed_anew(path) == SEALED
    await run(path, BOTH)
    assert sealed_anew(path) == SEALED + 1


async def test_a_value_that_no_key_opens_stops_it_before_the_mark(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE idempotency SET body = x'00' WHERE scope = 'a' AND key = '2'")
    connection.commit()
    connection.close()
    with pytest.raises(ConfigError, match="ADJOURN_SECRET_KEY"):
        await run(path, BOTH)
    with pytest.raises(ConfigError):
        await SqliteStore.open(path, NEW)
    await (await SqliteStore.open(path, OLD)).close()


async def test_a_start_with_a_new_key_lets_the_old_one_be_dropped(path: Path) -> None:
    await (await SqliteStore.open(path, BOTH)).close()
    store = await SqliteStore.open(path, NEW)
    assert (await store.directory.get_app("app")).webhook_secret == Secret("whsec_new")
    await store.close()

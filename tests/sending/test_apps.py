"""The apps in memory: never older than what was read last, whoever changes them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from adjourn.config import Secret
from adjourn.models import App, AppOptions, AppStatus
from adjourn.sending.apps import AppCache
from adjourn.storage.base import Directory

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 15, tzinfo=UTC)


def app(version: int, *, on: bool = True, name: str = "Acme") -> App:
    return App(
        id="a",
        version=version,
        provider="contio",
        name=name,
        description=None,
        company_name="Acme Inc.",
        client_id="c",
        primary_contact_email="dev@example.com",
        webhook_url="https://acme.example/hook",
        webhook_enabled=on,
        webhook_filter=None,
        status=AppStatus.ACTIVE,
        slug=None,
        options=AppOptions(),
        webhook_secret=Secret("s"),
        created_at=NOW,
        updated_at=NOW,
    )


class Shelf:
    """A directory of one app. A read takes what is there when it begins, and ends when `gate` is open."""

    def __init__(self, stored: App | None) -> None:
        self.stored = stored
        self.reads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.began = asyncio.Event()

    async def load_apps(self, app_ids: Sequence[str]) -> list[App]:
        self.reads += 1
        found = [self.stored] if self.stored is not None and "a" in app_ids else []
        self.began.set()
        await self.gate.wait()
        return found


def cache_of(shelf: Shelf) -> AppCache:
    return AppCache(cast("Directory", cast("Any", shelf)))


async def test_another_nodes_change_is_read_where_the_app_is_known() -> None:
    shelf = Shelf(app(1))
    apps = cache_of(shelf)
    assert not await apps.take(["a"])
    assert shelf.reads == 0
    await apps.load(["a"])
    shelf.stored = app(2, name="New")
    assert await apps.take(["a", "other"])
    assert apps.find("a") == app(2, name="New")


async def test_an_app_that_is_off_or_gone_wakes_nobody() -> None:
    shelf = Shelf(app(1))
    apps = cache_of(shelf)
    await apps.load(["a"])
    shelf.stored = app(2, on=False)
    assert not await apps.take(["a"])
    shelf.stored = None
    assert not await apps.take(["a"])
    assert apps.find("a") is None


async def test_a_change_that_comes_while_the_app_is_first_read_is_not_missed() -> None:
    shelf = Shelf(app(1))
    apps = cache_of(shelf)
    shelf.gate.clear()
    loading = asyncio.create_task(apps.load(["a"]))
    await shelf.began.wait()
    shelf.stored = app(2)
    taking = asyncio.create_task(apps.take(["a"]))
    await asyncio.sleep(0)
    assert not taking.done()
    shelf.gate.set()
    await asyncio.gather(loading, taking)
    assert apps.find("a") == app(2)


async def test_an_app_deleted_while_it_is_first_read_is_forgotten() -> None:
    shelf = Shelf(app(1))
    apps = cache_of(shelf)
    shelf.gate.clear()
    loading = asyncio.create_task(apps.load(["a"]))
    await shelf.began.wait()
    shelf.stored = None
    taking = asyncio.create_task(apps.take(["a"]))
    shelf.gate.set()
    await asyncio.gather(loading, taking)
    assert apps.find("a") is None


async def test_a_read_that_ends_late_does_not_undo_a_change_made_here() -> None:
    shelf = Shelf(app(1))
    apps = cache_of(shelf)
    await apps.load(["a"])
    shelf.gate.clear()
    shelf.began.clear()
    reading = asyncio.create_task(apps.reload(["a"]))
    await shelf.began.wait()
    apps.put(app(2))
    shelf.gate.set()
    await reading
    assert apps.find("a") == app(2)


async def test_an_app_made_anew_with_the_same_id_takes_the_place_of_the_old_one() -> None:
    shelf = Shelf(app(7))
    apps = cache_of(shelf)
    await apps.load(["a"])
    shelf.stored = app(1, name="New")
    await apps.take(["a"])
    assert apps.find("a") == app(1, name="New")


async def test_a_read_that_fails_leaves_what_was_known() -> None:
    shelf = Shelf(app(1))
    apps = cache_of(shelf)
    await apps.load(["a"])
    shelf.gate.clear()
    shelf.began.clear()
    reading = asyncio.create_task(apps.take(["a"]))
    await shelf.began.wait()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    shelf.gate.set()
    shelf.stored = app(2)
    await apps.take(["a"])
    assert apps.find("a") == app(2)


async def test_while_news_may_be_missed_what_is_known_is_read_anew() -> None:
    shelf = Shelf(app(1))
    current = True
    apps = AppCache(cast("Directory", cast("Any", shelf)), is_current=lambda: current)
    assert await apps.get("a") == app(1)
    shelf.stored = app(2)
    assert await apps.get("a") == app(1)
    current = False
    assert await apps.get("a") == app(2)

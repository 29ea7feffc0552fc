"""The watch: it looks when deliveries fail and every minute; what it was to look at is never lost."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest

from adjourn.errors import StorageError
from adjourn.models import Health
from adjourn.sending.health import HealthPace, HealthWatch, judge
from adjourn.storage.base import Verdict

Looks = list[list[str] | None]
SLOW = HealthPace(sweep=1000, between_looks=0, after_error=0)


class Clinic:
    """The one verb of an Infirmary that the watch needs. `failing`: how many of the next looks fail."""

    def __init__(self) -> None:
        self.looks: asyncio.Queue[list[str] | None] = asyncio.Queue()
        self.dead: set[str] = set()
        self.failing = 0
        self.error: Exception = StorageError("disk full")
        self.gate: asyncio.Event | None = None

    async def judge(
        self, app_ids: Sequence[str] | None, decide: Callable[[Health, datetime], Verdict | None]
    ) -> list[str]:
        assert decide is judge
        self.looks.put_nowait(None if app_ids is None else list(app_ids))
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            self.failing -= 1
            raise self.error
        off = self.dead if app_ids is None else self.dead & set(app_ids)
        self.dead = self.dead - off
        return sorted(off)

    async def next(self) -> list[str] | None:
        async with asyncio.timeout(20):
            return await self.looks.get()


class Told:
    """What went off. `failing`: how many of the next calls fail."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[list[str]] = asyncio.Queue()
        self.failing = 0

    async def __call__(self, app_ids: Sequence[str]) -> None:
        self.calls.put_nowait(list(app_ids))
        if self.failing:
            self.failing -= 1
            raise StorageError("cannot load apps")

    async def next(self) -> list[str]:
        async with asyncio.timeout(20):
            return await self.calls.get()


@asynccontextmanager
async def watching(
    clinic: Clinic, told: Told, *, enabled: bool = True, pace: HealthPace = SLOW
) -> AsyncIterator[HealthWatch]:
    infirmary: Any = clinic
    watch = HealthWatch(infirmary=infirmary, on_disabled=told, enabled=enabled, pace=pace)
    watch.start()
    try:
        if enabled:
            assert await clinic.next() is None  # the first sweep
        yield watch
    finally:
        await watch.stop()


def test_apps_that_failed_are_looked_at_together() -> None:
    async def run() -> None:
        clinic = Clinic()
        async with watching(clinic, Told()) as watch:
            watch.look_at(["b", "a"])
            watch.look_at({"c", "a"})
            assert await clinic.next() == ["a", "b", "c"]
        assert clinic.looks.empty()

    asyncio.run(run())


def test_what_fails_during_a_look_is_looked_at_next() -> None:
    async def run() -> None:
        clinic = Clinic()
        async with watching(clinic, Told()) as watch:
            clinic.gate = asyncio.Event()
            watch.look_at(["a"])
            assert await clinic.next() == ["a"]
            watch.look_at(["a", "b"])
            clinic.gate.set()
            assert await clinic.next() == ["a", "b"]

    asyncio.run(run())


def test_all_are_swept_again_and_again() -> None:
    async def run() -> None:
        clinic = Clinic()
        pace = HealthPace(sweep=0.001, between_looks=0, after_error=0)
        async with watching(clinic, Told(), pace=pace):
            assert [await clinic.next(), await clinic.next()] == [None, None]

    asyncio.run(run())


def test_apps_that_went_off_are_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        clinic, told = Clinic(), Told()
        async with watching(clinic, told) as watch:
            clinic.dead = {"a", "b"}
            watch.look_at(["a", "b", "c"])
            assert await told.next() == ["a", "b"]

    asyncio.run(run())
    assert [each.message for each in caplog.records] == ["webhooks disabled automatically: a, b"]
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize("error", [StorageError("disk full"), RuntimeError("a fault of ours")])
def test_a_look_that_fails_is_logged_and_made_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        clinic = Clinic()
        async with watching(clinic, Told()) as watch:
            clinic.failing, clinic.error = 2, error
            watch.look_at(["a"])
            assert await clinic.next() == ["a"]
            watch.look_at(["b"])
            assert [await clinic.next(), await clinic.next()] == [["a", "b"]] * 2

    asyncio.run(run())
    assert [str(error) in each.message for each in caplog.records] == [True, True]
    assert [each.exc_info is None for each in caplog.records] == [isinstance(error, StorageError)] * 2


def test_who_could_not_be_told_is_told_again() -> None:
    async def run() -> None:
        clinic, told = Clinic(), Told()
        clinic.dead, told.failing = {"a"}, 1
        async with watching(clinic, told):
            assert [await told.next(), await told.next()] == [["a"], ["a"]]

    asyncio.run(run())


def test_without_the_rollout_nothing_is_looked_at() -> None:
    async def run() -> None:
        clinic = Clinic()
        async with watching(clinic, Told(), enabled=False) as watch:
            watch.look_at(["a"])
            await asyncio.sleep(0)
        assert clinic.looks.empty()

    asyncio.run(run())


def test_a_stop_lets_the_look_under_way_end() -> None:
    async def run() -> None:
        clinic, told = Clinic(), Told()
        async with watching(clinic, told) as watch:
            clinic.gate, clinic.dead = asyncio.Event(), {"a"}
            watch.look_at(["a"])
            await clinic.next()
            asyncio.get_running_loop().call_soon(clinic.gate.set)
        assert await told.next() == ["a"]

    asyncio.run(run())

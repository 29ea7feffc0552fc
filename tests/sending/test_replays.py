"""Replays: retried in steps, durably, and never faster than a backlog drains."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from tests.sending.harness import DEADLINE, OK, World, eventually, world

from adjourn.models import DeliveryState, DisabledBy, Replay, ReplayStatus
from adjourn.sending.policy import Reply
from adjourn.sending.replays import Asked, Replays
from adjourn.storage.base import Backlog
from adjourn.storage.base import Replays as Port

pytestmark = pytest.mark.anyio

ABANDONED, DELIVERED = DeliveryState.ABANDONED, DeliveryState.DELIVERED


def replays(
    w: World, *, rate: float = 1000.0, every: float = 0.01, nodes: int = 1, port: Port | None = None
) -> Replays:
    return Replays(
        port=port or w.store.replays,
        apps=w.apps,
        ids=w.ids,
        now=w.store.queue.now,
        newest=w.store.log.find_newest,
        poke=w.worker.poke,
        rate=rate,
        every=every,
        nodes=lambda: nodes,
    )


async def failed(w: World, count: int) -> str:
    """An app with so many abandoned deliveries, at an endpoint that is well again."""
    url = await w.add("one")
    w.sender.answer = lambda request: Reply(status=500, error="HTTP 500")
    await w.publish(count=count)
    await w.settled(ABANDONED, count)
    w.sender.answer = lambda request: OK
    w.sender.requests.clear()
    return url


async def ended(w: World, replay: Replay) -> Replay:
    async with asyncio.timeout(DEADLINE):
        while (found := await w.store.replays.get(replay.app_id, replay.id)).status is ReplayStatus.RUNNING:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return found


async def test_all_that_match_are_sent_once_more(tmp_path: Path) -> None:
    async with world(tmp_path, delays=()) as w:
        url = await failed(w, 30)
        service = replays(w)
        service.start()
        replay = await service.ask("one", Asked(state=ABANDONED))
        await w.settled(DELIVERED, 30)
        done = await ended(w, replay)
        assert (replay.total, done.status, done.scheduled, done.skipped) == (30, ReplayStatus.DONE, 30, 0)
        assert len(w.sender.to(url)) == 30
        await service.stop()


async def test_a_replay_goes_on_after_a_restart_and_sends_nothing_twice(tmp_path: Path) -> None:
    async with world(tmp_path, delays=()) as w:
        url = await failed(w, 20)
        service = replays(w, rate=500.0)
        service.start()
        replay = await service.ask("one", Asked())
        await eventually(lambda: len(w.sender.to(url)) >= 5)
        await service.stop()
        await w.idle()
        sent = [each["event_id"] for each in w.sender.bodies(url)]
        assert len(sent) < 20
    async with world(tmp_path, delays=()) as w:
        service = replays(w)
        service.start()
        done = await ended(w, replay)
        assert (done.status, done.scheduled) == (ReplayStatus.DONE, 20)
        await w.settled(DELIVERED, 20)
        await service.stop()
        again = [each["event_id"] for each in w.sender.bodies(url)]
        assert sorted(sent + again) == sorted({*sent, *again})
        assert len(sent) + len(again) == 20


async def test_a_cancelled_replay_schedules_nothing_more(tmp_path: Path) -> None:
    async with world(tmp_path, delays=()) as w:
        url = await failed(w, 20)
        service = replays(w, rate=1.0, every=0.05)
        replay = await service.ask("one", Asked(state=ABANDONED))
        service.start()
        await eventually(lambda: len(w.sender.to(url)) >= 1)
        cancelled = await w.store.replays.cancel("one", replay.id)
        await w.idle()
        assert cancelled.status is ReplayStatus.CANCELLED
        assert await w.states() == {DELIVERED: cancelled.scheduled, ABANDONED: 20 - cancelled.scheduled}
        assert await w.store.replays.list_running() == []
        await service.stop()


async def test_while_the_app_is_off_its_replay_waits(tmp_path: Path) -> None:
    async with world(tmp_path, delays=()) as w:
        url = await failed(w, 3)
        await w.partners.disable("one", DisabledBy.PARTNER)
        service = replays(w)
        service.start()
        replay = await service.ask("one", Asked(state=ABANDONED))
        assert (await w.store.replays.get("one", replay.id)).scheduled == 0
        await w.partners.enable("one", Backlog.DELIVER)
        service.poke()
        assert (await ended(w, replay)).scheduled == 3
        await w.settled(DELIVERED, 3)
        assert len(w.sender.to(url)) == 3
        await service.stop()


class Steps:
    """A port that notes how many deliveries each step may take, and when, in the loop's seconds."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self.taken: list[tuple[float, int]] = []
        self.enough = asyncio.Event()

    async def list_running(self) -> list[Replay]:
        return [self._replay]

    async def step(self, replay: Replay, *, limit: int, waiting: int, quiet: timedelta) -> int:
        self.taken.append((asyncio.get_running_loop().time(), limit))
        if len(self.taken) == 4:
            self.enough.set()
        return 0


@pytest.mark.parametrize(
    ("rate", "nodes", "limit", "pause"), [(1000.0, 1, 10, 0.01), (1000.0, 5, 2, 0.01), (20.0, 2, 1, 0.1)]
)
async def test_nodes_that_step_the_same_replay_share_its_rate(
    tmp_path: Path, rate: float, nodes: int, limit: int, pause: float
) -> None:
    async with world(tmp_path, delays=()) as w:
        await w.add("one")
        replay = await replays(w).ask("one", Asked())
        steps = Steps(replay)
        service = replays(w, rate=rate, nodes=nodes, port=cast("Port", cast("Any", steps)))
        service.start()
        await steps.enough.wait()
        await service.stop()
    moments = [at for at, _ in steps.taken]
    assert {each for _, each in steps.taken} == {limit}
    assert moments[3] - moments[0] >= 3 * pause * 0.99

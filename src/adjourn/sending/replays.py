"""Replays: many deliveries retried by one ask. They go step by step, no faster than a backlog drains."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from adjourn.ids import Uuid7
from adjourn.models import DeliveryState, Replay, ReplayStatus
from adjourn.repeating import Repeating
from adjourn.sending.apps import AppCache
from adjourn.sending.retries import QUIET
from adjourn.storage.base import KeptAnswer
from adjourn.storage.base import Replays as Port

__all__ = ["Asked", "Replays"]

_WAITING = 500  # extra attempts of an app that may wait: an endpoint that is slow holds its replay up
_IDLE = 5.0  # seconds between looks at what runs, where nothing does
_AFTER_ERROR = 1.0  # seconds
_GRACE = timedelta(seconds=5)  # for a step under way, when it is to stop


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries: those of this state and type, made from `since` on and before `until`."""

    state: DeliveryState | None = None
    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Replays:
    """`rate`: deliveries a second for each replay, in steps `every` so many seconds. `start`, then `stop`.

    Every node steps each replay: `nodes` tells how many share the rate. `now` is the store's clock, and
    `newest` the highest id of a delivery that any node gave. `poke` tells the worker that something is due.
    """

    def __init__(
        self,
        *,
        port: Port,
        apps: AppCache,
        ids: Uuid7,
        now: Callable[[], Awaitable[datetime]],
        newest: Callable[[], Awaitable[str | None]],
        poke: Callable[[], None],
        rate: float,
        every: float = 0.25,
        nodes: Callable[[], int] = lambda: 1,
    ) -> None:
        self._port = port
        self._apps = apps
        self._ids = ids
        self._poke = poke
        self._now = now
        self._newest = newest
        self._rate = rate
        self._every = every
        self._nodes = nodes
        self._stepping = Repeating(self._step_all, every=_IDLE, after_error=_AFTER_ERROR)

    async def ask(
        self, app_id: str, asked: Asked, *, keep: Callable[[Replay], KeptAnswer | None] = lambda replay: None
    ) -> Replay:
        """Retry all that match now. It is on disk when this returns. Raises AnswerExists."""
        replay = Replay(
            id=self._ids(),
            app_id=app_id,
            status=ReplayStatus.RUNNING,
            state=asked.state,
            event_type=asked.event_type,
            since=asked.since,
            until=asked.until,
            up_to=max(self._ids.floor(), await self._newest() or ""),
            total=0,
            created_at=await self._now(),
        )
        replay = msgspec.structs.replace(replay, total=await self._port.count(replay))
        await self._port.add(replay, answer=keep(replay))
        self._stepping.wake()
        return replay

    def start(self) -> None:
        self._stepping.start()

    def poke(self) -> None:
        """An app may be on again: go on at once."""
        self._stepping.wake()

    async def stop(self) -> None:
        await self._stepping.stop(_GRACE)

    async def _step_all(self) -> None:
        running = await self._port.list_running()
        at_once, pause = self._pace()
        await self._apps.load({each.app_id for each in running})
        for replay in running:
            app = self._apps.find(replay.app_id)
            if app is None or not app.is_on:
                continue  # as all else of the app, it is held
            if await self._port.step(replay, limit=at_once, waiting=_WAITING, quiet=QUIET):
                self._poke()
        if running:
            await asyncio.sleep(pause)
            self._stepping.wake()

    def _pace(self) -> tuple[int, float]:
        """How many at a time, and how many seconds between: what is this node's share of the rate."""
        share = self._rate / self._nodes()
        pause = max(self._every, 1 / share)
        return max(round(share * pause), 1), pause

"""Replays: many deliveries retried by one ask. They go step by step, no faster than a backlog drains."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from adjourn.errors import StorageError
from adjourn.ids import Uuid7
from adjourn.models import DeliveryState, Replay, ReplayStatus
from adjourn.sending.apps import AppCache
from adjourn.sending.retries import QUIET
from adjourn.storage.base import KeptAnswer
from adjourn.storage.base import Replays as Port

__all__ = ["Asked", "Replays"]

_log = logging.getLogger(__name__)

_WAITING = 500  # extra attempts of an app that may wait: an endpoint that is slow holds its replay up
_IDLE = 5.0  # seconds between looks at what runs, where nothing does


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries: those of this state and type, made from `since` on and before `until`."""

    state: DeliveryState | None = None
    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Replays:
    """`rate`: deliveries a second for each replay. `poke` tells the worker that something is due."""

    def __init__(
        self,
        *,
        port: Port,
        apps: AppCache,
        ids: Uuid7,
        poke: Callable[[], None],
        rate: float,
        every: float = 0.25,
    ) -> None:
        self._port = port
        self._apps = apps
        self._ids = ids
        self._poke = poke
        self._every = every
        self._at_once = max(round(rate * every), 1)
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

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
            up_to=self._ids.floor(),
            total=0,
            created_at=datetime.now(UTC),
        )
        replay = msgspec.structs.replace(replay, total=await self._port.count(replay))
        await self._port.add(replay, answer=keep(replay))
        self._more.set()
        return replay

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                running = await self._step_all()
            except StorageError as exc:
                _log.warning("replays wait, trying again: %s", exc)
                running = False
            except Exception:
                _log.exception("replays wait, trying again")
                running = False
            if running:
                await asyncio.sleep(self._every)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_IDLE):
                    await self._more.wait()

    async def _step_all(self) -> bool:
        """Whether any replay runs."""
        self._more.clear()
        running = await self._port.list_running()
        await self._apps.load({each.app_id for each in running})
        for replay in running:
            app = self._apps.find(replay.app_id)
            if app is None or not app.is_on:
                continue  # as all else of the app, it is held
            if await self._port.step(replay, limit=self._at_once, waiting=_WAITING, quiet=QUIET):
                self._poke()
        return bool(running)

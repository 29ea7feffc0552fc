"""The worker: takes due deliveries, sends each, has the outcome recorded.

What it holds in memory is counted lane by lane. Nothing is sent when its lease may be lost, or when
the app is off.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta

from adjourn.endpoint import parse_endpoint
from adjourn.errors import StorageError
from adjourn.ids import Uuid7
from adjourn.models import App, Attempt
from adjourn.sending.apps import AppCache
from adjourn.sending.batcher import Batcher
from adjourn.sending.lanes import Lanes
from adjourn.sending.policy import Policy, Reply, decide
from adjourn.sending.request import RequestBuilder
from adjourn.sending.sender import Sender
from adjourn.storage.base import Claimed, Queue, Result

__all__ = ["Worker"]

_log = logging.getLogger(__name__)

_LEASE = timedelta(seconds=60)
_MARGIN = timedelta(seconds=5)  # of the lease, in which nothing is sent any more
_HEARTBEAT = 15.0  # seconds
_CLAIM = 500  # deliveries at a time
_CLAIM_EVERY = 1.0  # seconds, at the latest: a wake-up may be missed, a second look misses nothing
_CLAIM_PAUSE = 0.002  # seconds between claims: what becomes free meanwhile shares the next
_HOUSEKEEPING = 5.0  # seconds
_DISCARD = 1000  # deliveries in one commit
_ANSWERS_KEPT = timedelta(hours=24)  # CONTRACTS 1.7, Idempotency-Key
_PAUSE_ON_ERROR = 1.0  # seconds
_UNRECORDED = 2000  # outcomes: publishing waits, so that fan-out cannot run ahead of recording


class Worker:
    """One process's part in the delivering. `start` it, then `drain` it."""

    def __init__(
        self,
        *,
        queue: Queue,
        apps: AppCache,
        sender: Sender,
        policies: dict[str, Policy],
        lanes: Lanes,
        ids: Uuid7,
        rng: random.Random,
    ) -> None:
        self.id = ids()
        self._queue = queue
        self._apps = apps
        self._sender = sender
        self._policies = policies
        self._lanes = lanes
        self._ids = ids
        self._rng = rng
        self._requests = RequestBuilder()
        self.outcomes = Batcher(self._record, full=_UNRECORDED)
        self._returns = Batcher(self._give_back, full=_UNRECORDED)
        self._fresh_until = 0.0
        self._due = asyncio.Event()
        self._unrecorded: dict[str, None] = {}  # claimed as they were published, in the order of their ids
        self._sending: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []

    # what publishing needs

    def try_hold(self, delivery_id: str, lane_id: int) -> bool:
        """Reserve room for a delivery about to be published; then `take` or `let_go`."""
        if self._loops and self._is_fresh() and self._lanes.try_hold(lane_id):
            self._unrecorded[delivery_id] = None
            return True
        return False

    def let_go(self, delivery_id: str, lane_id: int) -> None:
        """It was not stored after all."""
        del self._unrecorded[delivery_id]
        self._release(lane_id)

    def take(self, claimed: Claimed) -> None:
        """Send one for which room is held."""
        task = asyncio.create_task(self._deliver(claimed))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def poke(self) -> None:
        """Something waits in the store, and may be due."""
        self._due.set()

    # its life

    async def start(self) -> None:
        await self._enlist()
        await self._queue.reap()
        loops = (self._claim_due, self._heartbeat, self._keep_house)
        self._loops = [asyncio.create_task(_repeat(each)) for each in loops]

    async def drain(self, grace: timedelta) -> None:
        """Start nothing more; let what is in flight end, or give it back when the grace is over."""
        claiming, *others = self._loops
        self._loops = []
        await _cancel([claiming])
        if self._sending:
            await asyncio.wait(self._sending, timeout=grace.total_seconds())
        await _cancel([*self._sending])
        await self._returns.finish()
        await self.outcomes.finish()
        await _cancel(others)
        await self._queue.enlist(self.id, lease=timedelta(0), floor=self._floor())

    async def _enlist(self) -> None:
        began = time.monotonic()
        await self._queue.enlist(self.id, lease=_LEASE, floor=self._floor())
        self._fresh_until = began + (_LEASE - _MARGIN).total_seconds()

    def _is_fresh(self) -> bool:
        return time.monotonic() < self._fresh_until

    def _floor(self) -> str:
        return next(iter(self._unrecorded), self._ids.floor())

    # its loops, each step of which may fail and is tried again

    async def _heartbeat(self) -> None:
        await asyncio.sleep(_HEARTBEAT)
        await self._enlist()

    async def _keep_house(self) -> None:
        await asyncio.sleep(_HOUSEKEEPING)
        if await self._queue.reap():
            self.poke()
        while await self._queue.discard(limit=_DISCARD):
            pass
        await self._queue.sweep(answers_before=await self._queue.now() - _ANSWERS_KEPT)

    async def _claim_due(self) -> None:
        self._due.clear()
        pause = _CLAIM_EVERY
        if self._is_fresh():
            taken, next_wake = await self._claim()
            if taken >= _CLAIM:
                self._due.set()
            if next_wake is not None:
                wait = (next_wake - await self._queue.now()).total_seconds()
                pause = min(pause, max(wait, 0))
        await asyncio.sleep(_CLAIM_PAUSE)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._due.wait(), pause)

    async def _claim(self) -> tuple[int, datetime | None]:
        asked: dict[int, int] = {}

        def room(lane_id: int) -> int:
            asked[lane_id] = self._lanes.begin_claim(lane_id)
            return asked[lane_id]

        taken: Counter[int] = Counter()
        try:
            claim = await self._queue.claim(self.id, room=room, limit=_CLAIM)
            taken.update(each.lane_id for each in claim.deliveries)
        finally:
            for lane_id, most in asked.items():
                self._lanes.end_claim(lane_id, taken=taken[lane_id], asked=most)
        await self._apps.load({each.app_id for each in claim.deliveries})
        for each in claim.deliveries:
            self.take(each)
        return len(claim.deliveries), claim.next_wake

    # one delivery

    async def _deliver(self, claimed: Claimed) -> None:
        app = self._apps.find(claimed.app_id)
        try:
            if app is None or not app.takes_attempts or not self._is_fresh():
                self._returns.add(claimed)
            else:
                await self._attempt(claimed, app)
        except asyncio.CancelledError:
            self._returns.add(claimed)
            raise
        finally:
            self._release(claimed.lane_id)

    async def _attempt(self, claimed: Claimed, app: App) -> None:
        assert app.webhook_url is not None
        policy = self._policies[app.provider]
        began = time.monotonic()
        at = datetime.now(UTC)
        reply = await self._send(claimed, app, url=app.webhook_url, at=at)
        took = timedelta(seconds=time.monotonic() - began)
        self._note(claimed, app.webhook_url, reply)
        now = await self._queue.now()
        self.outcomes.add(
            Result(
                claimed=claimed,
                attempt=Attempt(
                    delivery_id=claimed.id,
                    no=claimed.attempt_no + 1,
                    at=at,
                    duration_ms=took // timedelta(milliseconds=1),
                    http_status=reply.status,
                    error=reply.error,
                    response=reply.start.decode("utf-8", "replace"),
                    response_headers=reply.headers,
                ),
                step=decide(policy, claimed, reply, url=app.webhook_url, now=now, rng=self._rng),
            )
        )

    async def _send(self, claimed: Claimed, app: App, *, url: str, at: datetime) -> Reply:
        try:
            request = self._requests.build(app, claimed, self._policies[app.provider], url=url, now=at)
            return await self._sender.send(request)
        except Exception:  # a fault of ours: on record as a failed attempt, so that its retry is paced
            _log.exception("delivery %s could not be sent", claimed.id)
            return Reply(error="internal error: the attempt could not be made")

    def _note(self, claimed: Claimed, url: str, reply: Reply) -> None:
        if reply.succeeded:
            self._lanes.succeeded(claimed.lane_id)
        else:
            self._lanes.failed(claimed.lane_id, timed_out=reply.timed_out)
            _log.info("delivery %s to %s failed: %s", claimed.id, parse_endpoint(url).origin, reply.error)

    def _release(self, lane_id: int) -> None:
        self._lanes.release(lane_id)
        if self._lanes.has_backlog:
            self._due.set()

    async def _give_back(self, deliveries: Sequence[Claimed]) -> None:
        await self._queue.give_back(self.id, deliveries)
        for each in deliveries:
            self._unrecorded.pop(each.id, None)
        self.poke()

    async def _record(self, results: Sequence[Result]) -> None:
        recorded = await self._queue.record(self.id, results)
        for result in results:
            self._unrecorded.pop(result.claimed.id, None)
        if recorded.disabled:
            await self._apps.reload(recorded.disabled)
            _log.warning("webhooks disabled, the URL answered 410: %s", ", ".join(recorded.disabled))
        if any(result.step.retry_at is not None or result.claimed.order_key for result in results):
            self.poke()


async def _repeat(step: Callable[[], Coroutine[None, None, None]]) -> None:
    while True:
        try:
            await step()
        except StorageError as exc:
            _log.warning("%s failed, trying again: %s", step.__name__, exc)
            await asyncio.sleep(_PAUSE_ON_ERROR)
        except Exception:
            _log.exception("%s failed, trying again", step.__name__)
            await asyncio.sleep(_PAUSE_ON_ERROR)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

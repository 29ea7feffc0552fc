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
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from adjourn.errors import StorageError
from adjourn.ids import Uuid7
from adjourn.models import App, Attempt, DeliveryState
from adjourn.sending.apps import AppCache
from adjourn.sending.batcher import Batcher
from adjourn.sending.lanes import Lanes
from adjourn.sending.pace import Pacer
from adjourn.sending.policy import Policy, Reply, decide
from adjourn.sending.request import RequestBuilder
from adjourn.sending.sender import Sender
from adjourn.storage.base import Claimed, Queue, Result

__all__ = ["Pace", "Worker"]

_log = logging.getLogger(__name__)

_LEASE = timedelta(seconds=60)
_MARGIN = timedelta(seconds=5)  # of the lease, in which nothing is sent any more
_CLAIM = 500  # deliveries at a time
_DISCARD = 1000  # deliveries in one commit
_ANSWERS_KEPT = timedelta(hours=24)  # CONTRACTS 1.7, Idempotency-Key
_REJECTED = (401, 403)  # while a secret's grace period runs: tried again with the one before
_QUICK = 1.0  # seconds: a lane whose answers take longer gets no more room
_CANCEL_AGAIN = 1.0  # seconds: a library may swallow being cancelled
_UNRECORDED = 2000  # outcomes: publishing waits, so that fan-out cannot run ahead of recording


def _boot_clock() -> float:
    """Seconds; it goes on while the machine sleeps, as the lease in the store does."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often the worker does what it does; all in seconds."""

    heartbeat: float = 15.0
    claim: float = 1.0  # at the latest: a wake-up may be missed, a second look misses nothing
    drain: float = 0.1  # while a backlog drains: how often it gets its share
    between_claims: float = 0.002  # what becomes free meanwhile shares the next
    housekeeping: float = 5.0
    after_error: float = 1.0
    store_again: float = 0.5  # outcomes that the store could not take
    last_stores: float = 5.0  # at most, when it drains


class Worker:
    """One process's part in the delivering. `start` it, then `drain` it.

    `backlog_rate`: deliveries a second for each app whose backlog drains. `on_failures` is told of the apps
    whose attempts failed, once that is on record.
    """

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
        backlog_rate: float = 200.0,
        on_failures: Callable[[Collection[str]], None] = lambda app_ids: None,
        pace: Pace = Pace(),  # noqa: B008 - it is frozen
        clock: Callable[[], float] = _boot_clock,
    ) -> None:
        self.id = ids()
        self._queue = queue
        self._apps = apps
        self._sender = sender
        self._policies = policies
        self._lanes = lanes
        self._ids = ids
        self._rng = rng
        self._pace = pace
        self._clock = clock
        self._on_failures = on_failures
        self._pacer = Pacer(backlog_rate, clock=clock)
        self._requests = RequestBuilder()
        self.outcomes = Batcher(self._record, full=_UNRECORDED, retry_every=pace.store_again)
        self._returns = Batcher(self._give_back, full=_UNRECORDED, retry_every=pace.store_again)
        self._fresh_until = 0.0
        self._draining = False
        self._drained = False
        self._due = asyncio.Event()
        self._unrecorded: dict[str, None] = {}  # claimed as they were published, in the order of their ids
        self._sending: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []

    # what publishing needs

    def try_hold(self, delivery_id: str, lane_id: int, app_id: str) -> bool:
        """Reserve room for a delivery about to be published; then `take` or `let_go`."""
        if self._loops and self._is_fresh() and self._lanes.try_hold(lane_id, app_id):
            self._unrecorded[delivery_id] = None
            return True
        return False

    def let_go(self, delivery_id: str, lane_id: int) -> None:
        """It was not stored after all."""
        del self._unrecorded[delivery_id]
        self._release(lane_id)

    def take(self, claimed: Claimed) -> None:
        """Send one for which room is held."""
        if self._drained:
            return  # its lease is over: who reaps this worker takes it up
        task = asyncio.create_task(self._deliver(claimed))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def poke(self) -> None:
        """Something waits in the store, and may be due."""
        self._due.set()

    # its life

    async def start(self) -> None:
        """Raises StorageError."""
        await self._enlist()
        await self._queue.reap()
        loops = (self._claim_due, self._heartbeat, self._keep_house)
        self._loops = [asyncio.create_task(self._repeat(each)) for each in loops]

    async def drain(self, grace: timedelta) -> None:
        """Start nothing more; let what is in flight end, or give it back when the grace is over.

        What the store cannot take by then is left to whoever reaps this worker: its lease ends here.
        """
        claiming, others = self._loops[:1], self._loops[1:]
        self._loops = []
        self._draining = True
        await _cancel(claiming)
        if self._sending:
            await asyncio.wait(self._sending, timeout=grace.total_seconds())
        await _cancel([*self._sending])
        for batcher in (self._returns, self.outcomes):
            if not await batcher.finish(within=self._pace.last_stores):
                _log.warning("stopping, though the store took not everything")
        self._drained = True
        await _cancel(others)
        try:
            await self._queue.enlist(self.id, lease=timedelta(0), floor=self._floor())
        except StorageError as exc:
            _log.warning("cannot end the lease, it will run out: %s", exc)

    async def _enlist(self) -> None:
        began = self._clock()
        await self._queue.enlist(self.id, lease=_LEASE, floor=self._floor())
        self._fresh_until = began + (_LEASE - _MARGIN).total_seconds()

    def _is_fresh(self) -> bool:
        return self._clock() < self._fresh_until

    def _floor(self) -> str:
        return next(iter(self._unrecorded), self._ids.floor())

    # its loops, each step of which may fail and is tried again

    async def _heartbeat(self) -> None:
        await self._enlist()
        await asyncio.sleep(self._pace.heartbeat)

    async def _keep_house(self) -> None:
        await asyncio.sleep(self._pace.housekeeping)
        await self._enlist()  # or it might reap itself, where the store's clock has leapt
        if await self._queue.reap():
            self.poke()
        while await self._queue.discard(limit=_DISCARD):
            pass
        await self._queue.sweep(answers_before=await self._queue.now() - _ANSWERS_KEPT)

    async def _claim_due(self) -> None:
        self._due.clear()
        pause = self._pace.claim
        if self._is_fresh():
            taken, next_wake, drains = await self._claim()
            if taken >= _CLAIM:
                self._due.set()
            if drains:
                pause = self._pace.drain
            if next_wake is not None:
                wait = (next_wake - await self._queue.now()).total_seconds()
                pause = min(pause, max(wait, 0))
        await asyncio.sleep(self._pace.between_claims)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):  # Python 3.11's wait_for may swallow being cancelled
                await self._due.wait()

    async def _claim(self) -> tuple[int, datetime | None, bool]:
        """How many were taken, when the next lane wakes, and whether a backlog drains."""
        asked: dict[int, int] = {}
        draining: set[str] = set()

        def room(lane_id: int, app_id: str) -> int:
            if lane_id not in asked:
                asked[lane_id] = self._lanes.begin_claim(lane_id, app_id)
            return asked[lane_id]

        def pace(app_id: str) -> int:
            draining.add(app_id)
            return self._pacer.allowance(app_id)

        taken: Counter[int] = Counter()
        try:
            claim = await self._queue.claim(self.id, room=room, limit=_CLAIM, pace=pace)
            taken.update(each.lane_id for each in claim.deliveries)
        finally:
            for lane_id, most in asked.items():
                if self._lanes.end_claim(lane_id, taken=taken[lane_id], asked=most):
                    self._due.set()
        for app_id, count in Counter(each.app_id for each in claim.deliveries if each.paced).items():
            self._pacer.spend(app_id, count)
        try:
            await self._know({(each.app_id, each.target) for each in claim.deliveries})
        finally:  # an app that is not there sends its deliveries back
            for each in claim.deliveries:
                self.take(each)
        return len(claim.deliveries), claim.next_wake, bool(draining)

    async def _know(self, targets: Iterable[tuple[str, str | None]]) -> None:
        """See that the apps of what was claimed are in memory, and as new as what gave them out."""
        stale = {app_id for app_id, target in targets if not self._takes(self._apps.find(app_id), target)}
        if stale:
            await self._apps.reload(stale)

    @staticmethod
    def _takes(app: App | None, target: str | None) -> bool:
        return app is not None and app.takes_attempts(target)

    # one delivery

    async def _deliver(self, claimed: Claimed) -> None:
        app = self._may_start(claimed)
        try:
            if app is None:
                self._returns.add(claimed)
            else:
                self.outcomes.add(await self._attempt(claimed, app))
        except asyncio.CancelledError:
            self._returns.add(claimed)
            raise
        except Exception:  # a fault of ours: nothing may stay in memory for ever
            _log.exception("delivery %s goes back to wait", claimed.id)
            await asyncio.sleep(self._pace.after_error)
            self._returns.add(claimed)
        finally:
            self._release(claimed.lane_id)

    def _may_start(self, claimed: Claimed) -> App | None:
        """The app as it is by now, if an attempt may start."""
        app = self._apps.find(claimed.app_id)
        may = self._takes(app, claimed.target) and self._is_fresh() and not self._draining
        return app if may else None

    async def _attempt(self, claimed: Claimed, app: App) -> Result:
        url = app.url_for(claimed.target)
        assert url is not None
        policy = self._policies[app.provider]
        at = datetime.now(UTC)
        began = self._clock()
        reply = await self._send(claimed, app, url=url, at=at)
        if reply.status in _REJECTED and (again := self._may_repeat(claimed, url)) is not None:
            reply = await self._send(claimed, again, url=url, at=datetime.now(UTC), old_first=True)
        ended = self._clock()
        self._note(claimed, reply, seconds=ended - began)
        now = await self._time_of(ended)
        return Result(
            claimed=claimed,
            attempt=Attempt(
                delivery_id=claimed.id,
                no=claimed.attempt_no + 1,
                at=at,
                duration_ms=round((ended - began) * 1000),
                http_status=reply.status,
                error=reply.error,
                response=reply.start.decode("utf-8", "replace"),
                response_headers=reply.headers,
            ),
            step=decide(policy, claimed, reply, url=url, now=now, rng=self._rng),
        )

    def _may_repeat(self, claimed: Claimed, url: str) -> App | None:
        """The app as it is by now, if an older secret counts and an attempt may start at that URL still."""
        app = self._may_start(claimed)
        if app is None or app.url_for(claimed.target) != url:
            return None
        return app if app.secrets_in_grace(datetime.now(UTC)) else None

    async def _time_of(self, moment: float) -> datetime:
        """What the store's clock said at a moment of ours. Waits while the store cannot tell."""
        while True:
            try:
                now = await self._queue.now()
            except StorageError as exc:
                _log.warning("the store cannot tell the time, asking again: %s", exc)
                await asyncio.sleep(self._pace.store_again)
            else:
                return now - timedelta(seconds=self._clock() - moment)

    async def _send(
        self, claimed: Claimed, app: App, *, url: str, at: datetime, old_first: bool = False
    ) -> Reply:
        policy = self._policies[app.provider]
        try:
            request = self._requests.build(app, claimed, policy, url=url, now=at, old_first=old_first)
            return await self._sender.send(request)
        except Exception:  # a fault of ours: on record as a failed attempt, so that its retry is paced
            _log.exception("delivery %s could not be sent", claimed.id)
            return Reply(error="internal error: the attempt could not be made")

    def _note(self, claimed: Claimed, reply: Reply, *, seconds: float) -> None:
        if reply.succeeded:
            self._lanes.succeeded(claimed.lane_id, quickly=seconds < _QUICK)
        else:
            self._lanes.failed(claimed.lane_id, timed_out=reply.timed_out)
            _log.debug("delivery %s of app %s failed: %s", claimed.id, claimed.app_id, reply.error)

    def _release(self, lane_id: int) -> None:
        if self._lanes.release(lane_id):
            self._due.set()

    async def _give_back(self, deliveries: Sequence[Claimed]) -> None:
        await self._queue.give_back(self.id, deliveries)
        for each in deliveries:
            self._unrecorded.pop(each.id, None)
        self.poke()

    async def _record(self, results: Sequence[Result]) -> None:
        """Recording the same again is harmless, so this may fail at any step."""
        recorded = await self._queue.record(self.id, results)
        if recorded.changed:
            _log.warning("a URL answered 410 and is switched off: app %s", ", ".join(recorded.changed))
        if gone := {each.claimed.app_id for each in results if each.step.gone_url is not None}:
            await self._apps.reload(gone)
        for result in results:
            self._unrecorded.pop(result.claimed.id, None)
        if failing := {each.claimed.app_id for each in results if not _succeeded(each)}:
            self._on_failures(failing)
        if any(result.step.retry_at is not None or result.claimed.order_key for result in results):
            self.poke()

    async def _repeat(self, step: Callable[[], Coroutine[None, None, None]]) -> None:
        while True:
            try:
                await step()
            except StorageError as exc:
                _log.warning("%s failed, trying again: %s", step.__name__, exc)
                await asyncio.sleep(self._pace.after_error)
            except Exception:
                _log.exception("%s failed, trying again", step.__name__)
                await asyncio.sleep(self._pace.after_error)


def _succeeded(result: Result) -> bool:
    return result.step.state is DeliveryState.DELIVERED


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)

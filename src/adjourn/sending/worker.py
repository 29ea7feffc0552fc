"""The worker: claims due deliveries, has each attempted, and the outcome recorded.

What it holds in memory is counted lane by lane. Nothing is sent when its lease may be lost, or when
the app is off.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from adjourn.batcher import Batcher
from adjourn.boot import boot_seconds
from adjourn.errors import StorageError
from adjourn.ids import Uuid7
from adjourn.models import Callback, DeliveryState, Policy, subject_of_target
from adjourn.sending.apps import AppCache
from adjourn.sending.attempts import Attempts
from adjourn.sending.lanes import Lanes
from adjourn.sending.pace import Pacer
from adjourn.sending.sender import Sender
from adjourn.storage.base import Claim, Claimed, Queue, Result, SubjectKey

__all__ = ["Pace", "Worker"]

_log = logging.getLogger(__name__)

_CLAIM = 500  # deliveries at a time
_DISCARD = 1000  # deliveries in one commit
_ANSWERS_KEPT = timedelta(hours=24)  # CONTRACTS 1.7, Idempotency-Key
_CANCEL_AGAIN = 1.0  # seconds: a library may swallow being cancelled
_UNRECORDED = 2000  # outcomes: publishing waits, so that fan-out cannot run ahead of recording


CallbacksOf = Callable[[Sequence[SubjectKey]], Awaitable[Mapping[SubjectKey, Callback]]]


async def _no_callbacks(keys: Sequence[SubjectKey]) -> Mapping[SubjectKey, Callback]:
    return {}


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often the worker does what it does; all in seconds."""

    lease: float = 60.0
    margin: float = 5.0  # of the lease, in which nothing is sent any more
    heartbeat: float = 15.0  # at most a quarter of the lease: three may fail
    claim: float = 1.0  # at the latest: a wake-up may be missed, a second look misses nothing
    drain: float = 0.1  # while a backlog drains: how often it gets its share
    between_claims: float = 0.002  # what becomes free meanwhile shares the next
    between_long_claims: float = 0.02  # at most: as long as the last took
    late: float = 0.005  # for its turn: then the process is busy
    housekeeping: float = 5.0
    after_error: float = 1.0
    store_again: float = 0.5  # outcomes that the store could not take
    last_stores: float = 5.0  # at most, when it drains
    linger: float = 0.0  # before outcomes are recorded, so that more share a commit

    def __post_init__(self) -> None:
        if not (0 < self.heartbeat <= self.lease / 4 and 0 < self.margin < self.lease):
            raise ValueError("a heartbeat is at most a quarter of the lease, and the margin a part of it")


class Worker:
    """One process's part in the delivering. `start` it, then `drain` it.

    `backlog_rate`: deliveries a second for each app whose backlog drains. `on_failures` is told of the apps
    whose attempts failed, once that is on record. `is_current`: whether all that other nodes have answered is
    known here; while it is not, no attempt starts. `callbacks_of`: where callbacks go now.
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
        is_current: Callable[[], bool] = lambda: True,
        callbacks_of: CallbacksOf = _no_callbacks,
        pace: Pace = Pace(),  # noqa: B008 - it is frozen
        clock: Callable[[], float] = boot_seconds,
    ) -> None:
        self.id = ids()
        self.workers = 1  # that were alive at the last claim, this one included
        self._queue = queue
        self._apps = apps
        self._lanes = lanes
        self._ids = ids
        self._pace = pace
        self._clock = clock
        self._on_failures = on_failures
        self._is_current = is_current
        self._callbacks_of = callbacks_of
        self._pacer = Pacer(backlog_rate, clock=clock)
        again = pace.store_again
        self.outcomes = Batcher(
            self._record, full=_UNRECORDED, retry_every=again, linger=pace.linger, urgent=_is_waited_for
        )
        self._returns = Batcher(self._give_back, full=_UNRECORDED, retry_every=again)
        self._attempts = Attempts(
            apps=apps,
            sender=sender,
            policies=policies,
            lanes=lanes,
            rng=rng,
            clock=clock,
            now=queue.now,
            may_start=self._may_send,
            outcomes=self.outcomes.add,
            returns=self._returns.add,
            on_room=self.poke,
            again=again,
        )
        self._fresh_until = 0.0
        self._drained = False
        self._claiming: asyncio.Task[tuple[int, datetime | None, bool]] | None = None
        self._due = asyncio.Event()
        self._unrecorded: dict[str, None] = {}  # claimed as they were published, in the order of their ids
        self._loops: list[asyncio.Task[None]] = []

    # what publishing needs

    def try_hold(self, delivery_id: str, lane_id: int, app_id: str) -> bool:
        """Reserve room for a delivery about to be published; then `take` or `let_go`."""
        if self._loops and self._may_send() and self._lanes.try_hold(lane_id, app_id):
            self._unrecorded[delivery_id] = None
            return True
        return False

    def let_go(self, claimed: Claimed) -> None:
        """It was not stored after all."""
        del self._unrecorded[claimed.id]
        if self._lanes.release(claimed.lane_id):
            self.poke()

    def doubt(self, claimed: Claimed) -> None:
        """Nobody knows whether it was stored: if so, it goes back to wait."""
        self._returns.add(claimed)
        if self._lanes.release(claimed.lane_id):
            self.poke()

    def take(self, claimed: Claimed) -> None:
        """Send one for which room is held."""
        if self._drained:
            return  # its lease is over: who reaps this worker takes it up
        self._attempts.take(claimed)

    def poke(self) -> None:
        """Something waits in the store, and may be due."""
        self._due.set()

    # its life

    async def start(self) -> None:
        """Raises StorageError."""
        await self._enlist()
        await self._queue.reap()
        loops = (self._claim_due, self._heartbeat, self._reap, self._discard, self._sweep)
        self._loops = [asyncio.create_task(self._repeat(each)) for each in loops]

    async def drain(self, grace: timedelta) -> None:
        """Start nothing more; let what is in flight end, or give it back when the grace is over.

        What the store cannot take by then is left to whoever reaps this worker: its lease ends here.
        """
        claiming, others = self._loops[:1], self._loops[1:]
        self._loops = []
        await _cancel(claiming)
        await asyncio.gather(self._attempts.drain(grace), self._end_claim())
        for batcher in (self._returns, self.outcomes):
            if not await batcher.finish(within=self._pace.last_stores):
                _log.warning("stopping, though the store took not everything")
        self._drained = True
        await _cancel(others)
        try:
            await self._queue.enlist(self.id, lease=timedelta(0), floor=self._floor())
        except StorageError as exc:
            _log.warning("cannot end the lease, it will run out: %s", exc)

    async def _end_claim(self) -> None:
        """Let the one under way end: what it brings goes back at once, not when the lease is over."""
        if self._claiming is not None:
            await asyncio.wait([self._claiming], timeout=self._pace.last_stores)
            await _cancel([self._claiming])

    async def _enlist(self) -> None:
        began = self._clock()
        lease = timedelta(seconds=self._pace.lease)
        await self._queue.enlist(self.id, lease=lease, floor=self._floor())
        self._fresh_until = began + self._pace.lease - self._pace.margin

    def _may_send(self) -> bool:
        """Whether the lease is surely ours still, and all that was answered elsewhere is known here."""
        return self._clock() < self._fresh_until and self._is_current()

    def _floor(self) -> str:
        return next(iter(self._unrecorded), self._ids.floor())

    # its loops, each step of which may fail and is tried again

    async def _heartbeat(self) -> None:
        await self._enlist()
        await asyncio.sleep(self._pace.heartbeat)

    async def _reap(self) -> None:
        await asyncio.sleep(self._pace.housekeeping)
        await self._enlist()  # or it might reap itself, where the store's clock has leapt
        if await self._queue.reap():
            self.poke()

    async def _discard(self) -> None:
        await asyncio.sleep(self._pace.housekeeping)
        while await self._queue.discard(limit=_DISCARD):
            pass

    async def _sweep(self) -> None:
        await asyncio.sleep(self._pace.housekeeping)
        await self._queue.sweep(answers_before=await self._queue.now() - _ANSWERS_KEPT)

    async def _claim_due(self) -> None:
        self._due.clear()
        pause = self._pace.claim
        began = self._clock()
        if self._may_send():
            self._claiming = asyncio.create_task(self._claim())
            taken, next_wake, drains = await asyncio.shield(self._claiming)
            if taken >= _CLAIM:
                self._due.set()
            if drains:
                pause = self._pace.drain
            if next_wake is not None:
                wait = (next_wake - await self._queue.now()).total_seconds()
                pause = min(pause, max(wait, 0))
        await self._rest(self._clock() - began)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):  # Python 3.11's wait_for may swallow being cancelled
                await self._due.wait()

    async def _rest(self, took: float) -> None:
        """Between two claims. Whoever comes late to the next is not alone: then what fails has to wait."""
        rest = min(max(took, self._pace.between_claims), self._pace.between_long_claims)
        ends = self._clock() + rest
        await asyncio.sleep(rest)
        self._lanes.ease(busy=self._clock() - ends > self._pace.late)

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
            self.workers = claim.workers
            self._lanes.share(claim.workers)
            self._pacer.share(claim.workers)
            taken.update(each.lane_id for each in claim.deliveries)
        finally:
            for lane_id, most in asked.items():
                if self._lanes.end_claim(lane_id, taken=taken[lane_id], asked=most):
                    self._due.set()
        for app_id, count in Counter(each.app_id for each in claim.deliveries if each.paced).items():
            self._pacer.spend(app_id, count)
        deliveries = claim.deliveries
        try:
            await self._know(claim)
            deliveries = await self._addressed(deliveries)
        finally:  # one whose app or callback could not be read goes back
            for each in deliveries:
                self.take(each)
        return len(claim.deliveries), claim.next_wake, bool(draining)

    async def _know(self, claim: Claim) -> None:
        """See that the apps of what was claimed are in memory, and as new as what gave them out."""
        targets = {(each.app_id, each.target) for each in claim.deliveries}
        stale = {app_id for app_id, target in targets if not self._takes(app_id, target, claim)}
        if stale:
            await self._apps.reload(stale)

    async def _addressed(self, deliveries: Sequence[Claimed]) -> Sequence[Claimed]:
        """With the callbacks of those that go to one. What goes to one that is gone is put on record so."""
        wanted = {
            each.id: (each.app_id, subject_id)
            for each in deliveries
            if (subject_id := subject_of_target(each.target)) is not None
        }
        if not wanted:
            return deliveries
        callbacks = await self._callbacks_of(list(set(wanted.values())))
        found: list[Claimed] = []
        for each in deliveries:
            if each.id not in wanted:
                found.append(each)
            elif (callback := callbacks.get(wanted[each.id])) is not None:
                found.append(msgspec.structs.replace(each, callback=callback))
            else:
                self._attempts.refuse(each, "its callback is not known any more")
        return found

    def _takes(self, app_id: str, target: str | None, claim: Claim) -> bool:
        app = self._apps.find(app_id)
        if app is None or app.version < claim.app_versions.get(app_id, 0):
            return False
        return app.takes_attempts(target)

    # what becomes of deliveries

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
        failed = [each for each in results if each.step.state is not DeliveryState.DELIVERED]
        if gone := {each.claimed.app_id for each in failed if each.step.gone_url is not None}:
            await self._apps.reload(gone)
        has_followers = False
        for result in results:
            self._unrecorded.pop(result.claimed.id, None)
            has_followers = has_followers or result.claimed.order_key is not None
        if failed:
            self._on_failures({each.claimed.app_id for each in failed})
        if has_followers or any(each.step.retry_at is not None for each in failed):
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


def _is_waited_for(result: Result) -> bool:
    """By the next of its order, or by all that would still be sent to a URL that is gone."""
    return result.claimed.order_key is not None or result.step.gone_url is not None


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)

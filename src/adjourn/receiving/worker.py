"""The step behind the answer: takes what is due out of the store, has it handled, records what came of it.

Handlers start only while this worker's lease is surely its own. A receipt that was being handled when its
process was killed is handled again once that lease is over: at least once.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import msgspec

from adjourn.batcher import Batcher
from adjourn.boot import boot_seconds
from adjourn.errors import StorageError
from adjourn.models import Handling, Policy, Receipt, ReceiptState
from adjourn.receiving.handlers import Handlers
from adjourn.receiving.handling import Outcome, ThreadGoesOn, handle
from adjourn.repeating import Repeating
from adjourn.storage.base import Handled, Receipts

__all__ = ["THREADS", "Pace", "Worker"]

_log = logging.getLogger(__name__)

THREADS = "adjourn-handler"
"""What the names of the threads begin with in which handlers run that are no coroutines."""

_UNRECORDED = 1000  # outcomes: no more is claimed then
_FORGET = 1000  # receipts in one commit


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often the worker does what it does; all in seconds."""

    lease: float = 30.0
    margin: float = 5.0  # of the lease, in which no handler starts
    heartbeat: float = 5.0
    poll: float = 0.2  # for what other processes kept: nobody tells of that
    between_claims: float = 0.003  # what becomes free meanwhile shares the next
    housekeeping: float = 5.0
    forget: float = 600.0
    after_error: float = 1.0
    last_stores: float = 5.0  # at most, when it stops

    def __post_init__(self) -> None:
        if not (0 < self.heartbeat <= self.lease / 4 and 0 < self.margin < self.lease):
            raise ValueError("a heartbeat is at most a quarter of the lease, and the margin a part of it")


class Worker:
    """One process's part in the handling. `start` it, then `drain` it.

    `concurrency`: receipts in its hands at a time. `policy`: its `timeout` is that of one coroutine handler,
    which is cancelled then; a thread cannot be. `keep`: how long the bodies of what was handled are kept;
    None: for good.
    """

    def __init__(
        self,
        worker_id: str,
        *,
        receipts: Receipts,
        handlers: Handlers,
        policy: Policy,
        concurrency: int,
        keep: timedelta | None,
        rng: random.Random,
        pace: Pace = Pace(),  # noqa: B008 - it is frozen
        clock: Callable[[], float] = boot_seconds,
    ) -> None:
        self.id = worker_id
        self._receipts = receipts
        self._handlers = handlers
        self._policy = policy
        self._concurrency = concurrency
        self._keep = keep
        self._rng = rng
        self._pace = pace
        self._clock = clock
        self._fresh_until = 0.0
        self._held: dict[int, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(concurrency, THREADS)
        self._outcomes = Batcher(self._record, full=_UNRECORDED, retry_every=pace.after_error)
        self._returns = Batcher(self._give_back, full=_UNRECORDED, retry_every=pace.after_error)
        self._alarm: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        error = pace.after_error
        self._claims = Repeating(self._claim, every=pace.poll, after_error=error)
        self._others = [
            Repeating(self._enlist, every=pace.heartbeat, after_error=error),
            Repeating(self._reap, every=pace.housekeeping, after_error=error),
            Repeating(self._forget, every=pace.forget, after_error=error),
        ]

    async def start(self) -> None:
        """Raises StorageError."""
        await self._enlist()
        await self._receipts.reap()
        for each in (self._claims, *self._others):
            each.start()

    def poke(self) -> None:
        """Something was kept."""
        self._idle.clear()
        self._claims.wake()

    async def settle(self) -> None:
        """Wait until nothing is due, or in its hands; what waits for a retry's time is not waited for."""
        self._idle.clear()
        self._claims.wake()
        await self._idle.wait()

    async def drain(self, grace: timedelta) -> None:
        """Start nothing more; let handlers end, or cancel them when the grace is over: they run again later.

        What runs in a thread then goes on, and stays in this worker's hands until its lease is over.
        """
        if self._alarm is not None:
            self._alarm.cancel()
        await self._claims.stop(timedelta(seconds=self._pace.last_stores))
        if self._held:
            await asyncio.wait(self._held.values(), timeout=grace.total_seconds())
        for task in [*self._held.values()]:
            task.cancel()
        await asyncio.gather(*self._held.values(), return_exceptions=True)
        for batcher in (self._returns, self._outcomes):
            if not await batcher.finish(within=self._pace.last_stores):
                _log.warning("stopping, though the inbox took not everything")
        for each in self._others:
            await each.stop(timedelta(0))
        self._threads.shutdown(wait=False, cancel_futures=True)

    # its loops

    async def _enlist(self) -> None:
        began = self._clock()
        await self._receipts.enlist(self.id, lease=timedelta(seconds=self._pace.lease))
        self._fresh_until = began + self._pace.lease - self._pace.margin

    async def _reap(self) -> None:
        await self._enlist()  # or it might reap itself, after it was paused or the store's clock leapt
        if await self._receipts.reap():
            self.poke()

    async def _forget(self) -> None:
        if self._keep is None:
            return
        before = await self._receipts.now() - self._keep
        while await self._receipts.forget(before=before, limit=_FORGET):
            pass

    async def _claim(self) -> None:
        room = self._concurrency - len(self._held)
        if room <= 0 or self._clock() >= self._fresh_until or len(self._outcomes) >= _UNRECORDED:
            return
        claim = await self._receipts.claim(self.id, limit=room)
        for receipt in claim.receipts:
            if receipt.seq not in self._held:  # or it lost it, unnoticed, and has it again
                self._held[receipt.seq] = asyncio.create_task(self._handle(receipt))
        if len(claim.receipts) == room:
            await asyncio.sleep(self._pace.between_claims)
            self._claims.wake()
        elif claim.next_due is not None:
            await self._set_alarm(claim.next_due)
        if not (claim.receipts or self._held or self._outcomes or self._returns):
            self._idle.set()

    async def _set_alarm(self, due: datetime) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        wait = (due - await self._receipts.now()).total_seconds()
        if 0 < wait < self._pace.poll:
            self._alarm = asyncio.get_running_loop().call_later(wait, self._claims.wake)

    # one receipt

    async def _handle(self, receipt: Receipt) -> None:
        try:
            began, at = self._clock(), await self._receipts.now()
            limit = self._policy.timeout.total_seconds()
            outcome = await handle(receipt, self._handlers, threads=self._threads, limit=limit)
            duration = round((self._clock() - began) * 1000)
            attempt = Handling(
                no=receipt.attempt_no + 1, at=at, duration_ms=duration, error="\n".join(outcome.errors)
            )
            self._outcomes.add(self._decide(receipt, attempt, outcome))
        except ThreadGoesOn:
            raise  # it stays in this worker's hands until the lease is over
        except BaseException as exc:
            self._returns.add(receipt)
            if not isinstance(exc, StorageError):
                raise
            _log.warning("%r goes back: %s", receipt, exc)
        finally:
            del self._held[receipt.seq]
            self._claims.wake()

    def _decide(self, receipt: Receipt, attempt: Handling, outcome: Outcome) -> Handled:
        retry_count = receipt.retry_count + (receipt.state is ReceiptState.FAILED)
        delay = None if outcome.is_final else self._policy.delay(retry_count, self._rng)
        state, due = ReceiptState.DEAD, None
        if not attempt.error:
            state = ReceiptState.HANDLED
        elif delay is not None:
            ended = attempt.at + timedelta(milliseconds=attempt.duration_ms)
            state, due = ReceiptState.FAILED, ended + delay
        return Handled(
            receipt=receipt,
            attempt=attempt,
            state=state,
            retry_count=retry_count,
            due=due,
            done=outcome.done,
        )

    async def _record(self, results: Sequence[Handled]) -> None:
        await self._receipts.record(self.id, results)
        self._claims.wake()  # an order may go on, a retry may be due

    async def _give_back(self, receipts: Sequence[Receipt]) -> None:
        await self._receipts.give_back(self.id, receipts)
        self._claims.wake()

"""The step behind the answer: takes what is due out of the store, has it handled, records what came of it.

Handlers start only while this worker's lease is surely its own. A receipt that was being handled when its
process was killed is handled again once that lease is over: at least once.
"""

import asyncio
import contextlib
import logging
import random
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import msgspec

from adjourn.batcher import Batcher
from adjourn.errors import DeadLetter, EventError, Fault, StorageError
from adjourn.models import Handling, Policy, Receipt, ReceiptState
from adjourn.providers import PROVIDERS
from adjourn.receiving.handlers import Handlers, Match
from adjourn.repeating import Repeating
from adjourn.storage.base import Handled, Receipts

__all__ = ["THREADS", "Pace", "Worker"]

_log = logging.getLogger(__name__)

THREADS = "adjourn-handler"
"""What the names of the threads begin with in which handlers run that are no coroutines."""

_UNRECORDED = 1000  # outcomes: no more is claimed then
_FORGET = 1000  # receipts in one commit
_LONGEST_ERROR = 4000  # characters that are kept of what a handler raised


def _boot_clock() -> float:
    """Seconds; it goes on while the machine sleeps, as the lease in the store does."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


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
        clock: Callable[[], float] = _boot_clock,
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
        self._in_threads: set[int] = set()  # of those
        self._threads = ThreadPoolExecutor(concurrency, THREADS)
        self._outcomes = Batcher(self._record, full=_UNRECORDED, retry_every=pace.after_error)
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
        if not await self._outcomes.finish(within=self._pace.last_stores):
            _log.warning("stopping, though the inbox took not every outcome")
        for each in self._others:
            await each.stop(timedelta(0))
        self._threads.shutdown(wait=False, cancel_futures=True)

    # its loops

    async def _enlist(self) -> None:
        began = self._clock()
        await self._receipts.enlist(self.id, lease=timedelta(seconds=self._pace.lease))
        self._fresh_until = began + self._pace.lease - self._pace.margin

    async def _reap(self) -> None:
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
            task = asyncio.create_task(self._handle(receipt))
            self._held[receipt.seq] = task
        if len(claim.receipts) == room:
            await asyncio.sleep(self._pace.between_claims)
            self._claims.wake()
        elif claim.next_due is not None:
            await self._set_alarm(claim.next_due)
        if not claim.receipts and not self._held and not self._outcomes:
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
            done, errors, is_final = await self._run_all(receipt)
            attempt = Handling(
                no=receipt.attempt_no + 1,
                at=at,
                duration_ms=round((self._clock() - began) * 1000),
                error="\n".join(errors),
            )
            self._outcomes.add(self._decide(receipt, attempt, done, is_final=is_final))
        except StorageError as exc:
            _log.warning("%r goes back: %s", receipt, exc)
            await self._give_back(receipt)
        except asyncio.CancelledError:
            if receipt.seq not in self._in_threads:
                await asyncio.shield(self._give_back(receipt))
            raise
        finally:
            del self._held[receipt.seq]
            self._claims.wake()

    async def _run_all(self, receipt: Receipt) -> tuple[tuple[str, ...], list[str], bool]:
        """Which handlers are done, what went wrong, and whether no retry would mend that."""
        done, errors, is_final = [*receipt.done], list[str](), True
        try:
            matches = self._match(receipt)
        except EventError as exc:  # it was one when it came: this library is older, or has become stricter
            return (), [_told(exc)], True
        for match in matches:
            if match.handler.name in done:
                continue
            try:
                await self._run(match, receipt)
            except (Exception, SystemExit, asyncio.CancelledError) as exc:
                if _is_stopped(exc):
                    raise
                _log.warning("%s failed for %r", match.handler.name, receipt, exc_info=exc)
                errors.append(f"{match.handler.name}: {_told(exc)}")
                is_final = is_final and isinstance(exc, DeadLetter)
            else:
                done.append(match.handler.name)
        return tuple(done), errors, is_final

    def _match(self, receipt: Receipt) -> Sequence[Match]:
        assert receipt.body is not None, "a claim brings bodies"
        provider = PROVIDERS.get(receipt.provider)
        if provider is None:
            raise EventError([Fault("$", f"there is no provider {receipt.provider!r} here")])
        return self._handlers.match(provider, provider.read(receipt.body))

    async def _run(self, match: Match, receipt: Receipt) -> None:
        run = match.handler.run(match.event, receipt, threads=self._threads)
        if not match.handler.is_async:
            await self._run_in_thread(run, receipt)
            return
        try:
            async with asyncio.timeout(self._policy.timeout.total_seconds()) as limit:
                await run
        except TimeoutError:
            if not limit.expired():
                raise  # the handler's own
            raise TimeoutError(f"it took more than {self._policy.timeout.total_seconds():g} s") from None

    async def _run_in_thread(self, run: Awaitable[None], receipt: Receipt) -> None:
        self._in_threads.add(receipt.seq)
        try:
            await run
        except asyncio.CancelledError:
            raise  # the thread goes on
        except BaseException:
            self._in_threads.discard(receipt.seq)
            raise
        self._in_threads.discard(receipt.seq)

    def _decide(
        self, receipt: Receipt, attempt: Handling, done: tuple[str, ...], *, is_final: bool
    ) -> Handled:
        retry_count = receipt.retry_count + (receipt.state is ReceiptState.FAILED)
        delay = None if is_final else self._policy.delay(retry_count, self._rng)
        state, due = ReceiptState.DEAD, None
        if not attempt.error:
            state = ReceiptState.HANDLED
        elif delay is not None:
            ended = attempt.at + timedelta(milliseconds=attempt.duration_ms)
            state, due = ReceiptState.FAILED, ended + delay
        return Handled(
            receipt=receipt, attempt=attempt, state=state, retry_count=retry_count, due=due, done=done
        )

    async def _record(self, results: Sequence[Handled]) -> None:
        await self._receipts.record(self.id, results)
        self._claims.wake()  # an order may go on, a retry may be due

    async def _give_back(self, receipt: Receipt) -> None:
        with contextlib.suppress(StorageError):  # else it waits for the end of the lease
            await self._receipts.give_back(self.id, [receipt])


def _is_stopped(exc: BaseException) -> bool:
    """Whether this task is cancelled, and not something that a handler waited for."""
    task = asyncio.current_task()
    return isinstance(exc, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _told(exc: BaseException) -> str:
    """What it was, and where: the end of a traceback."""
    text = "".join(traceback.format_exception_only(exc)).strip()
    frames = traceback.extract_tb(exc.__traceback__)
    if not frames or isinstance(exc, DeadLetter):
        return text[:_LONGEST_ERROR]
    return f"{text[:_LONGEST_ERROR]} ({frames[-1].filename}:{frames[-1].lineno})"

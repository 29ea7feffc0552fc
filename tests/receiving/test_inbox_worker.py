"""What becomes of receipts in a worker's hands: on a real store, with a clock moved by hand."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from tests.storage.harness import Clock

from adjourn import DeadLetter, MeetingEnded, contio
from adjourn.models import Handling, Policy, Receipt, ReceiptState
from adjourn.receiving.handlers import Handlers
from adjourn.receiving.worker import Pace, Worker
from adjourn.storage.base import NewReceipt, ReceiptFilter, Receipts
from adjourn.storage.inbox import open_receipts
from adjourn.testing import sample

MINUTE = timedelta(minutes=1)
DELAYS = (MINUTE, 5 * MINUTE)
NEVER = 3600.0  # seconds: only what a test brings about happens
STILL = Pace(lease=4 * NEVER, heartbeat=NEVER, poll=NEVER, housekeeping=NEVER, between_claims=0.0)
PACE_OF_REAPING = Pace(lease=4 * NEVER, heartbeat=NEVER, poll=NEVER, housekeeping=0.001, between_claims=0.0)


class Room:
    """A store with a worker, started when a test says so."""

    def __init__(self, receipts: Receipts, clock: Clock) -> None:
        self.receipts = receipts
        self.clock = clock
        self.handlers = Handlers()
        self.boot = 0.0
        self._workers: list[Worker] = []

    def worker(
        self, worker_id: str = "w1", *, timeout: float = NEVER, concurrency: int = 20, pace: Pace = STILL
    ) -> Worker:
        made = Worker(
            worker_id,
            receipts=self.receipts,
            handlers=self.handlers,
            policy=Policy(retry_delays=DELAYS, timeout=timedelta(seconds=timeout), later=0.0),
            concurrency=concurrency,
            keep=None,
            rng=random.Random(7),
            pace=pace,
            clock=lambda: self.boot,
        )
        self._workers.append(made)
        return made

    async def settle(self, **options: Any) -> None:
        """All that is due now is handled."""
        worker = self.worker(**options)
        await worker.start()
        await worker.settle()
        await worker.drain(timedelta(seconds=5))

    def on(self, kind: type[Struct], function: Callable[..., Any], *, name: str | None = None) -> None:
        self.handlers.add(function, (kind,), name=name)

    async def keep(self, *ids: str, meeting: str | None = None, body: bytes | None = None) -> list[int]:
        kept = await self.receipts.keep([self.new(each, meeting, body) for each in ids])
        return [each.seq for each in kept]

    def new(self, event_id: str, meeting: str | None = None, body: bytes | None = None) -> NewReceipt:
        return NewReceipt(
            provider="contio",
            id=event_id,
            event_type="meeting.completed",
            order_key=meeting,
            scheme="contio",
            profile="documented",
            received_at=self.clock.now,
            body=body or sample(contio, "meeting.completed", meeting_id=event_id),
        )

    async def attempts(self, seq: int) -> list[Handling]:
        return await self.receipts.list_attempts(seq)


@asynccontextmanager
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    clock = Clock()
    receipts = await open_receipts(f"sqlite:///{tmp_path}/inbox.db", clock=clock)
    try:
        yield Room(receipts, clock)
    finally:
        await receipts.close()


def run(test: Callable[[Room], Any], tmp_path: Path) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), room(tmp_path) as opened:
            await test(opened)

    asyncio.run(main())


def test_an_event_is_handled_once_and_its_attempt_is_on_record(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    async def test(r: Room) -> None:
        r.on(
            contio.MeetingCompleted, lambda event, receipt: seen.append((event.data.meeting_id, receipt.seq))
        )
        (seq,) = await r.keep("a")
        await r.settle()
        await r.settle(worker_id="w2")
        assert seen == [("a", seq)]
        receipt = await r.receipts.get(seq)
        assert (receipt.state, receipt.due, receipt.attempt_no) == (ReceiptState.HANDLED, None, 1)
        assert receipt.handled_at == r.clock.now
        assert [(each.no, each.error) for each in await r.attempts(seq)] == [(1, "")]

    run(test, tmp_path)


def test_an_event_without_a_handler_counts_as_handled(tmp_path: Path) -> None:
    async def test(r: Room) -> None:
        (seq,) = await r.keep("a")
        await r.settle()
        assert (await r.receipts.get(seq)).state is ReceiptState.HANDLED

    run(test, tmp_path)


def test_a_failure_is_tried_again_by_the_schedule_and_dead_after_its_end(tmp_path: Path) -> None:
    calls: list[int] = []

    def fail(event: Struct, receipt: Receipt) -> None:
        calls.append(receipt.attempt_no)
        raise ValueError("no such customer")

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, fail, name="fail")
        (seq,) = await r.keep("a")
        for number, delay in enumerate(DELAYS, 1):
            await r.settle()
            receipt = await r.receipts.get(seq)
            assert (receipt.state, receipt.due) == (ReceiptState.FAILED, r.clock.now + delay)
            r.clock.advance(delay - timedelta(milliseconds=1))
            await r.settle()
            assert len(calls) == number
            r.clock.advance(timedelta(milliseconds=1))
        await r.settle()
        receipt = await r.receipts.get(seq)
        assert (receipt.state, receipt.due) == (ReceiptState.DEAD, None)
        assert calls == [0, 1, 2]
        assert "fail: ValueError: no such customer" in receipt.error
        assert [each.no for each in await r.attempts(seq)] == [1, 2, 3]

    run(test, tmp_path)


def test_a_dead_letter_is_not_tried_again(tmp_path: Path) -> None:
    async def refuse(event: Struct) -> None:
        raise DeadLetter("of a customer who left")

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, refuse, name="refuse")
        (seq,) = await r.keep("a")
        await r.settle()
        receipt = await r.receipts.get(seq)
        assert receipt.state is ReceiptState.DEAD
        assert receipt.error == "refuse: adjourn.errors.DeadLetter: of a customer who left"

    run(test, tmp_path)


def test_of_several_handlers_only_those_that_failed_are_tried_again(tmp_path: Path) -> None:
    calls: list[str] = []
    broken = [True]

    def second(event: Struct) -> None:
        calls.append("second")
        if broken[0]:
            raise ValueError

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, lambda event: calls.append("first"), name="first")
        r.on(contio.MeetingCompleted, second, name="second")
        r.on(MeetingEnded, lambda event: calls.append("third"), name="third")
        (seq,) = await r.keep("a")
        await r.settle()
        assert calls == ["first", "second", "third"]
        assert (await r.receipts.get(seq)).done == ("first", "third")
        broken[0] = False
        r.clock.advance(MINUTE)
        await r.settle()
        assert calls == ["first", "second", "third", "second"]
        assert (await r.receipts.get(seq)).state is ReceiptState.HANDLED

    run(test, tmp_path)


def test_one_that_gives_up_does_not_end_the_retries_of_another(tmp_path: Path) -> None:
    def refuse(event: Struct) -> None:
        raise DeadLetter

    def fail(event: Struct) -> None:
        raise ValueError

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, refuse, name="refuse")
        r.on(contio.MeetingCompleted, fail, name="fail")
        (seq,) = await r.keep("a")
        await r.settle()
        assert (await r.receipts.get(seq)).state is ReceiptState.FAILED

    run(test, tmp_path)


def test_a_replay_runs_every_handler_again(tmp_path: Path) -> None:
    calls: list[int] = []

    async def test(r: Room) -> None:
        store = r.receipts
        r.on(contio.MeetingCompleted, lambda event, receipt: calls.append(receipt.replays))
        await r.keep("a", "b")
        await r.settle()
        assert await store.replay(ReceiptFilter(event_type="meeting.completed"), limit=10) == (2, None)
        await r.settle()
        assert calls == [0, 0, 1, 1]

    run(test, tmp_path)


def test_in_order_a_meeting_waits_for_its_event_that_failed_and_others_do_not(tmp_path: Path) -> None:
    seen: list[str] = []
    broken = [True]

    def handle(event: contio.MeetingCompleted) -> None:
        if broken[0] and event.data.meeting_id == "a1":
            raise ValueError
        seen.append(event.data.meeting_id)

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, handle)
        await r.keep("a1", "a2", "a3", meeting="a")
        await r.keep("b1", "b2", meeting="b")
        await r.settle()
        assert seen == ["b1", "b2"]
        broken[0] = False
        r.clock.advance(MINUTE)
        await r.settle()
        assert seen == ["b1", "b2", "a1", "a2", "a3"]

    run(test, tmp_path)


def test_a_coroutine_that_takes_too_long_is_cancelled_and_counts_as_failed(tmp_path: Path) -> None:
    async def hang(event: Struct) -> None:
        await asyncio.get_running_loop().create_future()

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, hang, name="hang")
        (seq,) = await r.keep("a")
        await r.settle(timeout=0.01)
        receipt = await r.receipts.get(seq)
        assert receipt.state is ReceiptState.FAILED
        assert receipt.error.startswith("hang: TimeoutError: it took more than 0.01 s")

    run(test, tmp_path)


@pytest.mark.parametrize("exception", [asyncio.CancelledError, SystemExit, TimeoutError])
def test_whatever_a_handler_raises_is_its_failure_and_not_the_workers(
    exception: type[BaseException], tmp_path: Path
) -> None:
    async def fail(event: Struct) -> None:
        raise exception

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, fail)
        (seq,) = await r.keep("a")
        await r.settle()
        assert (await r.receipts.get(seq)).state is ReceiptState.FAILED

    run(test, tmp_path)


def test_a_body_that_cannot_be_read_any_more_is_dead_and_says_why(tmp_path: Path) -> None:
    async def test(r: Room) -> None:
        (seq,) = await r.keep("a", body=b"[]")
        await r.settle()
        receipt = await r.receipts.get(seq)
        assert receipt.state is ReceiptState.DEAD
        assert "EventError" in receipt.error

    run(test, tmp_path)


def test_no_more_than_its_share_is_in_a_workers_hands(tmp_path: Path) -> None:
    both, gate = asyncio.Event(), asyncio.Event()
    began: list[str] = []

    async def handle(event: contio.MeetingCompleted) -> None:
        began.append(event.data.meeting_id)
        if len(began) == 2:
            both.set()
        await gate.wait()

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, handle)
        await r.keep(*"abcdef")
        worker = r.worker(concurrency=2)
        await worker.start()
        await both.wait()
        worker.poke()
        await r.keep("g")  # a claim would have had its turn before this
        assert began == ["a", "b"]
        gate.set()
        await worker.settle()
        await worker.drain(timedelta(seconds=5))
        assert (await r.receipts.count())[ReceiptState.HANDLED] == 7

    run(test, tmp_path)


def test_a_worker_whose_lease_may_be_over_starts_nothing(tmp_path: Path) -> None:
    seen: list[str] = []

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, lambda event: seen.append(event.data.meeting_id))
        worker = r.worker()
        await worker.start()
        await worker.settle()
        r.boot += 4 * NEVER
        await r.keep("a")
        worker.poke()
        await r.keep("b")  # a claim would have had its turn before this
        await worker.drain(timedelta(seconds=5))
        assert seen == []
        await r.settle(worker_id="w2")
        assert seen == ["a", "b"]

    run(test, tmp_path)


def test_what_is_in_hand_when_it_stops_ends_within_the_grace(tmp_path: Path) -> None:
    began, may_end = asyncio.Event(), asyncio.Event()

    async def handle(event: Struct) -> None:
        began.set()
        await may_end.wait()

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, handle)
        (seq,) = await r.keep("a")
        worker = r.worker()
        await worker.start()
        await began.wait()
        draining = asyncio.create_task(worker.drain(timedelta(seconds=50)))
        may_end.set()
        await draining
        assert (await r.receipts.get(seq)).state is ReceiptState.HANDLED

    run(test, tmp_path)


def test_what_does_not_end_within_the_grace_is_cancelled_and_waits_for_another(tmp_path: Path) -> None:
    began = asyncio.Event()
    calls: list[int] = []

    async def handle(event: Struct, receipt: Receipt) -> None:
        calls.append(receipt.attempt_no)
        began.set()
        if len(calls) == 1:
            await asyncio.get_running_loop().create_future()

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, handle)
        (seq,) = await r.keep("a")
        worker = r.worker()
        await worker.start()
        await began.wait()
        await worker.drain(timedelta(0))
        assert (await r.receipts.get(seq)).state is ReceiptState.NEW
        await r.settle(worker_id="w2")
        assert calls == [0, 0]
        assert (await r.receipts.get(seq)).state is ReceiptState.HANDLED

    run(test, tmp_path)


def test_a_thread_that_goes_on_when_the_worker_stops_keeps_its_receipt_until_the_lease_is_over(
    tmp_path: Path,
) -> None:
    began, may_end = threading.Event(), threading.Event()
    calls: list[int] = []

    def handle(event: Struct, receipt: Receipt) -> None:
        calls.append(receipt.attempt_no)
        began.set()
        assert may_end.wait(60)

    async def test(r: Room) -> None:
        r.on(contio.MeetingCompleted, handle)
        await r.keep("a")
        worker = r.worker()
        await worker.start()
        await asyncio.to_thread(began.wait, 60)
        await worker.drain(timedelta(0))
        await r.settle(worker_id="w2")
        assert calls == [0]
        may_end.set()
        r.clock.advance(timedelta(seconds=4 * NEVER, milliseconds=1))
        await r.settle(worker_id="w3")
        assert calls == [0, 0]

    run(test, tmp_path)


class Held:
    """A handler that notes its calls, and goes on when it is told."""

    def __init__(self) -> None:
        self.began, self.gate = asyncio.Event(), asyncio.Event()
        self.calls: list[str] = []

    async def __call__(self, event: contio.MeetingCompleted) -> None:
        self.calls.append(event.data.meeting_id)
        self.began.set()
        await self.gate.wait()


def test_a_worker_that_was_paused_does_not_reap_itself(tmp_path: Path) -> None:
    async def test(r: Room) -> None:
        handler = Held()
        r.on(contio.MeetingCompleted, handler)
        await r.keep("a")
        worker = r.worker(pace=PACE_OF_REAPING)
        await worker.start()
        await handler.began.wait()
        r.clock.advance(timedelta(days=1))  # its lease is long over
        await asyncio.sleep(0.05)  # it looks for what died a good many times
        worker.poke()
        await r.keep("b")
        await r.keep("c")  # a claim has had its turn before this
        assert handler.calls[:1] == ["a"]
        assert handler.calls.count("a") == 1
        handler.gate.set()
        await worker.settle()
        await worker.drain(timedelta(seconds=5))
        assert sorted(handler.calls) == ["a", "b", "c"]

    run(test, tmp_path)


def test_what_a_worker_lost_unnoticed_it_does_not_handle_twice_at_once(tmp_path: Path) -> None:
    async def test(r: Room) -> None:
        handler = Held()
        r.on(contio.MeetingCompleted, handler)
        (seq,) = await r.keep("a")
        worker = r.worker()
        await worker.start()
        await handler.began.wait()
        await r.receipts.end(worker.id)
        worker.poke()
        await r.keep("b")
        await r.keep("c")  # a claim has had its turn before this
        assert handler.calls.count("a") == 1
        handler.gate.set()
        await worker.settle()
        await worker.drain(timedelta(seconds=5))
        assert sorted(handler.calls) == ["a", "b", "c"]
        assert (await r.receipts.get(seq)).state is ReceiptState.HANDLED

    run(test, tmp_path)

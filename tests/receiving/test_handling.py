"""Whatever a handler raises, returns or does to its task is its own outcome, and nobody else's."""

import asyncio
import functools
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Struct

from adjourn import DeadLetter, MeetingEnded, contio
from adjourn.models import Receipt, ReceiptState
from adjourn.receiving.handlers import Handlers
from adjourn.receiving.handling import Outcome, ThreadGoesOn, handle
from adjourn.testing import sample


class Mine(BaseException):
    """As gevent's and pytest's, which no `except Exception` catches."""


def receipt(body: bytes, *, done: tuple[str, ...] = ()) -> Receipt:
    return Receipt(
        seq=1,
        provider="contio",
        id="e1",
        event_type="meeting.completed",
        state=ReceiptState.NEW,
        received_at=datetime(2026, 1, 5, tzinfo=UTC),
        scheme="contio",
        profile="documented",
        done=done,
        body=body,
    )


RECEIPT = receipt(sample(contio, "meeting.completed"))


def outcome(*functions: Callable[..., Any], limit: float = 60, of: Receipt = RECEIPT) -> Outcome:
    """Handlers of the names h0, h1, ..."""
    handlers = Handlers()
    for number, function in enumerate(functions):
        handlers.add(function, (contio.MeetingCompleted,), name=f"h{number}")

    async def main() -> Outcome:
        with ThreadPoolExecutor(1) as threads:
            return await handle(of, handlers, threads=threads, limit=limit)

    return asyncio.run(main())


def well(event: Struct) -> None: ...


RAISED = [
    ValueError("x"),
    StopIteration("x"),
    StopAsyncIteration("x"),
    TimeoutError("x"),
    asyncio.CancelledError("x"),
    SystemExit("x"),
    GeneratorExit("x"),
    RecursionError("x"),
    MemoryError("x"),
    Mine("x"),
    BaseExceptionGroup("x", [Mine("y")]),
    ExceptionGroup("x", [SystemError("y")]),
]


@pytest.mark.parametrize("way", ["async", "sync", "decorated"])
@pytest.mark.parametrize("raised", RAISED, ids=lambda each: type(each).__name__)
def test_whatever_is_raised_is_that_handlers_failure(raised: BaseException, way: str) -> None:
    async def fail_async(event: Struct) -> None:
        raise raised

    def fail(event: Struct) -> None:
        raise raised

    @functools.wraps(fail_async)
    def decorated(event: Struct) -> Any:
        return fail_async(event)

    ways: dict[str, Callable[..., Any]] = {"async": fail_async, "sync": fail, "decorated": decorated}
    bad = ways[way]
    done, (error,), is_final = outcome(well, bad, well)
    assert done == ("h0", "h2")
    assert error.startswith("h1: ")
    assert not is_final


def test_a_keyboard_interrupt_in_a_thread_is_its_failure() -> None:
    def fail(event: Struct) -> None:
        raise KeyboardInterrupt

    assert outcome(fail).errors


def test_it_is_final_where_every_failure_is() -> None:
    def refuse(event: Struct) -> None:
        raise DeadLetter("no")

    def fail(event: Struct) -> None:
        raise ValueError

    assert outcome(refuse, refuse).is_final
    assert not outcome(refuse, fail).is_final


def test_an_event_that_cannot_be_normalised_is_dead_for_those_who_want_it_so_alone() -> None:
    handlers, seen = Handlers(), list[Struct]()
    handlers.add(lambda event: None, (MeetingEnded,), name="ended")
    handlers.add(seen.append, (contio.MeetingCompleted,), name="own")
    body = sample(contio, "meeting.completed", completed_at="soon")

    async def main() -> Outcome:
        with ThreadPoolExecutor(1) as threads:
            return await handle(receipt(body), handlers, threads=threads, limit=60)

    done, (error,), is_final = asyncio.run(main())
    assert (len(seen), done, is_final) == (1, ("own",), True)
    assert error.startswith("ended: adjourn.errors.EventError")


def test_one_that_cancels_its_own_task_has_failed() -> None:
    async def give_up(event: Struct) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    done, (error,), is_final = outcome(give_up, well)
    assert (done, is_final) == (("h1",), False)
    assert "cancelled" in error


def test_what_a_coroutine_returns_is_awaited_too() -> None:
    seen: list[str] = []

    async def inner() -> None:
        await asyncio.sleep(0)
        seen.append("ran")

    async def outer(event: Struct) -> Any:
        return inner()

    assert outcome(outer).done == ("h0",)
    assert seen == ["ran"]


def test_a_generator_that_comes_back_is_a_failure_which_says_so() -> None:
    def make(event: Struct) -> Any:
        return (each for each in [1])

    done, (error,), is_final = outcome(make)
    assert (done, is_final) == ((), True)
    assert "generator" in error


async def _hang() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("way", ["async", "decorated"])
def test_a_coroutine_has_its_limit_however_it_is_made(way: str) -> None:
    async def hang(event: Struct) -> None:
        await _hang()

    def decorated(event: Struct) -> Any:
        return _hang()

    done, (error,), _ = outcome(hang if way == "async" else decorated, well, limit=0.01)
    assert done == ("h1",)
    assert error == "h0: TimeoutError: it took more than 0.01 s"


def test_those_that_are_done_do_not_run_again() -> None:
    def fail(event: Struct) -> None:
        raise AssertionError

    assert outcome(fail, well, of=receipt(RECEIPT.body or b"", done=("h0",))) == (("h0", "h1"), (), True)


def test_what_is_no_event_any_more_is_final() -> None:
    assert outcome(well, of=receipt(b"[]")).is_final


def test_a_thread_goes_on_when_it_is_cancelled_and_a_coroutine_does_not() -> None:
    began, gate, ended = threading.Event(), threading.Event(), list[str]()

    def in_thread(event: Struct) -> None:
        began.set()
        gate.wait(60)

    async def in_loop(event: Struct) -> None:
        try:
            began.set()
            await _hang()
        finally:
            ended.append("cancelled")

    async def cancelled(function: Any) -> type[BaseException]:
        handlers, raised = Handlers(), list[type[BaseException]]()
        handlers.add(function, (contio.MeetingCompleted,), name=None)

        async def watched(threads: ThreadPoolExecutor) -> None:
            try:
                await handle(RECEIPT, handlers, threads=threads, limit=60)
            except BaseException as exc:
                raised.append(type(exc))
                raise

        with ThreadPoolExecutor(1) as threads:
            task = asyncio.create_task(watched(threads))
            await asyncio.to_thread(began.wait, 60)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            gate.set()
        began.clear()
        return raised[0]

    assert asyncio.run(cancelled(in_thread)) is ThreadGoesOn
    assert asyncio.run(cancelled(in_loop)) is asyncio.CancelledError
    assert ended == ["cancelled"]


def test_an_exit_in_a_coroutine_does_not_end_the_loop() -> None:
    async def leave(event: Struct) -> None:
        sys.exit(3)

    (error,) = outcome(leave).errors
    assert error.startswith("h0: SystemExit: 3")

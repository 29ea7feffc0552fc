"""What is asynchronous, for a test that is not."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from adjourn.rehearsal.watched import Call

__all__ = ["run_here"]

T = TypeVar("T")


def run_here(start: Callable[[Call], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in an event loop of its own, in another thread, and what it has called in this one.

    So a handler sees what belongs to the test's thread: a database transaction, say. Raises RuntimeError
    within an event loop, which would stand still meanwhile.
    """
    __tracebackhide__ = True
    _check_no_loop_runs()
    calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
    ended: Future[T] = Future()
    cancel: list[Callable[[], object]] = []

    async def call(function: Callable[[], Any]) -> Any:
        answer: Future[Any] = Future()
        calls.put(lambda: answer.set_result(function()))
        return await asyncio.wrap_future(answer)

    async def run() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        cancel.append(lambda: loop.call_soon_threadsafe(task.cancel))
        return await start(call)

    def work() -> None:
        try:
            ended.set_result(asyncio.run(run()))
        except BaseException as exc:
            ended.set_exception(exc)
        finally:
            calls.put(None)

    thread = Thread(target=copy_context().run, args=[work], name="webhooks")
    thread.start()
    try:
        while (wanted := calls.get()) is not None:
            wanted()
    except BaseException:  # Ctrl-C
        for each in cancel:
            each()
        raise
    finally:
        thread.join()
    return ended.result()


def _check_no_loop_runs() -> None:
    __tracebackhide__ = True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("in an async test: `await webhooks.adeliver(...)`, or `ahandle`")

"""One receipt handled: every handler of its event runs, and whatever one raises is its failure alone."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable
from concurrent.futures import Executor
from contextvars import copy_context
from inspect import isasyncgen, isawaitable, isgenerator
from typing import Any, NamedTuple

from adjourn.errors import DeadLetter, EventError, Fault
from adjourn.models import Receipt
from adjourn.providers import PROVIDERS
from adjourn.receiving.handlers import Handlers, Match

__all__ = ["Outcome", "ThreadGoesOn", "handle"]

_log = logging.getLogger(__name__)

_CANCELLED_WITHIN = 5.0  # seconds; what does not heed it is left to itself then
_LONGEST_ERROR = 4000  # characters that are kept of what a handler raised

Ended = BaseException | None
"""How one handler ended: None, if well."""


class Outcome(NamedTuple):
    """`done`: the handlers that need not run again. `is_final`: no retry would mend the errors."""

    done: tuple[str, ...]
    errors: tuple[str, ...]
    is_final: bool


class ThreadGoesOn(asyncio.CancelledError):
    """It was cancelled, but a handler runs in a thread, which cannot be."""


async def handle(receipt: Receipt, handlers: Handlers, *, threads: Executor, limit: float) -> Outcome:
    """Run the handlers that are not done yet, one after the other.

    `limit`: seconds of each coroutine, which is cancelled then. Raises nothing but CancelledError, which is
    ThreadGoesOn where something still runs.
    """
    try:
        matches = _match(receipt, handlers)
    except Exception as exc:  # it was an event when it came: this library is older now, or stricter
        _log.exception("%r cannot be read", receipt)
        return Outcome((), (_told(exc),), isinstance(exc, EventError))
    done, failures = [*receipt.done], dict[str, BaseException]()
    for match in matches:
        name = match.handler.name
        if name in receipt.done:
            continue
        ended = match.error or await _run(match, receipt, threads=threads, limit=limit)
        if ended is None:
            done.append(name)
        else:
            _log.warning("%s failed for %r", name, receipt, exc_info=ended)
            failures[name] = ended
    return Outcome(
        tuple(done),
        tuple(f"{name}: {_told(exc)}" for name, exc in failures.items()),
        all(isinstance(exc, DeadLetter | EventError) for exc in failures.values()),
    )


def _match(receipt: Receipt, handlers: Handlers) -> list[Match]:
    assert receipt.body is not None, "a claim brings bodies"
    provider = PROVIDERS.get(receipt.provider)
    if provider is None:
        raise EventError([Fault("$", f"there is no provider {receipt.provider!r} here")])
    return handlers.match(provider, provider.read(receipt.body))


async def _run(match: Match, receipt: Receipt, *, threads: Executor, limit: float) -> Ended:
    """What is no coroutine function runs in a thread; of a decorated one that makes the coroutine."""
    handler = match.handler
    given = (match.event, receipt) if handler.takes_receipt else (match.event,)
    if handler.is_async:
        answer, ended = _call(handler.function, *given)
    else:
        answer, ended = await _in_thread(threads, handler.function, *given)
    if ended is None and isawaitable(answer):
        return await _in_task(answer, limit)
    if isgenerator(answer) or isasyncgen(answer):
        return DeadLetter("it returned a generator, which nothing runs")
    return ended


def _call(function: Any, *given: object) -> tuple[Any, Ended]:
    """What it returns, or raises: not everything that can be raised can go through a future."""
    try:
        return function(*given), None
    except BaseException as exc:
        return None, exc


async def _in_thread(threads: Executor, function: Any, *given: object) -> tuple[Any, Ended]:
    run = copy_context().run
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, run, _call, function, *given)
    except asyncio.CancelledError as exc:
        raise ThreadGoesOn from exc


async def _in_task(answer: Awaitable[Any], limit: float) -> Ended:
    """In a task of its own: it may cancel itself, or raise what would end this one."""
    task = asyncio.ensure_future(_finished(answer))
    try:
        await asyncio.wait([task], timeout=limit)
    except asyncio.CancelledError:
        await _cancel(task)
        raise
    if not task.done():
        await _cancel(task)
        return TimeoutError(f"it took more than {limit:g} s")
    if task.cancelled():
        return asyncio.CancelledError("it was cancelled, by itself or by what it waited for")
    return task.exception() or task.result()


async def _finished(answer: Any) -> Ended:
    """How it ended. A SystemExit would end the event loop, and the process with it."""
    try:
        while isawaitable(answer):  # a coroutine may return another
            answer = await answer
    except (Exception, SystemExit) as exc:
        return exc
    return None


async def _cancel(task: "asyncio.Task[Ended]") -> None:
    task.cancel()
    await asyncio.wait([task], timeout=_CANCELLED_WITHIN)
    if not task.done():
        _log.warning("a handler does not heed that it was cancelled, and goes on by itself")
    elif not task.cancelled():
        task.exception()  # looked at: nobody else does


def _told(exc: BaseException) -> str:
    """What it was, and where: the end of a traceback."""
    text = "".join(traceback.format_exception_only(exc)).strip()
    frames = traceback.extract_tb(exc.__traceback__)
    if not frames or isinstance(exc, DeadLetter):
        return text[:_LONGEST_ERROR]
    return f"{text[:_LONGEST_ERROR]} ({frames[-1].filename}:{frames[-1].lineno})"

"""Handlers whose failures are the test's: they run as they always do, and what they raise is told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import Any

from adjourn.errors import DeadLetter
from adjourn.receiving.handlers import Handler

__all__ = ["Call", "Failures", "watched"]

Call = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Has a function called somewhere that is no coroutine function, and waits for its answer."""


class Failures:
    """What handlers raised, each with its traceback as it was when it left the handler."""

    def __init__(self) -> None:
        self._raised: list[tuple[BaseException, TracebackType | None]] = []

    def __len__(self) -> int:
        return len(self._raised)

    def add(self, exc: BaseException) -> None:
        trace = exc.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        self._raised.append((exc, trace))

    def throw(self) -> None:
        __tracebackhide__ = True
        raised = [exc.with_traceback(trace) for exc, trace in self._raised]
        if len(raised) > 1:
            raise BaseExceptionGroup("several handlers failed", raised)
        if raised:
            raise raised[0]


def watched(handler: Handler, failures: Failures, call: Call) -> Handler:
    """The handler, but what it raises is told, and where it runs is for `call` to say."""

    async def run(*given: object) -> None:
        try:
            if handler.is_async:
                answer = handler.function(*given)
            else:
                answer, error = await call(partial(_outcome, handler.function, *given))
                if error is not None:
                    raise error
            if isawaitable(answer):
                await answer
        except asyncio.CancelledError:
            raise
        except Exception as exc:
            failures.add(exc)
            raise
        except BaseException as exc:  # pytest.fail, say: it is for the test, and not for the worker
            failures.add(exc)
            raise DeadLetter("it ended the test") from exc

    return replace(handler, function=run, is_async=True)


def _outcome(function: Callable[..., Any], *given: object) -> tuple[Any, BaseException | None]:
    """What it returns, or raises: not everything that can be raised can go through a future."""
    try:
        return function(*given), None
    except KeyboardInterrupt:
        raise
    except BaseException as exc:
        return None, exc

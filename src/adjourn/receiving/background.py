"""An event loop in a thread, for frameworks that have none: what is asynchronous of ours runs there.

One for each process: where a server forks its workers after our code was imported, each worker makes its own
at its first event.
"""

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from adjourn.errors import StorageError

__all__ = ["Background"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

_LAST = 20.0  # seconds, at most, that a process waits for handlers when it ends


class Background:
    """Runs coroutines for threads that wait for them. `close` is awaited in it when the process ends."""

    def __init__(self, *, close: Callable[[], Awaitable[None]]) -> None:
        self._close = close
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._is_known = False  # to those who fork, and at the end of the process

    def run(self, coroutine: Coroutine[Any, Any, T], *, within: float) -> T:
        """What it returns, or raises. Raises StorageError when it takes longer than `within` seconds."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            return future.result(within)
        except TimeoutError as exc:
            if future.done():
                raise  # its own
            future.cancel()
            raise StorageError(f"the inbox did not answer within {within:g} s") from exc

    def stop(self) -> None:
        """Close what is open, and end the thread. The next `run` makes a new one."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None or self._pid != os.getpid():
            return
        future = asyncio.run_coroutine_threadsafe(self._end(), loop)
        try:
            future.result(_LAST)
        except TimeoutError:  # what it holds is handled again, elsewhere
            _log.warning("the inbox was not closed within %g s", _LAST)
        finally:
            loop.call_soon_threadsafe(loop.stop)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = loop = asyncio.new_event_loop()
                self._pid = os.getpid()
                threading.Thread(target=_run, args=[loop], name="adjourn-inbox", daemon=True).start()
                self._make_known()
            return self._loop

    def _make_known(self) -> None:
        if not self._is_known:
            self._is_known = True
            _at_end(self.stop)
            if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
                os.register_at_fork(after_in_child=self._forked)

    async def _end(self) -> None:
        await self._close()

    def _forked(self) -> None:
        """A thread does not survive a fork, and a lock may be held for ever."""
        self._lock = threading.Lock()
        self._loop = None


def _at_end(stop: Callable[[], None]) -> None:
    """Before the executors end, which the store and the handlers need: atexit comes after that."""
    register = getattr(threading, "_register_atexit", atexit.register)
    register(stop)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while not (loop.is_closed() or _has_stopped(loop)):
        pass
    loop.close()


def _has_stopped(loop: asyncio.AbstractEventLoop) -> bool:
    """Run it; whether it was asked to stop. What a handler started may raise what ends any loop."""
    try:
        loop.run_forever()
    except BaseException as exc:
        _log.error("a task that a handler started would end the inbox's event loop", exc_info=exc)
        return False
    return True

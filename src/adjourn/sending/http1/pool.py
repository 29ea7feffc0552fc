"""The connections of a sender: those that may serve again, by origin, and all that are open."""

import asyncio
import contextlib
from collections import OrderedDict

from adjourn.sending.http1.connection import Connection

__all__ = ["Pool"]

_KEPT = 1024  # free connections in all: as many as worker and lanes have in flight
_KEPT_FOR_ORIGIN = 256
_LOOK = 1.0  # seconds between looks for those that are free for too long
_CLOSING = 5.0  # seconds, at most, for the sockets to close
_CLOSED = "the sender is closed"


class Pool:
    """`take` a connection that is free and quiet, `keep` it when its answer has come.

    `idle`: seconds that a free one is kept. `lifetime`: seconds from its opening after which one takes
    no more requests, so that its name is resolved and checked anew however busy it is.
    """

    def __init__(self, *, idle: float, lifetime: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle = idle
        self._lifetime = lifetime
        self._free: dict[str, list[Connection]] = {}  # of an origin; the last was used last
        self._oldest: OrderedDict[Connection, None] = OrderedDict()  # all that are free
        self._open: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._all_lost = asyncio.Event()

    def take(self, origin: str) -> Connection | None:
        free = self._free.get(origin)
        while free:
            connection = free.pop()
            del self._oldest[connection]
            if not connection.is_quiet():
                connection.abort()
            elif self._loop.time() - connection.opened_at >= self._lifetime:
                connection.close()
            else:
                return connection
        return None

    def keep(self, connection: Connection) -> None:
        """For the next request to its origin, unless it is over."""
        if connection.is_over:
            return
        free = self._free.setdefault(connection.origin, [])
        if len(free) >= _KEPT_FOR_ORIGIN or self._is_closed:
            connection.close()
            return
        free.append(connection)
        self._oldest[connection] = None
        connection.free_since = self._loop.time()
        if len(self._oldest) > _KEPT:
            self._drop(next(iter(self._oldest)))
        if self._timer is None:
            self._timer = self._loop.call_later(min(_LOOK, self._idle), self._look)

    def opened(self, connection: Connection) -> bool:
        """There is a new one. Returns whether it may be used."""
        self._open.add(connection)
        connection.opened_at = self._loop.time()
        if self._is_closed:
            connection.end(OSError(_CLOSED))
        return not self._is_closed

    def lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._forget(connection)
        if not self._open:
            self._all_lost.set()

    async def close(self) -> None:
        """End all of them, with whatever is under way, and wait until their sockets are closed."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for connection in [*self._open]:
            connection.end(OSError(_CLOSED))
        self._all_lost.clear()
        if self._open:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING):
                    await self._all_lost.wait()

    def _look(self) -> None:
        since = self._loop.time() - self._idle
        while self._oldest and (oldest := next(iter(self._oldest))).free_since <= since:
            self._drop(oldest)
        self._free = {origin: free for origin, free in self._free.items() if free}
        self._timer = self._loop.call_later(min(_LOOK, self._idle), self._look) if self._free else None

    def _drop(self, connection: Connection) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: Connection) -> None:
        if connection in self._oldest:
            del self._oldest[connection]
            self._free[connection.origin].remove(connection)

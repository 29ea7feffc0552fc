"""PostgreSQL behind the shared SQL's `Database`, and connections for the queue's hot moves.

Every error of asyncpg ends here: what is raised is StorageError, or InputError for a value that PostgreSQL
cannot keep.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from adjourn.boot import boot_seconds
from adjourn.errors import StorageError
from adjourn.storage.migrate import Tables
from adjourn.storage.postgres.bridge import Link, lock, run_on
from adjourn.storage.postgres.clock import DbClock
from adjourn.storage.postgres.faults import FOREIGN, is_blocked, is_clash, is_lost, refusal, translated
from adjourn.storage.postgres.links import HOT, PATIENT, QUICK, READ_ONLY, Links, connect
from adjourn.storage.postgres.migrating import migrate
from adjourn.storage.sql.connection import Connection

__all__ = ["PostgresDatabase"]

_log = logging.getLogger(__name__)

T = TypeVar("T")
Clock = Callable[[], datetime]

_QUICK = 10.0  # seconds: a hot move or look-up that takes longer is lost
_SLOW = 60.0  # seconds: the same for other writes, and for reads of any length
_TRIES = 5  # of a transaction that another one was in the way of
_TIME = "SELECT extract(epoch FROM clock_timestamp())::float8"
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def _ignore(step: str) -> None:
    pass


class PostgresDatabase:
    """One database, opened by `open`. `clock`: its time, or what a test says instead.

    `publishing`, `recording` and `claiming` are connections of their own, so that none waits for another;
    `writing` is for the other moves.
    """

    def __init__(self, url: str, *, clock: Clock | None, on_step: Callable[[str], None] = _ignore) -> None:
        self.url = url
        self.on_step = on_step
        self._own_clock = DbClock()
        self.clock: Clock = self._own_clock if clock is None else clock
        self._whole_since: float | None = None
        self._spread: Callable[[], Awaitable[None]] | None = None

        def links(kind: str, most: int, patience: float, settings: dict[str, str] | None = None) -> Links:
            return Links(url, kind, most=most, patience=patience, settings=settings, lost=self.broke)

        def readers(kind: str, most: int) -> Links:  # long reads may fail without anything being amiss
            return Links(url, kind, most=most, patience=_SLOW, settings=READ_ONLY)

        self.publishing = links("publish", 1, _QUICK, HOT)
        self.recording = links("record", 1, _QUICK, HOT)
        self.claiming = links("claim", 1, _QUICK, HOT)
        self.looking = links("look", 1, _QUICK)
        self.writing = links("write", 2, _SLOW, QUICK)
        self._starting = links("start", 1, _SLOW, PATIENT)
        self._reading = readers("read", 2)
        self._engine_reading = readers("engine-read", 1)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._acts: set[asyncio.Task[Any]] = set()
        self._closed = False

    @classmethod
    async def open(
        cls,
        url: str,
        tables: Tables,
        *,
        named: str = "ADJOURN_DATABASE_URL",
        clock: Clock | None = None,
        on_step: Callable[[str], None] = _ignore,
    ) -> "PostgresDatabase":
        """Connect, and bring the tables up to date.

        Raises ConfigError, which says what to do. `named`: what people gave the URL as.
        """
        database = cls(url, clock=clock, on_step=on_step)
        try:
            link = await connect(url, "start", patience=_SLOW)
            try:
                await migrate(link.raw, tables)
                for _ in range(3):
                    await database.ask_time(link)
            finally:
                await link.raw.close()
        except (*FOREIGN, ValueError) as exc:
            raise refusal(url, exc, named) from exc
        database.whole_since()
        return database

    async def ask_time(self, link: Link) -> None:
        asked = boot_seconds()
        told = await link.raw.fetchval(_TIME)
        self.heard_time(asked, told)

    def heard_time(self, asked: float, told: float) -> None:
        """The database said that time when it was asked at `asked`, in boot seconds, and answered now."""
        self._own_clock.measured(asked, boot_seconds(), told)

    def broke(self) -> None:
        """A connection was lost: other nodes may have lost theirs, too, and could not renew their leases."""
        self._whole_since = None

    def elapsed(self) -> float:
        """Seconds, since whenever, however the database's clock leaps. With a test's clock: by that."""
        return boot_seconds() if self.clock is self._own_clock else self.clock().timestamp()

    def whole_since(self) -> float:
        """Since when no connection broke, in `elapsed`; the first call after a break begins to count."""
        if self._whole_since is None:
            self._whole_since = self.elapsed()
        return self._whole_since

    def spread_by(self, spread: Callable[[], Awaitable[None]]) -> None:
        """Awaited after each change of an app, before it is answered."""
        self._spread = spread

    # storage.sql.connection.Database

    async def write(self, name: str, run: Callable[[Connection], T], *, app_id: str | None = None) -> T:
        """As the port says. A caller that is cancelled while it waits takes nothing back."""
        self._check_open()
        return await self._beside(self._write(name, run, app_id))

    async def look(self, run: Callable[[Connection], T]) -> T:
        async def act() -> T:
            async with self.looking.one() as link:
                return await run_on(link, run)

        async with self.guarded("read failed"):
            try:
                return await act()
            except FOREIGN as exc:  # the connection may have been lost long ago
                if not is_lost(exc) or isinstance(exc, TimeoutError):
                    raise
                return await act()

    async def read(self, run: Callable[[Connection], T], *, turn: str | None = None) -> T:
        if turn is None:
            return await self._read(self._engine_reading, run)
        lock = self._turns.setdefault(turn, asyncio.Lock())
        async with lock:
            return await self._read(self._reading, run)

    # what the moves of the queue are made of

    async def again(self, what: str, act: Callable[[], Awaitable[T]], *, waits: bool = True) -> T:
        """Run a whole transaction; again, where another one was in its way.

        `waits`: also where that one goes on holding what is wanted. Else others would wait for this one.
        """
        self._check_open()
        for last in (*(False,) * (_TRIES - 1), True):
            try:
                return await act()
            except FOREIGN as exc:
                if last or not (is_clash(exc) or (waits and is_blocked(exc))):
                    raise translated(what, exc) from exc
                _log.debug("%s again: %s", what, exc)
        raise AssertionError

    @asynccontextmanager
    async def guarded(self, what: str) -> AsyncIterator[None]:
        """Translates what comes out of asyncpg."""
        self._check_open()
        try:
            yield
        except FOREIGN as exc:
            raise translated(what, exc) from exc

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """No other node is in here, too: for what each of them does as it starts."""
        async with self.guarded("cannot start"), self._starting.transaction() as link:
            await lock(link, ["start"])
            yield

    async def close(self) -> None:
        """Wait for the acts under way, and close every connection."""
        while self._acts:
            await asyncio.wait(self._acts)
        self._closed = True
        kinds = (self.publishing, self.recording, self.claiming, self.looking, self.writing, self._starting)
        for links in (*kinds, self._reading, self._engine_reading):
            await links.close()

    async def _beside(self, act: Coroutine[Any, Any, T]) -> T:
        """Run it to its end, though its caller be cancelled."""
        task = asyncio.create_task(act)
        self._acts.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    async def _write(self, name: str, run: Callable[[Connection], T], app_id: str | None) -> T:
        async def act() -> T:
            async with self.writing.transaction() as link:
                self.on_step(f"{name}.begun")
                if app_id is not None:
                    await lock(link, [f"app {app_id}"])
                result = await run_on(link, run)
                self.on_step(f"{name}.written")
            self.on_step(f"{name}.committed")
            return result

        result = await self.again("write failed", act)
        if app_id is not None and self._spread is not None:
            await self._spread()
        return result

    async def _read(self, links: Links, run: Callable[[Connection], T]) -> T:
        async with self.guarded("read failed"), links.transaction(_READ) as link:
            return await run_on(link, run)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the database is closed")

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._acts.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone: then nobody else looks at what went wrong

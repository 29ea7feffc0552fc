"""The inbox: every event is kept once, on disk, before it is answered, and handled afterwards.

The receiver's composition root: it opens the store (storage/inbox), and starts what keeps and handles.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar, overload

from msgspec import Struct

from adjourn.errors import ConfigError
from adjourn.ids import Uuid7
from adjourn.models import Policy
from adjourn.providers import order_key
from adjourn.receiving.background import Background
from adjourn.receiving.handlers import Handlers, check_kinds
from adjourn.receiving.receiver import Received
from adjourn.receiving.refusals import Refusals
from adjourn.receiving.session import GRACE, Session
from adjourn.receiving.transaction import AsyncConnection, SyncConnection, keep_in
from adjourn.receiving.worker import Worker
from adjourn.storage.base import Kept, NewReceipt, Receipts
from adjourn.storage.inbox import open_receipts

__all__ = ["RETRY_DELAYS", "Inbox"]

F = TypeVar("F", bound=Callable[..., Any])

RETRY_DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (10, 60, 5 * 60, 30 * 60, 2 * 3600, 6 * 3600, 24 * 3600)
)
"""From one failure of a handler to its next attempt; after the last the receipt is dead."""

_LONGEST_ID = 255  # characters; a longer one is known by its hash
_LONGEST_TYPE = 200  # characters


class Inbox:
    """Keeps what a Receiver verified, once, and has it handled.

    `url`: `sqlite:///inbox.db` (several processes may share the file) or `postgresql://...`. `ordered`:
    events of one meeting, or one bot, are handled one after the other in the order that they came; while one
    waits for its retry, those behind it wait, too. `concurrency`: receipts that this process handles at once.
    `retry_delays`: see RETRY_DELAYS; each becomes longer by up to a tenth. `timeout`: of a coroutine handler.
    `keep`: how long the bodies of handled events are kept, to be replayed; None: for good. What was had is
    known for good. `work=False`: handlers run elsewhere, in `adjourn inbox work`.

    It is opened by `async with inbox:`, by `lifespan`, or by the first event.
    """

    def __init__(
        self,
        url: str = "sqlite:///inbox.db",
        *,
        ordered: bool = False,
        concurrency: int = 20,
        retry_delays: Sequence[timedelta] = RETRY_DELAYS,
        timeout: timedelta = timedelta(minutes=10),
        keep: timedelta | None = timedelta(days=30),
        work: bool = True,
        rng: random.Random | None = None,
    ) -> None:
        if concurrency < 1:
            raise ConfigError("an inbox's concurrency must be 1 or more")
        _check_spans("retry_delays", retry_delays)
        _check_spans("timeout", [timeout])
        _check_spans("keep", [] if keep is None else [keep])
        self.url = url
        self.handlers = Handlers()
        self._ordered = ordered
        self._concurrency = concurrency
        self._policy = Policy(retry_delays=tuple(retry_delays), timeout=timeout)
        self._keep = keep
        self._works = work
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries
        self._clock: Callable[[], datetime] | None = None  # a test's
        self.background = Background(close=self.close)
        """An event loop for frameworks that have none: the inbox is open there from its first use."""
        self.refusals = Refusals()
        """The log of what was not kept, since nobody had proved to have sent it."""
        self._session: Session | None = None
        self._opening: asyncio.Task[Session] | None = None

    def __repr__(self) -> str:
        return f"Inbox({len(self.handlers)} handlers)"  # a URL may have a password

    # what a user's code says

    def on(self, *kinds: type[Struct], name: str | None = None) -> Callable[[F], F]:
        """Have events of these kinds handled by the function below it: `handler(event)`, or (event, receipt).

        A kind is a vendor's event (`contio.MeetingCompleted`), `MeetingEnded` or `CalendarChanged` for what
        several vendors tell, `UnknownEvent`, or `msgspec.Struct` for every event. A coroutine function runs
        in the inbox's event loop, any other in a thread. When it raises it is tried again, unless that is a
        DeadLetter. Of several handlers for an event each is tried until it succeeds, and then not again.
        `name` is what the inbox remembers it by; by default its module and name. Raises ConfigError.
        """

        check_kinds(kinds)

        def register(function: F) -> F:
            self.handlers.add(function, kinds, name=name)
            return function

        return register

    async def keep(self, received: Received) -> Kept:
        """Keep an event that was verified: it is on disk when this returns, and will be handled.

        Raises StorageError: then it was not kept, and the sender must be told to come again. Raises
        ConfigError where the inbox cannot be opened.
        """
        session = self._session
        if session is None or not session.is_here():
            session = await self._open()
        return await session.keeper.keep(self._new(received))

    @overload
    def accept(self, connection: AsyncConnection, received: Received) -> Awaitable[Kept]: ...
    @overload
    def accept(self, connection: SyncConnection, received: Received) -> Kept: ...
    def accept(
        self, connection: AsyncConnection | SyncConnection, received: Received
    ) -> Kept | Awaitable[Kept]:
        """Keep it in your own transaction, so that receipt and business data commit together or not at all.

        `connection`: of psycopg, asyncpg, SQLAlchemy, sqlite3 or aiosqlite, on the inbox's database, where
        the inbox was opened once. Await it for an asynchronous one. Whoever is told of a duplicate has
        nothing to write. Handlers run after your commit. Raises ConfigError for a connection of another kind.
        """
        return keep_in(connection, self._new(received))

    # its life

    async def open(self) -> "Inbox":
        """Open it in this event loop, if it is not. Raises ConfigError, and StorageError."""
        await self._open()
        return self

    async def close(self, *, grace: timedelta = GRACE) -> None:
        """Let handlers end, or cancel them after the grace: they run again. Safe to repeat."""
        session, self._session = self._session, None
        if session is not None and not session.is_over():
            await session.close(grace)

    async def __aenter__(self) -> "Inbox":
        return await self.open()

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """For a framework that opens and closes things: `FastAPI(lifespan=inbox.lifespan)`."""
        async with self:
            yield

    @property
    def receipts(self) -> Receipts:
        """The store, for what operators ask: lists, replay. Raises ConfigError while it is not open."""
        if self._session is None:
            raise ConfigError("the inbox is not open: use it within `async with inbox:`")
        return self._session.receipts

    async def work(self, *, grace: timedelta = GRACE) -> None:
        """Handle what is due, until this is cancelled; then close it. Cancelled again, it waits no more."""
        await (await self._open()).start_worker()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self.close(grace=grace)

    async def settle(self) -> None:
        """Handle all that is due now, and return: for tests, and for a job that runs every so often.

        What failed and waits for the time of its retry is not waited for.
        """
        await (await self._open()).settle()

    def rehearsed(self, url: str, *, handlers: Handlers, clock: Callable[[], datetime]) -> "Inbox":
        """One like it for tests: with another database, which has a clock of its own, and these handlers."""
        other = copy(self)
        other.url, other.handlers = url, handlers
        other._clock, other._works = clock, False
        other._session = other._opening = None
        other.background = Background(close=other.close)
        return other

    @contextmanager
    def kept_elsewhere(self, url: str) -> Iterator[None]:
        """For tests: what is kept meanwhile goes into another database, and nothing here handles it.

        Raises ConfigError while it is open. It is closed at the end, where a background loop has it.
        """
        if self._session is not None:
            raise ConfigError("the inbox is open already: a test must ask for this before it is used")
        before = self.url, self._works
        self.url, self._works = url, False
        try:
            yield
        finally:
            self.background.stop()
            self.url, self._works = before

    # within

    async def _open(self) -> Session:
        """The one that is open here, or a new one; whoever asks meanwhile gets the same."""
        if self._session is not None:
            if self._session.check_here(survives_fork=not self.url.startswith("sqlite:")):
                return self._session
            self._session = None
        loop = asyncio.get_running_loop()
        if self._opening is None or self._opening.get_loop() is not loop:
            self._opening = loop.create_task(self._connect())
        try:
            return await asyncio.shield(self._opening)
        finally:
            if self._opening is not None and self._opening.done():
                self._opening = None

    async def _connect(self) -> Session:
        session = Session(await open_receipts(self.url, clock=self._clock), self._worker)
        try:
            if self._works:
                await session.start_worker()
        except BaseException:
            await session.close(timedelta(0))
            raise
        self._session = session
        return session

    def _worker(self, receipts: Receipts) -> Worker:
        return Worker(
            Uuid7()(),
            receipts=receipts,
            handlers=self.handlers,
            policy=self._policy,
            concurrency=self._concurrency,
            keep=self._keep,
            rng=self._rng,
        )

    def _new(self, received: Received) -> NewReceipt:
        return NewReceipt(
            provider=received.provider,
            id=_storable(received.id, longest=_LONGEST_ID),
            event_type=_storable(received.event_type, longest=_LONGEST_TYPE),
            order_key=_order_key(received) if self._ordered else None,
            scheme=received.verified.scheme,
            profile=received.verified.profile,
            received_at=received.received_at,
            body=received.body,
        )


def _check_spans(name: str, spans: Sequence[object]) -> None:
    """Raises ConfigError: a number would do no harm until something fails."""
    for each in spans:
        if not isinstance(each, timedelta):
            raise ConfigError(
                f"an inbox's {name} is told in timedeltas, as timedelta(seconds=5), not {each!r}"
            )
        if each < timedelta(0):
            raise ConfigError(f"an inbox's {name} cannot be negative")


def _order_key(received: Received) -> str | None:
    """The meeting or the bot, of that vendor."""
    event: Any = received.event
    data = event.raw.get("data")
    key = order_key(data) if isinstance(data, dict) else None
    return None if key is None else _storable(f"{received.provider}:{key}", longest=_LONGEST_ID)


def _storable(text: str, *, longest: int) -> str:
    """Itself, where every database can keep and index it; else its hash."""
    if len(text) <= longest and "\0" not in text:
        return text
    return f"sha256:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"

"""What the tests of sending share: a worker and a publisher on a real store, with a sender that obeys."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from adjourn.config import Secret
from adjourn.endpoint import lane_id, parse_endpoint
from adjourn.errors import StorageError
from adjourn.ids import Uuid7
from adjourn.models import (
    App,
    Attempt,
    Connection,
    ConnectionStatus,
    Delivery,
    DeliveryState,
    Policy,
)
from adjourn.providers.contio import ContioOptions
from adjourn.sending.apps import AppCache
from adjourn.sending.fanout import FanOut
from adjourn.sending.lanes import Lanes, Limits
from adjourn.sending.partners import Keys, NewApp, Partners
from adjourn.sending.planner import Planner
from adjourn.sending.policy import Reply
from adjourn.sending.publisher import Publisher
from adjourn.sending.retries import Retries
from adjourn.sending.sender import Request, SenderOfTasks
from adjourn.sending.submission import Submission, parse_submission
from adjourn.sending.worker import Pace, Worker
from adjourn.storage.base import (
    Claim,
    Claimed,
    Directory,
    Entry,
    KeptAnswer,
    Queue,
    Recorded,
    Result,
    RetryAsked,
)
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.vault import Vault

__all__ = [
    "DEADLINE",
    "OK",
    "FakeSender",
    "UnsteadyDirectory",
    "UnsteadyQueue",
    "World",
    "eventually",
    "world",
]

_KEY = Secret("3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
DEADLINE = 20.0  # seconds: a bound for a loaded machine, reached only when a test fails
OK = Reply(status=200)
QUICK = Pace(
    claim=0.05, between_claims=0.001, housekeeping=0.05, after_error=0.01, store_again=0.01, last_stores=1.0
)


async def eventually(condition: Callable[[], bool], *, within: float = DEADLINE) -> None:
    """Until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - it is about what has no event
            await asyncio.sleep(0.001)


class FakeSender(SenderOfTasks):
    """Answers as it is told, and remembers how much was in flight, for each origin and in all."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Reply] = lambda request: OK
        self.blocked: dict[str, asyncio.Event] = {}  # origin: until when its requests hang
        self.in_flight: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.most_in_all = 0
        self.closed = False

    async def send(self, request: Request) -> Reply:
        origin = parse_endpoint(request.url).origin
        self.requests.append(request)
        self.in_flight[origin] += 1
        self.most[origin] = max(self.most[origin], self.in_flight[origin])
        self.most_in_all = max(self.most_in_all, self.in_flight.total())
        try:
            gate = self.blocked.get(origin)
            await (gate.wait() if gate is not None else asyncio.sleep(0))
            return self.answer(request)
        finally:
            self.in_flight[origin] -= 1

    async def close(self) -> None:
        self.closed = True

    def block(self, url: str) -> asyncio.Event:
        """From now on requests to this origin hang, until the event is set."""
        gate = self.blocked[parse_endpoint(url).origin] = asyncio.Event()
        return gate

    def to(self, url: str) -> list[Request]:
        return [each for each in self.requests if each.url == url]

    def bodies(self, url: str) -> list[dict[str, Any]]:
        return [msgspec.json.decode(each.body) for each in self.to(url)]


class UnsteadyQueue:
    """A Queue that counts calls, and fails those it is told to: the next `failing[name]` of a verb."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.calls: Counter[str] = Counter()
        self.failing: Counter[str] = Counter()
        self.down: set[str] = set()
        self.error: Exception = StorageError("disk full")
        self.workers = 1  # that are alive
        self.before: dict[str, Callable[[], Awaitable[None]]] = {}

    async def _pass(self, verb: str) -> None:
        self.calls[verb] += 1
        if verb in self.before:
            await self.before[verb]()
        if verb in self.down or self.failing[verb]:
            self.failing[verb] = max(self.failing[verb] - 1, 0)
            raise self.error

    async def enlist(self, worker: str, *, lease: timedelta, floor: str = "") -> None:
        await self._pass("enlist")
        await self._queue.enlist(worker, lease=lease, floor=floor)

    async def now(self) -> datetime:
        await self._pass("now")
        return await self._queue.now()

    async def publish(self, entries: Sequence[Entry]) -> None:
        await self._pass("publish")
        await self._queue.publish(entries)

    async def claim(
        self,
        worker: str,
        *,
        room: Callable[[int, str], int],
        limit: int,
        pace: Callable[[str], int] | None = None,
    ) -> Claim:
        await self._pass("claim")
        claim = await self._queue.claim(worker, room=room, limit=limit, pace=pace)
        return msgspec.structs.replace(claim, workers=self.workers)

    async def record(self, worker: str, results: Sequence[Result]) -> Recorded:
        await self._pass("record")
        recorded = await self._queue.record(worker, results)
        await self._pass("recorded")  # failing here, its answer is lost
        return recorded

    async def give_back(self, worker: str, deliveries: Sequence[Claimed]) -> None:
        await self._pass("give_back")
        await self._queue.give_back(worker, deliveries)

    async def ask_retry(
        self,
        app_id: str,
        delivery_id: str,
        *,
        quiet: timedelta,
        keep: Callable[[RetryAsked], KeptAnswer | None],
    ) -> RetryAsked:
        await self._pass("ask_retry")
        return await self._queue.ask_retry(app_id, delivery_id, quiet=quiet, keep=keep)

    async def reap(self) -> int:
        await self._pass("reap")
        return await self._queue.reap()

    async def end(self, worker: str) -> int:
        await self._pass("end")
        return await self._queue.end(worker)

    async def discard(self, *, limit: int) -> int:
        await self._pass("discard")
        return await self._queue.discard(limit=limit)

    async def sweep(self, *, answers_before: datetime) -> None:
        await self._pass("sweep")
        await self._queue.sweep(answers_before=answers_before)


class UnsteadyDirectory:
    """The two reads of a Directory that publishing and sending make; they may fail."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.failing: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def _pass(self, verb: str) -> None:
        self.calls[verb] += 1
        if self.failing[verb]:
            self.failing[verb] -= 1
            raise StorageError("disk gone")

    async def load_apps(self, app_ids: Sequence[str]) -> list[App]:
        self._pass("load_apps")
        return await self._directory.load_apps(app_ids)

    async def connections_of(self, user_ids: Sequence[str]) -> list[Connection]:
        self._pass("connections_of")
        return await self._directory.connections_of(user_ids)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._directory, name)


class World:
    """One process's sending side. `room` tells what Lanes would let an app hold now."""

    def __init__(
        self,
        store: SqliteStore,
        *,
        limits: Limits,
        delays: Sequence[float],
        pace: Pace,
        sender: FakeSender | None = None,
        patience: float = 1.0,
        backlog_rate: float = 10_000.0,
    ) -> None:
        self.store = store
        self.sender = sender or FakeSender()
        self.queue = UnsteadyQueue(store.queue)
        self.directory = UnsteadyDirectory(store.directory)
        self.ids = Uuid7()
        self.slept = 0.0  # seconds that the machine is made to have slept
        self.current = True  # what other nodes answered is known here
        self.lanes = Lanes(limits)
        directory: Any = self.directory
        self.apps = AppCache(directory)
        self.worker = Worker(
            queue=self.queue,
            apps=self.apps,
            sender=self.sender,
            policies={
                "contio": Policy(
                    retry_delays=tuple(timedelta(seconds=each) for each in delays), old_secret_again=True
                )
            },
            lanes=self.lanes,
            ids=self.ids,
            rng=random.Random(1),
            backlog_rate=backlog_rate,
            is_current=lambda: self.current,
            pace=pace,
            clock=lambda: time.monotonic() + self.slept,
        )
        self.publisher = Publisher(
            queue=self.queue,
            planner=Planner(directory=directory, apps=self.apps, ids=self.ids),
            apps=self.apps,
            worker=self.worker,
            patience=patience,
        )
        self.partners = Partners(
            directory=directory,
            apps=self.apps,
            publisher=self.publisher,
            ids=self.ids,
            on_change=self.worker.poke,
            queue=self.queue,
        )
        self.retries = Retries(queue=self.queue, worker=self.worker)

    # arranging

    async def add(self, app_id: str, *, users: Iterable[str] = ("ana",), **options: Any) -> str:
        """An app at a URL of its own, which is returned, connected to these users."""
        url = f"https://{app_id}.example/hook"
        new = NewApp(
            name=app_id,
            company_name="Company",
            primary_contact_email="ops@example.com",
            keys=Keys.new(),
            id=app_id,
            webhook_url=url,
            options=ContioOptions(**options),
        )
        await self.partners.create_app(new)
        await self.partners.connect(app_id, [connection(app_id, user) for user in users])
        return url

    async def publish(self, user: str = "ana", *, meeting: str = "m", count: int = 1) -> list[FanOut]:
        """So many action items of a meeting, each in a request of its own."""
        return await asyncio.gather(*(self.publish_one(user, meeting, number) for number in range(count)))

    async def publish_one(self, user: str, meeting: str, number: int) -> FanOut:
        return (await self.publisher.publish([submission(user, meeting, number)]))[0]

    async def change(self, app_id: str, **fields: Any) -> App:
        return await self.partners.change_app(app_id, lambda app: msgspec.structs.replace(app, **fields))

    # asking

    async def deliveries(self, app_id: str | None = None) -> list[Delivery]:
        """Oldest first."""
        found: list[Delivery] = []
        while True:
            page, total = await self.store.log.list_deliveries(
                app_id, state=None, event_type=None, limit=1000, offset=len(found)
            )
            found += page
            if len(found) >= total:
                return found[::-1]

    async def states(self, app_id: str | None = None) -> Counter[DeliveryState]:
        return Counter(each.state for each in await self.deliveries(app_id))

    async def attempts(self, delivery: Delivery) -> list[Attempt]:
        return await self.store.log.list_attempts(delivery.id)

    async def settled(self, state: DeliveryState, count: int, app_id: str | None = None) -> list[Delivery]:
        """Until so many deliveries are in that state, and no other is."""
        async with asyncio.timeout(DEADLINE):
            while await self.states(app_id) != {state: count}:  # noqa: ASYNC110 - asked of the store
                await asyncio.sleep(0.005)
        return await self.deliveries(app_id)

    async def waiting(self) -> int:
        """How many jobs another worker could claim now; they are given back."""
        claim = await self.store.queue.claim("another", room=lambda lane, app: 10_000, limit=10_000)
        await self.store.queue.give_back("another", claim.deliveries)
        return len(claim.deliveries)

    def lane(self, app_id: str) -> int:
        return lane_id(app_id, f"https://{app_id}.example:443")

    def room(self, app_id: str) -> int:
        """What the lane could take from the store now."""
        room = self.lanes.begin_claim(self.lane(app_id), app_id)
        self.lanes.end_claim(self.lane(app_id), taken=0, asked=room)
        return room

    async def idle(self) -> None:
        """Until nothing is in flight or on its way to the store."""
        await eventually(lambda: self.lanes.held == 0 and len(self.worker.outcomes) == 0)


def connection(app_id: str, user: str) -> Connection:
    now = datetime.now(UTC)
    return Connection(
        id=f"{app_id}-{user}",
        app_id=app_id,
        user_id=user,
        user_email=f"{user}@example.com",
        status=ConnectionStatus.ACTIVE,
        created_at=now,
        updated_at=now,
    )


def submission(user: str, meeting: str, number: int) -> Submission:
    return parse_submission(
        {
            "event_type": "agenda_item.created",
            "data": {
                "agenda_item_id": f"{number}",
                "meeting_id": meeting,
                "title": f"{meeting} {number}",
                "item_type": "DISCUSSION",
                "created_at": "2025-01-15T10:30:00Z",
            },
            "audience": {"user_ids": [user]},
        }
    )


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(folder / "adjourn.db", Vault([_KEY]))
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def world(
    folder: Path,
    *,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
    delays: Sequence[float] = (0.02, 0.02, 0.02),
    pace: Pace = QUICK,
    patience: float = 1.0,
    backlog_rate: float = 10_000.0,
    start: bool = True,
) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened(folder))
        made = World(
            store, limits=limits, delays=delays, pace=pace, patience=patience, backlog_rate=backlog_rate
        )
        if start:
            await made.worker.start()
        try:
            yield made
        finally:
            made.queue.down.clear()
            made.queue.failing.clear()
            for gate in made.sender.blocked.values():
                gate.set()
            async with asyncio.timeout(DEADLINE):
                await made.worker.drain(timedelta(seconds=5))

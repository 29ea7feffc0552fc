"""A store with a clock moved by hand, and short words for what happens to it.

The contract suite knows only the ports of storage.base: a backend is a name and a way to open one.
"""

import itertools
import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec
from tests.postgres import empty_database, fetch_rows

from adjourn.config import Secret
from adjourn.endpoint import lane_id
from adjourn.ids import Uuid7
from adjourn.models import (
    App,
    AppStatus,
    Attempt,
    Audience,
    Connection,
    ConnectionStatus,
    Delivery,
    DeliveryState,
    Event,
    Outcome,
    Publication,
    Subject,
    Verdict,
    lane_target,
)
from adjourn.providers.contio import ContioOptions
from adjourn.storage.base import (
    Backlog,
    Claimed,
    Entry,
    KeptAnswer,
    KeyHashes,
    NewDelivery,
    Recorded,
    Result,
    RetryAsked,
    Step,
    Store,
)
from adjourn.storage.postgres.store import PostgresStore
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.vault import Vault

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
LEASE = timedelta(seconds=60)
MS = timedelta(milliseconds=1)
QUIET = timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
KEY = Secret("3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
VAULT = Vault([KEY])
ORIGIN = "https://example.com:443"


class Clock:
    """The store's clock, which only a test moves."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by

    def ms(self) -> int:
        return round(self.now.timestamp() * 1000)


class Backend(Protocol):
    """One kind of store, with one database of its own."""

    async def open(self, clock: Clock, *, vault: Vault = VAULT) -> Store:
        """Open the database, or open it again after it was closed."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What lies in its tables."""


class SqliteBackend:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "adjourn.db"

    async def open(self, clock: Clock, *, vault: Vault = VAULT) -> Store:
        return await SqliteStore.open(self.path, vault, clock=clock)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(sql).fetchall()


class PostgresBackend:
    """This process's database, emptied. No lease is waited for before it reaps: a test moves the clock."""

    def __init__(self, folder: Path) -> None:
        self.url = empty_database()

    async def open(self, clock: Clock, *, vault: Vault = VAULT) -> Store:
        return await PostgresStore.open(self.url, vault, clock=clock, lease=timedelta(0))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return fetch_rows(self.url, sql)


BACKENDS: dict[str, Callable[[Path], Backend]] = {"postgres": PostgresBackend, "sqlite": SqliteBackend}


def kept(scope: str = "POST /events", key: str = "k", *, at: datetime = START) -> KeptAnswer:
    return KeptAnswer(scope=scope, key=key, body_hash=b"h", status=202, body=b"{}", sealed=False, at=at)


def keep_nothing(asked: RetryAsked) -> KeptAnswer | None:
    return None


def made_app(app_id: str, *, at: datetime = START, ordered: bool = False) -> App:
    return App(
        id=app_id,
        version=1,
        provider="contio",
        name=f"App {app_id}",
        description=None,
        company_name="Company",
        client_id=f"client_{app_id}",
        primary_contact_email="contact@example.com",
        webhook_url="https://example.com/webhooks",
        webhook_enabled=True,
        webhook_filter=None,
        status=AppStatus.ACTIVE,
        slug=None,
        options=ContioOptions(ordered=ordered),
        webhook_secret=Secret(f"whsec_{app_id}"),
        created_at=at,
        updated_at=at,
    )


def credentials(app_id: str) -> KeyHashes:
    return KeyHashes(api_key_hash=f"key {app_id}".encode(), client_secret_hash=b"secret")


def connected(
    app_id: str,
    user_id: str,
    *,
    id: str = "",  # noqa: A002 - the field's name
    at: datetime = START,
    status: ConnectionStatus = ConnectionStatus.ACTIVE,
) -> Connection:
    return Connection(
        id=id,
        app_id=app_id,
        user_id=user_id,
        user_email=f"{user_id}@example.com",
        status=status,
        created_at=at,
        updated_at=at,
    )


class World:
    """An opened store, its clock, and ids as a process makes them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.ids = Uuid7(now_ms=clock.ms, bits=random.Random(7).getrandbits)
        self._numbers = itertools.count()

    # apps

    async def add_app(self, app_id: str = "app", *, ordered: bool = False) -> App:
        app = made_app(app_id, at=self.clock.now, ordered=ordered)
        await self.store.directory.add_app(app, credentials(app_id), answer=None)
        return app

    async def change(
        self,
        app_id: str = "app",
        *,
        enabled: bool | None = None,
        url: str | None = "",
        status: AppStatus | None = None,
        discard: bool = False,
        drain: bool = False,
    ) -> App:
        app = await self.store.directory.get_app(app_id)
        changed = msgspec.structs.replace(
            app,
            webhook_enabled=app.webhook_enabled if enabled is None else enabled,
            webhook_url=app.webhook_url if url == "" else url,
            status=app.status if status is None else status,
        )
        backlog = Backlog.ABANDON if discard else Backlog.DELIVER if drain else None
        return await self.store.directory.save_app(changed, backlog=backlog)

    # publishing

    def delivery(
        self,
        app_id: str = "app",
        *,
        owner: str | None = None,
        order_key: str | None = None,
        origin: str = ORIGIN,
        target: str | None = None,
        event_type: str = "meeting.created",
    ) -> NewDelivery:
        return NewDelivery(
            id=self.ids(),
            app_id=app_id,
            event_id=self.ids(),
            event_type=event_type,
            lane_id=lane_id(app_id, origin, lane_target(target)),
            origin=origin,
            target=target,
            owner=owner,
            order_key=order_key,
        )

    def entry(
        self,
        *deliveries: NewDelivery,
        versions: dict[str, int] | None = None,
        data: bytes | None = None,
        subjects: Sequence[Subject] = (),
    ) -> Entry:
        number = next(self._numbers)
        publication_id = self.ids()
        publication = Publication(
            id=publication_id,
            at=self.clock.now,
            provider="contio",
            event_type=deliveries[0].event_type if deliveries else "meeting.created",
            timestamp="2026-01-05T12:00:00Z",
            actor_user_id=None,
            audience=Audience(user_ids=("ana",)),
            data=f'{{"number":{number},"title":"Größe ☂"}}'.encode() if data is None else data,
            verdicts=tuple(
                Verdict(each.app_id, "ana", Outcome.SENT, each.event_id, (each.id,)) for each in deliveries
            ),
        )
        events = [
            Event(
                id=each.event_id,
                publication_id=publication_id,
                app_id=each.app_id,
                user_id="ana",
                head=b'{"event_id":"' + each.event_id.encode() + b'","data":',
            )
            for each in deliveries
        ]
        return Entry(
            publication=publication,
            events=events,
            deliveries=deliveries,
            app_versions=versions or {},
            subjects=subjects,
        )

    async def publish(self, *deliveries: NewDelivery) -> list[str]:
        """Store each delivery with a publication of its own; their ids."""
        await self.store.queue.publish([self.entry(each) for each in deliveries])
        return [each.id for each in deliveries]

    async def publish_waiting(self, app_id: str = "app", *, order_key: str | None = None) -> str:
        (delivery_id,) = await self.publish(self.delivery(app_id, order_key=order_key))
        return delivery_id

    async def publish_held(
        self, worker: str = "w1", app_id: str = "app", *, data: bytes | None = None
    ) -> Claimed:
        """Publish one that its worker sends from memory."""
        new = self.delivery(app_id, owner=worker)
        entry = self.entry(new, data=data)
        await self.store.queue.publish([entry])
        return Claimed(
            id=new.id,
            app_id=app_id,
            lane_id=new.lane_id,
            event_id=new.event_id,
            event_type=new.event_type,
            body=entry.events[0].head + entry.publication.data + b"}",
            target=new.target,
        )

    # moving

    async def enlist(self, worker: str = "w1", *, floor: str | None = None) -> None:
        await self.store.queue.enlist(worker, lease=LEASE, floor=self.ids.floor() if floor is None else floor)

    async def claim(self, worker: str = "w1", *, room: int = 100, limit: int = 500) -> list[Claimed]:
        return list(
            (await self.store.queue.claim(worker, room=lambda lane, app: room, limit=limit)).deliveries
        )

    async def claim_one(self, worker: str = "w1") -> Claimed:
        (claimed,) = await self.claim(worker)
        return claimed

    async def next_wake(self, worker: str = "w1") -> datetime | None:
        return (await self.store.queue.claim(worker, room=lambda lane, app: 0, limit=500)).next_wake

    async def record(self, *results: Result, worker: str = "w1") -> Recorded:
        return await self.store.queue.record(worker, results)

    async def ask(self, delivery_id: str, app_id: str = "app") -> RetryAsked:
        return await self.store.queue.ask_retry(app_id, delivery_id, quiet=QUIET, keep=keep_nothing)

    # what an attempt came to

    def result(self, claimed: Claimed, step: Step, *, status: int | None) -> Result:
        attempt = Attempt(
            delivery_id=claimed.id,
            no=claimed.attempt_no + 1,
            at=self.clock.now,
            duration_ms=12,
            http_status=status,
            error="" if status == 200 else f"answered {status}",
            response="body",
            response_headers={"x-id": "1"},
        )
        return Result(claimed=claimed, attempt=attempt, step=step)

    def success(self, claimed: Claimed) -> Result:
        step = Step(state=DeliveryState.DELIVERED, retry_count=claimed.retry_count)
        return self.result(claimed, step, status=200)

    def failure(self, claimed: Claimed, *, retry_in: timedelta = MINUTE) -> Result:
        count = claimed.retry_count + (claimed.state is DeliveryState.FAILED)
        step = Step(state=DeliveryState.FAILED, retry_count=count, retry_at=self.clock.now + retry_in)
        return self.result(claimed, step, status=500)

    def last_failure(self, claimed: Claimed, *, gone_url: str | None = None) -> Result:
        step = Step(
            state=DeliveryState.ABANDONED,
            retry_count=claimed.retry_count,
            gone_url=gone_url,
            exhausted=gone_url is None,
        )
        return self.result(claimed, step, status=500 if gone_url is None else 410)

    def extra_failure(self, claimed: Claimed) -> Result:
        """A manual attempt that failed: it leaves state and schedule as they were."""
        step = Step(state=DeliveryState.PENDING, retry_count=claimed.retry_count)
        return self.result(claimed, step, status=502)

    # what there is

    async def get(self, delivery_id: str) -> Delivery:
        return await self.store.log.get_delivery(None, delivery_id)

    async def state(self, delivery_id: str) -> DeliveryState:
        return (await self.get(delivery_id)).state

    async def attempts(self, delivery_id: str) -> list[int]:
        return [each.no for each in await self.store.log.list_attempts(delivery_id)]

    async def finished_after(self, claimed: Claimed, outcome: DeliveryState) -> Delivery:
        """Record the end of a delivery that w1 holds."""
        ends = {DeliveryState.DELIVERED: self.success, DeliveryState.ABANDONED: self.last_failure}
        await self.record(ends[outcome](claimed))
        return await self.get(claimed.id)


def ids_of(claimed: Sequence[Claimed]) -> list[str]:
    return [each.id for each in claimed]

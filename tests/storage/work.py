"""What lies in a queue of ours, whatever it is: short words for deliveries and receipts alike.

test_work_contract.py knows only `storage.base.WorkQueue` and these.
"""

import abc
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace
from tests.postgres import empty_database
from tests.storage.harness import BACKENDS, LEASE, MINUTE, Backend, Clock, World

from adjourn.models import DeliveryState, Handling, Receipt, ReceiptState
from adjourn.storage.base import Handled, Kept, NewReceipt, ReceiptFilter, Receipts, WorkQueue
from adjourn.storage.inbox import open_receipts


class State(StrEnum):
    WAITING = "waiting"
    FAILED = "failed"
    DONE = "done"
    DEAD = "dead"


class Look(NamedTuple):
    """What is on record of one. `due`: when it is tried again. `done_at`: of its success."""

    state: State
    attempt_no: int
    retry_count: int
    due: datetime | None
    done_at: datetime | None
    error: str


class Work(abc.ABC):
    """An opened queue, its clock, and what happens to it. What was claimed is known by `name`."""

    clock: Clock

    @property
    @abc.abstractmethod
    def queue(self) -> WorkQueue[Any, Any]: ...

    @abc.abstractmethod
    async def put(self) -> str:
        """Let one wait, due now; its name."""

    @abc.abstractmethod
    async def claim(self, worker: str = "w1", *, limit: int = 500) -> list[Any]: ...

    @abc.abstractmethod
    async def next_due(self) -> datetime | None:
        """What a claim tells of the next, while nothing is due."""

    @abc.abstractmethod
    def name(self, held: Any) -> str: ...

    @abc.abstractmethod
    def success(self, held: Any, *, retry_count: int | None = None) -> Any: ...

    @abc.abstractmethod
    def failure(self, held: Any, *, retry_in: timedelta = MINUTE) -> Any: ...

    @abc.abstractmethod
    def last_failure(self, held: Any) -> Any: ...

    @abc.abstractmethod
    async def look(self, name: str) -> Look: ...

    @abc.abstractmethod
    async def list_attempts(self, name: str) -> Sequence[Any]: ...

    @abc.abstractmethod
    async def reopen(self) -> None:
        """As a process does that starts after this one."""

    @abc.abstractmethod
    async def close(self) -> None: ...

    async def claim_one(self, worker: str = "w1") -> Any:
        (held,) = await self.claim(worker)
        return held

    async def enlist(self, worker: str = "w1") -> None:
        await self.queue.enlist(worker, lease=LEASE)

    async def record(self, *results: Any, worker: str = "w1") -> None:
        await self.queue.record(worker, results)

    async def state(self, name: str) -> State:
        return (await self.look(name)).state

    async def attempts(self, name: str) -> list[int]:
        return [each.no for each in await self.list_attempts(name)]

    def names(self, held: Sequence[Any]) -> list[str]:
        return [self.name(each) for each in held]


class Deliveries(Work):
    """Of one app: to be claimed, as they are once they wait for a retry or for another process."""

    _STATES = {  # noqa: RUF012
        DeliveryState.PENDING: State.WAITING,
        DeliveryState.FAILED: State.FAILED,
        DeliveryState.DELIVERED: State.DONE,
        DeliveryState.ABANDONED: State.DEAD,
    }

    def __init__(self, backend: Backend, world: World) -> None:
        self.clock = world.clock
        self._backend = backend
        self._world = world

    @classmethod
    async def open(cls, backend: Backend) -> "Deliveries":
        clock = Clock()
        world = World(await backend.open(clock), clock)
        await world.add_app()
        return cls(backend, world)

    @property
    def queue(self) -> WorkQueue[Any, Any]:
        return self._world.store.queue

    async def put(self) -> str:
        return await self._world.publish_waiting()

    async def claim(self, worker: str = "w1", *, limit: int = 500) -> list[Any]:
        return await self._world.claim(worker, room=limit, limit=limit)

    async def next_due(self) -> datetime | None:
        return await self._world.next_wake()

    def name(self, held: Any) -> str:
        return str(held.id)

    def success(self, held: Any, *, retry_count: int | None = None) -> Any:
        result = self._world.success(held)
        if retry_count is None:
            return result
        return replace(result, step=replace(result.step, retry_count=retry_count))

    def failure(self, held: Any, *, retry_in: timedelta = MINUTE) -> Any:
        return self._world.failure(held, retry_in=retry_in)

    def last_failure(self, held: Any) -> Any:
        return self._world.last_failure(held)

    async def look(self, name: str) -> Look:
        found = await self._world.get(name)
        return Look(
            self._STATES[found.state],
            found.attempt_no,
            found.retry_count,
            found.next_retry_at,
            found.delivered_at,
            found.error,
        )

    async def list_attempts(self, name: str) -> Sequence[Any]:
        return await self._world.store.log.list_attempts(name)

    async def reopen(self) -> None:
        await self.close()
        self._world.store = await self._backend.open(self.clock)

    async def close(self) -> None:
        await self._world.store.close()


class Inbox(Work):
    """Receipts, unordered unless one is given a key."""

    _STATES = {  # noqa: RUF012
        ReceiptState.NEW: State.WAITING,
        ReceiptState.FAILED: State.FAILED,
        ReceiptState.HANDLED: State.DONE,
        ReceiptState.DEAD: State.DEAD,
    }

    def __init__(self, url: str, receipts: Receipts, clock: Clock, *, source: str) -> None:
        self.url = url
        self.receipts = receipts
        self.clock = clock
        self._source = source
        self._numbers = itertools.count(1)

    @classmethod
    async def open(cls, url: str, clock: Clock | None = None, *, source: str = "event") -> "Inbox":
        """`source`: what the ids of its events begin with."""
        clock = clock or Clock()
        return cls(url, await open_receipts(url, clock=clock), clock, source=source)

    @property
    def queue(self) -> WorkQueue[Any, Any]:
        return self.receipts

    # receiving

    def new(
        self,
        event_id: str | None = None,
        *,
        order_key: str | None = None,
        provider: str = "contio",
        event_type: str = "meeting.completed",
    ) -> NewReceipt:
        event_id = event_id or f"{self._source}-{next(self._numbers)}"
        return NewReceipt(
            provider=provider,
            id=event_id,
            event_type=event_type,
            order_key=order_key,
            scheme="standard",
            profile="documented",
            received_at=self.clock.now,
            body=f'{{"id":"{event_id}","title":"Größe ☂"}}'.encode(),
        )

    async def keep(self, *given: NewReceipt) -> list[Kept]:
        return await self.receipts.keep(given)

    async def put(self, *, order_key: str | None = None) -> str:
        (kept,) = await self.keep(self.new(order_key=order_key))
        return str(kept.seq)

    async def put_many(self, count: int, *, order_key: str | None = None) -> list[str]:
        return [
            str(each.seq) for each in await self.keep(*(self.new(order_key=order_key) for _ in range(count)))
        ]

    # handling

    async def claim(self, worker: str = "w1", *, limit: int = 500) -> list[Any]:
        return list((await self.receipts.claim(worker, limit=limit)).receipts)

    async def next_due(self) -> datetime | None:
        return (await self.receipts.claim("w1", limit=0)).next_due

    def name(self, held: Any) -> str:
        return str(held.seq)

    def success(
        self, held: Receipt, *, retry_count: int | None = None, done: tuple[str, ...] = ()
    ) -> Handled:
        count = held.retry_count if retry_count is None else retry_count
        return self._handled(held, ReceiptState.HANDLED, count, done=done)

    def failure(
        self,
        held: Receipt,
        *,
        retry_in: timedelta = MINUTE,
        done: tuple[str, ...] = (),
        error: str = "ValueError",
    ) -> Handled:
        count = held.retry_count + (held.state is ReceiptState.FAILED)
        due = self.clock.now + retry_in
        return self._handled(held, ReceiptState.FAILED, count, due=due, done=done, error=error)

    def last_failure(self, held: Receipt) -> Handled:
        return self._handled(held, ReceiptState.DEAD, held.retry_count, error="DeadLetter")

    def _handled(
        self,
        held: Receipt,
        state: ReceiptState,
        retry_count: int,
        *,
        due: datetime | None = None,
        done: tuple[str, ...] = (),
        error: str = "",
    ) -> Handled:
        attempt = Handling(no=held.attempt_no + 1, at=self.clock.now, duration_ms=12, error=error)
        return Handled(
            receipt=held, attempt=attempt, state=state, retry_count=retry_count, due=due, done=done
        )

    # what there is

    async def get(self, name: str) -> Receipt:
        return await self.receipts.get(int(name))

    async def look(self, name: str) -> Look:
        found = await self.get(name)
        waits = found.state in (ReceiptState.FAILED, ReceiptState.DEAD)
        return Look(
            self._STATES[found.state],
            found.attempt_no,
            found.retry_count,
            found.due if waits else None,  # a new one is due since it came
            found.handled_at,
            found.error,
        )

    async def list_attempts(self, name: str) -> Sequence[Any]:
        return await self.receipts.list_attempts(int(name))

    async def seqs(self, **wanted: Any) -> list[int]:
        return [each.seq for each in await self.receipts.list_receipts(ReceiptFilter(**wanted), limit=100)]

    async def reopen(self) -> None:
        await self.close()
        self.receipts = await open_receipts(self.url, clock=self.clock)

    async def close(self) -> None:
        await self.receipts.close()


def inbox_url(kind: str, folder: Path) -> str:
    """Of an empty database of that kind."""
    return empty_database() if kind == "postgres" else f"sqlite:///{folder / 'inbox.db'}"


async def open_work(what: str, kind: str, folder: Path) -> Work:
    if what == "deliveries":
        return await Deliveries.open(BACKENDS[kind](folder))
    return await Inbox.open(inbox_url(kind, folder))

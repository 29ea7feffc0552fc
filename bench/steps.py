"""Steps of the store, timed in this process: publishing, claiming, recording."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from adjourn.models import Attempt, Audience, DeliveryState, Event, Outcome, Publication, Verdict
from adjourn.storage.base import Claimed, Entry, NewDelivery, Queue, Result, Step
from adjourn.wiring import Engine
from bench.engines import engine_on
from bench.machine import cpu_of

__all__ = ["CLAIMED", "Cost", "churn", "claim_cold", "publish"]

CLAIMED = 200  # deliveries at a time
_ROOM = 4  # of a lane: a claim is of 50 lanes, however many wait in each
_CHURN = 15  # claims and recordings: their dead index entries lie in the way of later ones
_BATCHES, _BATCH = 30, 200  # published
_LEASE = timedelta(hours=1)

_Pid = Callable[[], int]
"""The database's process."""


class Cost(msgspec.Struct, frozen=True):
    """Of `rows` in all. `took`: seconds of each step; CPU in seconds."""

    rows: int
    took: Sequence[float]
    own_cpu: float
    database_cpu: float | None


class _Watch:
    """Sums up what steps cost."""

    def __init__(self, database: _Pid | None) -> None:
        self._database = database
        self._own = time.process_time()
        self._other = 0.0 if database is None else cpu_of(database())
        self.took: list[float] = []

    def cost(self, rows: int) -> Cost:
        other = None if self._database is None else cpu_of(self._database()) - self._other
        return Cost(rows, self.took, time.process_time() - self._own, other)


async def publish(url: str, database: _Pid | None) -> Cost:
    """Batches of events, each delivery owned from the start: the straight path. CPU with that of planning."""
    async with engine_on(url) as engine:
        queue, worker = engine.store.queue, engine.ids()
        await queue.enlist(worker, lease=_LEASE, floor=engine.ids.floor())
        lane = await _own_lane(engine)
        batches = [[_entry(engine, worker, lane) for _ in range(_BATCH)] for _ in range(_BATCHES + 1)]
        await queue.publish(batches.pop())  # makes the lane, and the plans
        watch = _Watch(database)
        for batch in batches:
            began = time.perf_counter()
            await queue.publish(batch)
            watch.took.append(time.perf_counter() - began)
        return watch.cost(_BATCHES * _BATCH)


async def churn(url: str, has_room: Callable[[str], bool], database: _Pid | None) -> Cost:
    """Claim and record, again and again; the cost is that of claiming and recording a delivery."""
    async with engine_on(url) as engine:
        queue, worker = engine.store.queue, engine.ids()
        await queue.enlist(worker, lease=_LEASE, floor=engine.ids.floor())
        watch, rows = _Watch(database), 0
        for _ in range(_CHURN):
            began = time.perf_counter()
            claimed = await _claim(queue, worker, has_room, CLAIMED)
            watch.took.append(time.perf_counter() - began)
            await queue.record(worker, [_delivered(each) for each in claimed])
            rows += len(claimed)
        return watch.cost(rows)


async def claim_cold(url: str, has_room: Callable[[str], bool]) -> float:
    """Seconds of one claim; another, of one delivery, came first, for the connection and the plans."""
    async with engine_on(url) as engine:
        queue, worker = engine.store.queue, engine.ids()
        await queue.enlist(worker, lease=_LEASE, floor=engine.ids.floor())
        await _claim(queue, worker, has_room, 1)
        began = time.perf_counter()
        await _claim(queue, worker, has_room, CLAIMED)
        return time.perf_counter() - began


async def _claim(queue: Queue, worker: str, has_room: Callable[[str], bool], count: int) -> Sequence[Claimed]:
    """Raises RuntimeError when it brings fewer."""

    def room(_: int, app_id: str) -> int:
        return _ROOM if has_room(app_id) else 0

    claim = await queue.claim(worker, room=room, limit=count)
    if len(claim.deliveries) != count:
        raise RuntimeError(f"a claim of {count} brought {len(claim.deliveries)}")
    return claim.deliveries


def _delivered(claimed: Claimed) -> Result:
    attempt = Attempt(
        delivery_id=claimed.id,
        no=claimed.attempt_no + 1,
        at=datetime.now(UTC),
        duration_ms=3,
        http_status=200,
        error="",
        response="",
    )
    return Result(claimed=claimed, attempt=attempt, step=Step(state=DeliveryState.DELIVERED, retry_count=0))


class _Lane(msgspec.Struct, frozen=True):
    id: int
    app_id: str
    version: int
    origin: str


async def _own_lane(engine: Engine) -> _Lane:
    """One of an app with nothing that waits."""
    app = await engine.store.directory.get_app("template")
    return _Lane(1, app.id, app.version, "http://127.0.0.1:1")


def _entry(engine: Engine, worker: str, lane: _Lane) -> Entry:
    publication_id, event_id, delivery_id = engine.ids(), engine.ids(), engine.ids()
    verdict = Verdict(lane.app_id, "template", Outcome.SENT, event_id, (delivery_id,))
    return Entry(
        publication=Publication(
            id=publication_id,
            at=datetime.now(UTC),
            provider="contio",
            event_type="meeting.completed",
            timestamp="2026-01-15T10:30:00.000Z",
            actor_user_id=None,
            audience=Audience(user_ids=("template",)),
            data=b'{"title":"' + b"x" * 200 + b'"}',
            verdicts=(verdict,),
        ),
        events=[
            Event(
                id=event_id,
                publication_id=publication_id,
                app_id=lane.app_id,
                user_id="template",
                head=b'{"event_id":"' + b"x" * 250 + b'","data":',
            )
        ],
        deliveries=[
            NewDelivery(
                id=delivery_id,
                app_id=lane.app_id,
                event_id=event_id,
                event_type="meeting.completed",
                lane_id=lane.id,
                origin=lane.origin,
                target=None,
                owner=worker,
                order_key=None,
            )
        ],
        app_versions={lane.app_id: lane.version},
    )

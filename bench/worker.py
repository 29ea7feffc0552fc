"""What the engine costs around the sender: the worker over a queue in memory, and SQLite's part, by row.

    python -m bench.worker [--count 20000] [--rounds 4] [--hosts 1]

The worker signs, sends to a receiver of another process, decides, and hands its outcomes to a queue that
forgets them. Then batches of events with a delivery each are published to a fresh SQLite file and recorded as
delivered. CPU of this process (user + system), the least of the rounds.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from adjourn.config import Secret
from adjourn.ids import Uuid7
from adjourn.models import Attempt, Audience, DeliveryState, Event, Outcome, Policy, Publication, Verdict
from adjourn.sending.addresses import AddressRule
from adjourn.sending.apps import AppCache
from adjourn.sending.http1 import Http1Sender
from adjourn.sending.lanes import Lanes, Limits
from adjourn.sending.worker import Worker
from adjourn.storage.base import Claim, Claimed, Entry, NewDelivery, Recorded, Result, Step
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.vault import Vault
from bench.sending import BODY, bench_app, receiver

_AT_A_TIME = 64
_MANY = 1_000_000  # a limit that is none
_KEY = Secret("3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
_HEADERS = {"server": "nginx/1.22.1", "date": "Sat, 21 Nov 2026 16:37:49 GMT", "content-length": "0"}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--hosts", type=int, default=1)
    options = parser.parse_args(argv)
    with receiver() as port:
        cost = uvloop.run(_worker(port, options))
    sys.stdout.write(f"worker, signing, sender, {options.hosts} hosts: {cost:6.1f} us a delivery\n")
    for batch in (50, 200):
        publish, record = uvloop.run(_sqlite(batch, options))
        sys.stdout.write(
            f"SQLite, batches of {batch}: publish {publish:6.1f} us a row, record {record:6.1f}\n"
        )
    return 0


class _Forgetful:
    """As much of a Queue as a worker needs to send from memory."""

    def __init__(self) -> None:
        self.recorded = 0

    async def now(self) -> datetime:
        return datetime.now(UTC)

    async def claim(self, worker: str, **how: object) -> Claim:
        return Claim([], None, {})

    async def record(self, worker: str, results: Sequence[Result]) -> Recorded:
        if any(each.step.state is not DeliveryState.DELIVERED for each in results):
            raise RuntimeError(results[0].attempt.error)
        self.recorded += len(results)
        return Recorded()

    async def _nothing(self, *given: object, **named: object) -> int:
        return 0

    enlist = reap = discard = sweep = give_back = _nothing


async def _worker(port: int, options: argparse.Namespace) -> float:
    queue: Any = _Forgetful()
    directory: Any = None
    apps = AppCache(directory)
    for number in range(options.hosts):
        url = f"http://127.0.1.{number + 1}:{port}/webhooks/adjourn"
        apps.put(msgspec.structs.replace(bench_app(), id=f"app_{number}", webhook_url=url))
    sender = Http1Sender(AddressRule([ip_network("127.0.0.0/8")]))
    lanes = Lanes(Limits(total=_MANY, start=_MANY, most=_MANY, app=_MANY))
    worker = Worker(
        queue=queue,
        apps=apps,
        sender=sender,
        policies={"contio": Policy(retry_delays=())},
        lanes=lanes,
        ids=Uuid7(),
        rng=random.Random(1),
    )
    claimed = [_claimed(number, options.hosts) for number in range(options.count)]
    await worker.start()

    async def deliver() -> None:
        until = queue.recorded + len(claimed)
        for first in range(0, len(claimed), _AT_A_TIME):
            for each in claimed[first : first + _AT_A_TIME]:
                worker.try_hold(each.id, each.lane_id, each.app_id)
                worker.take(each)
            while lanes.held > _AT_A_TIME // 4:  # noqa: ASYNC110 - it is about a busy loop
                await asyncio.sleep(0)
        while queue.recorded < until:  # noqa: ASYNC110
            await asyncio.sleep(0)

    await deliver()  # opens the connections
    costs = [await _cost(deliver) for _ in range(options.rounds)]
    await worker.drain(timedelta(0))
    await sender.close()
    return min(costs) / len(claimed)


def _claimed(number: int, hosts: int) -> Claimed:
    host = number % hosts
    event_id = f"0198f1f6-7c3e-7000-8000-{number:012x}"
    return Claimed(
        id=event_id, app_id=f"app_{host}", lane_id=host, event_id=event_id, event_type="t", body=BODY
    )


async def _cost(run: Callable[[], Any]) -> float:
    """Microseconds."""
    before = time.process_time()
    await run()
    return (time.process_time() - before) * 1e6


async def _sqlite(batch: int, options: argparse.Namespace) -> tuple[float, float]:
    ids = Uuid7()
    worker = ids()
    publishing: list[float] = []
    recording: list[float] = []
    with tempfile.TemporaryDirectory(prefix="adjourn-bench-") as folder:
        store = await SqliteStore.open(Path(folder, "bench.db"), Vault([_KEY]))
        await store.queue.enlist(worker, lease=timedelta(seconds=60), floor=ids.floor())
        for _ in range(options.rounds * 20):
            entries = [_entry(ids, worker) for _ in range(batch)]
            publishing.append(await _cost(lambda: store.queue.publish(entries)))  # noqa: B023 - at once
            results = [_result(each.deliveries[0]) for each in entries]
            recording.append(await _cost(lambda: store.queue.record(worker, results)))  # noqa: B023
        await store.close()
    return min(publishing) / batch, min(recording) / batch


def _entry(ids: Uuid7, worker: str) -> Entry:
    publication = Publication(
        id=ids(),
        at=datetime.now(UTC),
        provider="contio",
        event_type="meeting.completed",
        timestamp="2025-01-15T10:30:00Z",
        actor_user_id=None,
        audience=Audience(user_ids=("user-1",)),
        data=BODY[:200],
        verdicts=(Verdict("app_1", "user-1", Outcome.SENT, ids(), (ids(),)),),
    )
    event = Event(id=ids(), publication_id=publication.id, app_id="app_1", user_id="user-1", head=BODY[:300])
    delivery = NewDelivery(
        id=ids(),
        app_id="app_1",
        event_id=event.id,
        event_type="meeting.completed",
        lane_id=7,
        origin="https://hooks.example:443",
        target=None,
        owner=worker,
        order_key=None,
    )
    return Entry(publication=publication, events=[event], deliveries=[delivery], app_versions={})


def _result(delivery: NewDelivery) -> Result:
    return Result(
        claimed=Claimed(
            id=delivery.id,
            app_id=delivery.app_id,
            lane_id=delivery.lane_id,
            event_id=delivery.event_id,
            event_type=delivery.event_type,
            body=b"",
        ),
        attempt=Attempt(
            delivery_id=delivery.id,
            no=1,
            at=datetime.now(UTC),
            duration_ms=3,
            http_status=200,
            error="",
            response="",
            response_headers=_HEADERS,
        ),
        step=Step(state=DeliveryState.DELIVERED, retry_count=0),
    )


if __name__ == "__main__":
    sys.exit(main())

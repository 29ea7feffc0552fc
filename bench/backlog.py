"""What a long backlog costs: abandoned or delivered, and what another app notices of it meanwhile.

    python -m bench.backlog [--pending 100000] [--json]

One engine in this process, on a fresh database, with an endpoint on loopback beside it. One app is disabled
and gets the backlog; another app publishes one event each 10 ms all the time. Side by side: how long the
other app's 202 takes before, while the backlog is abandoned, and while it is delivered.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

from adjourn.config import Secret, Settings
from adjourn.models import Connection, ConnectionStatus, DeliveryState, DisabledBy
from adjourn.sending.partners import Keys, NewApp
from adjourn.sending.submission import Submission, parse_submission
from adjourn.storage.base import Backlog
from adjourn.testing import LocalEndpoint, local_endpoint
from adjourn.wiring import Engine, open_engine

_BATCH = 1000  # events in a request
_WATCHED = 5.0  # seconds


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pending", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    rows = [asyncio.run(_measure(each, options.pending)) for each in Backlog]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    heads = ("answered ms", "rows after s", "delivered/s", "p99 ms before", "p99 ms meanwhile")
    print(f"{'':10}" + "".join(f"{head:>18}" for head in heads))
    for row in rows:
        values = [
            row[each]
            for each in (
                "answered_ms",
                "rows_after_s",
                "delivered_per_s",
                "p99_before_ms",
                "p99_meanwhile_ms",
            )
        ]
        print(
            f"{row['disposition']:10}"
            + "".join(f"{'-' if each is None else f'{each:.1f}':>18}" for each in values)
        )
    return 0


async def _measure(disposition: Backlog, pending: int) -> dict[str, Any]:
    async with local_endpoint() as endpoint, _engine(endpoint) as engine, asyncio.TaskGroup() as group:
        await engine.partners.disable("backlog", DisabledBy.PARTNER)
        for _ in range(max(pending // _BATCH, 1)):
            await engine.publisher.publish([_event("ana")] * min(_BATCH, pending))
        took: list[float] = []
        probe = group.create_task(_probe(engine, took))
        await asyncio.sleep(_WATCHED / 2)
        before = _p99(took)
        took.clear()
        began = time.perf_counter()
        await engine.partners.enable("backlog", disposition)
        answered = time.perf_counter() - began
        rows_after, rate = None, None
        if disposition is Backlog.ABANDON:
            await _until_moved(engine)
            rows_after = time.perf_counter() - began
        else:
            rate = await _rate(endpoint)
        probe.cancel()
        return {
            "disposition": str(disposition),
            "pending": pending,
            "answered_ms": answered * 1000,
            "rows_after_s": rows_after,
            "delivered_per_s": rate,
            "p99_before_ms": before * 1000,
            "p99_meanwhile_ms": _p99(took) * 1000,
        }


@asynccontextmanager
async def _engine(endpoint: LocalEndpoint) -> AsyncIterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            database_url=f"sqlite:///{folder}/adjourn.db",
            platform_key=Secret("pk_bench"),
            allow_networks=(ip_network("127.0.0.0/8"),),
        )
        engine = await open_engine(settings)
        await engine.start()
        try:
            for app_id, user_id in (("backlog", "ana"), ("other", "eve")):
                await _add(engine, app_id, user_id, f"{endpoint.url}/{app_id}")
            yield engine
        finally:
            await engine.stop()


async def _add(engine: Engine, app_id: str, user_id: str, url: str) -> None:
    new = NewApp(
        name=app_id,
        company_name="Bench",
        primary_contact_email="bench@example.com",
        keys=Keys.new(),
        id=app_id,
        webhook_url=url,
    )
    await engine.partners.create_app(new)
    now = datetime.now(UTC)
    connection = Connection(
        id=user_id,
        app_id=app_id,
        user_id=user_id,
        user_email=f"{user_id}@example.com",
        status=ConnectionStatus.ACTIVE,
        created_at=now,
        updated_at=now,
    )
    await engine.partners.connect(app_id, [connection])


def _event(user_id: str) -> Submission:
    data = {
        "meeting_id": "mtg-1",
        "workspace_id": "ws-1",
        "title": "Weekly Team Sync",
        "completed_at": "2026-01-15T10:30:00Z",
    }
    return parse_submission(
        {"event_type": "meeting.completed", "data": data, "audience": {"user_ids": [user_id]}}
    )


async def _probe(engine: Engine, took: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await engine.publisher.publish([_event("eve")])
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)


async def _until_moved(engine: Engine) -> None:
    while True:
        _, left = await engine.store.log.list_deliveries(
            "backlog", state=DeliveryState.PENDING, event_type=None, limit=1, offset=0
        )
        if not left:
            return
        await asyncio.sleep(0.1)


async def _rate(endpoint: LocalEndpoint) -> float:
    def arrived() -> int:
        return sum(each.path == "/backlog" for each in endpoint.received)

    before = arrived()
    await asyncio.sleep(_WATCHED)
    return (arrived() - before) / _WATCHED


def _p99(took: Sequence[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


if __name__ == "__main__":
    raise SystemExit(main())

"""What a long backlog costs when its app is enabled again, and what another app notices of it meanwhile.

One app is disabled and gets the backlog; another publishes one event each 10 ms all the time. The rows tell
how long that one's publishing takes: before, while the backlog is abandoned, and while it is delivered.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from adjourn.models import DeliveryState, DisabledBy
from adjourn.storage.base import Backlog
from adjourn.testing import LocalEndpoint, local_endpoint
from adjourn.wiring import Engine
from bench.bench import Bench, Scale
from bench.engines import add_app, engine_on, event_for
from bench.latency import percentile
from bench.row import Row

__all__ = ["measure_enabling"]

_BATCH = 1000  # events in a request
_EVERY = 0.01  # seconds


def measure_enabling(bench: Bench) -> Iterator[Row]:
    for disposition in Backlog:
        bench.say(f"enabling an app: {bench.scale.moved:,} deliveries wait, {disposition}")
        with bench.database("sqlite") as url:
            yield from asyncio.run(_measure(url, disposition, bench.scale))


async def _measure(url: str, disposition: Backlog, scale: Scale) -> list[Row]:
    waiting = scale.moved
    async with local_endpoint() as endpoint, engine_on(url) as engine:
        await engine.start()
        for app_id, user_id in (("backlog", "ana"), ("other", "eve")):
            await add_app(engine, app_id, user_id, f"{endpoint.url}/{app_id}")
        await engine.partners.disable("backlog", DisabledBy.PARTNER)
        for _ in range(max(waiting // _BATCH, 1)):
            await engine.publisher.publish([event_for("ana")] * min(_BATCH, waiting))
        took: list[float] = []
        other = asyncio.create_task(_publish(engine, took))
        await asyncio.sleep(scale.half_load)
        before = _row(f"before it is enabled ({disposition})", took, per_s=None)
        took.clear()
        await engine.partners.enable("backlog", disposition)
        if disposition is Backlog.ABANDON:
            per_s = await _abandoned_per_s(engine, waiting)
        else:
            per_s = await _delivered_per_s(endpoint, scale.half_load)
        other.cancel()
        with suppress(asyncio.CancelledError):
            await other
        return [before, _row(f"meanwhile, {waiting:,} ({disposition})", took, per_s=per_s)]


def _row(name: str, took: Sequence[float], *, per_s: float | None) -> Row:
    ms = sorted(each * 1e3 for each in took)
    return Row(part="enabling", name=name, per_s=per_s, p50_ms=percentile(ms, 50), p99_ms=percentile(ms, 99))


async def _publish(engine: Engine, took: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await engine.publisher.publish([event_for("eve")])
        took.append(time.perf_counter() - began)
        await asyncio.sleep(_EVERY)


async def _abandoned_per_s(engine: Engine, waiting: int) -> float:
    began = time.perf_counter()
    left = waiting
    while left:
        await asyncio.sleep(0.1)
        _, left = await engine.store.log.list_deliveries(
            "backlog", state=DeliveryState.PENDING, event_type=None, limit=1, offset=0
        )
    return waiting / (time.perf_counter() - began)


async def _delivered_per_s(endpoint: LocalEndpoint, seconds: float) -> float:
    """It is paced: ADJOURN_BACKLOG_RATE."""

    def arrived() -> int:
        return sum(each.path == "/backlog" for each in endpoint.received)

    before = arrived()
    await asyncio.sleep(seconds)
    return (arrived() - before) / seconds

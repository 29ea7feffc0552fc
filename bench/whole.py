"""(c), (d) and (e): events published over HTTP, stored, signed, sent to nginx and recorded."""

import time
from collections.abc import Iterator

import msgspec

from bench.bench import Bench
from bench.latency import Latency, measure_latency
from bench.machine import cpu_of, memory_of
from bench.receivers import Endpoint, Nginx, endpoint
from bench.row import Row
from bench.server import Server, Setup, serving
from bench.ways import KEY, USERS, WAYS, Way
from bench.wrk import run_wrk

__all__ = ["Measured", "measure_whole", "settle", "throughput"]

_QUIET = 0.5  # seconds without an arrival: all that was accepted has arrived, and is recorded
_LOOK_EVERY = 0.05
_FAST = [f"fast-{number}" for number in range(USERS)]
_NOTED = [f"noted-{number}" for number in range(USERS)]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """CPU in seconds."""

    deliveries: int
    seconds: float
    app_cpu: float
    database_cpu: float | None  # None: the database is in the app's process
    wal_bytes: int | None

    @property
    def app_us(self) -> float:
        return self.app_cpu / self.deliveries * 1e6

    @property
    def database_us(self) -> float | None:
        return None if self.database_cpu is None else self.database_cpu / self.deliveries * 1e6


def measure_whole(bench: Bench, part: str, setup: Setup) -> Iterator[Row]:
    """A row for each way, one after the other on a fresh database and server."""
    with (
        bench.database(setup.store) as database_url,
        serving(setup, database_url, bench.folder) as server,
        endpoint(bench.folder, "--note") as noting,
    ):
        server.add_apps(_FAST, bench.nginx.url)
        server.add_apps(_NOTED, noting.url)
        for way in WAYS:
            yield _measure(bench, part, (setup, server), way, noting)


def _measure(bench: Bench, part: str, run: tuple[Setup, Server], way: Way, noting: Endpoint) -> Row:
    setup, server = run
    scale = bench.scale
    bench.say(f"{setup.name}, {way.name}: warming up")
    if setup.store == "postgres":
        bench.postgres.run("CHECKPOINT")  # so that the warm-up writes the first images of pages, not the load
    throughput(bench, run, way, _FAST, seconds=scale.warm_up)
    bench.say(f"{setup.name}, {way.name}: load")
    done = throughput(bench, run, way, _FAST, seconds=scale.load)
    memory = memory_of(server.pid)
    per_s = done.deliveries / done.seconds
    bench.say(f"{setup.name}, {way.name}: half load")
    latency = half_load(bench, server, way, noting, per_s=per_s / 2)
    return Row(
        part=part,
        name=way.name,
        per_s=per_s,
        app_us=done.app_us,
        database_us=done.database_us,
        p50_ms=latency.p50_ms,
        p99_ms=latency.p99_ms,
        app_mb=memory.pss,
        app_rss_mb=memory.rss,
        database_mb=None if setup.store == "sqlite" else memory_of(bench.postgres.pid).pss,
        wal_bytes=None if done.wal_bytes is None else done.wal_bytes / done.deliveries,
    )


def half_load(bench: Bench, server: Server, way: Way, noting: Endpoint, *, per_s: float) -> Latency:
    """At so many deliveries a second."""
    return measure_latency(
        server,
        noting,
        way.numbered(_NOTED),
        per_request=way.deliveries,
        per_s=per_s / way.deliveries,
        seconds=bench.scale.half_load,
    )


def throughput(
    bench: Bench, run: tuple[Setup, Server], way: Way, users: list[str], *, seconds: float
) -> Measured:
    """As many publishes as the server takes for so long, until their deliveries arrived and are recorded."""
    setup, server = run
    postgres = bench.postgres if setup.store == "postgres" else None
    before = bench.nginx.count()
    wal = postgres.wal_position() if postgres is not None else 0
    app_cpu, database_cpu = cpu_of(server.pid), cpu_of(postgres.pid) if postgres is not None else 0.0
    began = time.monotonic()
    load = run_wrk(
        server.url,
        way.path,
        way.bodies(users),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
        connections=way.connections * setup.workers,
        seconds=seconds,
        folder=bench.folder,
    )
    load.check()
    arrived, last_at = settle(bench.nginx, before + load.requests * way.deliveries)
    return Measured(
        deliveries=arrived - before,
        seconds=last_at - began,
        app_cpu=cpu_of(server.pid) - app_cpu,
        database_cpu=cpu_of(postgres.pid) - database_cpu if postgres is not None else None,
        wal_bytes=postgres.wal_position() - wal if postgres is not None else None,
    )


def settle(nginx: Nginx, least: int) -> tuple[int, float]:
    """The count once nothing arrives any more, and when the last did. Raises RuntimeError if some do not.

    More than `least` arrive: what was accepted while wrk stopped, it does not count.
    """
    count, last_at = nginx.count(), time.monotonic()
    give_up = last_at + 120
    while count < least or time.monotonic() < last_at + _QUIET:
        time.sleep(_LOOK_EVERY)
        now = nginx.count()
        if now != count:
            count, last_at = now, time.monotonic()
        if time.monotonic() > give_up:
            raise RuntimeError(f"{least - count} deliveries did not arrive")
    return count, last_at

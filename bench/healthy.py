"""What healthy endpoints notice of others: many deliveries that wait for dead ones, and many that hang."""

import time
from collections.abc import Iterator

from bench.bench import Bench
from bench.engines import fill_waiting, make_apps, make_lanes
from bench.filling import Filler
from bench.latency import measure_latency
from bench.paced import publish_paced
from bench.processes import wait_until
from bench.receivers import Endpoint, endpoint
from bench.row import Row
from bench.server import Server, Setup, serving
from bench.ways import USERS, WAYS

__all__ = ["measure_healthy"]

_PER_S = 500  # publishes
_HANGS = 10  # every so many publishes one is for an endpoint that hangs
_DEAD = 100  # apps whose endpoints refuse
_DEAD_ORIGIN = "http://127.1.0.1:9"
_DUE_WITHIN = 3_600_000  # ms: so the dead ones are tried all the time
_HEALTHY = [f"healthy-{number}" for number in range(USERS)]


def measure_healthy(bench: Bench) -> Iterator[Row]:
    setup = Setup(store="postgres")
    with (
        bench.database(setup.store) as url,
        endpoint(bench.folder, "--note") as noting,
        endpoint(bench.folder, "--stuck") as stuck,
    ):
        with serving(setup, url, bench.folder) as server:
            server.add_apps(_HEALTHY, noting.url)
            yield _row(bench, "alone", server, noting, hanging=0)
        bench.say(f"healthy endpoints: making {bench.scale.dead:,} deliveries that wait for dead ones")
        _fill(bench, url, stuck)
        with serving(setup, url, bench.folder, kill=True) as server:
            _let_hang(bench, server)
            yield _row(bench, "others begin to hang", server, noting, hanging=bench.scale.hanging)
            if bench.scale.hung:
                time.sleep(bench.scale.hung)
                yield _row(bench, "others go on hanging", server, noting, hanging=bench.scale.hanging)


def _fill(bench: Bench, url: str, stuck: Endpoint) -> None:
    hanging, dead = bench.scale.hanging, bench.scale.dead
    port = stuck.url(0).rsplit(":", 1)[1]
    hangs = f"'http://127.1.' || (n / 250) || '.' || (n % 250 + 1) || ':{port}/'"  # Endpoint.url
    make_apps(url, hanging + _DEAD, url=f"CASE WHEN n < {hanging} THEN {hangs} ELSE '{_DEAD_ORIGIN}/' END")
    filler = Filler(url)
    make_lanes(filler, [f"app-{hanging + number}" for number in range(_DEAD)], origin=_DEAD_ORIGIN)
    due = f"{time.time_ns() // 1_000_000} + {filler.random(_DUE_WITHIN)}"
    fill_waiting(filler, range(dead), lane=f"n % {_DEAD}", due=due)
    filler.settle()


def _let_hang(bench: Bench, server: Server) -> None:
    """Two deliveries for each."""
    bench.say("healthy endpoints: others begin to hang")
    events = WAYS[0].events([f"user-{number}-0" for number in range(bench.scale.hanging)])
    server.publish(events * 2)


def _row(bench: Bench, name: str, server: Server, noting: Endpoint, *, hanging: int) -> Row:
    """Beside `hanging` endpoints, a part of what is published is for these."""
    bench.say(f"healthy endpoints: {name}")
    healthy = WAYS[0].numbered(_HEALTHY)
    other = WAYS[0].numbered([f"user-{number}-0" for number in range(hanging)])

    def request(number: int) -> tuple[str, bytes]:
        """What hangs never arrives, so that its title may be any number."""
        return other(number // _HANGS) if hanging and number % _HANGS == 0 else healthy(number)

    publish_paced([server.url], healthy, per_s=_PER_S, seconds=bench.scale.warm_up)
    wait_until(
        lambda: noting.count() >= _PER_S * bench.scale.warm_up, what="the warm-up's arrivals", within=60
    )
    noting.arrivals()
    latency = measure_latency(
        server,
        noting,
        request,
        per_request=1 - 1 / _HANGS if hanging else 1,
        per_s=_PER_S,
        seconds=bench.scale.half_load,
    )
    return Row(part="healthy", name=name, per_s=_PER_S, p50_ms=latency.p50_ms, p99_ms=latency.p99_ms)

"""Many nodes with little to do, beside one with much: what PostgreSQL pays for an event."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

from bench.bench import Bench
from bench.machine import cpu_of
from bench.paced import publish_paced
from bench.row import Row
from bench.server import Setup, serving
from bench.ways import USERS, WAYS
from bench.whole import settle, throughput

__all__ = ["measure_nodes"]

_PER_S_EACH = 50  # events of a lightly loaded node
_USERS = [f"fast-{number}" for number in range(USERS)]


def measure_nodes(bench: Bench) -> Iterator[Row]:
    setup = Setup(store="postgres")
    with bench.database(setup.store) as url, serving(setup, url, bench.folder) as server:
        server.add_apps(_USERS, bench.nginx.url)
        throughput(bench, (setup, server), WAYS[0], _USERS, seconds=bench.scale.warm_up)
        bench.say("one busy node")
        done = throughput(bench, (setup, server), WAYS[0], _USERS, seconds=bench.scale.load)
    per_s = done.deliveries / done.seconds
    yield Row(part="nodes", name="one busy", per_s=per_s, database_us=done.database_us)
    with bench.database(setup.store) as url, ExitStack() as stack:
        bench.say(f"starting {bench.scale.nodes} nodes")
        servers = [
            stack.enter_context(serving(setup, url, bench.folder, name=f"node-{number}"))
            for number in range(bench.scale.nodes)
        ]
        servers[0].add_apps(_USERS, bench.nginx.url)
        yield _light(bench, [server.url for server in servers])


def _light(bench: Bench, urls: list[str]) -> Row:
    request = WAYS[0].numbered(_USERS)
    per_s = _PER_S_EACH * len(urls)
    publish_paced(urls, request, per_s=per_s, seconds=bench.scale.warm_up)
    bench.say(f"{len(urls)} lightly loaded nodes")
    time.sleep(1)
    before, cpu = bench.nginx.count(), cpu_of(bench.postgres.pid)
    answered = publish_paced(urls, request, per_s=per_s, seconds=bench.scale.load)
    arrived, _ = settle(bench.nginx, before + len(answered))
    cpu = cpu_of(bench.postgres.pid) - cpu
    return Row(part="nodes", name="lightly loaded", per_s=per_s, database_us=cpu / (arrived - before) * 1e6)

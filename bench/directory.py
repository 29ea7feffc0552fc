"""The whole with many apps and connections: single publishes, for users all over them."""

from collections.abc import Iterator

from bench.bench import Bench
from bench.engines import make_apps
from bench.machine import memory_of
from bench.row import Row
from bench.server import Setup, serving
from bench.ways import WAYS
from bench.whole import settle, throughput

__all__ = ["measure_directory"]

_PUBLISHED_FOR = 2000  # users


def measure_directory(bench: Bench) -> Iterator[Row]:
    for store in bench.scale.stores:
        yield _measure(bench, Setup(store=store))


def _measure(bench: Bench, setup: Setup) -> Row:
    scale = bench.scale
    users_each = scale.connections // scale.apps
    users = [
        f"user-{n * scale.apps // _PUBLISHED_FOR % scale.apps}-{n % users_each}"
        for n in range(_PUBLISHED_FOR)
    ]
    name = f"{setup.name}, {scale.apps:,} apps, {scale.connections:,} connections"
    with bench.database(setup.store) as url:
        bench.say(f"{name}: making them")
        port = bench.nginx.url(0).rsplit(":", 1)[1]
        make_apps(url, scale.apps, url=f"'http://127.0.1.' || (n % 20 + 1) || ':{port}/'", users=users_each)
        with serving(setup, url, bench.folder) as server:
            bench.say(name)
            before = bench.nginx.count()
            server.publish(WAYS[0].events(users))  # each app's first event makes its lane
            settle(bench.nginx, before + len(users))
            throughput(bench, (setup, server), WAYS[0], users, seconds=scale.warm_up)
            done = throughput(bench, (setup, server), WAYS[0], users, seconds=scale.load)
            memory = memory_of(server.pid)
    return Row(
        part="directory",
        name=name,
        per_s=done.deliveries / done.seconds,
        app_us=done.app_us,
        database_us=done.database_us,
        app_mb=memory.pss,
        app_rss_mb=memory.rss,
    )

"""The parts of a run, in their order."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import msgspec

from bench.bench import Bench
from bench.directory import measure_directory
from bench.enabling import measure_enabling
from bench.healthy import measure_healthy
from bench.inbox import measure_inbox
from bench.limit import measure_limit, measure_sender
from bench.memory import measure_memory
from bench.nodes import measure_nodes
from bench.receiving import measure_receiving
from bench.row import Row
from bench.server import Setup
from bench.waiting import measure_waiting
from bench.whole import measure_whole

__all__ = ["PARTS", "TITLES", "Part"]


class Part(msgspec.Struct, frozen=True):
    title: str
    measure: Callable[[Bench], Iterator[Row]]


def _whole(name: str, setup: Setup) -> Part:
    return Part(setup.name, partial(measure_whole, part=name, setup=setup))


PARTS: Mapping[str, Part] = {
    "limit": Part("the receiver's limit", measure_limit),
    "sender": Part("our sender alone, with signing", measure_sender),
    "sqlite": _whole("sqlite", Setup(store="sqlite")),
    "postgres": _whole("postgres", Setup(store="postgres")),
    "postgres-2": _whole("postgres-2", Setup(store="postgres", workers=2)),
    "aiohttp": _whole("aiohttp", Setup(store="postgres", workers=2, sender="aiohttp")),
    "directory": Part("many apps and connections, single publishes", measure_directory),
    "memory": Part("requests in flight: memory above idle", measure_memory),
    "nodes": Part("PostgreSQL's part with many nodes", measure_nodes),
    "healthy": Part("healthy endpoints, while others are dead or hang", measure_healthy),
    "enabling": Part("publishing, while another app's backlog is moved", measure_enabling),
    "claims": Part("claims and publishing while much waits", measure_waiting),
    "receiving": Part("receiving: verify and read a request (CPU: of a request)", measure_receiving),
    "inbox": Part("receiving: one uvicorn process (CPU: of a request)", measure_inbox),
}

TITLES: Mapping[str, str] = {
    **{name: part.title for name, part in PARTS.items()},
    "claims": "claiming 200, nothing cached",
    "restarted claims": "claiming 200, the database just restarted",
    "warm claims": "claiming 200, one after the other (CPU: of a row claimed and recorded)",
    "publishing": "storing 200 events (CPU: of an event)",
}

"""The parts of a run, in their order."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import msgspec

from bench.bench import Bench
from bench.limit import measure_limit, measure_sender
from bench.row import Row
from bench.server import Setup
from bench.whole import measure_whole

__all__ = ["PARTS", "Part"]


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
}

"""The bars: what issues 4 and 6 ask for, sentence by sentence, and how each is read from what is measured."""

from collections.abc import Callable, Sequence

import msgspec

from bench.inbox import NAMES
from bench.receiving import OTHER, SAMPLE
from bench.row import Results, Row

__all__ = ["BARS", "Bar", "Verdict", "judge"]

_Read = Callable[[Results], float | None]

_COST = "CPU microseconds per delivery (app + database) over wrk's CPU per request to the same receiver"
_STORES = {"postgres": "PostgreSQL", "postgres-2": "PostgreSQL, 2 workers", "sqlite": "SQLite"}
_WAYS = ("single", "batches of 100", "fan-out 5")


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """`read` finds the figure in the results: None where what it needs was not measured."""

    name: str
    sentence: str
    bound: float
    read: _Read
    at_least: bool = False  # else at most
    unit: str = "x"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was reached of a bar. `ratio`: the figure over the bound."""

    name: str
    sentence: str
    bound: float
    at_least: bool
    unit: str
    value: float | None
    ratio: float | None
    reached: bool | None


def judge(results: Results, bars: Sequence[Bar] | None = None) -> list[Verdict]:
    """A verdict for each bar; `reached` is None where it was not measured."""
    return [_judge(bar, bar.read(results)) for bar in (BARS if bars is None else bars)]


def _judge(bar: Bar, value: float | None) -> Verdict:
    reached = None if value is None else (value >= bar.bound if bar.at_least else value <= bar.bound)
    return Verdict(
        name=bar.name,
        sentence=bar.sentence,
        bound=bar.bound,
        at_least=bar.at_least,
        unit=bar.unit,
        value=value,
        ratio=None if value is None else value / bar.bound,
        reached=reached,
    )


# how they are read


def _over(upper: float | None, lower: float | None) -> float | None:
    return None if upper is None or not lower else upper / lower


def _of(results: Results, part: str, name: str, field: str) -> float | None:
    row = results.find(part, name)
    value: float | None = None if row is None else getattr(row, field)
    return value


def _ratio(upper: tuple[str, str, str], lower: tuple[str, str, str]) -> _Read:
    """One figure over another, each given by part, name and field."""
    return lambda results: _over(_of(results, *upper), _of(results, *lower))


def _worst(figures: Sequence[float | None]) -> float | None:
    """The largest; None unless all are known."""
    known = [each for each in figures if each is not None]
    return max(known) if len(known) == len(figures) and known else None


def _cost(part: str, way: str, bound: float, words: str) -> Bar:
    return Bar(
        name=f"{_STORES[part]}, {way}: cost over wrk's",
        sentence=f"{_COST}: at most {bound:g} {words}.",
        bound=bound,
        read=_ratio((part, way, "us"), ("limit", "wrk", "app_us")),
    )


def _dearer(results: Results) -> float | None:
    return _worst([_ratio(("sqlite", way, "us"), ("postgres", way, "us"))(results) for way in _WAYS])


def _above_wrk(part: str) -> _Read:
    def read(results: Results) -> float | None:
        worst = _worst([_of(results, part, way, "p99_ms") for way in _WAYS])
        own = _of(results, "limit", "wrk", "p99_ms")
        return None if worst is None or own is None else worst - own

    return read


def _growth(part: str, store: str, field: str) -> _Read:
    """The last row of a store over its first: they are in ascending order of what waits."""

    def read(results: Results) -> float | None:
        rows: list[Row] = [row for row in results.rows if row.part == part and row.name.startswith(store)]
        if len(rows) < 2:
            return None
        return _over(getattr(rows[-1], field), getattr(rows[0], field))

    return read


def _healthy(results: Results) -> float | None:
    """The worst of what was measured beside dead endpoints, over the p99 without any."""
    beside = [row.p99_ms for row in results.rows if row.part == "healthy" and row.name != "alone"]
    return _over(_worst(beside), _of(results, "healthy", "alone", "p99_ms"))


def _wal(results: Results) -> float | None:
    parts = ("postgres", "postgres-2")
    worst = _worst([_of(results, part, way, "wal_bytes") for part in parts for way in _WAYS])
    return None if worst is None else worst / 1000


BARS: Sequence[Bar] = (
    *(
        _cost(part, way, bound, words)
        for part in _STORES
        for way, bound, words in (
            ("single", 12, "with single publishes at fan-out 1"),
            ("batches of 100", 7, "through batches of 100"),
            ("fan-out 5", 6, "at fan-out 5"),
        )
    ),
    Bar(
        name="SQLite's cost over PostgreSQL's, the worst way",
        sentence="SQLite no dearer than PostgreSQL.",
        bound=1,
        read=_dearer,
    ),
    Bar(
        name="2 workers over the sender alone, single",
        sentence="Deliveries/s with 2 workers over (b): at least 0.15 single.",
        bound=0.15,
        at_least=True,
        read=_ratio(("postgres-2", "single", "per_s"), ("sender", "2 processes", "per_s")),
    ),
    Bar(
        name="2 workers over the sender alone, batches",
        sentence="Deliveries/s with 2 workers over (b): at least 0.30 in batches.",
        bound=0.30,
        at_least=True,
        read=_ratio(("postgres-2", "batches of 100", "per_s"), ("sender", "2 processes", "per_s")),
    ),
    Bar(
        name="2 workers over the same with aiohttp, batches",
        sentence="Deliveries/s with 2 workers: at least 2.5 times (e) in batches.",
        bound=2.5,
        at_least=True,
        read=_ratio(("postgres-2", "batches of 100", "per_s"), ("aiohttp", "batches of 100", "per_s")),
    ),
    *(
        Bar(
            name=f"{store}: p99 at half load above wrk's, the worst way",
            sentence="p99 from 202 to arrival at half load at most 20 ms above wrk's own p99.",
            bound=20,
            unit="ms",
            read=_above_wrk(part),
        )
        for part, store in _STORES.items()
    ),
    Bar(
        name="claiming 200, most over fewest waiting",
        sentence="Claiming 200 with cold cache, random due times, 1,000 full lanes and an old snapshot open: "
        "at 5 million waiting at most 1.3 times that at 10 thousand.",
        bound=1.3,
        read=_growth("claims", "PostgreSQL", "p50_ms"),
    ),
    Bar(
        name="healthy endpoints' p99 beside dead ones",
        sentence="Healthy endpoints' p99 at most doubled while 1 million deliveries wait for dead ones and "
        "1,000 endpoints hang.",
        bound=2,
        read=_healthy,
    ),
    Bar(
        name="memory of requests in flight, plain",
        sentence="Memory at 5,000 in flight at most 100 MB above idle in plain HTTP.",
        bound=100,
        unit="MB",
        read=lambda results: _of(results, "memory", "plain", "app_mb"),
    ),
    Bar(
        name="memory of requests in flight, TLS",
        sentence="Memory at 5,000 in flight at most 350 MB above idle with TLS.",
        bound=350,
        unit="MB",
        read=lambda results: _of(results, "memory", "tls", "app_mb"),
    ),
    Bar(
        name="many idle nodes over a busy one",
        sentence="10 lightly loaded nodes: PostgreSQL's CPU per event at most 3 times that of one busy node.",
        bound=3,
        read=_ratio(("nodes", "lightly loaded", "database_us"), ("nodes", "one busy", "database_us")),
    ),
    Bar(
        name="WAL of a delivery, the worst way",
        sentence="WAL at most 1.8 KB a delivery.",
        bound=1.8,
        unit="KB",
        read=_wal,
    ),
    Bar(
        name="verify and read: standardwebhooks and pydantic over ours",
        sentence="Beside standardwebhooks plus pydantic: verify + parse at least 5 times as fast.",
        bound=5,
        at_least=True,
        read=_ratio(("receiving", SAMPLE + OTHER, "app_us"), ("receiving", SAMPLE, "app_us")),
    ),
    Bar(
        name="accepted into a SQLite inbox over only answered",
        sentence="The ASGI adapter with a SQLite inbox, every event committed before its 200, accepts at "
        "least half of what the same server accepts when it only answers 200.",
        bound=0.5,
        at_least=True,
        read=_ratio(("inbox", NAMES["inbox"], "per_s"), ("inbox", NAMES["bare"], "per_s")),
    ),
)

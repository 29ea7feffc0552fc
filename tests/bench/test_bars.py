"""The bars: read from rows, judged at their bound."""

import pytest
from bench.bars import BARS, judge
from bench.row import Results, Row

WAYS = ("single", "batches of 100", "fan-out 5")


def bar(name: str, rows: list[Row]) -> float | None:
    (found,) = [each for each in BARS if each.name == name]
    return found.read(Results(rows))


def wrk(us: float = 8, p99: float = 2) -> Row:
    return Row(part="limit", name="wrk", app_us=us, p99_ms=p99)


def test_cost_is_that_of_app_and_database_over_wrks() -> None:
    rows = [wrk(us=8), Row(part="postgres", name="single", app_us=60, database_us=20)]
    assert bar("PostgreSQL, single: cost over wrk's", rows) == 10


def test_cost_without_a_database_process_is_the_apps() -> None:
    rows = [wrk(us=8), Row(part="sqlite", name="fan-out 5", app_us=40)]
    assert bar("SQLite, fan-out 5: cost over wrk's", rows) == 5


def test_what_was_not_measured_has_no_figure() -> None:
    assert {verdict.reached for verdict in judge(Results([]))} == {None}
    assert bar("PostgreSQL, single: cost over wrk's", [wrk()]) is None


def test_sqlite_is_held_against_postgresql_by_its_worst_way() -> None:
    rows = [Row(part="postgres", name=way, app_us=40, database_us=10) for way in WAYS]
    rows += [Row(part="sqlite", name=way, app_us=us) for way, us in zip(WAYS, (40, 60, 50), strict=True)]
    assert bar("SQLite's cost over PostgreSQL's, the worst way", rows) == 1.2


def test_rates_with_two_workers_are_held_against_both_references() -> None:
    rows = [
        Row(part="sender", name="2 processes", per_s=80_000),
        Row(part="postgres-2", name="single", per_s=12_000),
        Row(part="postgres-2", name="batches of 100", per_s=24_000),
        Row(part="aiohttp", name="batches of 100", per_s=8_000),
    ]
    assert bar("2 workers over the sender alone, single", rows) == pytest.approx(0.15)
    assert bar("2 workers over the sender alone, batches", rows) == pytest.approx(0.30)
    assert bar("2 workers over the same with aiohttp, batches", rows) == 3


def test_p99_is_what_the_worst_way_adds_to_wrks() -> None:
    rows = [wrk(p99=2)]
    rows += [Row(part="postgres", name=way, p99_ms=ms) for way, ms in zip(WAYS, (5, 12, 7), strict=True)]
    assert bar("PostgreSQL: p99 at half load above wrk's, the worst way", rows) == 10


def test_receiving_is_held_against_the_peer_on_the_same_request() -> None:
    ours, other = "quil meeting.completed", "quil meeting.completed, by standardwebhooks and pydantic"
    rows = [
        Row(part="receiving", name=ours, app_us=4),
        Row(part="receiving", name=other, app_us=18),
        Row(part="receiving", name="the same, notes of 32 KiB", app_us=30),
    ]
    assert bar("verify and read: standardwebhooks and pydantic over ours", rows) == 4.5


def test_the_inbox_is_held_against_a_server_that_reads_the_body_and_answers() -> None:
    rows = [
        Row(part="inbox", name="200, the body not read", per_s=30_000),
        Row(part="inbox", name="200, the body read", per_s=20_000),
        Row(part="inbox", name="inbox", per_s=11_000),
        Row(part="inbox", name="inbox, handled in the same process", per_s=5_000),
    ]
    assert bar("accepted into a SQLite inbox over only answered", rows) == 0.55


def test_claims_are_held_by_the_most_that_waits_in_postgresql() -> None:
    rows = [
        Row(part="claims", name="PostgreSQL, 10,000 waiting", p50_ms=10),
        Row(part="claims", name="PostgreSQL, 1,000,000 waiting", p50_ms=90),
        Row(part="claims", name="PostgreSQL, 5,000,000 waiting", p50_ms=12),
        Row(part="claims", name="SQLite, 10,000 waiting", p50_ms=1),
        Row(part="claims", name="SQLite, 1,000,000 waiting", p50_ms=50),
    ]
    assert bar("claiming 200, most over fewest waiting", rows) == 1.2
    assert bar("claiming 200, most over fewest waiting", rows[:1]) is None


def test_healthy_endpoints_are_held_by_the_worst_beside_dead_ones() -> None:
    rows = [
        Row(part="healthy", name="alone", p99_ms=4),
        Row(part="healthy", name="others begin to hang", p99_ms=10),
        Row(part="healthy", name="others go on hanging", p99_ms=6),
    ]
    assert bar("healthy endpoints' p99 beside dead ones", rows) == 2.5
    assert bar("healthy endpoints' p99 beside dead ones", rows[:1]) is None


def test_wal_is_in_kilobytes_the_worst_of_one_and_two_workers() -> None:
    rows = [Row(part="postgres", name=way, wal_bytes=1500) for way in WAYS]
    assert bar("WAL of a delivery, the worst way", rows) is None
    rows += [Row(part="postgres-2", name=way, wal_bytes=1700) for way in WAYS]
    assert bar("WAL of a delivery, the worst way", rows) == 1.7


@pytest.mark.parametrize(
    ("name", "rows", "reached"),
    [
        ("memory of requests in flight, plain", [Row(part="memory", name="plain", app_mb=100)], True),
        ("memory of requests in flight, plain", [Row(part="memory", name="plain", app_mb=100.1)], False),
        ("memory of requests in flight, TLS", [Row(part="memory", name="tls", app_mb=351)], False),
        (
            "many idle nodes over a busy one",
            [
                Row(part="nodes", name="one busy", database_us=20),
                Row(part="nodes", name="lightly loaded", database_us=60),
            ],
            True,
        ),
        (
            "2 workers over the same with aiohttp, batches",
            [
                Row(part="postgres-2", name="batches of 100", per_s=24),
                Row(part="aiohttp", name="batches of 100", per_s=10),
            ],
            False,
        ),
    ],
)
def test_a_bar_is_reached_up_to_its_bound(name: str, rows: list[Row], reached: bool) -> None:
    (verdict,) = [each for each in judge(Results(rows)) if each.name == name]
    assert verdict.reached is reached
    assert verdict.value is not None
    assert verdict.ratio == verdict.value / verdict.bound


def test_names_are_unique_and_every_sentence_is_whole() -> None:
    assert len({each.name for each in BARS}) == len(BARS)
    assert all(each.sentence.endswith(".") for each in BARS)

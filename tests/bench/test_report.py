"""What is told of a run: cells, lines, JSON, table."""

import io
import json
from datetime import UTC, datetime

from bench.bars import judge
from bench.parts import PARTS, TITLES
from bench.report import as_json, bar_line, cells, results_table
from bench.row import Results, Row
from rich.console import Console

WRK = Row(part="limit", name="wrk", per_s=120_000, app_us=8, p50_ms=0.5, p99_ms=2)
SINGLE = Row(
    part="postgres",
    name="single",
    per_s=12_345.6,
    app_us=60.04,
    database_us=20,
    p50_ms=1.25,
    p99_ms=9,
    app_mb=71.6,
    database_mb=300,
    wal_bytes=1534,
)


def test_a_delivery_shows_its_cost_over_wrks() -> None:
    assert cells(SINGLE, 8) == ["12,346", "60.0", "20.0", "10.0", "1.2", "9.0", "72", "300", "1.53"]


def test_what_does_not_apply_is_empty() -> None:
    assert cells(Row(part="memory", name="plain", app_mb=15), 8) == ["", "", "", "", "", "", "15", "", ""]
    assert cells(SINGLE, None)[3] == ""


def test_steps_of_the_store_are_not_held_against_wrk() -> None:
    assert cells(Row(part="claims", name="x", app_us=80), 8)[3] == ""


def test_a_line_says_what_was_reached_and_the_ratio() -> None:
    verdicts = {each.name: bar_line(each) for each in judge(Results([WRK, SINGLE]))}
    name = "PostgreSQL, single: cost over wrk's"
    assert verdicts[name] == f"reached       {name}: 10 x, at most 12 (ratio 0.83)"
    name = "memory of requests in flight, plain"
    assert verdicts[name] == f"not measured  {name}: at most 100 MB"


def test_a_line_says_what_was_not_reached() -> None:
    rows = [
        Row(part="sender", name="2 processes", per_s=100),
        Row(part="postgres-2", name="single", per_s=12),
    ]
    name = "2 workers over the sender alone, single"
    (line,) = [bar_line(each) for each in judge(Results(rows)) if each.name == name]
    assert line == f"NOT REACHED   {name}: 0.12 x, at least 0.15 (ratio 0.80)"


def test_json_holds_all_figures_and_every_bar() -> None:
    results = Results([WRK, SINGLE])
    at = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    whole = json.loads(as_json(results, judge(results), scale="quick", at=at, machine={"cores": 2}))
    assert whole.keys() == {"at", "scale", "machine", "rows", "bars"}
    assert (whole["at"], whole["scale"], whole["machine"]) == ("2026-01-15T10:30:00Z", "quick", {"cores": 2})
    assert [(row["part"], row["name"]) for row in whole["rows"]] == [("limit", "wrk"), ("postgres", "single")]
    assert whole["rows"][1]["wal_bytes"] == 1534
    assert whole["bars"][0].keys() == {
        "name", "sentence", "bound", "at_least", "unit", "value", "ratio", "reached"
    }  # fmt: skip


def test_the_table_has_a_title_for_each_part_and_a_line_for_each_row() -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(results_table(Results([WRK, SINGLE]), TITLES))
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert lines[0][:2] == ["per", "s"]
    assert [line[0] for line in lines[1:]] == ["the", "wrk", "PostgreSQL", "single"]


def test_every_part_has_a_title() -> None:
    assert PARTS.keys() <= TITLES.keys()

"""The plot is an SVG that shows what was measured."""

from xml.etree import ElementTree

from bench.plot import Line, Panel, draw, panels
from bench.row import Results, Row

SVG = "{http://www.w3.org/2000/svg}"


def bars(svg: str) -> list[float]:
    """Their widths, the background's left out."""
    _, *rects = ElementTree.fromstring(svg).iter(f"{SVG}rect")
    return [float(each.attrib["width"]) for each in rects]


def test_bars_are_as_long_as_their_values_and_the_longest_fills_the_room() -> None:
    panel = Panel("x", (), [Line("a", (10.0, 30.0), "40"), Line("b", (20.0,), "20")])
    first, second, third = bars(draw([panel]))
    assert (second / first, third / first) == (3, 2)
    assert first + second == 560


def test_text_is_escaped() -> None:
    root = ElementTree.fromstring(draw([Panel("a < b & c", (), [Line("<x>", (1.0,), "1")])]))
    assert [each.text for each in root.iter(f"{SVG}text")] == ["a < b & c", "<x>", "1"]


def test_nothing_measured_makes_an_empty_plot() -> None:
    assert bars(draw(panels(Results([]), {}))) == []
    assert bars(draw([Panel("x", (), [Line("a", (0.0,), "0")])])) == [0.0]


def test_panels_show_cost_rate_latency_and_claims() -> None:
    rows = [
        Row(part="limit", name="wrk", per_s=120_000),
        Row(part="postgres", name="single", per_s=12_000, app_us=60, database_us=20.4, p99_ms=4.25),
        Row(part="claims", name="PostgreSQL, 10,000 waiting", p50_ms=2.5),
    ]
    cost, rate, latency, claims = panels(Results(rows), {"postgres": "PostgreSQL"})
    assert cost.lines == [Line("PostgreSQL, single", (60, 20.4), "80")]
    assert rate.lines == [Line("PostgreSQL, single", (12_000,), "12,000")]
    assert latency.lines == [Line("PostgreSQL, single", (4.25,), "4.2")]
    assert claims.lines == [Line("PostgreSQL, 10,000 waiting", (2.5,), "2.5")]

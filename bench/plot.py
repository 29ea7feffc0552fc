"""The plot: horizontal bars in an SVG, written by hand so that nothing more needs to be installed."""

from collections.abc import Mapping, Sequence
from html import escape

import msgspec

from bench.row import Results, Row

__all__ = ["Line", "Panel", "draw", "panels"]

_WIDTH, _LABELS, _ROOM = 940, 290, 90  # pixels: all, of the labels, right of the bars
_LINE, _BAR, _TITLE = 20, 13, 46
_COLOURS = ("#3b6ea5", "#d98c3f", "#8aa05c")
_WHOLE = ("sqlite", "postgres", "postgres-2", "aiohttp")


class Line(msgspec.Struct, frozen=True):
    """One bar: its parts one behind the other, and how the whole is written."""

    label: str
    values: Sequence[float]
    text: str


class Panel(msgspec.Struct, frozen=True):
    """`legend` names the parts of the bars."""

    title: str
    legend: Sequence[str]
    lines: Sequence[Line]


def panels(results: Results, titles: Mapping[str, str]) -> list[Panel]:
    """What of the results is drawn; a panel without lines is left out."""
    whole = [
        (f"{titles.get(row.part, row.part)}, {row.name}", row) for row in results.rows if row.part in _WHOLE
    ]
    claims = [(row.name, row) for row in results.rows if row.part == "claims"]
    every = [
        Panel("CPU microseconds of a delivery", ("app", "database"), [_cost(*each) for each in whole]),
        Panel("deliveries a second", (), [_line(label, row.per_s) for label, row in whole]),
        Panel(
            "p99 from the 202 to the arrival at half load, ms",
            (),
            [_line(name, row.p99_ms) for name, row in whole],
        ),
        Panel("claiming 200 on a cold cache, ms", (), [_line(name, row.p50_ms) for name, row in claims]),
    ]
    return [panel for panel in every if panel.lines]


def draw(drawn: Sequence[Panel]) -> str:
    """An SVG document."""
    parts: list[str] = []
    top = 10
    for panel in drawn:
        parts += _panel(panel, top)
        top += _TITLE + _LINE * len(panel.lines) + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" '
        f'width="{_WIDTH}" height="{top}" font-family="sans-serif" font-size="12">\n'
        '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(panel: Panel, top: int) -> list[str]:
    most = max((sum(line.values) for line in panel.lines), default=0) or 1
    parts = [f'<text x="10" y="{top + 18}" font-size="14" font-weight="bold">{escape(panel.title)}</text>']
    for number, name in enumerate(panel.legend):
        x = _LABELS + 110 * number
        parts.append(f'<rect x="{x}" y="{top + 26}" width="10" height="10" fill="{_COLOURS[number]}"/>')
        parts.append(f'<text x="{x + 15}" y="{top + 35}">{escape(name)}</text>')
    for number, line in enumerate(panel.lines):
        parts += _bar(line, top + _TITLE + _LINE * number, (_WIDTH - _LABELS - _ROOM) / most)
    return parts


def _bar(line: Line, y: int, pixels: float) -> list[str]:
    parts = [f'<text x="{_LABELS - 8}" y="{y + 11}" text-anchor="end">{escape(line.label)}</text>']
    x = float(_LABELS)
    for number, value in enumerate(line.values):
        size = f'width="{value * pixels:.1f}" height="{_BAR}"'
        parts.append(f'<rect x="{x:.1f}" y="{y}" {size} fill="{_COLOURS[number]}"/>')
        x += value * pixels
    parts.append(f'<text x="{x + 6:.1f}" y="{y + 11}">{escape(line.text)}</text>')
    return parts


def _cost(label: str, row: Row) -> Line:
    values = (row.app_us or 0.0, row.database_us or 0.0)
    return Line(label, values, f"{sum(values):.0f}")


def _line(label: str, value: float | None) -> Line:
    return Line(
        label, (value or 0.0,), "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    )

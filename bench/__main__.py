"""What it all costs, measured side by side in one run.

    python -m bench [--quick] [--only a,b,...] [--json FILE] [--svg FILE] [--list]

It starts and ends whatever it needs: nginx and wrk (installed by apt-get where they are missing and it may),
PostgreSQL from a wheel, servers, endpoints. It prints one table, and for each bar whether it was reached.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
from rich.console import Console
from rich.status import Status

from adjourn.errors import AdjournError
from bench.bars import judge
from bench.bench import FULL, QUICK, Bench
from bench.machine import machine
from bench.parts import PARTS, TITLES
from bench.plot import draw, panels
from bench.processes import NotReady
from bench.report import as_json, bar_line, results_table
from bench.row import Results, Row
from bench.tools import MissingTool, install_tools

_FAILURES = (NotReady, RuntimeError, OSError, AdjournError, asyncpg.PostgresError, httpx.HTTPError)


def main(argv: Sequence[str] | None = None) -> int:
    """0: all was measured; 1: a part failed; 2: it cannot run here; 130: Ctrl-C."""
    options = _parser().parse_args(argv)
    if options.list:
        for name, part in PARTS.items():
            print(f"{name:12}{part.title}")
        return 0
    console = Console(stderr=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    rows: list[Row] = []
    try:
        install_tools()
        failed = _run(options.only or list(PARTS), rows, console, quick=options.quick)
    except MissingTool as exc:
        console.print(str(exc), style="red", soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print("stopped; what was measured until then:")
        _report(rows, options)
        return 130
    _report(rows, options)
    return 1 if failed else 0


def _stop(number: int, frame: object) -> None:
    """Once: what was started is ended then, and nothing may come between."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small and short: under two minutes")
    parser.add_argument("--only", type=_names, metavar="a,b,...", help="these parts alone")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE")
    parser.add_argument("--svg", type=Path, default=Path("bench.svg"), metavar="FILE")
    parser.add_argument("--list", action="store_true", help="the parts there are")
    return parser


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


def _run(names: Sequence[str], rows: list[Row], console: Console, *, quick: bool) -> bool:
    """Measure part by part, into `rows`. Whether one failed; the others are measured all the same."""
    failed = False
    with (
        tempfile.TemporaryDirectory(prefix="adjourn-bench-") as folder,
        console.status("starting") as status,
        Bench(_open_to_all(folder), QUICK if quick else FULL, status.update) as bench,
    ):
        for name in names:
            try:
                _measure(name, bench, rows, status)
            except _FAILURES as exc:
                failed = True
                console.print(f"{name} failed: {exc}", style="red", soft_wrap=True, markup=False)
    return failed


def _measure(name: str, bench: Bench, rows: list[Row], status: Status) -> None:
    title = PARTS[name].title
    bench.say(title)
    for row in PARTS[name].measure(bench):
        rows.append(row)
        status.console.print(f"{datetime.now(UTC):%H:%M:%S} {title}: {row.name}", highlight=False)


def _open_to_all(folder: str) -> Path:
    """As root, PostgreSQL and nginx work there as another user."""
    path = Path(folder)
    path.chmod(0o755)
    return path


def _report(rows: Sequence[Row], options: argparse.Namespace) -> None:
    results = Results(rows)
    verdicts = judge(results)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(results_table(results, TITLES))
    console.print()
    for verdict in verdicts:
        style = {True: "green", False: "red", None: "dim"}[verdict.reached]
        console.print(bar_line(verdict), style=style, markup=False, highlight=False, soft_wrap=True)
    scale = "quick" if options.quick else "full"
    if options.quick:
        console.print("\n--quick is too small and too short for the bars: they hold for the full run alone")
    options.json.write_bytes(as_json(results, verdicts, scale=scale, at=datetime.now(UTC), machine=machine()))
    options.svg.write_text(draw(panels(results, TITLES)))
    console.print(f"\nall figures: {options.json}, plot: {options.svg}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())

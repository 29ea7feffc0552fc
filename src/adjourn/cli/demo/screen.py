"""What the demo shows: how far it is, what came of it, and what to try next."""

import shutil
import statistics
import sys

from rich.console import Console
from rich.table import Table

from adjourn.cli.demo.arrivals import Arrivals
from adjourn.cli.demo.cast import Cast
from adjourn.providers import Provider

__all__ = ["invite", "progress", "summary"]


def progress(published: int, arrivals: Arrivals) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2))
    counts = f"{published} published, {len(arrivals.delivered)} of {len(arrivals.expected)} delivered"
    table.add_row(f"[bold]{counts}[/]", f"{arrivals.retried} retried", "")
    for event_type, path, status in arrivals.latest:
        table.add_row(event_type, path, f"[green]{status}[/]" if status < 300 else f"[red]{status}[/]")
    return table


def summary(console: Console, cast: Cast, arrivals: Arrivals, *, published: int) -> bool:
    """Print what came of it; whether everything arrived verified."""
    waits = arrivals.waits()
    strangers = set(arrivals.first_at) - arrivals.expected
    table = Table(title="What arrived", show_header=False)
    table.add_row("events published", str(published))
    each = "(app, user)" if cast.has_users else "app"
    table.add_row(f"envelopes, one for each {each}", str(len(arrivals.expected) - arrivals.callbacks))
    if arrivals.callbacks:
        table.add_row("callbacks beside them", str(arrivals.callbacks))
    table.add_row("delivered", str(len(arrivals.delivered & arrivals.expected)))
    table.add_row("signatures that did not verify", str(len(arrivals.forged)))
    table.add_row("refused at first, then retried", str(arrivals.retried))
    if len(waits) > 1:
        cuts = statistics.quantiles(waits, n=100, method="inclusive")
        p50_p99 = f"p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms"
        table.add_row("from the 202 to arrival (0: no later)", p50_p99)
    console.print(table)
    for line in arrivals.forged[:5]:
        console.print(f"[red]not verified:[/] {line}")
    missing = arrivals.expected - arrivals.delivered
    if missing or strangers:
        console.print(f"[red]{len(missing)} did not arrive, {len(strangers)} came that nobody published[/]")
    arrived = bool(arrivals.expected) and not (missing or strangers or arrivals.forged)
    verdict = "[green]Everything arrived, verified.[/]" if arrived else "[red]Not everything arrived.[/]"
    console.print(verdict)
    return arrived


def invite(console: Console, provider: Provider, cast: Cast, *, url: str, key: str, app_id: str) -> None:
    command = "adjourn" if shutil.which("adjourn") else sys.argv[0]
    sample = cast.sample or next(iter(provider.event_types))
    if cast.has_users:
        publish = f"{command} publish --sample {sample} --user {cast.apps[0].users[0]}"
    else:
        made = f"{command} samples {provider.name} {sample} --data"
        publish = f"{made} | {command} publish - --type {sample} --app {app_id}"
    lines = [
        f"export ADJOURN_URL={url} ADJOURN_PLATFORM_KEY={key}",
        f"{command} apps list",
        publish,
        f"{command} events list",
        f"{command} deliveries list",
        f"{command} types list",
    ]
    console.print("\nStill serving; Ctrl-C ends it. In another terminal, try:\n")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, highlight=False)

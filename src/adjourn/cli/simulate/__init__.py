"""`adjourn simulate`: whether a receiver, in any language, does what its sender relies on.

author.py writes and signs events, content.py says what they tell, forgeries.py what is to be refused;
target.py sends, checks.py asks one thing after the other, findings.py judges each, conclusion.py all;
report.py shows.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

import typer

from adjourn.cli.catalogs import find_event_types
from adjourn.cli.failure import Exit, Failure
from adjourn.cli.loopback import is_loopback
from adjourn.cli.screen import Screen
from adjourn.cli.session import wants_json
from adjourn.cli.simulate.author import Author
from adjourn.cli.simulate.checks import CHECKS, Round
from adjourn.cli.simulate.conclusion import conclude
from adjourn.cli.simulate.findings import Check, Finding, Limits
from adjourn.cli.simulate.report import Report
from adjourn.cli.simulate.target import Target
from adjourn.cli.vendors import SECRET_VARIABLE, name_provider, read_options, read_secrets, sending_options
from adjourn.endpoint import parse_endpoint
from adjourn.ids import Uuid7
from adjourn.providers import PROVIDERS, EventType

__all__ = ["simulate"]


def simulate(
    ctx: typer.Context,
    *,
    provider: Annotated[
        str, typer.Option(metavar="PROVIDER", help=f"{', '.join(PROVIDERS)}.", show_default=False)
    ],
    to: Annotated[str, typer.Option(metavar="URL", help="Where the receiver is.", show_default=False)],
    secret: Annotated[
        str | None,
        typer.Option(
            help=f"The webhook secret that it has. Else {SECRET_VARIABLE}, which no history keeps.",
            show_default=False,
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Of the app: signature_profile=sdk for contio; signature=hmac-hex, header=X-Sig or "
            "unsigned=true for quil; participants=names for meetingbaas.",
            show_default=False,
        ),
    ] = None,
    callback: Annotated[
        bool, typer.Option("--callback", help="Send callbacks, with their secret.", show_default=False)
    ] = False,
    only: Annotated[
        list[Check] | None,
        typer.Option(metavar="CHECK", help=f"Only this: {', '.join(Check)}.", show_default=False),
    ] = None,
    event_type: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only events of this type.", show_default=False),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=10, help="How many of each type.")] = 1,
    seed: Annotated[int, typer.Option(help="Another number, other samples in another order.")] = 0,
    slow: Annotated[
        float, typer.Option(min=0, help="Seconds: an answer that takes longer is flagged.")
    ] = 5.0,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=600, help="Seconds that an answer is waited for.")
    ] = 30.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON and nothing else.", show_default=False)
    ] = False,
) -> None:
    """Send a receiver what its vendor sends, and what forgers do, and report how it behaves.

    Every type of the catalog, hard samples, a type that no catalog has, duplicates, late retries, events out
    of order, forgeries. Ids are new each time, so that a receiver that drops duplicates can be asked again.
    To the receiver its genuine events are as real as any: ask one that may keep them. `--only`, `--type` and
    `--option` may be given several times.

    Exit codes: 0, nothing failed; 1, something did; 2, wrong usage; 3, it cannot be reached.
    """
    screen, as_json = Screen(), wants_json(ctx, as_json)
    url = _read_url(to)
    author = _author(provider, secret, option, callback=callback)
    types = _types(author, event_type)
    _say_where(screen, url, as_json=as_json)

    def start(target: Target) -> Round:
        return Round(
            author=author,
            target=target,
            types=types,
            limits=Limits(slow, author.timeout),
            count=count,
            seed=seed,
            now=lambda: datetime.now(UTC),
        )

    report = _run(screen, url, start, timeout=timeout, checks=only or [*Check])
    if as_json:
        screen.raw(report.json)
    else:
        report.show(screen)
    raise typer.Exit(Exit.DONE if report.passed else Exit.REFUSED)


def _read_url(url: str) -> str:
    """Raises Failure."""
    try:
        return parse_endpoint(url).url
    except ValueError as exc:
        raise Failure(Exit.WRONG, f"--to {exc}") from exc


def _author(name: str, secret: str | None, option: list[str] | None, *, callback: bool) -> Author:
    """Raises Failure, ConfigError."""
    provider = name_provider(name)
    options = sending_options(provider, read_options(option), callback=callback)
    unsigned = options.pop("unsigned", False) or options.get("signature") == "none"
    secrets = read_secrets([secret] if secret else None, unsigned=unsigned)
    found = secrets[0] if secrets else ""
    return Author(provider, found, options=options, callback=callback, new_id=Uuid7())


def _types(author: Author, names: list[str] | None) -> list[EventType]:
    """Raises Failure for one that is not sent so."""
    if not names:
        return author.event_types
    try:
        found = [each for name in names for each in find_event_types(author.provider, name)]
    except Failure as exc:
        raise Failure(Exit.WRONG, str(exc), hint=exc.hint) from exc
    if other := next((each.name for each in found if each not in author.event_types), None):
        raise Failure(Exit.WRONG, f"{other} is not sent to callbacks")
    return [*{each.name: each for each in found}.values()]


def _say_where(screen: Screen, url: str, *, as_json: bool) -> None:
    """Always, where it is not this machine."""
    host = urlsplit(url).hostname or ""
    if not is_loopback(host):
        screen.note(f"sending events and forgeries to {url}: {host} is not this machine", style="yellow")
    elif not as_json:
        screen.note(f"sending to {url}")


def _run(
    screen: Screen, url: str, start: Callable[[Target], Round], *, timeout: float, checks: Sequence[Check]
) -> Report:
    """Raises Failure where it cannot be reached."""
    findings: list[Finding] = []
    began = time.monotonic()
    with screen.progress() as progress:
        task = progress.add_task("", total=None)

        def tick() -> None:
            progress.advance(task)

        with Target(url, timeout=timeout, clock=time.monotonic, on_sent=tick) as target:
            on = start(target)
            for check in dict.fromkeys(checks):
                progress.update(task, description=check)
                findings += CHECKS[check](on)
            concluded, cause = conclude(findings)
            return Report(
                target=url,
                provider=on.author.provider.name,
                seed=on.seed,
                requests=target.sent,
                seconds=time.monotonic() - began,
                findings=concluded,
                cause=cause,
            )

"""`adjourn demo`: the whole flow on this machine, with nothing to set up.

A server on an empty database, a receiver on loopback, two apps, three users, the 31 samples of Contio's
reference. The receiver refuses some at first, so that retries show.
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from adjourn.client import AsyncPlatform
from adjourn.client.values import SignatureProfile
from adjourn.config import Secret, Settings
from adjourn.errors import ConfigError, VerificationError
from adjourn.providers import PROVIDERS
from adjourn.server import serve
from adjourn.signing import ContioVerifier, StandardVerifier
from adjourn.testing import LocalEndpoint, Received, local_endpoint

__all__ = ["demo"]

_KEY = "pk_demo"
_RETRY_DELAYS = (timedelta(seconds=0.5), timedelta(seconds=1), timedelta(seconds=2))
_FAILING = 7  # of so many events, one is refused at first
_GIVE_UP = 60.0  # seconds
_DEFAULT_PORT = 8080
_USERS = {"ana": "ana@example.com", "ben": "ben@example.com", "chloe": "chloe@example.com"}


class _App(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two partners: who is connected, and how its signature is checked."""

    name: str
    path: str
    profile: SignatureProfile
    users: tuple[str, ...]


_APPS = (
    _App(name="Acme CRM", path="/acme", profile="documented", users=("ana", "ben")),
    _App(name="Notewell", path="/notewell", profile="sdk", users=("ana", "chloe")),
)


class _Arrivals:
    """What the receiver got: whether each proves itself, and what is still to come."""

    def __init__(self) -> None:
        self.answered: Counter[str] = Counter()  # 202s, by event id: the envelopes to come
        self.accepted_at: dict[str, float] = {}
        self.first_at: dict[str, float] = {}
        self.tries: Counter[str] = Counter()
        self.delivered: set[str] = set()
        self.forged: list[str] = []
        self.latest: list[tuple[str, str, int]] = []
        self._verifiers: dict[str, tuple[ContioVerifier, StandardVerifier]] = {}

    def trust(self, app: _App, secret: str) -> None:
        strict = app.profile == "documented"
        self._verifiers[app.path] = (ContioVerifier(secret, strict=strict), StandardVerifier(secret))

    def answer(self, received: Received) -> int:
        """The receiver's answer: it refuses one event in a few, the first time it comes."""
        event_id, event_type = self._verify(received)
        self.tries[event_id] += 1
        self.first_at.setdefault(event_id, received.at)
        refused = self.tries[event_id] == 1 and len(self.first_at) % _FAILING == 0
        status = 503 if refused else 200
        if not refused:
            self.delivered.add(event_id)
        self.latest = [*self.latest[-7:], (event_type, received.path, status)]
        return status

    def _verify(self, received: Received) -> tuple[str, str]:
        contio, standard = self._verifiers[received.path]
        event: dict[str, Any] = msgspec.json.decode(received.body)
        try:
            for verifier in (contio, standard):
                verifier.verify(received.headers, received.body, now=datetime.now(UTC))
        except VerificationError as exc:
            self.forged.append(f"{event['event_type']} at {received.path}: {exc}")
        return event["event_id"], event["event_type"]

    @property
    def expected(self) -> set[str]:
        return set(self.answered)

    @property
    def complete(self) -> bool:
        return self.expected <= self.delivered

    def waits(self) -> list[float]:
        """Milliseconds from the 202 to the first arrival, ascending."""
        ids = self.expected & set(self.first_at)
        return sorted(max(self.first_at[each] - self.accepted_at[each], 0.0) * 1000 for each in ids)


def demo(
    *,
    exit_: Annotated[bool, typer.Option("--exit", help="End after the summary, do not serve on.")] = False,
    port: Annotated[int | None, typer.Option(help="Port of the server; 8080, or a free one.")] = None,
) -> None:
    """Show the whole flow: 31 real events for two apps arrive signed, retried and verified."""
    console = Console()
    try:
        arrived = asyncio.run(_demo(console, exit_=exit_, port=port))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(0 if arrived else 1)


async def _demo(console: Console, *, exit_: bool, port: int | None) -> bool:
    arrivals = _Arrivals()
    with tempfile.TemporaryDirectory(prefix="adjourn-demo-") as folder:
        async with local_endpoint(arrivals.answer) as endpoint:
            ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            server = await _start(folder, port, ready)
            try:
                url = await ready
                console.print(f"[bold]Adjourn[/] serves at {url}")
                async with AsyncPlatform(key=_KEY, base_url=url, trust_env=False) as platform:
                    await _run(console, platform, endpoint, arrivals)
                arrived = _summary(console, arrivals)
                if not exit_:
                    _invite(console, url)
                    await server
            finally:
                server.cancel()
                await asyncio.gather(server, return_exceptions=True)
    return arrived


async def _start(folder: str, port: int | None, ready: "asyncio.Future[str]") -> "asyncio.Task[None]":
    """Serve on the port asked for, or on the usual one, or, where that is taken, on any."""
    for each in (port,) if port is not None else (_DEFAULT_PORT, 0):
        settings = Settings(
            database_url=f"sqlite:///{folder}/demo.db",
            platform_key=Secret(_KEY),
            port=each,
            retry_delays=_RETRY_DELAYS,
            allow_networks=(ip_network("127.0.0.0/8"),),
        )
        server = asyncio.create_task(serve(settings, on_ready=lambda url, key: ready.set_result(url)))
        started: list[asyncio.Future[Any]] = [server, ready]
        await asyncio.wait(started, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            return server
        if each == 0 or port is not None or not isinstance(server.exception(), ConfigError):
            break
    await server
    raise ConfigError("the server ended before it was ready")


async def _run(
    console: Console, platform: AsyncPlatform, endpoint: LocalEndpoint, arrivals: _Arrivals
) -> None:
    console.print(f"A receiver listens at {endpoint.url}")
    for app in _APPS:
        secret = await _create(platform, app, endpoint.url)
        arrivals.trust(app, secret)
        console.print(f"  {app.name}: users {', '.join(app.users)}; signature profile {app.profile}")
    with Live(console=console, refresh_per_second=20, transient=True) as live:
        published = 0
        for event_type, sample in _samples():
            accepted = await platform.publish(event_type, sample["data"], user_ids=[*_USERS])
            now = time.monotonic()
            for event in accepted.events:
                arrivals.answered[event.event_id] += 1
                arrivals.accepted_at[event.event_id] = now
            published += 1
            live.update(_progress(published, arrivals))
        deadline = time.monotonic() + _GIVE_UP
        while not arrivals.complete and time.monotonic() < deadline:
            live.update(_progress(published, arrivals))
            await asyncio.sleep(0.05)


async def _create(platform: AsyncPlatform, app: _App, receiver: str) -> str:
    """The app with its users; its webhook secret."""
    made = await platform.create_app(
        name=app.name,
        company_name=f"{app.name} Inc.",
        primary_contact_email="dev@example.com",
        webhook_url=receiver + app.path,
        signature_profile=app.profile,
    )
    users = [{"user_id": user, "email": _USERS[user]} for user in app.users]
    await platform.connect_many(made.app.id, users)
    return made.credentials.webhook_secret


def _samples() -> Iterable[tuple[str, dict[str, Any]]]:
    """The 31 types of Contio's reference: those that say since when they are there."""
    types = PROVIDERS["contio"].event_types.values()
    return [(each.name, each.sample) for each in types if each.since is not None]


def _progress(published: int, arrivals: _Arrivals) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2))
    retried = sum(1 for tries in arrivals.tries.values() if tries > 1)
    counts = f"{published} published, {len(arrivals.delivered)} of {len(arrivals.expected)} delivered"
    table.add_row(f"[bold]{counts}[/]", f"{retried} retried", "")
    for event_type, path, status in arrivals.latest:
        table.add_row(event_type, path, f"[green]{status}[/]" if status < 300 else f"[red]{status}[/]")
    return table


def _summary(console: Console, arrivals: _Arrivals) -> bool:
    """Print what came of it; whether everything arrived verified."""
    waits = arrivals.waits()
    retried = sum(1 for tries in arrivals.tries.values() if tries > 1)
    strangers = set(arrivals.first_at) - arrivals.expected
    table = Table(title="What arrived", show_header=False)
    table.add_row("events published", str(len([*_samples()])))
    table.add_row("envelopes, one for each (app, user)", str(len(arrivals.expected)))
    table.add_row("delivered", str(len(arrivals.delivered & arrivals.expected)))
    table.add_row("signatures that did not verify", str(len(arrivals.forged)))
    table.add_row("refused at first, then retried", str(retried))
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


def _invite(console: Console, url: str) -> None:
    command = "adjourn" if shutil.which("adjourn") else sys.argv[0]
    lines = [
        f"export ADJOURN_URL={url} ADJOURN_PLATFORM_KEY={_KEY}",
        f"{command} apps list",
        f"{command} publish --sample meeting.completed --user ana",
        f"{command} events list",
        f"{command} deliveries list",
        f"{command} types list",
    ]
    console.print("\nStill serving; Ctrl-C ends it. In another terminal, try:\n")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, highlight=False)

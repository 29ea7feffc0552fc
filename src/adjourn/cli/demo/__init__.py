"""`adjourn demo`: the whole flow on this machine, with nothing to set up.

A server on an empty database, a receiver on loopback, two apps of one provider, its vendor's samples. The
receiver refuses some at first, so that retries show.
"""

import asyncio
import tempfile
import time
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from adjourn.cli.catalogs import find_provider
from adjourn.cli.demo.arrivals import CALLBACK_PATH, Arrivals
from adjourn.cli.demo.cast import USERS, Player, cast_of, events_of
from adjourn.cli.demo.screen import invite, progress, summary
from adjourn.client import AsyncPlatform
from adjourn.config import Secret, Settings
from adjourn.errors import ConfigError
from adjourn.providers import PROVIDERS, EventType, Provider
from adjourn.providers.provider import JsonObject
from adjourn.resources import Accepted
from adjourn.server import serve
from adjourn.testing import LocalEndpoint, local_endpoint

__all__ = ["demo"]

_KEY = "pk_demo"
_CALLBACK_SECRET = "demo-callback-secret"  # noqa: S105 - of a receiver on loopback
_RETRY_DELAYS = (timedelta(seconds=0.5), timedelta(seconds=1), timedelta(seconds=2))
_GIVE_UP = 60.0  # seconds
_DEFAULT_PORT = 8080


def demo(
    *,
    provider: Annotated[str, typer.Option(help=f"Whose events: {', '.join(PROVIDERS)}.")] = next(
        iter(PROVIDERS)
    ),
    exit_: Annotated[bool, typer.Option("--exit", help="End after the summary, do not serve on.")] = False,
    port: Annotated[int | None, typer.Option(help="Port of the server; 8080, or a free one.")] = None,
) -> None:
    """Show the whole flow: a provider's events for two apps arrive signed, retried and verified."""
    shown = _Demo(find_provider(provider), Console())
    try:
        arrived = asyncio.run(shown.run(exit_=exit_, port=port))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(0 if arrived else 1)


class _Demo:
    def __init__(self, provider: Provider, console: Console) -> None:
        self._provider = provider
        self._console = console
        self._cast = cast_of(provider)
        self._arrivals = Arrivals(provider, self._cast)
        self._app_ids: list[str] = []
        self._published = 0

    async def run(self, *, exit_: bool, port: int | None) -> bool:
        """Whether everything arrived, verified."""
        with tempfile.TemporaryDirectory(prefix="adjourn-demo-") as folder:
            async with local_endpoint(self._arrivals.answer) as endpoint:
                ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
                server = await _start(folder, port, ready)
                try:
                    url = await ready
                    self._console.print(f"[bold]Adjourn[/] serves at {url}")
                    async with AsyncPlatform(key=_KEY, base_url=url, trust_env=False) as platform:
                        await self._show(platform, endpoint)
                    arrived = summary(self._console, self._cast, self._arrivals, published=self._published)
                    if not exit_:
                        invite(
                            self._console,
                            self._provider,
                            self._cast,
                            url=url,
                            key=_KEY,
                            app_id=self._app_ids[0],
                        )
                        await server
                finally:
                    server.cancel()
                    await asyncio.gather(server, return_exceptions=True)
        return arrived

    async def _show(self, platform: AsyncPlatform, endpoint: LocalEndpoint) -> None:
        self._console.print(f"A receiver listens at {endpoint.url}")
        for app in self._cast.apps:
            await self._create(platform, app, endpoint.url)
            self._console.print(f"  {app.name}: {app.about}")
        with Live(console=self._console, refresh_per_second=20, transient=True) as live:
            for event_type, data in events_of(self._provider):
                await self._publish(platform, event_type, data)
                live.update(progress(self._published, self._arrivals))
            await self._publish_with_callback(platform, endpoint.url + CALLBACK_PATH)
            deadline = time.monotonic() + _GIVE_UP
            while not self._arrivals.complete and time.monotonic() < deadline:
                live.update(progress(self._published, self._arrivals))
                await asyncio.sleep(0.05)

    async def _create(self, platform: AsyncPlatform, app: Player, receiver: str) -> None:
        made = await platform.import_app(
            {
                "provider": self._provider.name,
                "name": app.name,
                "company_name": f"{app.name} Inc.",
                "primary_contact_email": "dev@example.com",
                "webhook_url": receiver + app.path,
                **app.options,
            }
        )
        await platform.connect_many(
            made.app.id, [{"user_id": user, "email": USERS[user]} for user in app.users]
        )
        self._app_ids.append(made.app.id)
        self._arrivals.trust(app.path, app.verifiers(made.credentials.webhook_secret))

    async def _publish(self, platform: AsyncPlatform, event_type: EventType, data: JsonObject) -> None:
        """For every user, or for both apps."""
        audience = {"user_ids": [*USERS]} if self._cast.has_users else {"partner_app_ids": self._app_ids}
        accepted = await platform.publish_request(self._request(event_type, data, audience=audience))
        self._arrivals.expect(_ids(accepted), at=time.monotonic())
        self._published += 1

    async def _publish_with_callback(self, platform: AsyncPlatform, url: str) -> None:
        """One more, where the vendor has callbacks: its subject has one, beside the first app's webhooks."""
        callbacks = self._provider.callbacks
        if callbacks is None:
            return
        event_type, data = next(
            event for event in events_of(self._provider) if event[0].name in callbacks.event_types
        )
        request = self._request(event_type, data, audience={"partner_app_ids": self._app_ids[:1]})
        self._arrivals.trust_callbacks(_CALLBACK_SECRET)
        accepted = await platform.publish_request(
            request | {"callback": {"url": url, "secret": _CALLBACK_SECRET}}
        )
        subject = self._provider.subject_of(event_type.name, data)
        self._arrivals.expect(_ids(accepted), callback_of=subject, at=time.monotonic())
        self._published += 1
        self._console.print(
            f"  {event_type.name} of {subject} has a callback, too: {callbacks.secret_header}"
        )

    def _request(self, event_type: EventType, data: JsonObject, *, audience: Any) -> dict[str, Any]:
        request = {"event_type": event_type.name, "data": data, "audience": audience}
        return {**request, "provider": self._provider.name}


def _ids(accepted: Accepted) -> list[str]:
    return [event.event_id for event in accepted.events]


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

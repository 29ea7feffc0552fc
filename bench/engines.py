"""An engine in this process, for what is measured at the store itself, and the apps it starts with."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network

from adjourn.config import Secret, Settings
from adjourn.endpoint import lane_id
from adjourn.models import Connection, ConnectionStatus
from adjourn.sending.partners import Keys, NewApp
from adjourn.sending.submission import Submission, parse_submission
from adjourn.wiring import Engine, open_engine
from bench.filling import Filler
from bench.server import SECRET_KEY
from bench.ways import KEY

__all__ = ["add_app", "engine_on", "event_for", "fill_waiting", "make_apps", "make_lanes"]

_TEMPLATE = "template"


@asynccontextmanager
async def engine_on(database_url: str) -> AsyncIterator[Engine]:
    """Opened, not started: nothing is sent. Raises StorageError and ConfigError."""
    settings = Settings(
        database_url=database_url,
        platform_key=Secret(KEY),
        secret_keys=(Secret(SECRET_KEY),),
        allow_networks=(ip_network("127.0.0.0/8"),),
    )
    engine = await open_engine(settings)
    try:
        yield engine
    finally:
        await engine.stop()


async def add_app(engine: Engine, app_id: str, user_id: str, url: str) -> None:
    """An app, and a user connected to it."""
    new = NewApp(
        name=app_id,
        company_name="Bench",
        primary_contact_email="bench@example.com",
        keys=Keys.new(),
        id=app_id,
        webhook_url=url,
    )
    await engine.partners.create_app(new)
    now = datetime.now(UTC)
    connection = Connection(
        id=f"connection-{user_id}",
        app_id=app_id,
        user_id=user_id,
        user_email=f"{user_id}@example.com",
        status=ConnectionStatus.ACTIVE,
        created_at=now,
        updated_at=now,
    )
    await engine.partners.connect(app_id, [connection])


def event_for(user_id: str) -> Submission:
    data = {
        "meeting_id": "mtg-550e8400-e29b-41d4-a716-446655440000",
        "workspace_id": "ws-550e8400-e29b-41d4-a716-446655440001",
        "title": "Weekly Team Sync",
        "completed_at": "2026-01-15T10:30:00Z",
    }
    audience = {"user_ids": [user_id]}
    return parse_submission({"event_type": "meeting.completed", "data": data, "audience": audience})


def make_apps(database_url: str, count: int, *, url: str, users: int = 1) -> None:
    """Apps `app-0` and so on, each with so many users `user-<app>-<number>`; one event of the template waits.

    `url`: that of each app's endpoint, an SQL expression of `n`.
    """

    async def make_template() -> None:
        async with engine_on(database_url) as engine:
            await add_app(engine, _TEMPLATE, _TEMPLATE, "http://127.0.0.1:9/template")
            await engine.publisher.publish([event_for(_TEMPLATE)])

    asyncio.run(make_template())
    filler = Filler(database_url)
    apps = range(count)
    named = "'app-' || n"
    of = f"app_id = '{_TEMPLATE}'"
    changed = {"id": named, "name": named, "client_id": "'client-' || n", "webhook_url": url}
    filler.copy("app", apps, changed, of=f"id = '{_TEMPLATE}'")
    filler.copy("health", apps, {"app_id": named}, of=of)
    secret = f"{of} AND type = 'webhook_secret'"
    filler.copy("credential", apps, {"app_id": named}, of=secret, without=("id",))
    number = f"(n % {count}) || '-' || (n / {count})"
    filler.copy(
        "connection",
        range(count * users),
        {
            "app_id": f"'app-' || (n % {count})",
            "id": f"'connection-' || {number}",
            "user_id": f"'user-' || {number}",
            "user_email": f"'user-' || {number} || '@example.com'",
        },
        of=of,
    )
    filler.run("ANALYZE")


def make_lanes(filler: Filler, app_ids: Sequence[str], *, origin: str) -> None:
    """One for each app, numbered in `bench_lane`."""
    lanes = [f"({n}, {lane_id(app_id, origin)}, '{app_id}')" for n, app_id in enumerate(app_ids)]
    filler.run(
        "CREATE TABLE bench_lane (number bigint PRIMARY KEY, id bigint, app_id text)",
        f"INSERT INTO bench_lane VALUES {', '.join(lanes)}",
        f"INSERT INTO lane (id, app_id, origin) SELECT id, app_id, '{origin}' FROM bench_lane",
    )


def fill_waiting(filler: Filler, numbers: range, *, lane: str, due: str) -> None:
    """A publication, event, delivery and job for each number.

    `lane`: the number of its lane, and `due`: when it is, in ms; SQL expressions of `n`.
    """
    new_id = filler.uuid(time.time_ns() // 1_000_000)
    of_lane = f"JOIN bench_lane ON number = {lane}"
    filler.copy("publication", numbers, {"id": new_id})
    changed = {"id": new_id, "app_id": "bench_lane.app_id"}
    filler.copy("event", numbers, changed | {"publication_id": new_id}, joined=of_lane)
    changed |= {"event_id": new_id, "lane_id": "bench_lane.id"}
    filler.copy("delivery", numbers, changed, joined=of_lane)
    del changed["id"]
    # as in a lane with a backlog; SQLite's jobs carry none
    event = "event JOIN publication ON publication.id = publication_id"
    body = f"(SELECT head || data || '}}'::bytea FROM {event} LIMIT 1)"
    changed |= {"delivery_id": new_id, "due": due, "body": body, "event_type": "'meeting.completed'"}
    changed |= {"state": "'pending'", "attempt_no": "0", "retry_count": "0"}
    filler.copy("job", numbers, changed, without=("seq",), joined=of_lane)
    filler.run(
        "UPDATE lane SET wake_at = (SELECT min(due) FROM job WHERE job.lane_id = lane.id AND owner IS NULL) "
        "WHERE id IN (SELECT id FROM bench_lane)",
        "ANALYZE",
    )

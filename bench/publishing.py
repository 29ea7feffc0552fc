"""What taking events in costs, stage by stage, in one process and without a store.

    python -m bench.publishing [--events 20000]

CPU us per event: `read` is from the bytes of a request to checked submissions, `publish` from these to what
the store gets (planned, with its ids, envelopes and entries), `http` all of it from the bytes on the socket
to those of the 202. The store takes everything at once, and nothing is sent.
"""

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from adjourn.api.auth import PlatformAuth
from adjourn.api.front import Front
from adjourn.api.idempotency import Idempotency
from adjourn.api.inputs import read_json
from adjourn.api.publishing import Publishing, _read_batch
from adjourn.api.straight import StraightProtocol
from adjourn.config import Secret
from adjourn.ids import Uuid7
from adjourn.models import App, AppOptions, AppStatus, Connection, ConnectionStatus
from adjourn.sending.apps import AppCache
from adjourn.sending.planner import Planner
from adjourn.sending.publisher import Publisher
from adjourn.sending.submission import Submission, parse_submission

_KEY = "pk_bench"
_CONNECTIONS = 64
_NOW = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)
_EVENT = {
    "event_type": "meeting.completed",
    "data": {
        "meeting_id": "mtg-550e8400-e29b-41d4-a716-446655440000",
        "workspace_id": "ws-550e8400-e29b-41d4-a716-446655440001",
        "title": "Weekly Team Sync",
        "completed_at": "2025-01-15T10:30:00Z",
    },
}


class _Store:
    """A directory and a queue: one app, everybody connected to it, and all that is stored forgotten."""

    async def connections_of(self, user_ids: Iterable[str]) -> list[Connection]:
        return [
            Connection(
                id=f"c-{user}",
                app_id="app-1",
                user_id=user,
                user_email=f"{user}@example.com",
                status=ConnectionStatus.ACTIVE,
                created_at=_NOW,
                updated_at=_NOW,
            )
            for user in user_ids
        ]

    async def load_apps(self, app_ids: Iterable[str]) -> list[App]:
        return [_app(app_id) for app_id in app_ids]

    async def now(self) -> datetime:
        return datetime.now(UTC)

    async def publish(self, entries: Sequence[object]) -> None:
        await asyncio.sleep(0)


def _app(app_id: str) -> App:
    return App(
        id=app_id,
        version=1,
        provider="contio",
        name="Acme",
        description=None,
        company_name="Acme Inc.",
        client_id="client",
        primary_contact_email="dev@example.com",
        webhook_url="https://acme.example/hook",
        webhook_enabled=True,
        webhook_filter=None,
        status=AppStatus.ACTIVE,
        slug=None,
        options=AppOptions(),
        webhook_secret=Secret("whsec_AAAA"),
        created_at=_NOW,
        updated_at=_NOW,
    )


class _Outcomes:
    async def wait_for_room(self, *, within: float) -> bool:
        return True


class _Worker:
    """Has room for everything, and sends nothing."""

    id = "worker"
    outcomes = _Outcomes()

    def try_hold(self, delivery_id: str, lane_id: int, app_id: str) -> bool:
        return True

    def let_go(self, delivery_id: str, lane_id: int) -> None: ...
    def take(self, claimed: object) -> None: ...
    def poke(self) -> None: ...


class _Transport(asyncio.Transport):
    """Keeps what is written, and tells who waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.on_write: Callable[[bytes], None] = lambda data: None

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.on_write(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=20_000)
    options = parser.parse_args(argv)
    gc.freeze()  # as the server does
    gc.set_threshold(10_000, 20, 20)
    print(f"{'':16}{'read':>8}{'publish':>9}{'http':>7}   CPU us an event")
    for name, batch, users in (("one a request", 1, 1), ("batches of 100", 100, 1), ("fan-out 5", 1, 5)):
        read, publish, http = uvloop.run(_measure(options.events, batch, users))
        print(f"{name:16}{read:>8.1f}{publish:>9.1f}{http:>7.1f}")
    return 0


async def _measure(events: int, batch: int, users: int) -> tuple[float, float, float]:
    event = {**_EVENT, "audience": {"user_ids": [f"user-{n}" for n in range(users)]}}
    body = json.dumps(event if batch == 1 else {"events": [event] * batch}).encode()
    store: Any = _Store()
    worker: Any = _Worker()
    apps, ids = AppCache(store), Uuid7()
    publisher = Publisher(
        queue=store, planner=Planner(directory=store, apps=apps, ids=ids), apps=apps, worker=worker
    )
    publishing = Publishing(publisher, apps, Idempotency(store, Any))  # type: ignore[arg-type]
    read = _reader(batch)
    rounds = events // batch
    gc.collect()
    reading = _cpu(lambda: read(body), rounds)
    began = time.process_time()
    asked: list[Sequence[Submission]] = [read(body) for _ in range(_CONNECTIONS)]
    for _ in range(rounds // _CONNECTIONS + 1):
        await asyncio.gather(*(publisher.publish(each) for each in asked))
    published = (time.process_time() - began) / (rounds // _CONNECTIONS + 1) / _CONNECTIONS
    front = Front(
        _nowhere,
        platform=PlatformAuth(sha256(_KEY.encode()).digest()),
        limit=None,
        routes={
            ("POST", "/v1/platform/events"): publishing.one,
            ("POST", "/v1/platform/events/batch"): publishing.batch,
        },
        ids=ids,
    )
    over_http = await _over_http(front, "" if batch == 1 else "/batch", body, rounds)
    return tuple(each / batch * 1e6 for each in (reading, published, over_http))  # type: ignore[return-value]


def _cpu(run: Callable[[], object], rounds: int) -> float:
    """Seconds a round."""
    began = time.process_time()
    for _ in range(rounds):
        run()
    return (time.process_time() - began) / rounds


async def _nowhere(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError


async def _over_http(front: Front, path: str, body: bytes, rounds: int) -> float:
    head = (
        f"POST /v1/platform/events{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {_KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    config = uvicorn.Config(
        front, lifespan="off", log_config=None, access_log=False, server_header=False, ws="none"
    )
    config.load()
    state = ServerState()
    left = iter(range(rounds))
    loop = asyncio.get_running_loop()

    async def keep_busy() -> None:
        transport = _Transport()
        protocol = StraightProtocol(config, state, {})
        protocol.connection_made(transport)
        for _ in left:
            answered = loop.create_future()

            def take(data: bytes, answered: asyncio.Future[None] = answered) -> None:
                assert data.startswith((b"HTTP/1.1 202", b"{")), data
                if data.endswith(b"}") and not answered.done():
                    answered.set_result(None)

            transport.on_write = take
            protocol.data_received(head + body)
            await answered
        protocol.connection_lost(None)

    began = time.process_time()
    await asyncio.gather(*(keep_busy() for _ in range(_CONNECTIONS)))
    return (time.process_time() - began) / rounds


def _reader(batch: int) -> Callable[[bytes], list[Submission]]:
    if batch == 1:
        return lambda body: [parse_submission(read_json(body, "application/json"))]
    return lambda body: _read_batch(read_json(body, "application/json"), lambda app_ids: ())


if __name__ == "__main__":
    sys.exit(main())

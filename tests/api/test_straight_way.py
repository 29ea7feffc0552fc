"""Publishing without ASGI answers as publishing through it does, byte for byte, over real sockets."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.api.harness import PLATFORM_KEY, Api, sample
from uvicorn.server import ServerState

from adjourn.api.front import Front, Told
from adjourn.api.problems import Answer
from adjourn.api.protocol import BoundedProtocol
from adjourn.api.straight import StraightProtocol

pytestmark = pytest.mark.anyio

DATE = (b"date", b"Wed, 15 Jan 2025 10:30:00 GMT")
EVENT = {**sample("meeting.created"), "timestamp": "2025-01-15T10:30:00Z"}
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_KEY = f"Authorization: Bearer {PLATFORM_KEY}"


def request(
    body: object = None,
    *headers: str,
    path: str = "/v1/platform/events",
    start: str = "POST {path} HTTP/1.1",
    key: str = _KEY,
    kind: str | None = "application/json",
) -> bytes:
    """One request, its Content-Length as it should be unless a header says otherwise."""
    sent = body if isinstance(body, bytes) else json.dumps(EVENT if body is None else body).encode()
    lines = [start.format(path=path), "Host: x", *([key] if key else []), *headers]
    if kind is not None:
        lines.append(f"Content-Type: {kind}")
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(sent)}")
    return "\r\n".join([*lines, "", ""]).encode() + sent


def batch(count: int, *headers: str, **more: Any) -> bytes:
    return request({"events": [EVENT] * count}, *headers, path="/v1/platform/events/batch", **more)


BODY = json.dumps(EVENT).encode()
STRAIGHT = {
    "one": request(),
    "a batch": batch(3),
    "no content type": request(kind=None),
    "a charset": request(kind="application/json; charset=utf-8"),
    "another kind": request(kind="text/plain"),
    "two kinds": request(None, "Content-Type: text/plain"),
    "bearer": request(key=f"authorization: bearer {PLATFORM_KEY}"),
    "faults": request({"event_type": "meeting.created", "data": {"x": 1}, "audience": {}}),
    "a fault in a batch": request({"events": [EVENT, {}]}, path="/v1/platform/events/batch"),
    "no json": request(b"{"),
    "no body": request(b""),
    "no length": request(b"", "X-A: b").replace(b"Content-Length: 0\r\n", b""),
    "nobody's app": request({**EVENT, "audience": {"partner_app_ids": ["nobody"]}}),
    "close": request(None, "Connection: close"),
    "close after a fault": request({}, "Connection: close"),
    "keep-alive": request(None, "Connection: keep-alive"),
    "a proxy's headers": request(None, "X-Forwarded-For: 203.0.113.7", "traceparent: 00-1-2-01"),
    "an absent host": request().replace(b"Host: x\r\n", b""),
}
ORDINARY = {
    "no key": request(key=""),
    "another key": request(key="Authorization: Bearer nope"),
    "two keys": request(None, "Authorization: Bearer nope"),
    "basic": request(key="Authorization: Basic cGtfdGVzdA=="),
    "a get": request(b"", start="GET {path} HTTP/1.1"),
    "a put": request(start="PUT {path} HTTP/1.1"),
    "HTTP/1.0": request(start="POST {path} HTTP/1.0"),
    "a slash": request(path="/v1/platform/events/"),
    "two slashes": request(path="//v1/platform/events"),
    "a query": request(path="/v1/platform/events?a=b"),
    "an escape": request(path="/v1/platform/event%73"),
    "the whole url": request(path="http://x/v1/platform/events"),
    "another path": request(path="/v1/platform/nowhere"),
    "identity": request(None, "Content-Encoding: identity"),
    "gzip": request(None, "Content-Encoding: gzip"),
    "a usable idempotency key": request(None, "Idempotency-Key: {unique}"),
    "an unusable idempotency key": request(None, "Idempotency-Key:"),
    "chunked": request(b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), "Transfer-Encoding: chunked"),
    "expects": request(None, "Expect: 100-continue"),
    "upgrade": request(None, "Connection: upgrade, close", "Upgrade: h2c"),
    "too many events, in more than one piece": batch(1001),
    "too large": request(b" " * (256 * 1024 + 1)),
    "both lengths": request(None, "Transfer-Encoding: chunked", "Content-Length: 5"),
    "no http": b"no http\r\n\r\n",
}

CLOSING = {"close", "close after a fault", "HTTP/1.0", "upgrade", "both lengths", "no http"}


class Listening:
    """A server on a socket, and how many requests went through ASGI."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.through_asgi = 0

    async def ask(self, *parts: bytes) -> bytes:
        """All that comes back, ids and all, until the server closes: the last request asks it to."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(20):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    for _ in range(5):  # so that it is read alone
                        await asyncio.sleep(0)
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def listening(front: Any, protocol: type[BoundedProtocol]) -> AsyncIterator[Listening]:
    config = uvicorn.Config(front, lifespan="off", log_config=None, access_log=False, ws="none")
    config.load()
    state = ServerState()
    state.default_headers = [DATE]
    loop = asyncio.get_running_loop()
    ordinary = config.loaded_app

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        found.through_asgi += scope["path"] != "/healthz"
        await ordinary(scope, receive, send)

    config.loaded_app = counted
    server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    found = Listening(server.sockets[0].getsockname()[1])
    try:
        yield found
    finally:
        server.close()
        for connection in [*state.connections]:
            connection.transport.abort()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await server.wait_closed()


@pytest.fixture
async def both(api: Api) -> AsyncIterator[tuple[Listening, Listening]]:
    """The straight way, and the ordinary one alone."""
    await api.connect(await api.create_app())
    async with listening(api.app, StraightProtocol) as straight, listening(api.app, BoundedProtocol) as other:
        yield straight, other


LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""Asks for the connection's end: what it answers tells whether the connection was still open."""


def masked(answers: bytes) -> bytes:
    assert DATE[1] in answers or b"400 Bad Request" in answers
    return _ID.sub(b"ID", answers)


def pieces(sent: bytes, size: int) -> Iterator[bytes]:
    return (sent[start : start + size] for start in range(0, len(sent), size))


def unique(sent: bytes, text: str) -> bytes:
    return sent.replace(b"{unique}", text.encode())


async def test_what_goes_straight_is_answered_as_on_the_ordinary_way(
    both: tuple[Listening, Listening],
) -> None:
    for name, sent in STRAIGHT.items():
        answers = [masked(await each.ask(sent + LAST)) for each in both]
        assert answers[0] == answers[1], name
        assert answers[0].startswith(b"HTTP/1.1 "), name
        assert both[0].through_asgi == 0, name
    assert both[1].through_asgi == len(STRAIGHT)


async def test_all_else_takes_the_ordinary_way(both: tuple[Listening, Listening]) -> None:
    for name, sent in ORDINARY.items():
        answers = [masked(await each.ask(unique(sent, str(n)) + LAST)) for n, each in enumerate(both)]
        assert answers[0] == answers[1], name
        assert both[0].through_asgi == both[1].through_asgi, name


@pytest.mark.parametrize("size", [1, 7, 150])
async def test_a_request_in_pieces_takes_the_ordinary_way(
    both: tuple[Listening, Listening], size: int
) -> None:
    for name, sent in (STRAIGHT | ORDINARY).items():
        if len(sent) < 1000 and name not in CLOSING:
            answers = [
                masked(await each.ask(*pieces(unique(sent, str(n)), size), LAST))
                for n, each in enumerate(both)
            ]
            assert answers[0] == answers[1], name


async def test_a_head_and_a_body_apart(both: tuple[Listening, Listening]) -> None:
    head, _, body = batch(50).partition(b"\r\n\r\n")
    answers = [await each.ask(head + b"\r\n\r\n" + body[:100], body[100:], LAST) for each in both]
    assert masked(answers[0]) == masked(answers[1])
    assert both[0].through_asgi == 1


@pytest.mark.parametrize(
    "names",
    [
        ["one", "one"],
        ["one", "faults", "a batch"],
        ["faults", "one", "no json"],
        ["one", "no key", "one"],
        ["no key", "one", "one"],
        ["one", "chunked", "one", "expects", "a batch"],
        ["one", "close", "one"],
        ["close after a fault", "one"],
        ["faults", "close after a fault", "one"],
        ["one", "no http"],
        ["faults", "no http"],
    ],
)
async def test_pipelined_requests_are_answered_in_order(
    both: tuple[Listening, Listening], api: Api, names: Sequence[str]
) -> None:
    sent = b"".join(STRAIGHT.get(name) or ORDINARY[name] for name in names) + LAST
    counts = [0]
    answers = []
    for each in both:
        answers.append(await each.ask(sent))
        await api.publish(EVENT)  # after all that came before
        counts.append((await api.platform.get("/v1/platform/events")).json()["total"])
    assert answers[0].count(b"HTTP/1.1 ") == answers[1].count(b"HTTP/1.1 ")
    assert masked(answers[0]) == masked(answers[1])
    assert counts[2] == 2 * counts[1], "as much was published"


async def test_one_connection_carries_one_request_after_the_other(both: tuple[Listening, Listening]) -> None:
    straight, _ = both
    reader, writer = await asyncio.open_connection("127.0.0.1", straight.port)
    seen = set()
    for _ in range(5):
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202 Accepted\r\ndate: ")
        length = int(re.findall(rb"content-length: (\d+)", head)[0])
        seen |= {*_ID.findall(head), *_ID.findall(await reader.readexactly(length))}
    writer.close()
    assert len(seen) == 5 * 4 + 1  # of the request, the publication, the event, the delivery; and the app
    assert straight.through_asgi == 0


async def test_a_client_that_leaves_has_published(both: tuple[Listening, Listening], api: Api) -> None:
    straight, _ = both
    _, writer = await asyncio.open_connection("127.0.0.1", straight.port)
    writer.write(request())
    await writer.drain()
    writer.close()
    await api.endpoint.wait_for(1)


async def test_with_a_rate_limit_every_request_takes_the_ordinary_way(tmp_path: Path) -> None:
    from tests.api.harness import open_api

    async with open_api(tmp_path, lambda received: 200, platform_rate_limit=4) as api:
        await api.connect(await api.create_app())
        async with listening(api.app, StraightProtocol) as straight:
            assert b"ratelimit-remaining: 1\r\n" in await straight.ask(request() + LAST)
            assert straight.through_asgi == 1


# one connection, and a route that answers when it is told to


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class Slow:
    """A route whose answers are told by the test."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    async def __call__(self, incoming: object) -> Answer:
        raise NotImplementedError

    def start(self, body: bytes, content_type: str, told: Told) -> None:
        self.told.append(told)


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time passes when it is told to."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """In steps, so that what is due is done when it is."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.call_soon(self.stop)
            self.run_forever()


@pytest.fixture
def clock() -> Iterator[Clock]:
    loop = Clock()
    yield loop
    loop.close()


def connected(clock: Clock, slow: Slow) -> tuple[StraightProtocol, Transport]:
    from hashlib import sha256

    from adjourn.api.auth import PlatformAuth
    from adjourn.ids import Uuid7

    async def nowhere(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    routes: Any = {("POST", "/v1/platform/events"): slow}
    auth = PlatformAuth(sha256(PLATFORM_KEY.encode()).digest())
    front = Front(nowhere, platform=auth, limit=None, routes=routes, ids=Uuid7())
    config = uvicorn.Config(front, lifespan="off", log_config=None, access_log=False, ws="none")
    protocol, transport = StraightProtocol(config, ServerState(), {}, clock), Transport()
    protocol.connection_made(transport)
    return protocol, transport


OK = Answer(202, b"{}", {"Retry-After": "1"})


def test_a_request_under_way_at_shutdown_is_answered_and_then_the_connection_closed(clock: Clock) -> None:
    slow = Slow()
    protocol, transport = connected(clock, slow)
    protocol.data_received(request())
    protocol.shutdown()
    assert (transport.written, transport.closed) == (b"", False)
    assert protocol in protocol.server_state.connections
    slow.told[0](OK)
    head, _, body = transport.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert head.endswith(b"\r\nconnection: close")
    assert b"\r\nretry-after: 1\r\n" in head
    assert (body, transport.closed) == (b"{}", True)


def test_an_idle_connection_closes_at_shutdown(clock: Clock) -> None:
    protocol, transport = connected(clock, Slow())
    protocol.shutdown()
    assert transport.closed


def test_an_answer_for_nobody_is_dropped(clock: Clock) -> None:
    slow = Slow()
    protocol, transport = connected(clock, slow)
    protocol.data_received(request())
    protocol.connection_lost(ConnectionResetError())
    slow.told[0](OK)
    assert transport.written == b""
    assert protocol.server_state.total_requests == 0


def test_a_second_request_waits_for_the_first(clock: Clock) -> None:
    slow = Slow()
    protocol, transport = connected(clock, slow)
    protocol.data_received(request() + request(path="/v1/platform/nowhere"))
    assert len(slow.told) == 1
    assert len(protocol.pipeline) == 1
    assert transport.written == b""


# time


def test_a_connection_that_sends_no_head_closes_after_30_seconds(clock: Clock) -> None:
    protocol, transport = connected(clock, Slow())
    protocol.data_received(b"POST /v1/platform/events HTTP/1.1\r\n")
    clock.pass_by(29.8)
    assert not transport.closed
    clock.pass_by(0.4)
    assert transport.closed


def test_an_idle_connection_closes_after_the_keep_alive(clock: Clock) -> None:
    slow = Slow()
    protocol, transport = connected(clock, slow)
    clock.pass_by(3)
    protocol.data_received(request())
    clock.pass_by(60)
    assert not transport.closed, "its answer is still to come"
    slow.told[0](OK)
    clock.pass_by(4.8)
    assert not transport.closed
    clock.pass_by(0.4)
    assert transport.closed


def test_a_head_that_begins_in_time_has_30_seconds_from_the_answer_before(clock: Clock) -> None:
    slow = Slow()
    protocol, transport = connected(clock, slow)
    protocol.data_received(request())
    slow.told[0](OK)
    clock.pass_by(4)
    protocol.data_received(b"POST /v1/platform/events HTTP/1.1\r\n")
    clock.pass_by(25.8)
    assert not transport.closed
    clock.pass_by(0.4)
    assert transport.closed

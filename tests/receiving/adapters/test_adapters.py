"""What every adapter does with a request, through its real framework and a real server."""

import asyncio
import gc
import logging
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from tests.receiving.adapters.harness import (
    ASYNC,
    KINDS,
    Mounted,
    Reply,
    ask,
    connect,
    read_reply,
    serve,
)
from tests.receiving.adapters.servers import Server

from adjourn import ConfigError, Inbox, Receiver, UnknownEvent, contio, quil
from adjourn.models import Receipt
from adjourn.testing import encode, sample, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CONTIO = Receiver(contio, SECRET)
QUIL = Receiver(quil, SECRET)
MIB = 1 << 20
SMALL = 5000  # bytes, at most, at /small
NUMBERS = count(1)
READS_FIRST = "django under ASGI"  # Django has read the whole body before it calls a view


class Site:
    """An application behind a server, and what its handlers got."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.inbox = Inbox(f"sqlite:///{folder}/inbox.db")
        (folder / "file").touch()
        self.closed = Inbox(f"sqlite:///{folder}/file/inbox.db")
        self.handled: dict[str, Struct] = {}
        self.going = threading.Event()
        self._more = threading.Condition()
        self.inbox.on(Struct)(self._handle)
        self._server: Server | None = None

    def _handle(self, event: Struct, receipt: Receipt) -> None:
        assert self.going.wait(30)
        with self._more:
            assert receipt.id not in self.handled, "handled twice"
            self.handled[receipt.id] = event
            self._more.notify_all()

    def wait_for(self, event_id: str) -> Struct:
        """The event that its handler got."""
        with self._more:
            assert self._more.wait_for(lambda: event_id in self.handled, timeout=30)
            return self.handled[event_id]

    @property
    def mounts(self) -> dict[str, Mounted]:
        return {
            "/webhooks/contio": Mounted(CONTIO, self.inbox),
            "/webhooks/quil": Mounted(QUIL, self.inbox),
            "/small": Mounted(CONTIO, self.inbox, max_body_bytes=SMALL),
            "/closed": Mounted(CONTIO, self.closed),
        }

    def post(self, body: bytes, headers: Any, path: str = "/webhooks/contio", **how: Any) -> Reply:
        return ask(self.port, path, body, headers, **how)

    port = 0


@pytest.fixture(scope="module", params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(request.param, tmp_path_factory.mktemp("site"))
    site.going.set()
    with serve(site.kind, site.mounts) as server:
        site.port = server.port
        yield site


def event(event_type: str = "meeting.completed", **changes: Any) -> tuple[str, bytes]:
    """A new event: its id and its body."""
    event_id = f"evt-{next(NUMBERS):08}"
    found = contio.PROVIDER.event_types[event_type]
    return event_id, encode(found.sample | {"event_id": event_id, "data": found.sample_data | changes})


def signed(body: bytes, **how: Any) -> dict[str, str]:
    return sign(contio, body, SECRET, **how)


def is_bare(reply: Reply) -> bool:
    return reply.body == b"" and "adjourn-receipt" not in reply.headers


def test_a_new_event_is_answered_and_handled(site: Site) -> None:
    event_id, body = event(title="Retro")
    reply = site.post(body, signed(body))
    assert (reply.status, reply.body, reply.headers["adjourn-receipt"]) == (200, b"", "new")
    handled = site.wait_for(event_id)
    assert isinstance(handled, contio.MeetingCompleted)
    assert handled.data.title == "Retro"


def test_a_duplicate_is_answered_and_not_handled(site: Site) -> None:
    event_id, body = event()
    replies = [site.post(body, signed(body)) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert [reply.headers["adjourn-receipt"] for reply in replies] == ["new", "duplicate", "duplicate"]
    site.wait_for(event_id)  # _handle refuses a second time
    other_id, other = event()
    site.post(other, signed(other))
    site.wait_for(other_id)


def test_the_answer_does_not_wait_for_the_handler(site: Site) -> None:
    event_id, body = event()
    site.going.clear()
    try:
        assert site.post(body, signed(body)).status == 200
        assert event_id not in site.handled
    finally:
        site.going.set()
    site.wait_for(event_id)


def test_what_does_not_verify_is_a_bare_401_and_its_reason_is_in_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    event_id, body = event()
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    refused = {
        "forged": (body, sign(contio, body, "whsec_" + "A" * 32)),
        "unsigned": (body, {"Content-Type": "application/json"}),
        "stale": (body, signed(body, at=long_ago)),
        "tampered": (body.replace(b"Weekly", b"Yearly"), signed(body)),
        "longer": (body + b" ", signed(body)),
        "empty": (b"", signed(body)),
        "binary": (bytes(range(256)) * 8, signed(body)),
        "of another vendor": (body, sign(quil, body, SECRET)),
    }
    for name, (sent, headers) in refused.items():
        caplog.clear()
        reply = site.post(sent, headers)
        assert (name, reply.status) == (name, 401)
        assert is_bare(reply)
        assert any("webhook refused" in message for message in caplog.messages), name
    assert event_id not in site.handled
    assert site.post(body, signed(body)).headers["adjourn-receipt"] == "new"


def test_what_is_signed_and_no_event_is_a_bare_400(site: Site) -> None:
    for body in (
        b"[]",
        b"{}",
        b"",
        b"\xff\xfe\x00",
        bytes(range(256)),
        b'{"event_type":"meeting.completed"}',
    ):
        reply = site.post(body, signed(body))
        assert (body, reply.status) == (body, 400)
        assert is_bare(reply)


def test_an_event_of_a_type_that_is_not_known_is_kept(site: Site) -> None:
    event_id, body = event()
    body = body.replace(b"meeting.completed", b"meeting.exploded")
    assert site.post(body, signed(body)).status == 200
    handled = site.wait_for(event_id)
    assert isinstance(handled, UnknownEvent)
    assert handled.event_type == "meeting.exploded"


def test_two_vendors_in_one_application(site: Site) -> None:
    body = sample(quil, "meeting.completed")
    headers = sign(quil, body, SECRET)
    assert site.post(body, headers).status == 401
    assert site.post(body, headers, "/webhooks/quil").headers["adjourn-receipt"] == "new"
    assert isinstance(site.wait_for(QUIL.receive(headers, body).id), quil.MeetingCompleted)


def test_the_body_is_read_as_it_came_whatever_it_is_called(site: Site) -> None:
    for content_type in (
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "text/plain",
        "x",
    ):
        event_id, body = event(title="a=1&b=%20+ü\r\n--b")
        reply = site.post(body, signed(body) | {"Content-Type": content_type})
        assert (content_type, reply.status) == (content_type, 200)
        site.wait_for(event_id)


def test_a_body_without_a_content_length(site: Site) -> None:
    event_id, body = event()
    reply = site.post(b"", signed(body), chunks=[body[:100], body[100:101], body[101:]])
    assert reply.status == 200
    site.wait_for(event_id)


def test_a_long_body_is_taken_whatever_the_limit_of_the_framework(site: Site) -> None:
    event_id, body = event(title="x" * (3 * MIB))  # aiohttp has 1 MiB, Django 2.5 MB
    assert site.post(body, signed(body)).status == 200
    site.wait_for(event_id)


def test_a_body_as_long_as_may_be_and_one_a_byte_longer(site: Site) -> None:
    _, short = event(title="")
    event_id, body = event(title="x" * (SMALL - len(short)))
    assert len(body) == SMALL
    reply = site.post(body + b" ", signed(body + b" "), "/small")
    assert reply.status == 413
    assert is_bare(reply)
    replies = [
        site.post(body, signed(body), "/small", chunks=chunks)
        for chunks in ([body], [body[:99], body[99:]], None)
    ]
    assert [reply.status for reply in replies] == [200, 200, 200]
    site.wait_for(event_id)


@pytest.mark.parametrize("length", [str(SMALL + 1), "1" + 12 * "0", "9" * 30, "9" * 5000])
def test_what_says_that_it_is_too_long_is_not_waited_for(site: Site, length: str) -> None:
    if site.kind == READS_FIRST:
        length = str(SMALL + 1)
    with connect(site.port) as client:
        client.putrequest("POST", "/small")
        client.putheader("Content-Length", length)
        client.endheaders(b"x" * (SMALL + 1 if site.kind == READS_FIRST else 1))
        reply = read_reply(client)
    of_the_server = {400, 401} if len(length) > 18 else set()  # it refuses it itself, or reads no body then
    assert reply.status in {413} | of_the_server


def test_what_is_too_long_and_does_not_say_so_is_not_read_to_its_end(site: Site) -> None:
    with connect(site.port) as client:
        client.putrequest("POST", "/small")
        client.putheader("Transfer-Encoding", "chunked")
        client.endheaders(b"%x\r\n%s\r\n" % (SMALL + 1, b"x" * (SMALL + 1)))
        if site.kind == READS_FIRST:
            client.send(b"0\r\n\r\n")
        reply = read_reply(client)
    assert reply.status == 413
    assert is_bare(reply)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_told_which_one_it_is(site: Site, method: str) -> None:
    reply = ask(site.port, "/webhooks/contio", method=method)
    assert reply.status == 405
    assert "POST" in reply.headers["allow"].split(", ")
    assert "adjourn-receipt" not in reply.headers


def test_headers_that_come_twice(site: Site) -> None:
    event_id, body = event()
    headers = [*signed(body).items()]
    extra = [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "10.0.0.2"), ("X-Junk", "\xff")]
    other = [
        (name, value[:-1] + ("0" if value[-1] != "0" else "1"))
        for name, value in headers
        if "ignature" in name
    ]
    assert other
    assert site.post(body, [*headers, *other]).status == 401
    assert site.post(body, [*other, *headers]).status == 401
    assert site.post(body, [*extra, *headers]).status == 200
    site.wait_for(event_id)


def test_an_inbox_that_cannot_be_opened_is_a_bare_503(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    _, body = event()
    reply = site.post(body, signed(body), "/closed")
    assert reply.status == 503
    assert is_bare(reply)
    assert any("was not kept" in message for message in caplog.messages)
    assert site.post(body, signed(b"x" + body), "/closed").status == 401  # nobody else is told


def test_many_at_once(site: Site) -> None:
    events = [event() for _ in range(40)]
    replies: list[Reply] = []

    def send(some: list[tuple[str, bytes]]) -> None:
        for _, body in some:
            replies.append(site.post(body, signed(body)))

    threads = [threading.Thread(target=send, args=[events[start : start + 10]]) for start in range(0, 40, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply.status for reply in replies] == [200] * 40
    for event_id, _ in events:
        site.wait_for(event_id)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("framing", [b"Content-Length: 3000", b"Transfer-Encoding: chunked"])
def test_a_sender_that_goes_within_the_body_is_no_error(
    kind: str,
    framing: bytes,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    site = Site(kind, tmp_path)
    site.going.set()
    event_id, body = event()
    with serve(kind, site.mounts) as server:
        for part in (b"", b"200\r\n" + b"x" * 100):
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(
                    b"POST /webhooks/contio HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n" + part
                )
        assert ask(server.port, "/webhooks/contio", body, signed(body)).status == 200
        site.wait_for(event_id)
    assert "webhook refused" not in caplog.text  # nobody looks for a cause there
    raised = [each for each in caplog.records if each.exc_info or each.levelno >= logging.ERROR]
    assert raised == []
    assert "Traceback" not in "".join(capfd.readouterr())
    gc.collect()  # nothing is left that warns


@pytest.mark.parametrize("kind", ASYNC)
def test_the_inbox_lives_as_long_as_the_application(kind: str, tmp_path: Path) -> None:
    event_id, body = event()
    before = Inbox(f"sqlite:///{tmp_path}/inbox.db", work=False)

    async def keep() -> None:
        async with before:
            await before.keep(CONTIO.receive(signed(body), body))

    asyncio.run(keep())
    site = Site(kind, tmp_path)
    site.going.set()
    with serve(kind, site.mounts):
        site.wait_for(event_id)  # though no request came
        assert site.inbox.receipts
    with pytest.raises(ConfigError, match="not open"):
        assert site.inbox.receipts

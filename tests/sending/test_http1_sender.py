"""What our own sender promises beyond the suite: its connections, its addresses, and that nothing is left."""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
from tests.sending.certificates import Authority
from tests.sending.harness import eventually
from tests.sending.peers import LOOPBACK, OK, Peer, Run, Server, answers, sending, serving, to

from adjourn.sending.addresses import AddressRule
from adjourn.sending.http1 import Http1Sender
from adjourn.sending.http1.answer import KnownAnswers
from adjourn.sending.http1.connection import Connection
from adjourn.sending.http1.tls import Sessions, Tls
from adjourn.sending.policy import Reply
from adjourn.sending.sender import Request, header_lines
from adjourn.urlrule import UrlRule

Found = Sequence[tuple[socket.AddressFamily, str]]


def open_sockets() -> int:
    return sum(_is_socket(file) for file in os.listdir("/proc/self/fd"))


def _is_socket(file: str) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{file}").startswith("socket:")
    except FileNotFoundError:
        return False


# connections


def test_a_free_connection_is_closed_after_its_idle_time(run_own: Run) -> None:
    async def main() -> None:
        async with serving(answers(OK)) as server:
            sender = Http1Sender(LOOPBACK, idle=0.1)
            assert (await sender.send(to(server.url))).succeeded
            assert server.open == 1
            await eventually(lambda: server.open == 0)
            assert (await sender.send(to(server.url))).succeeded
            assert server.connections == 2
            await sender.close()

    run_own(main)


def test_a_busy_connection_is_not_kept_beyond_its_lifetime(run_own: Run) -> None:
    """Else a name that leads elsewhere would not be asked again as long as there are requests."""
    asked: list[str] = []

    def look_up(host: str) -> Found:
        asked.append(host)
        return [(socket.AF_INET, "127.0.0.1")]

    async def main() -> None:
        async with serving(answers(OK)) as server:
            url = f"http://hooks.test:{server.port}/"
            for lifetime, connections in ((0.0, 3), (3600.0, 1)):
                before = server.connections
                sender = Http1Sender(LOOPBACK, look_up=look_up, lifetime=lifetime)
                for _ in range(3):
                    assert (await sender.send(to(url))).succeeded
                await sender.close()
                assert server.connections - before == connections

    run_own(main)
    assert asked == ["hooks.test"] * 2, "of each sender: a name is known for 10 s"


def test_a_kept_connection_goes_where_it_was_checked_whatever_the_name_says_by_now(run_own: Run) -> None:
    async def main() -> None:
        addresses = ["127.0.0.1"]
        async with (
            serving(answers(OK)) as server,
            serving(answers(OK), host="127.0.0.2", port=server.port) as bad,
        ):
            sender = Http1Sender(
                AddressRule([ip_network("127.0.0.1/32")]),
                look_up=lambda host: [(socket.AF_INET, each) for each in addresses],
            )
            url = f"http://hooks.test:{server.port}/"
            assert (await sender.send(to(url))).succeeded
            addresses[:] = ["127.0.0.2"]
            assert (await sender.send(to(url))).succeeded
            assert (server.connections, bad.connections) == (1, 0)
            await sender.close()  # with its names: it resolves anew
            assert "is not public" in (await sender.send(to(url))).error
            assert (server.connections, bad.connections) == (1, 0)
            await sender.close()

    run_own(main)


@pytest.mark.parametrize(
    ("rule", "url", "error"),
    [
        (
            UrlRule(require_https=True),
            "http://127.0.0.1:{port}/",
            "the URL must begin with https:// (ADJOURN_REQUIRE_HTTPS)",
        ),
        (
            UrlRule(ports=(range(443, 444),)),
            "http://127.0.0.1:{port}/",
            "the URL has port {port}, which is not allowed (ADJOURN_ALLOW_PORTS)",
        ),
        (
            UrlRule(),
            "http://127.0.0.1:25/",
            "the URL has port 25, which is not allowed (ADJOURN_ALLOW_PORTS)",
        ),
    ],
)
def test_an_attempt_at_a_url_that_the_settings_exclude_fails_in_words(
    run_own: Run, rule: UrlRule, url: str, error: str
) -> None:
    async def main() -> None:
        async with serving(answers(OK)) as server:
            sender = Http1Sender(LOOPBACK, urls=rule)
            reply = await sender.send(to(url.format(port=server.port)))
            assert reply == Reply(error=error.format(port=server.port))
            assert server.connections == 0
            await sender.close()

    run_own(main)


def test_no_more_connections_are_kept_than_256_for_an_origin(run_own: Run) -> None:
    async def main() -> None:
        all_in = asyncio.Event()

        async def handle(peer: Peer) -> None:
            while await peer.request() is not None:
                await all_in.wait()
                await peer.say(OK)

        async with serving(handle) as server, sending() as sender:
            attempts = [asyncio.create_task(sender.send(to(server.url))) for _ in range(300)]
            await eventually(lambda: len(server.requests) == 300)
            all_in.set()
            assert all(each.succeeded for each in await asyncio.gather(*attempts))
            await eventually(lambda: server.open == 256)

    run_own(main)


def test_a_request_that_timed_out_on_a_kept_connection_is_not_repeated(run_own: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await peer.reader.read(-1)

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            assert (await sender.send(to(server.url))).succeeded
            assert (await sender.send(to(server.url, seconds=0.05))).timed_out
            await eventually(lambda: server.open == 0)
            assert (server.connections, len(server.requests)) == (1, 2)

    run_own(main)


def test_a_connection_that_lost_the_race_of_addresses_says_nothing(run_own: Run) -> None:
    """Else a name with two addresses would get the request twice."""
    said: list[bytes] = []
    told: list[Reply | None] = []

    class Loser:
        def opened(self, connection: Connection) -> bool:
            return False

        def lost(self, connection: Connection) -> None:
            said.append(b"(lost)")

    async def handle(peer: Peer) -> None:
        said.append(await peer.reader.read(-1))

    async def main() -> None:
        async with serving(handle) as server:
            connection = Connection("http://a.test:80", Loser(), KnownAnswers())
            connection.ask(b"POST / HTTP/1.1\r\n\r\n", told.append)
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: connection, "127.0.0.1", server.port)
            await eventually(lambda: len(said) == 2)
            assert sorted(said) == [b"", b"(lost)"]
            assert told == [None]
            assert connection.is_over

    run_own(main)


def test_connections_are_kept_apart_by_scheme_host_and_port(run_own: Run) -> None:
    def look_up(host: str) -> Found:
        return [(socket.AF_INET, "127.0.0.1")]

    async def main() -> None:
        async with (
            serving(answers(OK)) as one,
            serving(answers(OK)) as other,
            sending(look_up=look_up) as sender,
        ):
            for _ in range(2):
                for host in ("a.test", "b.test", "A.test", "127.0.0.1"):
                    for server in (one, other):
                        assert (await sender.send(to(f"http://{host}:{server.port}/"))).succeeded
            assert (one.connections, other.connections) == (3, 3)

    run_own(main)


def test_a_head_has_no_body_whatever_its_length_says(run_own: Run) -> None:
    async def main() -> None:
        async with serving(answers(OK.removesuffix(b"ok"))) as server, sending() as sender:
            for count in (1, 2):
                request = Request(
                    url=server.url, lines="", body=b"", timeout=timedelta(seconds=20), method="HEAD"
                )
                reply = await sender.send(request)
                assert (reply.status, reply.start) == (200, b"")
                assert server.connections == count

    run_own(main)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b"])
def test_a_header_cannot_break_out_of_its_line(value: str) -> None:
    for headers in ({"webhook-id": value}, {f"x{value}": "1"}):
        with pytest.raises(ValueError, match="line break"):
            header_lines(headers)


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://127.0.0.1/", "http://", "http:///x", "http://u:p@127.0.0.1/", "http://127.0.0.1:0/"],
)
def test_a_url_that_is_none_is_an_error_in_words(run_own: Run, url: str) -> None:
    async def main() -> None:
        async with sending() as sender:
            reply = await sender.send(to(url))
            assert reply.status is None
            assert reply.error.startswith("the URL ")

    run_own(main)


# whoever hears an answer may ask again right then


@pytest.mark.parametrize("more", [b"", OK, b"\r\n", b"x"])
@pytest.mark.parametrize("wire", ["plain", "tls"])
def test_a_request_that_is_started_by_an_answer_goes_over_no_doubtful_connection(
    run_own: Run, authority: Authority, wire: str, more: bytes
) -> None:
    async def handle(peer: Peer) -> None:
        while await peer.request() is not None:
            await peer.say(OK + more)
            if more:
                seen = await peer.reader.read(-1)
                if seen:
                    peer.server.trespasses.append(seen)

    async def main() -> None:
        tls = authority.server("127.0.0.1") if wire == "tls" else None
        async with serving(handle, tls=tls) as server, sending(tls=authority.client) as sender:
            url = f"http{'s' if tls else ''}://127.0.0.1:{server.port}/"
            heard: list[Reply] = []

            def hear(reply: Reply) -> None:
                heard.append(reply)
                if len(heard) < 5:
                    sender.start(to(url), hear)

            sender.start(to(url), hear)
            await eventually(lambda: len(heard) == 5)
            assert {(each.status, each.start) for each in heard} == {(200, b"ok")}
            assert server.connections == (5 if more else 1)
            assert server.trespasses == []

    run_own(main)


@pytest.mark.parametrize("end", ["farewell", "nonsense"])
def test_what_ends_a_tls_connection_together_with_an_answer_leaves_no_time_to_ask(
    run_own: Run, authority: Authority, end: str
) -> None:
    """They come in one packet: whoever hears the answer finds the connection over."""
    server_in, server_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = authority.server("127.0.0.1").wrap_bio(server_in, server_out, server_side=True)
    heard: list[tuple[Reply | None, bool]] = []

    class Below:
        def __init__(self, sock: socket.socket) -> None:
            self.get_extra_info = {"socket": sock}.get
            self.write = server_in.write

        def get_write_buffer_size(self) -> int:
            return 0

        def close(self) -> None: ...
        def abort(self) -> None: ...

    class Owner:
        def opened(self, connection: Connection) -> bool:
            return True

        def lost(self, connection: Connection) -> None: ...

    async def main() -> None:
        with socket.socket() as one:
            connection = Connection("https://127.0.0.1:1", Owner(), KnownAnswers())
            connection.ask(b"POST", lambda reply: heard.append((reply, connection.is_over)))
            tls = Tls(connection, authority.client, "127.0.0.1", Sessions(lambda: 0.0))
            below: Any = Below(one)
            tls.connection_made(below)
            for _ in range(2):
                with contextlib.suppress(ssl.SSLWantReadError):
                    server.do_handshake()
                tls.data_received(server_out.read())
            assert server.read(100) == b"POST"
            server.write(OK)
            if end == "farewell":
                with contextlib.suppress(ssl.SSLWantReadError):
                    server.unwrap()
            tls.data_received(server_out.read() + (b"nonsense" if end == "nonsense" else b""))
            tls.connection_lost(None)

    run_own(main)
    assert heard == [(Reply(status=200, headers={"content-length": "2"}, start=b"ok"), True)]


@pytest.mark.parametrize("then", ["says more", "ends"])
def test_what_the_loop_has_not_read_yet_counts(run_own: Run, then: str) -> None:
    """It lies in the socket when the next request is to go out."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            async with sending() as sender:
                first = asyncio.create_task(sender.send(to(url)))
                kept, _ = await loop.sock_accept(listener)
                await loop.sock_recv(kept, 10_000)
                kept.send(OK)
                assert (await first).succeeded
                if then == "says more":
                    kept.send(b"x")
                else:
                    kept.shutdown(socket.SHUT_WR)
                second = asyncio.ensure_future(sender.send(to(url)))
                await asyncio.sleep(0)
                new, _ = await loop.sock_accept(listener)
                with contextlib.suppress(ConnectionError):
                    assert await loop.sock_recv(kept, 10_000) == b""
                await loop.sock_recv(new, 10_000)
                new.send(OK)
                assert (await second).succeeded
                kept.close()
                new.close()

    run_own(main)


def test_an_attempt_that_is_cancelled_is_not_heard_of(run_own: Run) -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def handle(peer: Peer) -> None:
            while await peer.request() is not None:
                if len(peer.server.requests) > 1:
                    await gate.wait()
                await peer.say(OK)

        async with serving(handle) as server, sending() as sender:
            heard: list[Reply] = []
            assert (await sender.send(to(server.url))).succeeded
            for _ in range(2):  # over the kept connection, and over a new one
                attempt = sender.start(to(server.url), heard.append)
                wanted = len(server.requests) + 1
                await eventually(partial(has_requests, server, wanted))
                attempt.cancel()
                attempt.cancel()
            gate.set()
            await eventually(lambda: server.open == 0)
            done = sender.start(to(server.url), heard.append)
            await eventually(lambda: len(heard) == 1)
            done.cancel()
            assert (await sender.send(to(server.url))).succeeded
            assert server.connections == 3, "an attempt that has ended is not there to be cancelled"

    run_own(main)


def has_requests(server: Server, count: int) -> bool:
    return len(server.requests) == count


# addresses


def test_the_next_address_is_tried_when_one_refuses(run_own: Run) -> None:
    def look_up(host: str) -> Found:
        return [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.3"), (socket.AF_INET, "127.0.0.1")]

    async def main() -> None:
        async with serving(answers(OK)) as server, sending(look_up=look_up) as sender:
            assert (await sender.send(to(f"http://many.test:{server.port}/"))).succeeded

    run_own(main)


def test_the_next_address_is_tried_beside_one_that_hangs(run_own: Run) -> None:
    def look_up(host: str) -> Found:
        return [(socket.AF_INET, "127.0.0.2"), (socket.AF_INET, "127.0.0.1")]

    async def main() -> None:
        async with serving(answers(OK)) as server:
            with socket.socket() as full, socket.socket() as one, socket.socket() as two:
                full.bind(("127.0.0.2", server.port))
                full.listen(0)
                for each in (one, two):  # who comes after these waits for ever
                    each.setblocking(False)
                    each.connect_ex(("127.0.0.2", server.port))
                async with sending(look_up=look_up) as sender:
                    assert (await sender.send(to(f"http://many.test:{server.port}/"))).succeeded
                    assert (await sender.send(to(f"http://127.0.0.2:{server.port}/", seconds=0.1))).timed_out

    run_own(main)


def test_a_name_is_asked_once_for_all_who_wait_for_it(run_own: Run) -> None:
    asked: list[str] = []
    gate = threading.Event()

    def look_up(host: str) -> Found:
        asked.append(host)
        gate.wait(20)
        return [(socket.AF_INET, "127.0.0.1")]

    async def main() -> None:
        async with serving(answers(OK)) as server, sending(look_up=look_up) as sender:
            url = f"http://slow.test:{server.port}/"
            attempts = [asyncio.create_task(sender.send(to(url))) for _ in range(20)]
            hasty = await sender.send(to(url, seconds=0.05))
            assert hasty.timed_out
            attempts[0].cancel()
            gate.set()
            first, *others = await asyncio.gather(*attempts, return_exceptions=True)
            assert isinstance(first, asyncio.CancelledError)
            assert all(isinstance(each, Reply) and each.succeeded for each in others)
            assert asked == ["slow.test"]

    run_own(main)


def test_a_failure_to_resolve_is_not_remembered(run_own: Run) -> None:
    turns = iter([socket.gaierror(socket.EAI_AGAIN, "try again"), None])

    def look_up(host: str) -> Found:
        if (fault := next(turns)) is not None:
            raise fault
        return [(socket.AF_INET, "127.0.0.1")]

    async def main() -> None:
        async with serving(answers(OK)) as server, sending(look_up=look_up) as sender:
            url = f"http://hooks.test:{server.port}/"
            assert (await sender.send(to(url))).error == "the host name does not resolve: try again"
            assert (await sender.send(to(url))).succeeded

    run_own(main)


def test_a_name_without_addresses_is_said(run_own: Run) -> None:
    async def main() -> None:
        async with sending(look_up=lambda host: []) as sender:
            reply = await sender.send(to("http://nothing.test/"))
            assert reply == Reply(error="cannot connect: the host name has no address")

    run_own(main)


def test_the_rule_is_asked_again_where_the_socket_is_made(run_own: Run) -> None:
    """It may have changed since the name was resolved."""

    class Fickle(AddressRule):
        checks = 0

        def check(self, text: str) -> None:
            self.checks += 1
            if self.checks == 1:
                super().check(text)
            else:
                AddressRule().check(text)

    async def main() -> None:
        rule = Fickle([ip_network("127.0.0.0/8")])
        async with (
            serving(answers(OK)) as server,
            sending(rule, lambda host: [(socket.AF_INET, "127.0.0.1")]) as sender,
        ):
            reply = await sender.send(to(f"http://hooks.test:{server.port}/"))
            assert "is not public" in reply.error
            assert server.connections == 0

    run_own(main)


# nothing is left

PHASES = ["resolving", "connecting", "shaking hands", "waiting", "reading"]


async def held_in(phase: str, peer: Peer) -> None:
    if phase == "reading":
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nha")
    await peer.reader.read(-1)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("end", ["cancelled", "closed", "timed out"])
def test_an_attempt_that_ends_in_any_phase_leaves_nothing(run_own: Run, phase: str, end: str) -> None:
    gate, asked = threading.Event(), threading.Event()

    def look_up(host: str) -> Found:
        asked.set()
        if phase == "resolving":
            gate.wait(20)
        address = "127.0.0.2" if phase == "connecting" else "127.0.0.1"
        return [(socket.AF_INET, address), (socket.AF_INET, address)]

    async def main() -> None:
        before = open_sockets()
        with socket.socket() as full, socket.socket() as one, socket.socket() as two:
            async with serving(lambda peer: held_in(phase, peer)) as server:
                full.bind(("127.0.0.2", server.port))
                full.listen(0)
                for each in (one, two):
                    each.setblocking(False)
                    each.connect_ex(("127.0.0.2", server.port))
                sender = Http1Sender(LOOPBACK, look_up=look_up, sweep=0.01)
                scheme = "https" if phase == "shaking hands" else "http"
                seconds = 0.1 if end == "timed out" else 20
                request = to(f"{scheme}://hooks.test:{server.port}/", seconds=seconds)
                attempt = asyncio.create_task(sender.send(request))
                await eventually(asked.is_set)
                if phase not in ("resolving", "connecting"):
                    await eventually(lambda: server.open == 1 or attempt.done())  # a slow machine: timed out
                for _ in range(5):
                    await asyncio.sleep(0)
                if end == "cancelled":
                    attempt.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await attempt
                if end == "timed out":
                    assert (await attempt).timed_out is (phase != "reading")
                if end == "closed" and phase == "connecting":
                    attempt.cancel()  # it is dialled in its own time: see the next test
                await sender.close()
                gate.set()
                if end == "closed" and phase != "connecting":
                    reply = await attempt
                    assert reply.status == (200 if phase == "reading" else None)
                    assert phase == "reading" or "the sender is closed" in reply.error
                await eventually(lambda: server.open == 0)
        await eventually(lambda: open_sockets() <= before)

    run_own(main)


def test_a_sender_that_is_closed_while_a_connection_is_made_does_not_use_it(run_own: Run) -> None:
    async def main() -> None:
        async with serving(answers(OK)) as server:
            sender = Http1Sender(LOOPBACK)
            attempts = [asyncio.create_task(sender.send(to(server.url))) for _ in range(20)]
            for _ in range(3):
                await asyncio.sleep(0)
            await sender.close()
            for reply in await asyncio.gather(*attempts):
                assert reply.status == 200 or "the sender is closed" in reply.error
            await eventually(lambda: server.open == 0)

    run_own(main)


def test_a_thousand_attempts_leave_no_socket_open(run_own: Run, authority: Authority) -> None:
    async def handle(peer: Peer) -> None:
        number = 0
        while await peer.request() is not None and number < 3:
            await peer.say([OK, OK, OK + OK][number])
            number += 1

    async def main() -> None:
        before = open_sockets()
        async with (
            serving(handle) as plain,
            serving(handle, tls=authority.server("127.0.0.1")) as tls,
            sending(tls=authority.client) as sender,
        ):

            async def keep_busy(url: str) -> None:
                for _ in range(50):
                    assert (await sender.send(to(url))).status == 200

            urls = [plain.url, f"https://127.0.0.1:{tls.port}/"] * 5
            await asyncio.gather(*(keep_busy(url) for url in urls))
            await sender.close()
            await eventually(lambda: plain.open + tls.open == 0)
        await eventually(lambda: open_sockets() <= before)

    run_own(main)

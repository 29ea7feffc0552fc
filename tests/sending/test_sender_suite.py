"""What every sender keeps to: our own and the reference over aiohttp, against friendly and broken servers."""

import asyncio
import gzip
import logging
import re
import socket
from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from tests.sending.harness import eventually
from tests.sending.peers import (
    LOOPBACK,
    OK,
    Peer,
    Run,
    answers,
    make_sender,
    reply_of,
    resets,
    says_once,
    sending,
    serving,
    split,
    to,
)

from adjourn.sending.addresses import AddressRule
from adjourn.sending.policy import Reply

# what goes out


@pytest.mark.parametrize("size", [0, 7, 65_536, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_sends_the_body_as_it_is_with_its_length(run: Run, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def main() -> None:
        async with serving(answers(OK)) as server, sending() as sender:
            reply = await sender.send(to(f"{server.url}hook", body))
            assert (reply.status, reply.error, reply.start) == (200, "", b"ok")
            first, headers, sent = split(server.requests[0])
            assert first == b"POST /hook HTTP/1.1"
            assert headers == {
                b"host": f"127.0.0.1:{server.port}".encode(),
                b"content-type": b"application/json",
                b"user-agent": b"Adjourn/test",
                b"webhook-id": b"e1",
                b"content-length": str(size).encode(),
            }
            assert sent == body

    run(main)


@pytest.mark.parametrize(
    ("configured", "target"),
    [
        ("", b"/"),
        ("/", b"/"),
        ("?a=1", b"/?a=1"),
        ("/p?a=%2F&b=+", b"/p?a=%2F&b=+"),
        ("/a%2Fb%2fc/%7E~/%41", b"/a%2Fb%2fc/%7E~/%41"),
        ("/a//b/../c/./d", b"/a//b/../c/./d"),
        ("/%zz?%", b"/%zz?%"),
        ("/?a=b=c&&d;e=%26", b"/?a=b=c&&d;e=%26"),
        ("/?q='\"<>{}|^`", b"/?q='\"<>{}|^`"),
        ("/a@b:c", b"/a@b:c"),
        ("/x#fragment", b"/x"),
        ("/x?y#z?w", b"/x?y"),
    ],
)
def test_the_url_is_sent_byte_for_byte(run: Run, configured: str, target: bytes) -> None:
    async def main() -> None:
        async with serving(answers(OK)) as server, sending() as sender:
            reply = await sender.send(to(f"http://127.0.0.1:{server.port}{configured}"))
            assert reply.succeeded, reply.error
            assert split(server.requests[0])[0] == b"POST " + target + b" HTTP/1.1"

    run(main)


def test_an_empty_query_is_sent_too(run_own: Run) -> None:
    """aiohttp drops it."""

    async def main() -> None:
        async with serving(answers(OK)) as server, sending() as sender:
            assert (await sender.send(to(f"{server.url}?"))).succeeded
            assert split(server.requests[0])[0] == b"POST /? HTTP/1.1"

    run_own(main)


def test_a_scheme_in_capitals_is_the_same(run: Run) -> None:
    async def main() -> None:
        async with serving(answers(OK)) as server, sending() as sender:
            assert (await sender.send(to(f"HTTP://127.0.0.1:{server.port}/"))).succeeded

    run(main)


# connections


def test_a_connection_is_kept_and_its_name_resolved_once(run: Run) -> None:
    asked: list[str] = []

    def look_up(host: str) -> Sequence[tuple[socket.AddressFamily, str]]:
        asked.append(host)
        return [(socket.AF_INET, "127.0.0.1")]

    async def main() -> None:
        async with serving(answers(OK)) as server, sending(look_up=look_up) as sender:
            for _ in range(5):
                assert (await sender.send(to(f"http://hooks.test:{server.port}/"))).succeeded
            assert server.connections == 1
            assert asked == ["hooks.test"]
            assert split(server.requests[0])[1][b"host"] == f"hooks.test:{server.port}".encode()

    run(main)


def test_cookies_are_not_kept(run: Run) -> None:
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"

    async def main() -> None:
        async with serving(answers(cookie)) as server, sending() as sender:
            for _ in range(2):
                assert (await sender.send(to(server.url))).status == 200
            assert b"cookie" not in split(server.requests[1])[1]

    run(main)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed_and_fail(run: Run, status: int) -> None:
    async def main() -> None:
        async with serving(answers(OK)) as target:
            moved = f"HTTP/1.1 {status} Moved\r\nLocation: {target.url}\r\nContent-Length: 0\r\n\r\n"
            async with serving(answers(moved.encode())) as server, sending() as sender:
                reply = await sender.send(to(server.url))
                assert (reply.status, reply.succeeded) == (status, False)
                assert reply.error == f"HTTP {status} Moved"
                assert reply.headers["location"] == target.url
            assert target.requests == []

    run(main)


@pytest.mark.parametrize("end", ["closes", "resets"])
def test_a_kept_connection_that_the_server_has_closed_is_no_failed_attempt(run: Run, end: str) -> None:
    """It answers one request a connection, and ends it only when the second comes in."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.reader.read(1)
        if end == "resets":
            peer.writer.transport.abort()

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            for _ in range(4):
                reply = await sender.send(to(server.url))
                assert reply.succeeded, reply.error
            assert len(server.requests) == 4

    run(main)


def test_a_server_that_closes_after_each_answer_without_saying_so_is_served(run: Run) -> None:
    async def main() -> None:
        async with serving(says_once(OK)) as server, sending() as sender:
            replies = await asyncio.gather(*(sender.send(to(server.url)) for _ in range(20)))
            replies += [await sender.send(to(server.url)) for _ in range(60)]
            assert [each.error for each in replies if not each.succeeded] == []
            assert len(server.requests) == 80

    run(main)


def test_when_many_kept_connections_are_stale_each_request_is_repeated_once_on_a_new_one(run: Run) -> None:
    async def main() -> None:
        over, all_in = asyncio.Event(), asyncio.Event()

        async def handle(peer: Peer) -> None:
            await peer.request()
            if over.is_set():
                await peer.say(OK)
                return
            await all_in.wait()
            await peer.say(OK)
            await peer.reader.read(1)

        async with serving(handle) as server, sending() as sender:
            first = asyncio.gather(*(sender.send(to(server.url)) for _ in range(8)))
            await eventually(lambda: len(server.requests) == 8)
            all_in.set()
            assert all(each.succeeded for each in await first)
            over.set()
            assert all(each.succeeded for each in [await sender.send(to(server.url)) for _ in range(8)])
            assert len(server.requests) == 16

    run(main)


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 500 Oops\r\nContent-"])
def test_a_request_is_not_repeated_once_part_of_the_answer_came(run: Run, part: bytes) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await peer.say(part)

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            assert (await sender.send(to(server.url))).succeeded
            reply = await sender.send(to(server.url))
            assert (reply.status, reply.succeeded) == (None, False)
            assert len(server.requests) == 2

    run(main)


def test_a_request_is_not_repeated_on_a_new_connection(run: Run) -> None:
    async def main() -> None:
        async with serving(says_once(b"")) as server, sending() as sender:
            reply = await sender.send(to(server.url))
            assert reply == Reply(error="the endpoint closed the connection without an answer")
            assert len(server.requests) == 1

    run(main)


def test_a_repeated_request_keeps_to_the_time_of_one(run: Run) -> None:
    async def main() -> None:
        connections = 0

        async def handle(peer: Peer) -> None:
            nonlocal connections
            connections += 1
            await peer.request()
            if connections == 1:
                await peer.say(OK)
                await peer.reader.read(1)
            else:
                await peer.reader.read()

        async with serving(handle) as server, sending() as sender:
            assert (await sender.send(to(server.url))).succeeded
            reply = await sender.send(to(server.url, seconds=0.1))
            assert reply == Reply(error="timed out after 0.1 s", timed_out=True)

    run(main)


# answers


def test_only_the_first_4_kib_of_a_body_are_kept(run: Run) -> None:
    body = b"".join(b"%07d\n" % number for number in range(2000))
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def main() -> None:
        async with serving(answers(whole)) as server, sending() as sender:
            for _ in range(2):
                reply = await sender.send(to(server.url))
                assert (reply.status, reply.error) == (200, "")
                assert reply.start == body[:4096]
            assert server.connections == 1, "a body up to 64 KiB is read, and its connection kept"

    run(main)


def test_a_longer_body_ends_the_connection_and_not_the_attempt(run: Run) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 500_000

    async def main() -> None:
        async with serving(answers(whole)) as server, sending() as sender:
            for _ in range(2):
                reply = await sender.send(to(server.url))
                assert (reply.status, reply.start) == (200, b"x" * 4096)
            assert server.connections == 2
            await eventually(lambda: server.open == 0)

    run(main)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_LENGTH = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "status", "start"),
    [
        (CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n", 200, b"abcde"),
        (NO_LENGTH + b"until the end", 200, b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", 200, b"old"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, 200, b"ok"),
        # what comes after a 2xx may be cut off: the status decides
        (CHUNKED + b"5\r\nab", 200, b"ab"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 200, b"half"),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 1000000\r\n\r\n", 201, b""),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 10\r\n\r\nhalf", 500, b"half"),
    ],
)
def test_reads_every_form_of_a_body(run: Run, raw: bytes, status: int, start: bytes) -> None:
    async def main() -> None:
        reply = await reply_of(says_once(raw))
        assert (reply.status, reply.start) == (status, start)
        assert (reply.error == "") is reply.succeeded

    run(main)


@pytest.mark.parametrize("body", [b"3\r\nabc\r\nnonsense\r\n", b"zz\r\n", b"ffffffffffffffffff\r\nabc"])
def test_chunks_that_are_none_are_no_reason_to_raise(run: Run, body: bytes) -> None:
    """aiohttp loses the status when they come in one packet with the head: that attempt fails."""

    async def main() -> None:
        reply = await reply_of(says_once(CHUNKED + body))
        assert reply.status in (200, None)
        assert (reply.error == "") is reply.succeeded

    run(main)


def test_a_body_that_trickles_after_a_200_ends_with_the_time_and_succeeds(run: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            await peer.say(b"x")
            await asyncio.sleep(0.005)

    async def main() -> None:
        reply = await reply_of(handle, seconds=0.3)
        assert (reply.status, reply.error, reply.timed_out) == (200, "", False)
        assert reply.start
        assert set(reply.start) == {ord("x")}

    run(main)


def test_a_compressed_body_is_kept_as_it_came(run: Run) -> None:
    packed = gzip.compress(b"x" * 10_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)

    async def main() -> None:
        reply = await reply_of(answers(head + packed))
        assert (reply.status, reply.start) == (200, packed[:4096])

    run(main)


def test_an_answer_before_the_request_is_whole_counts_and_nothing_hangs(run: Run) -> None:
    """The server answers at once, reads nothing, and keeps the connection open."""

    async def main() -> None:
        done = asyncio.Event()

        async def handle(peer: Peer) -> None:
            await peer.say(OK)
            await done.wait()

        async with serving(handle) as server, sending() as sender:
            reply = await sender.send(to(server.url, b"x" * (32 << 20)))
            done.set()
            assert (reply.status, reply.start) == (200, b"ok")

    run(main)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not an HTTP answer"),
        (b"\x00\xff\xfe" * 100, "not an HTTP answer"),
        (b"220 mail.example ESMTP\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 99999 OK\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Flood: y\r\n" * 10_000 + b"\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 1_000_000 + b"\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 " + b"y" * 1_000_000 + b"\r\n\r\n", "not an HTTP answer"),
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "closed the connection without an answer"),
    ],
)
def test_anything_but_an_answer_is_an_error_in_words(run: Run, raw: bytes, error: str) -> None:
    async def main() -> None:
        reply = await reply_of(says_once(raw))
        assert (reply.status, reply.timed_out) == (None, False)
        assert error in reply.error
        assert len(reply.error) <= 1024
        assert reply.error.isprintable()

    run(main)


def test_headers_are_kept_by_lower_case_name_short_and_as_text(run: Run) -> None:
    raw = (
        b"HTTP/1.1 429 Slow \xff down\r\n"
        + b"X-Bytes: caf\xc3\xa9 \xff\xfe\r\nX-Long: "
        + b"y" * 5000
        + b"\r\n"
        + b"".join(b"X-%d: z\r\n" % number for number in range(90))
        + b"RETRY-After: 120\r\nContent-Length: 0\r\n\r\n"
    )

    async def main() -> None:
        reply = await reply_of(says_once(raw))
        assert reply.status == 429
        assert reply.headers["x-bytes"] == "café ��"
        assert reply.headers["x-long"] == "y" * 1024
        assert reply.headers["retry-after"] == "120", "wherever it stands: the schedule depends on it"
        assert len(reply.headers) <= 41
        for text in (reply.error, *reply.headers.values()):
            text.encode()

    run(main)


# no answer


def test_a_server_that_says_nothing_times_out(run: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.reader.read()

    async def main() -> None:
        reply = await reply_of(handle, seconds=0.1)
        assert reply == Reply(error="timed out after 0.1 s", timed_out=True)

    run(main)


def test_a_head_that_trickles_times_out_in_all(run: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.say(b"X: y\r\n")
            await asyncio.sleep(0.01)

    async def main() -> None:
        assert (await reply_of(handle, seconds=0.2)).timed_out

    run(main)


def test_a_server_that_reads_nothing_times_out(run: Run) -> None:
    async def main() -> None:
        done = asyncio.Event()

        async def handle(peer: Peer) -> None:
            await done.wait()

        async with serving(handle) as server, sending() as sender:
            reply = await sender.send(to(server.url, b"x" * (32 << 20), seconds=0.2))
            done.set()
            assert reply.timed_out

    run(main)


def test_a_name_that_resolves_too_slowly_times_out(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        gate = asyncio.Event()

        def look_up(host: str) -> Sequence[tuple[socket.AddressFamily, str]]:
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
            raise socket.gaierror(socket.EAI_AGAIN, "too late")

        async with sending(look_up=look_up) as sender:
            reply = await sender.send(to("http://slow.test/", seconds=0.1))
            assert reply.timed_out
            gate.set()
            await asyncio.sleep(0)

    run(main)


def test_connection_refused_is_said(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        async def main() -> None:
            async with sending() as sender:
                reply = await sender.send(to(f"http://127.0.0.1:{port}/"))
                assert reply == Reply(error="cannot connect: Connection refused")

        run(main)


def test_a_reset_is_said(run: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        resets(peer)

    async def main() -> None:
        reply = await reply_of(handle)
        assert (reply.status, reply.error) == (None, "the connection broke: Connection reset by peer")

    run(main)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64 + ".test", "."])
def test_a_name_that_does_not_resolve_is_said(run: Run, host: str) -> None:
    async def main() -> None:
        async with sending() as sender:
            reply = await sender.send(to(f"http://{host}/"))
            assert reply.status is None
            assert "host name" in reply.error

    run(main)


# addresses


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "[::127.0.0.1]",
    ],
)
def test_no_spelling_of_loopback_gets_past_the_rule(run: Run, host: str) -> None:
    async def main() -> None:
        async with serving(answers(OK)) as server, sending(AddressRule()) as sender:
            reply = await sender.send(to(f"http://{host}:{server.port}/"))
            assert reply.status is None
            assert re.search("is not public|IPv4 address|does not resolve", reply.error), reply.error
            assert server.connections == 0

    run(main)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "127.0.0.1"],
        ["10.0.0.1", "1.1.1.1"],
        [*(f"93.184.215.{number}" for number in range(100)), "127.0.0.1"],  # more than are tried
    ],
)
def test_a_name_with_any_address_that_is_refused_is_refused(run: Run, addresses: list[str]) -> None:
    def look_up(host: str) -> Sequence[tuple[socket.AddressFamily, str]]:
        return [(socket.AF_INET, each) for each in addresses]

    async def main() -> None:
        async with sending(AddressRule(), look_up) as sender:
            reply = await sender.send(to("http://rebound.test/"))
            assert reply.status is None
            assert reply.error.startswith("the host name resolves to an address that is not public (ADJOURN_")

    run(main)


def test_the_address_connected_to_is_the_one_that_was_checked(run: Run) -> None:
    """A name server that answers otherwise the second time gains nothing."""
    turns = iter(["127.0.0.1"] + ["10.0.0.1"] * 100)

    def look_up(host: str) -> Sequence[tuple[socket.AddressFamily, str]]:
        return [(socket.AF_INET, next(turns))]

    async def main() -> None:
        async with serving(answers(OK)) as server, sending(look_up=look_up) as sender:
            assert (await sender.send(to(f"http://rebound.test:{server.port}/"))).succeeded
            assert server.connections == 1

    run(main)


def test_a_name_with_thousands_of_addresses_costs_no_more_than_one_with_a_few(run: Run) -> None:
    tried: list[str] = []

    class Counting(AddressRule):
        def check(self, text: str) -> None:
            tried.append(text)
            super().check(text)

    def look_up(host: str) -> Sequence[tuple[socket.AddressFamily, str]]:
        return [(socket.AF_INET, f"127.1.{number // 250}.{number % 250 + 1}") for number in range(5000)]

    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            async with sending(Counting([ip_network("127.0.0.0/8")]), look_up) as sender:
                reply = await sender.send(to(f"http://many.test:{port}/"))
                assert "Connection refused" in reply.error
                assert len(set(tried)) == 5000, "each is checked"
                assert len(tried) - 5000 <= 100, "and again where a socket is made to it"

    run(main)


# its life


def test_a_cancelled_attempt_leaves_nothing_behind(run: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.reader.read()

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            attempt = asyncio.create_task(sender.send(to(server.url)))
            await eventually(lambda: len(server.requests) == 1)
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
            await eventually(lambda: server.open == 0)

    run(main)


def test_closing_ends_the_kept_connections_and_may_be_done_twice(run: Run) -> None:
    async def main() -> None:
        async with serving(answers(OK)) as server:
            sender = make_sender(LOOPBACK)
            await sender.close()
            assert (await sender.send(to(server.url))).succeeded
            await sender.close()
            await sender.close()
            await eventually(lambda: server.open == 0)

    run(main)


def test_says_nothing_in_the_log_about_bodies(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        await reply_of(says_once(b"nonsense"))

    with caplog.at_level(logging.DEBUG):
        run(main)
    assert '{"a":1}' not in caplog.text

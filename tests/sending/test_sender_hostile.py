"""Endpoints that do each thing wrong: an attempt ends, within bounds, and no later one pays for it."""

import asyncio
from collections.abc import Callable

import pytest
from tests.sending.harness import eventually
from tests.sending.peers import (
    OK,
    Handle,
    Peer,
    Run,
    answers,
    misbehaves,
    reply_of,
    resets,
    sending,
    serving,
    to,
)

from adjourn.sending.policy import Reply
from adjourn.sending.sender import Sender

HEAD = b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 4\r\n\r\n"
WHOLE = HEAD + b"body"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FORMS = {
    "length": WHOLE,
    "nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
    "chunks": CHUNKED + b"2;a=b\r\nbo\r\n2\r\ndy\r\n0\r\nT: x\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + WHOLE,
    "ends in line ends": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
}


def at_cut(whole: bytes, then: Callable[[Peer], object]) -> Handle:
    """A server whose answer to `POST /n` breaks off after n bytes. Afterwards it answers nothing."""

    async def handle(peer: Peer) -> None:
        request = await peer.request()
        assert request is not None
        cut = int(request.split(b" ", 2)[1][1:])
        await peer.say(whole[:cut])
        then(peer)
        seen = await peer.reader.read(-1)
        if seen:
            peer.server.trespasses.append(seen)

    return handle


async def at_every_cut(sender: Sender, handle: Handle, size: int, *, seconds: float) -> list[Reply]:
    async with serving(handle) as server:
        asked = [sender.send(to(f"{server.url}{cut}", seconds=seconds)) for cut in range(size)]
        replies = await asyncio.gather(*asked)
        again = await asyncio.gather(*(sender.send(to(f"{server.url}{size}")) for _ in range(3)))
        assert [each.status for each in again] == [200] * 3
        assert server.trespasses == []
        assert server.connections >= size + 1, "none of the broken ones was used again"
    return list(replies)


def check_cuts(replies: list[Reply], *, because: str) -> None:
    for cut, reply in enumerate(replies):
        if cut < len(HEAD):
            assert reply.status is None, cut
            assert because in reply.error, cut
        else:
            assert (reply.status, reply.error, reply.start) == (200, "", WHOLE[len(HEAD) : cut])


# an answer that breaks off


def test_an_answer_that_stalls_at_any_byte_ends_with_the_time(run: Run) -> None:
    async def main() -> None:
        async with sending() as sender:
            handle = at_cut(WHOLE, lambda peer: None)
            replies = await at_every_cut(sender, handle, len(WHOLE), seconds=0.5)
            check_cuts(replies, because="timed out after 0.5 s")
            assert all(reply.timed_out for reply in replies[: len(HEAD)])
            assert not any(reply.timed_out for reply in replies[len(HEAD) :])

    run(main)


def test_an_answer_that_is_closed_at_any_byte_is_said(run: Run) -> None:
    async def main() -> None:
        async with sending() as sender:
            handle = at_cut(WHOLE, lambda peer: peer.writer.write_eof())
            replies = await at_every_cut(sender, handle, len(WHOLE), seconds=20)
            check_cuts(replies, because="closed the connection without an answer")

    run(main)


def test_an_answer_that_is_reset_at_any_byte_is_said(run: Run) -> None:
    """A reset may overtake what was said before it: then that never came."""

    async def main() -> None:
        async with sending() as sender:

            async def handle(peer: Peer) -> None:
                request = await peer.request()
                assert request is not None
                cut = int(request.split(b" ", 2)[1][1:])
                await peer.say(WHOLE[:cut])
                if cut < len(WHOLE):
                    resets(peer)
                else:
                    await peer.reader.read(-1)

            for reply in await at_every_cut(sender, handle, len(WHOLE), seconds=20):
                assert (reply.status is None and "Connection reset" in reply.error) or reply.status == 200

    run(main)


# an answer in pieces


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_in_single_bytes_is_the_same_and_its_connection_kept(run: Run, form: str) -> None:
    async def handle(peer: Peer) -> None:
        while await peer.request() is not None:
            for byte in FORMS[form]:
                await peer.say(bytes([byte]))
                await asyncio.sleep(0)

    async def main() -> None:
        whole = await reply_of(answers(FORMS[form]))
        async with serving(handle) as server, sending() as sender:
            for _ in range(3):
                assert await sender.send(to(server.url)) == whole
            assert server.connections == 1

    run(main)


# answers that leave doubt: they count, and their connection is not used again

SURPLUS = [
    (OK, OK),
    (OK, b"\r\n"),
    (OK, b"\n"),
    (OK, b"\r"),
    (OK, b"\r\n\r\n"),
    (OK, b"x"),
    (OK, b"\0"),
    (OK, b"HTTP/1.1 200 OK\r\n"),
    (OK, b"HTTP/1.1 100 Continue\r\n\r\n"),
    (FORMS["nothing"], b"\r\n"),
    (FORMS["nothing"], b"\n\r\n\r\n"),
    (FORMS["nothing"], b"ok"),
    (FORMS["chunks"], b"\r\n"),
    (FORMS["chunks"], b"\n\r\n\r\n"),
    (FORMS["chunks"], b"0\r\n\r\n"),
    (FORMS["chunks"], OK),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"a body in spite of it"),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"hello"),
    (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n"),
]


@pytest.mark.parametrize(("whole", "more"), SURPLUS)
@pytest.mark.parametrize("together", [True, False])
def test_after_more_than_an_answer_the_connection_is_left(
    run_own: Run, whole: bytes, more: bytes, together: bool
) -> None:
    async def main() -> None:
        handle = misbehaves(whole + more) if together else misbehaves(whole, later=more)
        async with serving(handle) as server, sending() as sender:
            first = await sender.send(to(server.url))
            if not together:
                await eventually(lambda: server.said_later > 0)
            second = await sender.send(to(server.url))
            assert first == second
            assert first.status == int(whole.split(b" ")[1])
            assert server.connections == 2
            await eventually(lambda: server.open == 0)
            assert server.trespasses == []

    run_own(main)


IN_DOUBT = {
    "says close": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "says close among others": b"HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 2\r\n\r\nok",
    "is of HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "is of HTTP/1.0 and wants to be kept": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"
    ),
    "is of HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "has lines without CR": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "has lines without CR after some with it": b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\n\nok",
    "has lines without CR after an interim one": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok"
    ),
    "goes on too long": b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"ok" * 35_000,
    "switches protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nok",
    "breaks its chunks": CHUNKED + b"2\r\nok\r\nnonsense\r\n",
    "breaks its chunks at their end": CHUNKED + b"2\r\nok!!0\r\n\r\n",
    "has a chunk of no number": CHUNKED + b"2\r\nok\r\n-1\r\n",
    "has a chunk too large to count": CHUNKED + b"2\r\nok\r\nfffffffffffffffff\r\n",
    "has half a trailer that is none": CHUNKED + b"2\r\nok\r\n0\r\nno trailer\r\n\r\n",
}


@pytest.mark.parametrize("how", IN_DOUBT)
def test_an_answer_that_leaves_doubt_counts_and_its_connection_is_left(run_own: Run, how: str) -> None:
    async def main() -> None:
        async with serving(misbehaves(IN_DOUBT[how])) as server, sending() as sender:
            for count in (1, 2):
                reply = await sender.send(to(server.url))
                assert reply.status == (101 if "switches" in how else 200)
                assert reply.start[:2] == (b"" if "switches" in how else b"ok")
                assert server.connections == count
            await eventually(lambda: server.open == 0)
            assert server.trespasses == []

    run_own(main)


NO_ANSWERS = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "a length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "a length with a sign": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "a length in hexadecimal": b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
    "a length of nothing": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok",
    "a length beyond counting": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok",
    "a length and chunks": b"HTTP/1.1 200 O\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "chunks and a length": CHUNKED[:-2] + b"Content-Length: 2\r\n\r\n0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status below all": b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "a folded header": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "a control character": b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nok",
    "a length that is folded": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n 3\r\n\r\nok",
    "two lengths in lines without CR": b"HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 3\n\nok",
    "a NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("how", NO_ANSWERS)
def test_what_is_no_answer_is_an_error_and_its_connection_is_left(run_own: Run, how: str) -> None:
    async def main() -> None:
        async with serving(misbehaves(NO_ANSWERS[how])) as server, sending() as sender:
            for count in (1, 2):
                reply = await sender.send(to(server.url))
                assert reply.status is None
                assert reply.error.startswith("not an HTTP answer: ")
                assert server.connections == count
            await eventually(lambda: server.open == 0)
            assert server.trespasses == []

    run_own(main)


def test_a_long_body_that_never_ends_leaves_the_connection(run_own: Run) -> None:
    """A length that lies: too long. The status decides once the time is over."""

    async def main() -> None:
        handle = misbehaves(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        async with serving(handle) as server, sending() as sender:
            reply = await sender.send(to(server.url, seconds=0.05))
            assert (reply.status, reply.start) == (200, b"half")
            await eventually(lambda: server.open == 0)
            assert server.trespasses == []

    run_own(main)


def test_an_answer_to_half_a_request_leaves_the_connection(run_own: Run) -> None:
    async def main() -> None:
        async with serving(misbehaves(OK, takes=False)) as server, sending() as sender:
            for count in (1, 2):
                assert (await sender.send(to(server.url, b"x" * (16 << 20)))).status == 200
                assert server.connections == count
            await eventually(lambda: server.open == 0)
            assert server.trespasses == []

    run_own(main)


def test_an_answer_that_was_begun_before_the_request_was_whole_leaves_the_connection(run_own: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.say(OK[:20])
        await peer.request()
        await peer.say(OK[20:])
        seen = await peer.reader.read(-1)
        if seen:
            peer.server.trespasses.append(seen)

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            for count in (1, 2):
                assert (await sender.send(to(server.url, b"x" * (16 << 20)))).status == 200
                assert server.connections == count
            await eventually(lambda: server.open == 0)
            assert server.trespasses == []

    run_own(main)


@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_an_end_of_the_servers_half_is_the_end(run_own: Run, before: bytes) -> None:
    """It takes a second request in, though it has said that nothing more will come from it."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK + before)
        peer.writer.write_eof()
        seen = await peer.reader.read(-1)
        if seen:
            peer.server.trespasses.append(seen)

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            for _ in range(5):
                assert (await sender.send(to(server.url))).status == 200
            await eventually(lambda: server.open == 0)
            assert len(server.requests) == 5

    run_own(main)


# floods


def flood(start: bytes, more: bytes) -> Handle:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(start)
        packet = more * (65536 // len(more) + 1)
        while True:
            await peer.say(packet)
            peer.server.flooded += len(packet)

    return handle


FLOODS: dict[str, tuple[bytes, bytes, int | None]] = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a:\r\n", None),
    "one header": (b"HTTP/1.1 200 OK\r\nX: ", b"y", None),
    "a name without end": (b"HTTP/1.1 200 OK\r\n", b"y", None),
    "a reason": (b"HTTP/1.1 200 ", b"y", None),
    "line ends": (b"", b"\r\n", None),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", None),
    "headers of an interim answer": (b"HTTP/1.1 100 Continue\r\n", b"a: b\r\n", None),
    "Retry-After": (b"HTTP/1.1 503 Busy\r\n", b"Retry-After: 1\r\n", None),
    "a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n", b"x", 200),
    "a body until the end": (b"HTTP/1.1 200 OK\r\n\r\n", b"x", 200),
    "small chunks": (CHUNKED, b"1\r\nx\r\n", 200),
    "a large chunk": (CHUNKED + b"ffffffff\r\n", b"x", 200),
    "a chunk's extension": (CHUNKED + b"1;", b"y", 200),
    "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n", 200),
    "zeros before a chunk's length": (CHUNKED, b"0", 200),
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_flood_is_cut_off(run_own: Run, what: str) -> None:
    start, more, status = FLOODS[what]

    async def main() -> None:
        async with serving(flood(start, more)) as server, sending() as sender:
            reply = await sender.send(to(server.url))
            assert (reply.status, reply.timed_out) == (status, False)
            assert (reply.error == "") is (status is not None)
            assert len(reply.start) <= 4096
            assert len(reply.headers) <= 41
            await eventually(lambda: server.open == 0)
            assert server.flooded < 32 << 20, "what the sockets between them hold, and no more"

    run_own(main)


def test_a_server_that_trickles_line_ends_times_out(run: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        while True:
            await peer.say(b"\r\n")
            await asyncio.sleep(0.005)

    async def main() -> None:
        reply = await reply_of(handle, seconds=0.2)
        assert reply == Reply(error="timed out after 0.2 s", timed_out=True)

    run(main)


# the race of a kept connection


def test_a_kept_connection_that_is_reset_mid_answer_is_not_tried_again(run_own: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await peer.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        resets(peer)

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            assert (await sender.send(to(server.url))).succeeded
            reply = await sender.send(to(server.url))
            assert reply.status is None
            assert len(server.requests) == 2

    run_own(main)


def test_a_request_is_repeated_once_and_not_again(run_own: Run) -> None:
    """The second server that is met closes without an answer, too."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        if peer.server.connections == 1:
            await peer.say(OK)
            await peer.request()

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            assert (await sender.send(to(server.url))).succeeded
            reply = await sender.send(to(server.url))
            assert reply == Reply(error="the endpoint closed the connection without an answer")
            assert len(server.requests) == 3

    run_own(main)


def test_many_at_once_over_connections_that_break_at_random_all_end(run_own: Run) -> None:
    """Each answer names its request; none may ever be taken for another's."""
    wrong: list[bytes] = [
        b"",
        OK[:9],
        b"HTTP/1.1 200 OK\r\n\r\n",
        OK + b"\r\n",
        OK + OK,
        b"garbage",
        IN_DOUBT["says close"],
    ]

    async def handle(peer: Peer) -> None:
        while (request := await peer.request()) is not None:
            number = int(request.split(b" ", 2)[1][1:])
            if number % 3 == 0:
                await peer.say(wrong[number // 3 % len(wrong)])
                return
            name = b"%d" % number
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name))

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:

            async def keep_busy(first: int) -> None:
                for number in range(first, 600, 16):
                    reply = await sender.send(to(f"{server.url}{number}"))
                    if number % 3:
                        assert (reply.status, reply.start) == (200, b"%d" % number)

            await asyncio.gather(*(keep_busy(first) for first in range(16)))

    run_own(main)


@pytest.mark.parametrize(
    "banner",
    [b"SSH-2.0-OpenSSH_9.6 secret\r\n", b"220 mail.secret ESMTP\r\n", b"\x15\x03\x01\0\2secret", b"secret"],
)
def test_what_another_protocol_says_is_not_shown(run_own: Run, banner: bytes) -> None:
    async def handle(peer: Peer) -> None:
        await peer.say(banner)
        await peer.request()

    async def main() -> None:
        reply = await reply_of(handle)
        assert reply.status is None
        assert reply.error
        assert "secret" not in repr(reply)

    run_own(main)

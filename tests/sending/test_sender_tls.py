"""The senders over TLS: who is spoken to is proven, and whatever else a server does is an error in words."""

import asyncio
import os
import socket
import ssl
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import pytest
from tests.sending.certificates import Authority
from tests.sending.harness import eventually
from tests.sending.peers import (
    LOOPBACK,
    OK,
    Handle,
    Peer,
    Run,
    Server,
    answers,
    misbehaves,
    sending,
    serving,
    split,
    to,
)

from adjourn.sending.policy import Reply

DAY = timedelta(days=1)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


def look_up(host: str) -> Sequence[tuple[socket.AddressFamily, str]]:
    return [(socket.AF_INET, "127.0.0.1")]


def said_later(server: Server, count: int) -> bool:
    return server.said_later == count


async def reply_of(
    authority: Authority, context: ssl.SSLContext, handle: Handle, *, host: str = "127.0.0.1"
) -> Reply:
    """What one attempt to such a server comes to."""
    async with (
        serving(handle, tls=context) as server,
        sending(LOOPBACK, look_up, authority.client) as sender,
    ):
        return await sender.send(to(f"https://{host}:{server.port}/"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("host", ["hooks.test", "HOOKS.test", "hooks.test.", "127.0.0.1"])
def test_requests_go_over_one_connection(
    run: Run, authority: Authority, host: str, version: ssl.TLSVersion
) -> None:
    names: list[str | None] = []
    context = authority.server("hooks.test", "127.0.0.1")
    context.maximum_version = version
    context.sni_callback = lambda _, name, __: names.append(name)

    async def main() -> None:
        async with (
            serving(answers(OK), tls=context) as server,
            sending(LOOPBACK, look_up, authority.client) as sender,
        ):
            for size in (0, 7, 20_000, 3 << 20):
                reply = await sender.send(to(f"https://{host}:{server.port}/", b"x" * size))
                assert reply == Reply(status=200, headers={"content-length": "2"}, start=b"ok")
            assert server.connections == 1
            assert [len(split(each)[2]) for each in server.requests] == [0, 7, 20_000, 3 << 20]

    run(main)
    sent = [name and name.lower() for name in names]
    assert sent == [None if host == "127.0.0.1" else "hooks.test"]


@pytest.mark.parametrize("answer", [OK, CHUNKED, b"HTTP/1.1 204 No Content\r\n\r\n"])
def test_answers_in_records_of_single_bytes(run_own: Run, authority: Authority, answer: bytes) -> None:
    async def handle(peer: Peer) -> None:
        while await peer.request() is not None:
            for byte in answer:
                await peer.say(bytes([byte]))
                await asyncio.sleep(0)

    async def main() -> None:
        async with (
            serving(handle, tls=authority.server("127.0.0.1")) as server,
            sending(tls=authority.client) as sender,
        ):
            for _ in range(3):
                reply = await sender.send(to(f"https://127.0.0.1:{server.port}/"))
                assert reply.start == (b"" if b"204" in answer else b"ok")
            assert server.connections == 1

    run_own(main)


# who it is


@pytest.mark.parametrize("host", ["127.0.0.1", "hooks.test", "a.hooks.test"])
def test_the_certificate_of_another_host_is_refused(run: Run, authority: Authority, host: str) -> None:
    async def main() -> None:
        context = authority.server("other.test", "*.other.test", "127.0.0.2")
        reply = await reply_of(authority, context, answers(OK), host=host)
        assert reply.status is None
        assert reply.error.startswith("TLS: the certificate does not verify: ")
        assert "mismatch" in reply.error

    run(main)


@pytest.mark.parametrize("valid", [(-2 * DAY, -DAY), (DAY, 2 * DAY)])
def test_a_certificate_out_of_its_time_is_refused(
    run: Run, authority: Authority, valid: tuple[timedelta, timedelta]
) -> None:
    async def main() -> None:
        reply = await reply_of(authority, authority.server("127.0.0.1", valid=valid), answers(OK))
        assert reply.status is None
        assert reply.error.startswith("TLS: the certificate does not verify: certificate ")

    run(main)


@pytest.mark.parametrize("trusts", ["the authority", "the system"])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    run: Run, authority: Authority, trusts: str
) -> None:
    async def main() -> None:
        client = authority.client if trusts == "the authority" else None
        async with (
            serving(answers(OK), tls=authority.server("127.0.0.1", self_signed=True)) as server,
            sending(tls=client) as sender,
        ):
            reply = await sender.send(to(f"https://127.0.0.1:{server.port}/"))
            assert reply.status is None
            assert reply.error.startswith("TLS: the certificate does not verify: self")
            assert server.requests == []

    run(main)


def test_old_versions_are_refused(run_own: Run, authority: Authority) -> None:
    context = authority.server("127.0.0.1")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    async def main() -> None:
        reply = await reply_of(authority, context, answers(OK))
        assert reply.status is None
        assert reply.error.startswith("TLS: ")

    run_own(main)


# the handshake


def test_a_session_is_resumed(run_own: Run, authority: Authority) -> None:
    reused: list[bool] = []

    async def handle(peer: Peer) -> None:
        await peer.request()
        reused.append(peer.writer.get_extra_info("ssl_object").session_reused)
        await peer.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    async def main() -> None:
        async with (
            serving(handle, tls=authority.server("127.0.0.1", "127.0.0.2"), host="0.0.0.0") as server,
            sending(tls=authority.client) as sender,
        ):
            for host in ("127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2"):
                assert (await sender.send(to(f"https://{host}:{server.port}/"))).succeeded

    run_own(main)
    assert reused == [False, True, True, False], "a session is its origin's own"


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x00", b"\x15\x03\x03\x00\x02\x02\x28"])
def test_an_end_in_the_handshake_is_said(run: Run, said: bytes) -> None:
    async def handle(peer: Peer) -> None:
        await peer.reader.read(100)
        await peer.say(said)

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            reply = await sender.send(to(f"https://127.0.0.1:{server.port}/"))
            assert (reply.status, reply.timed_out) == (None, False)
            assert reply.error

    run(main)


def test_an_end_in_the_handshake_is_said_in_words(run_own: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.reader.read(100)

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            reply = await sender.send(to(f"https://127.0.0.1:{server.port}/"))
            assert reply == Reply(error="TLS: the endpoint closed the connection in the handshake")

    run_own(main)


def test_a_handshake_that_stalls_times_out(run: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.reader.read(-1)

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            reply = await sender.send(to(f"https://127.0.0.1:{server.port}/", seconds=0.1))
            assert reply == Reply(error="timed out after 0.1 s", timed_out=True)
            await eventually(lambda: server.open == 0)

    run(main)


def test_a_port_that_speaks_none_is_said(run: Run) -> None:
    async def handle(peer: Peer) -> None:
        await peer.reader.read(100)
        await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def main() -> None:
        async with serving(handle) as server, sending() as sender:
            reply = await sender.send(to(f"https://127.0.0.1:{server.port}/"))
            assert reply.status is None
            assert reply.error.startswith("TLS: ")

    run(main)


# its end


@pytest.mark.parametrize("farewell", [True, False])
@pytest.mark.parametrize(
    ("answer", "start"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"half"),
    ],
)
def test_an_answer_counts_with_or_without_a_farewell(
    run_own: Run, authority: Authority, answer: bytes, start: bytes, farewell: bool
) -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(answer)
        if not farewell:
            peer.writer.transport.abort()

    async def main() -> None:
        async with (
            serving(handle, tls=authority.server("127.0.0.1")) as server,
            sending(tls=authority.client) as sender,
        ):
            for count in range(1, 4):
                reply = await sender.send(to(f"https://127.0.0.1:{server.port}/"))
                assert (reply.status, reply.start) == (200, start)
                assert server.connections == count

    run_own(main)


@pytest.mark.parametrize("more", [OK, b"\r\n", b"x"])
@pytest.mark.parametrize("together", [True, False])
def test_after_more_than_an_answer_the_connection_is_left(
    run_own: Run, authority: Authority, more: bytes, together: bool
) -> None:
    async def main() -> None:
        handle = misbehaves(OK + more) if together else misbehaves(OK, later=more)
        async with (
            serving(handle, tls=authority.server("127.0.0.1")) as server,
            sending(tls=authority.client) as sender,
        ):
            for count in (1, 2):
                assert (await sender.send(to(f"https://127.0.0.1:{server.port}/"))).start == b"ok"
                if not together:
                    await eventually(partial(said_later, server, count))
                assert server.connections == count
            await eventually(lambda: server.open == 0)
            assert server.trespasses == []

    run_own(main)


def test_a_record_that_is_none_ends_the_attempt_and_the_connection(
    run_own: Run, authority: Authority
) -> None:
    """Bytes that nobody encrypted, in the midst of an answer."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK[:10])
        os.write(peer.writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x20" + b"x" * 32)
        await peer.reader.read(-1)

    async def main() -> None:
        async with (
            serving(handle, tls=authority.server("127.0.0.1")) as server,
            sending(tls=authority.client) as sender,
        ):
            reply = await sender.send(to(f"https://127.0.0.1:{server.port}/"))
            assert reply.status is None
            assert reply.error.startswith("TLS: ")
            await eventually(lambda: server.open == 0)

    run_own(main)


def test_closing_says_farewell_to_what_is_kept(run_own: Run, authority: Authority) -> None:
    """Else some servers forget the session, and log an error."""
    ends: list[bytes | ssl.SSLError] = []

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        try:
            ends.append(await peer.reader.read(-1))
        except ssl.SSLError as exc:
            ends.append(exc)

    async def main() -> None:
        async with (
            serving(handle, tls=authority.server("127.0.0.1")) as server,
            sending(tls=authority.client) as sender,
        ):
            assert (await sender.send(to(f"https://127.0.0.1:{server.port}/"))).succeeded
            await sender.close()
            await eventually(lambda: server.open == 0)

    run_own(main)
    assert ends == [b""]

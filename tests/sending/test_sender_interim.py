"""An endpoint that answers 1xx without end costs one attempt, not the process."""

import asyncio
from datetime import timedelta
from ipaddress import ip_network

import pytest

from adjourn.sending.addresses import AddressRule
from adjourn.sending.aiohttp_sender import AiohttpSender
from adjourn.sending.policy import Reply
from adjourn.sending.sender import Request

pytestmark = pytest.mark.anyio


async def reply_to(answer: bytes) -> Reply:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await reader.read()  # until the sender lets go
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sender = AiohttpSender(AddressRule([ip_network("127.0.0.0/8")]))
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        return await sender.send(Request(url=url, headers={}, body=b"{}", timeout=timedelta(seconds=20)))
    finally:
        await sender.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("interim", [0, 1, 8])
async def test_a_few_interim_answers_are_borne(interim: int) -> None:
    answer = b"HTTP/1.1 103 Early Hints\r\n\r\n" * interim
    reply = await reply_to(answer + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert reply.status == 200


async def test_too_many_interim_answers_fail_the_attempt_at_once() -> None:
    reply = await reply_to(b"HTTP/1.1 100 Continue\r\n\r\n" * 5000)
    assert reply.status is None
    assert "interim (1xx) answers" in reply.error
    assert not reply.timed_out

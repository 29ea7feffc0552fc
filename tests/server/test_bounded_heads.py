"""What is no HTTP, or too much of it, is answered and ended: the process stays free for others."""

import asyncio
import json

import pytest
from tests.server.harness import Running, Servers


async def answer_to(server: Running, sent: bytes) -> tuple[int, dict[str, object]]:
    """The status and the JSON of what comes back, when the server has closed the connection."""
    url = server.client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(sent)
    try:
        async with asyncio.timeout(10):
            head, _, body = (await reader.read(1 << 20)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    problem = json.loads(body)
    assert f"x-request-id: {problem['request_id']}".encode() in head
    return int(head.split()[1]), problem


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"y" * 70_000, 431),
        (b"GET /" + b"y" * 70_000, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 12_000, 431),
        (b"no HTTP at all\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    ],
)
def test_a_bad_head_is_answered_in_the_documented_form(servers: Servers, sent: bytes, status: int) -> None:
    async def run() -> None:
        async with servers.start() as server:
            found, problem = await answer_to(server, sent)
            assert found == status
            assert problem["code"] == "invalid_request_body"
            assert (await server.client.get("/healthz")).status_code == 200

    asyncio.run(run())


def test_a_large_body_behind_a_small_head_is_no_long_head(servers: Servers) -> None:
    async def run() -> None:
        async with servers.start() as server:
            answer = await server.client.post("/v1/platform/events", content=b" " * 200_000)
            assert answer.status_code == 400
            assert answer.json()["message"] == "the body is empty"
            assert (await server.client.get("/healthz")).status_code == 200

    asyncio.run(run())


def test_a_body_that_is_still_coming_when_it_is_refused_is_no_long_head(servers: Servers) -> None:
    async def run() -> None:
        async with servers.start() as server:
            url = server.client.base_url
            reader, writer = await asyncio.open_connection(url.host, url.port)
            head = b"POST /v1/platform/events HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
            writer.write(head)
            first = await reader.readuntil(b"\r\n\r\n")
            assert first.startswith(b"HTTP/1.1 401")
            await reader.readexactly(int(first.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            writer.write(b" " * 200_000 + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            writer.close()

    asyncio.run(run())

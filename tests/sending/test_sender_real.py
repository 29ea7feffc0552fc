"""The senders against servers that others wrote: whatever they make of HTTP/1.1, both are served alike."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.sending.certificates import Authority
from tests.sending.harness import DEADLINE, eventually
from tests.sending.peers import Run, sending, to

from adjourn.sending.sender import Request

BODY = b'{"event":"meeting.completed"}' * 40


# servers: each answers with what it was sent


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    length = [] if scope["path"] == "/chunked" else [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 202, "headers": [(b"x-by", b"echo"), *length]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def uvicorn_server(http: str, pem: Path | None = None) -> AsyncIterator[str]:
    config = uvicorn.Config(
        echo, port=0, http=http, lifespan="off", log_config=None, ssl_certfile=pem, ssl_keyfile=pem, ws="none"
    )
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    port = listener.getsockname()[1]
    serving = asyncio.create_task(server._serve([listener]))
    await eventually(lambda: server.started)
    try:
        yield f"{'https' if pem else 'http'}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving
        listener.close()


class Echo(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("X-By", "echo")
        if self.protocol_version == "HTTP/1.1":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


class PythonServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # five by itself: the kernel drops the others


@contextmanager
def python_server(protocol: str) -> Iterator[str]:
    handler = type("Handler", (Echo,), {"protocol_version": protocol, "timeout": DEADLINE})
    with PythonServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


NODE = """
const serve = (req, res) => {
  const parts = [];
  req.on('data', (part) => parts.push(part));
  req.on('end', () => {
    const body = Buffer.concat(parts);
    const length = req.url === '/chunked' ? {} : {'Content-Length': body.length};
    res.writeHead(202, {'X-By': 'echo', ...length});
    res.write(body.subarray(0, 10));
    res.end(body.subarray(10));
  });
};
const server = require('http').createServer(serve);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@contextmanager
def node_server() -> Iterator[str]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    with subprocess.Popen([node, "-e", NODE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests {requests}; keepalive_timeout {timeout}; client_max_body_size 0;
  server {{
    listen 127.0.0.1:{port} {ssl}; {certificate}
    location / {{ add_header X-Resumed "$ssl_session_reused." always; return 202 "{body}"; }}
    location /app/ {{ proxy_pass {behind}; proxy_buffering off; proxy_http_version 1.1; }}
  }}
}}
"""


@contextmanager
def nginx_server(
    folder: Path,
    *,
    requests: int = 1000,
    timeout: str = "75s",
    pem: Path | None = None,
    behind: str = "http://127.0.0.1:9",
) -> Iterator[str]:
    """It answers with BODY before it has read the request's; at /app with what `behind` answers."""
    nginx = shutil.which("nginx")
    if nginx is None:
        pytest.skip("nginx is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = folder / "nginx.conf"
    certificate = f"ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_session_tickets on;" if pem else ""
    config.write_text(
        NGINX.format(
            folder=folder,
            port=port,
            ssl="ssl" if pem else "",
            certificate=certificate,
            requests=requests,
            timeout=timeout,
            behind=behind,
            body=BODY.decode().replace('"', '\\"'),
        )
    )
    with subprocess.Popen([nginx, "-c", str(config), "-p", str(folder), "-e", "stderr"]) as process:
        try:
            wait_for(port)
            yield f"{'https' if pem else 'http'}://127.0.0.1:{port}"
        finally:
            process.kill()


def wait_for(port: int) -> None:
    for _ in range(1000):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.01).close()
        except OSError:
            threading.Event().wait(0.01)
        else:
            return
    raise TimeoutError


@contextmanager
def openssl_server(pem: Path, *options: str) -> Iterator[int]:
    """It answers GET with a page about the connection, in HTTP/1.0."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        openssl,
        "s_server",
        "-accept",
        f"127.0.0.1:{port}",
        "-cert",
        str(pem),
        "-key",
        str(pem),
        "-www",
    ]
    quiet = subprocess.DEVNULL
    with subprocess.Popen([*command, *options], stdin=quiet, stdout=quiet, stderr=quiet) as process:
        try:
            wait_for(port)
            yield port
        finally:
            process.kill()


# what each is asked


async def check(url: str) -> None:
    """One after the other, then many at once; the answers are those to the very requests."""
    async with sending() as sender:
        for number in range(20):
            reply = await sender.send(to(url, BODY))
            assert (reply.status, reply.start) == (202, BODY), (number, reply.error)
            assert reply.headers["x-by"] == "echo"
        bodies = [b"%d" % number * number for number in range(60)]
        replies = await asyncio.gather(*(sender.send(to(url, body)) for body in bodies))
        assert [reply.status for reply in replies] == [202] * 60
        assert [reply.start for reply in replies] == bodies


@pytest.mark.parametrize("path", ["/", "/chunked"])
@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_uvicorn(run: Run, http: str, path: str) -> None:
    async def main() -> None:
        async with uvicorn_server(http) as url:
            await check(url + path)

    run(main)


def test_uvicorn_over_tls(run: Run, authority: Authority) -> None:
    async def main() -> None:
        async with (
            uvicorn_server("httptools", authority.pem("127.0.0.1")) as url,
            sending(tls=authority.client) as sender,
        ):
            for size in (0, 10, 100_000):
                reply = await sender.send(to(f"{url}/", b"x" * size))
                assert (reply.status, reply.start) == (202, b"x" * min(size, 4096))

    run(main)


@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
def test_http_server_of_python(run: Run, protocol: str) -> None:
    with python_server(protocol) as url:
        run(lambda: check(url))


# Of servers that a machine may not have: `make soak` tries those that are there.


@pytest.mark.soak
@pytest.mark.parametrize("path", ["/", "/chunked"])
def test_node(run: Run, path: str) -> None:
    with node_server() as url:
        run(lambda: check(url + path))


async def check_nginx(url: str, *, body: bytes = BODY, tls: ssl.SSLContext | None = None) -> None:
    """One after the other, then many at once: each has its answer, whatever becomes of the connections."""
    async with sending(tls=tls) as sender:
        for number in range(20):
            reply = await sender.send(to(url, body))
            assert (reply.status, reply.start) == (202, BODY), (number, reply.error)
        replies = await asyncio.gather(*(sender.send(to(url, body)) for _ in range(200)))
        assert {(reply.status, reply.start) for reply in replies} == {(202, BODY)}


@pytest.mark.soak
def test_nginx(run: Run, tmp_path: Path) -> None:
    with nginx_server(tmp_path) as url:
        run(lambda: check_nginx(url))


@pytest.mark.soak
@pytest.mark.parametrize("requests", [1, 2, 3])
def test_nginx_that_closes_each_connection_after_a_few_requests(
    run: Run, tmp_path: Path, requests: int
) -> None:
    with nginx_server(tmp_path, requests=requests) as url:
        run(lambda: check_nginx(url))


@pytest.mark.soak
def test_nginx_that_closes_what_is_idle_races_with_requests(run: Run, tmp_path: Path) -> None:
    """The pauses are about as long as it keeps a connection: now the request comes first, now the end."""
    with nginx_server(tmp_path, timeout="50ms") as url:

        async def main() -> None:
            async with sending() as sender:

                async def keep_busy(first: int) -> None:
                    for number in range(20):
                        reply = await sender.send(to(url, BODY))
                        assert (reply.status, reply.start) == (202, BODY), reply.error
                        await asyncio.sleep(0.0485 + (first * 20 + number) % 40 / 10_000)

                await asyncio.gather(*(keep_busy(first) for first in range(8)))

        run(main)


@pytest.mark.soak
@pytest.mark.parametrize("size", [100_000, 2 << 20])
def test_nginx_that_answers_before_it_has_read_the_request(run_own: Run, tmp_path: Path, size: int) -> None:
    with nginx_server(tmp_path) as url:
        run_own(lambda: check_nginx(url, body=b"x" * size))


@pytest.mark.soak
def test_nginx_over_tls_with_session_tickets(run: Run, authority: Authority, tmp_path: Path) -> None:
    with nginx_server(tmp_path, requests=3, pem=authority.pem("127.0.0.1")) as url:
        run(lambda: check_nginx(url, tls=authority.client))


@pytest.mark.soak
def test_nginx_resumes_the_session(run_own: Run, authority: Authority, tmp_path: Path) -> None:
    with nginx_server(tmp_path, requests=1, pem=authority.pem("127.0.0.1")) as url:

        async def main() -> None:
            async with sending(tls=authority.client) as sender:
                replies = [await sender.send(to(url)) for _ in range(4)]
                assert [each.headers["x-resumed"] for each in replies] == ["..", "r.", "r.", "r."]

        run_own(main)


@pytest.mark.soak
@pytest.mark.parametrize("path", ["/app/", "/app/chunked"])
def test_nginx_before_uvicorn(run: Run, tmp_path: Path, path: str) -> None:
    async def main() -> None:
        async with uvicorn_server("httptools") as behind:
            with nginx_server(tmp_path, behind=f"{behind}/") as url:
                await check(url + path)

    run(main)


@pytest.mark.soak
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_s_server(run: Run, authority: Authority, version: str) -> None:
    with openssl_server(authority.pem("127.0.0.1"), version) as port:

        async def main() -> None:
            async with sending(tls=authority.client) as sender:
                for _ in range(3):
                    request = Request(
                        url=f"https://127.0.0.1:{port}/",
                        lines="",
                        body=b"",
                        timeout=timedelta(seconds=DEADLINE),
                        method="GET",
                    )
                    reply = await sender.send(request)
                    assert reply.status == 200, reply.error
                    assert b"s_server" in reply.start

        run(main)

"""The HTTP side of `adjourn listen`: requests in, bounded, and answers out."""

import socketserver
import sys
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from typing import Any

from adjourn import __version__
from adjourn.cli.failure import Exit, Failure
from adjourn.cli.listen.arrivals import Request
from adjourn.cli.listen.forwarding import Answer

__all__ = ["LONGEST_BODY", "Server"]

LONGEST_BODY = 4 << 20  # bytes
_MOST_DROPPED = 16 << 20  # bytes of a body that nobody wants: read, so that its sender sees the answer
_PIECE = 64 << 10
_PATIENCE = 30.0  # seconds that a connection may say nothing

Take = Callable[[Request], Answer]
Skip = Callable[[int, str], object]
"""Told of what was no request to take: the status it was answered, and why."""


class Server(ThreadingHTTPServer):
    """Listens once it is made. Raises Failure where it cannot."""

    allow_reuse_port = False  # a port that is taken is to be noticed
    request_queue_size = 128

    def __init__(self, host: str, port: int, *, path: str, take: Take, skip: Skip) -> None:
        self.path = path
        self.take = take
        self.skip = skip
        if ":" in host:
            self.address_family = AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as exc:
            reason = getattr(exc, "strerror", None) or str(exc)
            raise Failure(Exit.WRONG, f"cannot listen on {host} port {port}: {reason}") from exc

    def server_bind(self) -> None:
        """Without asking for the host's name, which may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that goes away is nothing to tell of."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"http://{host}:{self.server_port}{self.path}"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    disable_nagle_algorithm = True  # head and body are two writes

    def do_POST(self) -> None:
        length = self._read_length()
        if self.path.partition("?")[0] != self.server.path:
            self._drop(length or 0)
            self._skip(HTTPStatus.NOT_FOUND, f"{self.path} is not {self.server.path}")
        elif length is None:
            self._skip(HTTPStatus.LENGTH_REQUIRED, "a body without a Content-Length")
        elif length > LONGEST_BODY:
            self._drop(length)
            self._skip(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body of {length:,} bytes")
        else:
            self._take(length)

    do_PUT = do_POST  # noqa: N815 - callbacks may be put

    def do_GET(self) -> None:
        self._skip(HTTPStatus.METHOD_NOT_ALLOWED, f"a {self.command}")

    do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815 - the library's names

    def _read_length(self) -> int | None:
        given = self.headers.get_all("Content-Length") or []
        one = len(set(given)) == 1 and given[0].isascii() and given[0].isdigit() and len(given[0]) <= 15
        return int(given[0]) if one and "Transfer-Encoding" not in self.headers else None

    def _drop(self, length: int) -> None:
        left = min(length, _MOST_DROPPED)
        while left > 0 and (piece := self.rfile.read(min(left, _PIECE))):
            left -= len(piece)

    def _take(self, length: int) -> None:
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        headers = tuple((name, str(value)) for name, value in self.headers.items())
        request = Request(method=self.command, target=self.path, headers=headers, body=body)
        self._answer(self.server.take(request))

    def _skip(self, status: HTTPStatus, why: str) -> None:
        """The connection ends: a body may be left on it."""
        self.close_connection = True
        allow = (("Allow", "POST, PUT"),) if status == HTTPStatus.METHOD_NOT_ALLOWED else ()
        self.server.skip(status, why)
        self._answer(Answer(status=status, headers=(*allow, ("Connection", "close"))))

    def _answer(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        self._send_headers(answer.headers)
        if answer.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _send_headers(self, headers: Sequence[tuple[str, str]]) -> None:
        names = {name.lower() for name, _ in headers}
        own = {"Server": f"Adjourn/{__version__} (listen)", "Date": self.date_time_string()}
        for name, value in (*((each, own[each]) for each in own if each.lower() not in names), *headers):
            self.send_header(name, value)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """What is taken is told elsewhere."""

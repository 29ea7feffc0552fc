"""Receivers to simulate against, good and bad, each a function from a request to an answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, NamedTuple

from tests.cli.harness import WITHIN

from adjourn import EventError, Receiver, VerificationError
from adjourn.receiving import Received

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Pairs = list[tuple[str, str]]


class Reply(NamedTuple):
    status: int
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    body: bytes = b""


class Came(NamedTuple):
    method: str
    headers: Pairs
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


Answering = Callable[[Came], Reply | None]
"""None: the connection is closed instead."""


@contextmanager
def served(answer: Answering) -> Iterator[str]:
    """The URL of a receiver on loopback, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = answer(Came(self.command, [*self.headers.items()], body))
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_PUT = do_POST  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/webhooks"
        finally:
            server.shutdown()
            thread.join(WITHIN)


class Good:
    """As our documents say; `tells`: new or duplicate, in the header. `take` may look at what is genuine."""

    def __init__(
        self,
        receiver: Receiver,
        *,
        tells: bool = True,
        take: Callable[[Received], Reply | None] | None = None,
    ) -> None:
        self.receiver = receiver
        self.tells = tells
        self.take = take
        self.received: list[Received] = []
        self.refused = 0
        self._ids: set[str] = set()
        self._lock = Lock()

    def __call__(self, came: Came) -> Reply:
        if came.method == "GET":
            return Reply(405)
        try:
            received = self.receiver.receive(came.headers, came.body)
        except VerificationError:
            self.refused += 1
            return Reply(401)
        except EventError:
            return Reply(400)
        with self._lock:
            is_new = received.id not in self._ids
            self._ids.add(received.id)
            self.received.append(received)
        if self.take is not None and (reply := self.take(received)) is not None:
            return reply
        return Reply(200, {"Adjourn-Receipt": "new" if is_new else "duplicate"} if self.tells else {})

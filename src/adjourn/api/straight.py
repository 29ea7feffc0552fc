"""Publishing without ASGI: a request that came in one piece and has nothing odd is answered by callbacks.

It saves the task, the messages and the scope that a request costs in ASGI: more than all the rest of taking
an event in. Whatever is odd takes the ordinary way, and gets the same answer.
"""

from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from adjourn.api.front import Front, Start
from adjourn.api.problems import Answer, problem_answer
from adjourn.api.protocol import BoundedProtocol

__all__ = ["StraightProtocol"]


class StraightProtocol(BoundedProtocol):
    """Starts what `Front.find_start` finds; leaves all else to the library.

    A request is one piece when its last byte comes with its first. Only one is under way at a time, and none
    beside one that takes the ordinary way: so answers go out in the order of their requests.
    """

    _found: tuple[Start, int] | None = None  # for the request that is coming in

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        front = self.config.app
        plain = not self.root_path and not self.config.access_log and self.limit_concurrency is None
        self._front = front if isinstance(front, Front) and plain else None
        self._parts: list[bytes] = []
        self._content_type = b""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.cycle = None  # type: ignore[assignment] # it knows us, too: nothing is to collect

    # while a request comes in

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        self._found = self._find_start()
        if self._found is None:
            self._take_ordinary_way()
        else:
            self._parts = []
            self.end_head()

    def on_body(self, body: bytes) -> None:
        if self._found is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        if self._found is None:
            super().on_message_complete()
            return
        start, most = self._found
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        if len(body) > most:
            self._leave_straight_way()
            super().on_message_complete()
            return
        self._found = None
        self.await_head()
        self._start(start, body)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._found is None:
            return
        if self.transport.is_closing():
            self._found = None
        else:
            self._leave_straight_way()

    def _find_start(self) -> tuple[Start, int] | None:
        parser = self.parser
        if self._front is None or parser.get_method() != b"POST" or parser.get_http_version() != "1.1":
            return None
        if parser.should_upgrade() or self.pipeline or self.flow.write_paused:
            return None
        if self.cycle is not None and not self.cycle.response_complete:
            return None
        headers = dict(self.headers)
        self._content_type = headers.get(b"content-type", b"")
        return self._front.find_start(self.url, headers)

    def _take_ordinary_way(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def _leave_straight_way(self) -> None:
        """It is not all there yet, or too large."""
        parts, self._parts, self._found = self._parts, [], None
        self._take_ordinary_way()
        for part in parts:
            super().on_body(part)

    # once it is all there

    def _start(self, start: Start, body: bytes) -> None:
        assert self._front is not None
        exchange = _Exchange(self, self._front.new_id(), keep_alive=self.parser.should_keep_alive())
        self.cycle = exchange  # type: ignore[assignment]
        try:
            start(body, self._content_type.decode("latin-1"), exchange.tell)
        except Exception as exc:
            self.loop.call_soon(exchange.tell, exc)  # not while the parser has more: it may close


class _Nobody:
    """Waits for the body: there is no more."""

    def set(self) -> None: ...


class _Exchange:
    """One request under way and its answer: to the library, one of its cycles."""

    __slots__ = (
        "_protocol",
        "_request_id",
        "body",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
    )

    message_event = _Nobody()

    def __init__(self, protocol: StraightProtocol, request_id: str, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self._request_id = request_id
        self.body = bytearray()
        self.more_body = False
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    def tell(self, outcome: Answer | Exception) -> None:
        """Write the answer, in the same bytes as ASGI's would be."""
        protocol = self._protocol
        if self.disconnected or protocol.transport.is_closing():
            return
        answer = problem_answer(outcome, self._request_id) if isinstance(outcome, Exception) else outcome
        protocol.transport.write(self._head(answer) + answer.body)
        self.response_complete = True
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

    def _head(self, answer: Answer) -> bytes:
        lines = [STATUS_LINE[answer.status]]
        for name, value in self._protocol.server_state.default_headers:
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"content-type: application/json\r\ncontent-length: %d\r\n" % len(answer.body))
        if answer.headers:
            lines.append(self._more(answer.headers))
        lines.append(b"x-request-id: %s\r\n" % self._request_id.encode())
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        return b"".join(lines)

    @staticmethod
    def _more(headers: Mapping[str, str]) -> bytes:
        return b"".join([f"{name.lower()}: {value}\r\n".encode() for name, value in headers.items()])

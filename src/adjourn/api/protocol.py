"""The HTTP/1.1 protocol that listens: uvicorn's, with a limit to heads in bytes and in time.

httptools takes a head of any length, and uvicorn waits for one for ever: both would be anybody's to use up.
"""

import asyncio
from math import inf
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from adjourn.ids import Uuid7

__all__ = ["BoundedProtocol"]

_LONGEST_HEAD = 64 << 10  # bytes of the request line and the headers
_HEAD_WITHIN = 30.0  # seconds
_REASONS = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}

_new_id = Uuid7()


class BoundedProtocol(HttpToolsProtocol):
    """Answers what is no HTTP, or too much of it, in the documented form, and closes.

    One timer for each connection looks now and then whether its time is over; a timer for each request, or
    two, would cost more than reading its head.
    """

    _head_bytes = 0
    _in_head = True  # the next bytes are a head's, not the rest of a body's
    _closes_at = inf  # by the loop's clock: unless something comes
    _head_by = inf  # when the head must have come that is awaited
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._closes_at = self._head_by = self.loop.time() + _HEAD_WITHIN
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._closes_at = self._head_by
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _LONGEST_HEAD and not self._fits(data):
                self._refuse(431, f"the request line and headers are longer than {_LONGEST_HEAD >> 10} KiB")
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self.end_head()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.await_head()

    def end_head(self) -> None:
        self._in_head = False
        self._closes_at = self._head_by = inf

    def await_head(self) -> None:
        self._in_head = True
        self._head_bytes = 0

    def on_response_complete(self) -> None:
        """As the library does it, but for its timers."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        now = self.loop.time()
        self._closes_at = now + self.timeout_keep_alive
        self._head_by = now + _HEAD_WITHIN if self._in_head else inf

    def _look(self) -> None:
        now = self.loop.time()
        if now < self._closes_at:
            # No later than the shortest time that may be set meanwhile.
            looks_at = min(self._closes_at, now + min(self.timeout_keep_alive, _HEAD_WITHIN))
            self._watch = self.loop.call_at(looks_at, self._look)
        elif not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is not an HTTP/1.1 request")

    def _fits(self, data: bytes) -> bool:
        """Whether the head ends within its bounds, and the rest of `data` is body."""
        end = data.find(b"\r\n\r\n")
        return end >= 0 and self._head_bytes - len(data) + end <= _LONGEST_HEAD

    def _refuse(self, status: int, message: str) -> None:
        request_id = _new_id()
        problem: dict[str, Any] = {
            "code": "invalid_request_body",
            "error": message,
            "message": message,
            "request_id": request_id,
        }
        body = msgspec.json.encode(problem)
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\nx-request-id: %s\r\n"
        head %= (status, _REASONS[status], request_id.encode())
        self.transport.write(head + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        self.transport.close()

"""One connection to an endpoint, with at most one request on it."""

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Any, Protocol

from adjourn.sending.http1.answer import Answer, KnownAnswers, NotHttp
from adjourn.sending.policy import Reply
from adjourn.sending.replies import failed
from adjourn.sending.sender import UNSENT_FOR

__all__ = ["Connection", "Overdue", "Owner", "Tell", "Wire"]

Tell = Callable[[Reply | None], object]
"""Takes the answer to a request, or None where none came."""


class Overdue(Exception):
    """The time of a request was over before its answer came."""


class Wire(Protocol):
    """What a connection writes to: a transport, or TLS over one."""

    def get_extra_info(self, name: str) -> Any: ...
    def write(self, data: bytes) -> None: ...
    def get_write_buffer_size(self) -> int: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class Owner(Protocol):
    def opened(self, connection: "Connection") -> bool:
        """It stands. Returns whether it may be used."""

    def lost(self, connection: "Connection") -> None:
        """It is closed."""


class Connection(asyncio.Protocol):
    """`ask` writes a request; its answer is told once it is whole, and the connection is free then, or over.

    `fault` says why no answer came: None where the endpoint closed the connection. Anything that leaves doubt
    about what the next byte belongs to ends the connection, so that no later request is ever written to it.
    """

    def __init__(self, origin: str, owner: Owner, known: KnownAnswers) -> None:
        self.origin = origin
        self.opened_at = 0.0
        self.free_since = 0.0
        self.fault: BaseException | None = None
        self.is_over = False
        self.is_last = False  # it takes no request after the one under way
        self._owner = owner
        self._answer = Answer(known)
        self._tell: Tell | None = None  # while a request is under way
        self._unsent = b""  # the first request, until the wire takes it
        self._wire: Wire | None = None
        self._poll = select.poll()

    @property
    def was_stale(self) -> bool:
        """The endpoint ended it before any byte of an answer: if it was kept, it had been closed already.

        Where it was reset this cannot be told; a second copy carries the same event_id.
        """
        ended_by_peer = self.fault is None or isinstance(self.fault, ConnectionError)
        return ended_by_peer and not self._answer.heard

    def ask(self, message: bytes, tell: Tell, *, has_body: bool = True) -> None:
        """`has_body`: whether the answer may have one. `tell` may start the next request."""
        self._answer.begin(has_body=has_body)
        self._tell = tell
        if self._wire is None:
            self._unsent = message  # its first, for which it was opened
        else:
            self._wire.write(message)

    def is_quiet(self) -> bool:
        """Nothing came since the last answer, not even what the event loop has yet to read."""
        return not self.is_over and not self._poll.poll(0)

    def expire(self) -> None:
        """The time of the request is over. What of an answer came is its answer."""
        if self._tell is not None:
            self.end(Overdue())

    def end(self, fault: BaseException | None) -> None:
        """Nothing more comes."""
        tell, self._tell = self._tell, None
        self.abort()
        if tell is not None:
            self.fault = fault
            tell(None if self._answer.status is None else self._answer.reply())

    def forsake(self) -> None:
        """Nobody wants the answer any more."""
        self._tell = None
        self.abort()

    def close(self) -> None:
        """In good order: nothing is under way."""
        self.is_over = True
        if self._wire is not None:
            self._wire.close()

    def abort(self) -> None:
        self.is_over = True
        if self._wire is not None:
            self._wire.abort()

    # what the wire calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.attach(transport)  # type: ignore[arg-type] # uvloop's is no asyncio.Transport
        self.start()

    def attach(self, wire: Wire) -> None:
        """It can be ended from now on, and written to once it starts."""
        self._wire = wire
        if self.is_over or not self._owner.opened(self):
            self.abort()
            return
        sock = wire.get_extra_info("socket")
        self._poll.register(sock.fileno(), select.POLLIN)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_FOR)

    def start(self) -> None:
        if self._wire is not None and not self.is_over:
            self._wire.write(self._unsent)
        self._unsent = b""

    def data_received(self, data: bytes) -> None:
        tell, answer, wire = self._tell, self._answer, self._wire
        if tell is None or wire is None:
            self.abort()  # nobody asked
            return
        if not answer.heard and wire.get_write_buffer_size():
            self.is_last = True  # an answer to half a request: counts, but what becomes of the other half?
        try:
            answer.feed(data)
        except NotHttp as exc:
            reply = failed(f"not an HTTP answer: {exc}")
            self.abort()
        else:
            if not answer.is_over:
                return
            reply = answer.reply()
            if self.is_last or not answer.is_clean:
                self.abort()
        self._tell = None
        tell(reply)

    def eof_received(self) -> None:
        self.end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(exc)
        self._wire = None
        self._answer.forget()
        self._owner.lost(self)
        del self._owner  # which may refer back to this

"""TLS over a transport, by OpenSSL on buffers in memory: half the cost of the event loops' own."""

import asyncio
import contextlib
import ssl
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from adjourn.sending.http1.connection import Connection, Wire

__all__ = ["Sessions", "Tls", "client_context"]

_RECORD = 16384  # bytes: the most that a record carries (RFC 8446, 5.1)
_MOST_SESSIONS = 1024  # origins
_SESSION_KEPT = 3600.0  # seconds: a resumed session does not look at the certificate again


def client_context() -> ssl.SSLContext:
    """The system's authorities, hostnames checked, TLS 1.2 or later. Dear to make: make one."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


class Sessions:
    """The last session of each origin: the next handshake with it is shorter."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, ssl.SSLSession]] = OrderedDict()

    def find(self, origin: str) -> ssl.SSLSession | None:
        since, session = self._kept.get(origin, (0.0, None))
        return session if self._clock() - since < _SESSION_KEPT else None

    def keep(self, origin: str, session: ssl.SSLSession) -> None:
        since = self._clock()
        self._kept[origin] = (since, session)
        self._kept.move_to_end(origin)
        if len(self._kept) > _MOST_SESSIONS:
            self._kept.popitem(last=False)


class Tls(asyncio.Protocol):
    """A protocol to the transport below, and a wire to the connection above."""

    def __init__(self, above: Connection, context: ssl.SSLContext, host: str, sessions: Sessions) -> None:
        self._above = above
        self._sessions = sessions
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        session = sessions.find(above.origin)
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host.rstrip("."), session=session)
        self._below: Wire | None = None
        self._is_shaken = False
        self._is_kept = False  # its session

    # to the connection above

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError as exc:
            self._above.end(exc)
        self._flush()

    def get_extra_info(self, name: str) -> Any:
        return None if self._below is None else self._below.get_extra_info(name)

    def get_write_buffer_size(self) -> int:
        return 0 if self._below is None else self._below.get_write_buffer_size()

    def close(self) -> None:
        # It also wants to hear the farewell of the peer, for which nobody waits.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()
        if self._below is not None:
            self._below.close()

    def abort(self) -> None:
        if self._below is not None:
            self._below.abort()

    # to the transport below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = transport  # type: ignore[assignment] # uvloop's is no asyncio.Transport
        self._above.attach(self)
        if not self._above.is_over:
            self._shake()

    def data_received(self, data: bytes) -> None:
        self._in.write(data)
        if not self._is_shaken:
            self._shake()
        if self._is_shaken:
            self._read()

    def eof_received(self) -> None:
        if self._is_shaken:
            self._above.end(None)
        else:
            self._above.end(ssl.SSLEOFError())

    def connection_lost(self, exc: Exception | None) -> None:
        self._above.connection_lost(exc)

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as exc:
            self._fail(exc)
        else:
            self._flush()
            self._is_shaken = True
            self._above.start()

    def _read(self) -> None:
        """All that came is passed on at once: whoever hears an answer may ask the next thing right then."""
        parts: list[bytes] = []
        fault: ssl.SSLError | None = None
        has_ended = False
        try:
            while part := self._tls.read(_RECORD):
                parts.append(part)
                if not (self._in.pending or self._tls.pending()):
                    break
            else:
                has_ended = True  # a farewell
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as exc:
            fault = exc
        if self._out.pending:
            self._flush()  # an alert, if it still can go
        if has_ended or fault is not None:
            self._above.is_last = True
        if parts:
            self._keep_session()
            self._above.data_received(b"".join(parts) if len(parts) > 1 else parts[0])
        if has_ended or fault is not None:
            self._above.end(fault)

    def _keep_session(self) -> None:
        """With the first answer: only then has TLS 1.3 given one."""
        if not self._is_kept:
            self._is_kept = True
            if (session := self._tls.session) is not None:
                self._sessions.keep(self._above.origin, session)

    def _flush(self) -> None:
        if self._below is not None and self._out.pending:
            self._below.write(self._out.read())

    def _fail(self, exc: ssl.SSLError) -> None:
        self._flush()  # the alert, if it still can go
        self._above.end(exc)
        self.abort()

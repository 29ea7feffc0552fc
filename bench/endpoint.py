"""A receiver as cheap as Python can make one, on every loopback address, plain or in TLS.

It answers 200, or never (`--stuck`). With `--note` it keeps when each delivery arrived, by the number in the
title of its data; GET /count tells how many those are, and GET /arrivals gives them out, as pairs of 64-bit
integers: the number, and CLOCK_MONOTONIC in nanoseconds.
"""

import argparse
import asyncio
import re
import resource
import ssl
import sys
import time
from array import array
from typing import cast

import uvloop

_FILES = 20_000
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH = b"content-length:"
_NUMBER = re.compile(rb'"title": ?"(\d+)"')


class _Answering(asyncio.Protocol):
    """Enough of HTTP/1.1 for our sender: heads end in a blank line, bodies have a length."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head = buffer[:end].lower()
            found = head.find(_LENGTH)
            length = 0 if found < 0 else int(head[found + len(_LENGTH) :].split(b"\r\n", 1)[0])
            whole = end + 4 + length
            if len(buffer) < whole:
                break
            self._transport.write(self.answer(head, buffer[end + 4 : whole]))
            buffer = buffer[whole:]
        self._buffer = buffer

    def answer(self, head: bytes, body: bytes) -> bytes:
        return _ANSWER


class _Noting(_Answering):
    _arrivals = array("q")

    def answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"get /count "):
            return _with(str(len(_Noting._arrivals) // 2).encode())
        if head.startswith(b"get /arrivals "):
            arrivals, _Noting._arrivals = _Noting._arrivals, array("q")
            return _with(arrivals.tobytes())
        number = _NUMBER.search(body)
        _Noting._arrivals.extend((int(number[1]) if number else -1, time.monotonic_ns()))
        return _ANSWER


def _with(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)


async def _serve(kind: type[asyncio.Protocol], pem: str | None) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    context = None
    if pem is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
    server = await asyncio.get_running_loop().create_server(
        kind, "0.0.0.0", 0, ssl=context, backlog=8192, ssl_handshake_timeout=300 if context else None
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls")
    parser.add_argument("--stuck", action="store_true")
    parser.add_argument("--note", action="store_true")
    options = parser.parse_args()
    kind = asyncio.Protocol if options.stuck else _Noting if options.note else _Answering
    uvloop.run(_serve(kind, options.tls))

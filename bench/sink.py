"""A receiver as cheap as Python can make one: it counts requests and answers 200."""

import asyncio
import sys
from typing import cast

import uvloop

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH = b"content-length:"


class _Sink(asyncio.Protocol):
    """Enough of HTTP/1.1 for our sender: heads end in a blank line, bodies have a length."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head = buffer[:end].lower()
            start = head.index(_LENGTH) + len(_LENGTH)
            whole = end + 4 + int(head[start:].split(b"\r\n", 1)[0])
            if len(buffer) < whole:
                break
            buffer = buffer[whole:]
            if head.startswith(b"get /count"):
                body = str(_Sink.count).encode()
                self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            else:
                _Sink.count += 1
                self._transport.write(_ANSWER)
        self._buffer = buffer


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())

"""The receiver of bench.sending, on every loopback address, plain or in TLS; or one that never answers."""

import argparse
import asyncio
import resource
import ssl
import sys

import uvloop

from bench.sink import _Sink

_FILES = 20_000


async def _serve(pem: str | None, *, stuck: bool) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    context = None
    if pem is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
    answering = asyncio.Protocol if stuck else _Sink
    server = await asyncio.get_running_loop().create_server(
        answering, "0.0.0.0", 0, ssl=context, backlog=8192, ssl_handshake_timeout=300 if context else None
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls")
    parser.add_argument("--stuck", action="store_true")
    options = parser.parse_args()
    uvloop.run(_serve(options.tls, stuck=options.stuck))

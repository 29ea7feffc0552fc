"""What `bench.inbox` compares: the same uvicorn, one process of it, with one of four applications.

It prints the URL that it serves. `inbox` and `handler` keep what comes in a SQLite file.
"""

import argparse
import socket
import sys
from collections.abc import Mapping
from typing import Any

import uvicorn

from adjourn import Inbox, Receiver, contio
from adjourn.receiving.asgi import webhook

__all__ = ["KINDS"]

KINDS = ("unread", "bare", "inbox", "handler")

_START: Mapping[str, Any] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", b"0")],
}
_BODY: Mapping[str, Any] = {"type": "http.response.body", "body": b""}


async def unread(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200 at once."""
    await send(_START)
    await send(_BODY)


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200 when it has the body."""
    while (await receive()).get("more_body", False):
        pass
    await send(_START)
    await send(_BODY)


def inbox(url: str, secret: str, *, handler: bool) -> Any:
    """Verifies, reads and keeps before it answers; handles here only where asked for."""
    box = Inbox(url, work=handler)
    if handler:

        @box.on(contio.MeetingCompleted)
        async def handle(event: contio.MeetingCompleted) -> None:
            pass

    return webhook(Receiver(contio, secret), box)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--database", default="")
    parser.add_argument("--secret", default="")
    options = parser.parse_args()
    keeps = options.kind in ("inbox", "handler")
    app: Any = {"unread": unread, "bare": bare}.get(options.kind)
    if keeps:
        app = inbox(options.database, options.secret, handler=options.kind == "handler")
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        lifespan="on" if keeps else "off",
        access_log=False,
        log_level="warning",
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()

"""An ASGI application that takes webhooks into an inbox: for any ASGI server or framework."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import cache
from typing import Any

from adjourn.receiving.answer import MAX_BODY_BYTES, NOT_ALLOWED, TOO_LARGE, Answer, answer
from adjourn.receiving.inbox import Inbox
from adjourn.receiving.reading import is_longer
from adjourn.receiving.receiver import Receiver

__all__ = ["webhook"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_LENGTH = (b"content-length", b"0")


def webhook(receiver: Receiver, inbox: Inbox, *, max_body_bytes: int = MAX_BODY_BYTES) -> Application:
    """Answers POST at any path. Served on its own it opens and closes the inbox by its lifespan, too."""

    async def application(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(inbox, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif scope["method"] != "POST":
            await _send(send, NOT_ALLOWED)
        else:
            body = await _read(scope, receive, max_body_bytes)
            if isinstance(body, bytes):
                await _send(send, await answer(receiver, inbox, scope["headers"], body))
            elif body is not None:
                await _send(send, body)

    return application


async def _read(scope: MutableMapping[str, Any], receive: Receive, most: int) -> bytes | Answer | None:
    """The raw body; None where the sender has gone."""
    for name, value in scope["headers"]:
        if name == b"content-length" and is_longer(value, most):
            return TOO_LARGE
    parts: list[bytes] = []
    left = most
    while (message := await receive())["type"] == "http.request":
        part = message.get("body", b"")
        left -= len(part)
        if left < 0:
            return TOO_LARGE
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)  # of one part it is that part, not a copy
    return None


async def _send(send: Send, answered: Answer) -> None:
    headers = [*_headers(answered)]  # a list of its own: a middleware may add to it
    await send({"type": "http.response.start", "status": answered.status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


@cache  # there are few
def _headers(answered: Answer) -> Sequence[tuple[bytes, bytes]]:
    given = [(name.lower().encode(), value.encode()) for name, value in answered.headers.items()]
    return (_LENGTH, *given)


async def _live(inbox: Inbox, receive: Receive, send: Send) -> None:
    await receive()
    try:
        await inbox.open()
    except Exception as exc:
        await send({"type": "lifespan.startup.failed", "message": str(exc)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await inbox.close()
    await send({"type": "lifespan.shutdown.complete"})

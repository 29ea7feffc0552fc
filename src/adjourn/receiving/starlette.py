"""FastAPI and Starlette: `app.post("/webhooks/contio")(webhook(receiver, inbox))`, or a `Route`."""

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from adjourn.receiving.answer import GONE, MAX_BODY_BYTES, Answer, answer
from adjourn.receiving.inbox import Inbox
from adjourn.receiving.reading import read_parts
from adjourn.receiving.receiver import Receiver

__all__ = ["webhook"]


def webhook(
    receiver: Receiver, inbox: Inbox, *, max_body_bytes: int = MAX_BODY_BYTES
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for POST. Open the inbox with the application: `lifespan=inbox.lifespan`."""

    async def webhook(request: Request) -> Response:
        body = await _read(request, max_body_bytes)
        if not isinstance(body, bytes):
            return _response(body)
        return _response(await answer(receiver, inbox, request.headers.raw, body))

    return webhook


async def _read(request: Request, most: int) -> bytes | Answer:
    length = request.headers.get("content-length")
    try:
        return await read_parts(request.stream(), length=length, most=most)
    except ClientDisconnect:
        return GONE


def _response(answered: Answer) -> Response:
    return Response(status_code=answered.status, headers=answered.headers)

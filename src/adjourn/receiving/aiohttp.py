"""aiohttp.web: `app.router.add_post("/webhooks/contio", webhook(receiver, inbox))`."""

from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from adjourn.receiving.answer import GONE, MAX_BODY_BYTES, Answer, answer
from adjourn.receiving.inbox import Inbox
from adjourn.receiving.reading import read_parts
from adjourn.receiving.receiver import Receiver

__all__ = ["lifespan", "webhook"]


def webhook(
    receiver: Receiver, inbox: Inbox, *, max_body_bytes: int = MAX_BODY_BYTES
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler for POST. The application's `client_max_size` is not for it: `max_body_bytes` is."""

    async def webhook(request: web.Request) -> web.Response:
        body = await _read(request, max_body_bytes)
        if not isinstance(body, bytes):
            return _response(body)
        return _response(await answer(receiver, inbox, request.headers.items(), body))

    return webhook


def lifespan(inbox: Inbox) -> Callable[[web.Application], AsyncIterator[None]]:
    """Opens the inbox with the application, and closes it: `app.cleanup_ctx.append(lifespan(inbox))`."""

    async def live(app: web.Application) -> AsyncIterator[None]:
        async with inbox:
            yield

    return live


async def _read(request: web.Request, most: int) -> bytes | Answer:
    length = request.headers.get("content-length")
    try:
        body = await read_parts(request.content.iter_any(), length=length, most=most)
        return body or await request.read()  # where a middleware has read it before
    except (OSError, web.RequestPayloadError):
        return GONE


def _response(answered: Answer) -> web.Response:
    return web.Response(status=answered.status, headers=answered.headers)

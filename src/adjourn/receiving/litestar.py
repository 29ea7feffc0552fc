"""Litestar: `post("/webhooks/contio")(webhook(receiver, inbox))` among its route handlers."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import MediaType, Request, Response
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import HTTPReceiveMessage, Receive

from adjourn.receiving.answer import GONE, MAX_BODY_BYTES, TOO_LARGE, Answer, answer
from adjourn.receiving.inbox import Inbox
from adjourn.receiving.reading import is_longer
from adjourn.receiving.receiver import Receiver

__all__ = ["webhook"]

AnyRequest = Request[Any, Any, Any]


class _Unread(Exception):
    """The body did not come to its end."""

    def __init__(self, answered: Answer) -> None:
        super().__init__(answered)
        self.answered = answered


def webhook(
    receiver: Receiver, inbox: Inbox, *, max_body_bytes: int = MAX_BODY_BYTES
) -> Callable[[AnyRequest], Awaitable[Response[bytes]]]:
    """A function for `litestar.post`. Open the inbox with the application: `lifespan=[inbox.lifespan]`.

    Where the application's `request_max_body_size` is lower, that counts.
    """

    async def webhook(request: AnyRequest) -> Response[bytes]:
        body = await _read(request, max_body_bytes)
        if not isinstance(body, bytes):
            return _response(body)
        return _response(await answer(receiver, inbox, request.scope["headers"], body))

    return webhook


async def _read(request: AnyRequest, most: int) -> bytes | Answer:
    """Its middleware may have read it before, and `body` knows; else it reads what `receive` lets through."""
    if is_longer(request.headers.get("content-length", ""), most):
        return TOO_LARGE
    try:
        body = await Request(request.scope, receive=_bounded(request.receive, most)).body()
    except _Unread as exc:
        return exc.answered
    except RequestEntityTooLarge:
        return TOO_LARGE
    return body if len(body) <= most else TOO_LARGE


def _bounded(receive: Receive, most: int) -> Receive:
    left = most

    async def bounded() -> HTTPReceiveMessage:
        nonlocal left
        message = await receive()
        if message["type"] != "http.request":
            raise _Unread(GONE)
        left -= len(message["body"])
        if left < 0:
            raise _Unread(TOO_LARGE)
        return message

    return bounded


def _response(answered: Answer) -> Response[bytes]:
    return Response(b"", status_code=answered.status, headers=answered.headers, media_type=MediaType.TEXT)

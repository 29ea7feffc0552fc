"""Flask: `app.post("/webhooks/contio")(webhook(receiver, inbox))`. The inbox opens at the first event."""

from collections.abc import Callable

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from adjourn.receiving.answer import GONE, MAX_BODY_BYTES, TOO_LARGE, Answer, answer_blocking
from adjourn.receiving.inbox import Inbox
from adjourn.receiving.reading import read_stream
from adjourn.receiving.receiver import Receiver

__all__ = ["webhook"]


def webhook(
    receiver: Receiver, inbox: Inbox, *, max_body_bytes: int = MAX_BODY_BYTES
) -> Callable[[], Response]:
    """A view for POST. Where the application's MAX_CONTENT_LENGTH is lower, that counts.

    Flask knows views by their names, so each has one of its own; `endpoint=` gives it another.
    """

    def webhook() -> Response:
        body = _read(max_body_bytes)
        if isinstance(body, bytes):
            answered = answer_blocking(receiver, inbox, request.headers, body)
        else:
            answered = body
        return Response(status=answered.status, headers=answered.headers)

    webhook.__name__ = f"{receiver.provider.name}_webhook_{id(webhook):x}"
    return webhook


def _read(most: int) -> bytes | Answer:
    try:
        body = read_stream(request.stream.read, length=request.content_length, most=most)
        if body in (b"", GONE):  # or it was read before: then Flask has it
            body = request.get_data() or body
    except RequestEntityTooLarge:
        return TOO_LARGE
    except Exception:  # it has gone, or its chunks are none: servers have errors of their own for that
        return GONE
    return body

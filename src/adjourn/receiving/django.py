"""Django: `path("webhooks/contio", webhook(receiver, inbox))`. The inbox opens at the first event."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from adjourn.receiving.answer import GONE, MAX_BODY_BYTES, NOT_ALLOWED, TOO_LARGE, Answer, answer_blocking
from adjourn.receiving.inbox import Inbox
from adjourn.receiving.reading import is_longer, read_stream
from adjourn.receiving.receiver import Receiver

__all__ = ["webhook"]


def webhook(
    receiver: Receiver, inbox: Inbox, *, max_body_bytes: int = MAX_BODY_BYTES
) -> Callable[[HttpRequest], HttpResponse]:
    """A view; it needs no CSRF token. DATA_UPLOAD_MAX_MEMORY_SIZE is not for it: `max_body_bytes` is.

    It is a blocking one under ASGI, too: Django runs it in a thread there.
    """

    def webhook(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return _response(NOT_ALLOWED)
        body = _read(request, max_body_bytes)
        if not isinstance(body, bytes):
            return _response(body)
        return _response(answer_blocking(receiver, inbox, request.headers, body))

    return csrf_exempt(webhook)  # type: ignore[no-any-return]


def _read(request: HttpRequest, most: int) -> bytes | Answer:
    """Past request.body, which has a limit of its own."""
    given = request.META.get("CONTENT_LENGTH", "")
    if is_longer(given, most):
        return TOO_LARGE
    length = int(given) if given.isascii() and given.isdigit() else None
    read = request.read
    if length is None and request.META.get("wsgi.input_terminated"):  # chunked: Django would read nothing
        read = request.META["wsgi.input"].read
    try:
        return read_stream(read, length=length, most=most)
    except Exception:  # its chunks are none: servers have errors of their own for that
        return GONE


def _response(answered: Answer) -> HttpResponse:
    return HttpResponse(status=answered.status, headers={"Content-Length": "0", **answered.headers})

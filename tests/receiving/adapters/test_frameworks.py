"""What is peculiar to each framework: its middleware, its own limits, how it names things."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from fastapi import FastAPI
from flask import Flask, request
from litestar import Litestar, post
from litestar import Request as AnyRequest
from litestar.config.csrf import CSRFConfig
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.receiving.adapters.harness import Django, Mounted, Reply, ask
from tests.receiving.adapters.servers import Aiohttp, Server, Uvicorn, Werkzeug

import adjourn.receiving.aiohttp
import adjourn.receiving.django
import adjourn.receiving.flask
import adjourn.receiving.litestar
import adjourn.receiving.starlette
from adjourn import Inbox, Receiver, contio
from adjourn.testing import sample, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CONTIO = Receiver(contio, SECRET)
BODY = sample(contio, "meeting.completed")
LONG = sample(contio, "meeting.completed", title="x" * 20_000)
URL = "/webhooks/contio"


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(f"sqlite:///{tmp_path}/inbox.db", work=False)


@contextmanager
def running(server: Server) -> Iterator[int]:
    try:
        yield server.port
    finally:
        server.stop()


def deliver(port: int, body: bytes = BODY, **how: Any) -> Reply:
    return ask(port, URL, body, sign(contio, body, SECRET), **how)


def outcome(reply: Reply) -> tuple[int, str | None]:
    return reply.status, reply.headers.get("adjourn-receipt")


# what has read the body before


async def starlette_reads(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    assert await request.body()
    return await go_on(request)


def test_a_middleware_of_starlette_may_read_the_body(inbox: Inbox) -> None:
    app = Starlette(
        routes=[Route(URL, adjourn.receiving.starlette.webhook(CONTIO, inbox), methods=["POST"])],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=starlette_reads)],
        lifespan=inbox.lifespan,
    )
    with running(Uvicorn(app)) as port:
        assert [outcome(deliver(port)) for _ in range(2)] == [(200, "new"), (200, "duplicate")]


def litestar_reads(app: ASGIApp) -> ASGIApp:
    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            assert await AnyRequest(scope, receive).body()
        await app(scope, receive, send)

    return middleware


def test_a_middleware_of_litestar_may_read_the_body(inbox: Inbox) -> None:
    app = Litestar(
        [post(URL)(adjourn.receiving.litestar.webhook(CONTIO, inbox, max_body_bytes=10_000))],
        lifespan=[inbox.lifespan],
        middleware=[litestar_reads],
        logging_config=None,
    )
    with running(Uvicorn(app)) as port:
        assert [outcome(deliver(port)) for _ in range(2)] == [(200, "new"), (200, "duplicate")]
        assert deliver(port, LONG).status == 413
        assert deliver(port, chunks=[LONG]).status == 413


@web.middleware
async def aiohttp_reads(request: web.Request, handler: Handler) -> web.StreamResponse:
    assert await request.read()
    return await handler(request)


def test_a_middleware_of_aiohttp_may_read_the_body(inbox: Inbox) -> None:
    app = web.Application(middlewares=[aiohttp_reads])
    app.router.add_post(URL, adjourn.receiving.aiohttp.webhook(CONTIO, inbox))
    app.cleanup_ctx.append(adjourn.receiving.aiohttp.lifespan(inbox))
    with running(Aiohttp(app)) as port:
        assert [outcome(deliver(port)) for _ in range(2)] == [(200, "new"), (200, "duplicate")]
        assert outcome(deliver(port, chunks=[BODY])) == (200, "duplicate")


def test_a_hook_of_flask_may_read_the_body(inbox: Inbox) -> None:
    app = Flask("receiver")
    app.post(URL)(adjourn.receiving.flask.webhook(CONTIO, inbox))

    @app.before_request
    def read() -> None:
        assert request.get_data()

    with running(Werkzeug(app, [inbox])) as port:
        assert [outcome(deliver(port)) for _ in range(2)] == [(200, "new"), (200, "duplicate")]
        assert outcome(deliver(port, chunks=[BODY])) == (200, "duplicate")


def django_reads(go_on: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        assert request.body
        return go_on(request)

    return middleware


@pytest.mark.parametrize("is_asynchronous", [False, True])
def test_a_middleware_of_django_may_read_the_body(is_asynchronous: bool, inbox: Inbox) -> None:
    with (
        override_settings(MIDDLEWARE=[f"{__name__}.django_reads"]),
        running(Django({URL: Mounted(CONTIO, inbox)}, is_asynchronous=is_asynchronous)) as port,
    ):
        assert [outcome(deliver(port)) for _ in range(2)] == [(200, "new"), (200, "duplicate")]


def test_litestar_asks_for_no_csrf_token_where_it_is_told_so(inbox: Inbox) -> None:
    handler = adjourn.receiving.litestar.webhook(CONTIO, inbox)
    app = Litestar(
        [post(URL, exclude_from_csrf=True)(handler)], csrf_config=CSRFConfig("secret"), logging_config=None
    )
    with running(Uvicorn(app)) as port:
        assert outcome(deliver(port)) == (200, "new")


# limits that an application has set itself


def test_a_lower_limit_of_litestar_counts(inbox: Inbox) -> None:
    handler = adjourn.receiving.litestar.webhook(CONTIO, inbox)
    app = Litestar([post(URL)(handler)], request_max_body_size=10_000, logging_config=None)
    with running(Uvicorn(app)) as port:
        for how in ({}, {"chunks": [LONG[:9000], LONG[9000:]]}):
            reply = deliver(port, LONG, **how)
            assert (reply.status, reply.body) == (413, b"")


def test_a_lower_limit_of_flask_counts(inbox: Inbox) -> None:
    app = Flask("receiver")
    app.config["MAX_CONTENT_LENGTH"] = 10_000
    app.post(URL)(adjourn.receiving.flask.webhook(CONTIO, inbox))
    with running(Werkzeug(app, [inbox])) as port:
        for how in ({}, {"chunks": [LONG]}):
            reply = deliver(port, LONG, **how)
            assert (reply.status, reply.body) == (413, b"")


# names


def test_flask_and_fastapi_take_two_webhooks_of_one_vendor(inbox: Inbox) -> None:
    app = Flask("receiver")
    app.post("/a")(adjourn.receiving.flask.webhook(CONTIO, inbox))
    app.post("/b", endpoint="b")(adjourn.receiving.flask.webhook(CONTIO, inbox))
    app.post("/c")(adjourn.receiving.flask.webhook(CONTIO, inbox))
    assert len(app.view_functions) == 4  # and that for static files
    other = FastAPI()
    other.post("/a")(adjourn.receiving.starlette.webhook(CONTIO, inbox))
    other.post("/b")(adjourn.receiving.starlette.webhook(CONTIO, inbox))
    operations = [
        path["post"]["operationId"] for path in other.openapi()["paths"].values()
    ]  # it warns of two alike
    assert len(set(operations)) == 2


# disconnects, where a server tells the application of them


def ask_asgi(inbox: Inbox, *messages: Any) -> list[Any]:
    """What the application sends, when it receives these, without a Content-Length."""
    application = adjourn.receiving.asgi.webhook(CONTIO, inbox, max_body_bytes=len(BODY))
    sent: list[Any] = []
    left = iter(messages)

    async def receive() -> Any:
        return next(left)

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        async with inbox:
            headers = [
                (name.lower().encode(), value.encode()) for name, value in sign(contio, BODY, SECRET).items()
            ]
            await application({"type": "http", "method": "POST", "headers": headers}, receive, send)

    asyncio.run(main())
    return sent


def test_asgi_says_nothing_to_a_sender_that_has_gone(inbox: Inbox) -> None:
    begun = {"type": "http.request", "body": BODY[:9], "more_body": True}
    assert ask_asgi(inbox, begun, {"type": "http.disconnect"}) == []
    assert ask_asgi(inbox, {"type": "http.disconnect"}) == []


def test_asgi_takes_a_body_in_one_message_or_several_and_none_that_is_too_long(inbox: Inbox) -> None:
    def status(*parts: bytes) -> int:
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts[:-1]]
        start, _ = ask_asgi(inbox, *messages, {"type": "http.request", "body": parts[-1]})
        return int(start["status"])

    assert [status(BODY), status(BODY[:9], BODY[9:]), status(b"", BODY, b"")] == [200, 200, 200]
    assert [status(BODY + b" "), status(BODY, b" "), status(BODY[:9], BODY[9:] + b" ")] == [413, 413, 413]


class BadChunk(Exception):
    """As gunicorn's: no OSError."""


class Broken(io.RawIOBase):
    """A body that cannot be read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise BadChunk("zz")


def test_flask_answers_a_body_that_its_server_cannot_read(inbox: Inbox) -> None:
    app = Flask(__name__)
    app.post(URL)(adjourn.receiving.flask.webhook(CONTIO, inbox))
    headers = sign(contio, BODY, SECRET)
    broken = {"wsgi.input": Broken(), "CONTENT_LENGTH": str(len(BODY))}
    answer = app.test_client().post(URL, headers=headers, environ_overrides=broken)
    assert (answer.status_code, answer.data) == (400, b"")


def test_django_answers_a_body_that_its_server_cannot_read(inbox: Inbox) -> None:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": URL,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "CONTENT_LENGTH": str(len(BODY)),
        "wsgi.input": Broken(),
    }
    answer = adjourn.receiving.django.webhook(CONTIO, inbox)(WSGIRequest(environ))
    assert (answer.status_code, answer.content) == (400, b"")

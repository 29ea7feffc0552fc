"""Each framework's application with our adapter in it, behind a real server on a free port of loopback."""

import contextlib
import http.client
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import django
from aiohttp import web
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import path as django_path
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar, post
from starlette.applications import Starlette
from starlette.routing import Route
from tests.receiving.adapters.servers import PATIENCE, Aiohttp, Server, Uvicorn, Werkzeug

import adjourn.receiving.aiohttp
import adjourn.receiving.asgi
import adjourn.receiving.django
import adjourn.receiving.flask
import adjourn.receiving.litestar
import adjourn.receiving.starlette
from adjourn import Inbox, Receiver

__all__ = [
    "ASYNC",
    "KINDS",
    "Django",
    "Mounted",
    "Reply",
    "ask",
    "connect",
    "django_urls",
    "read_reply",
    "serve",
]

# Django's settings are the process's: whoever needs others overrides them.
if not settings.configured:
    settings.configure(
        DEBUG=False,
        ALLOWED_HOSTS=["*"],
        LOGGING_CONFIG=None,
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    )
    django.setup()


@dataclass(frozen=True)
class Mounted:
    """One webhook of an application. `max_body_bytes`: None is the adapter's own."""

    receiver: Receiver
    inbox: Inbox
    max_body_bytes: int | None = None

    def by(self, adapter: Any) -> Any:
        """Made with that adapter."""
        more = {} if self.max_body_bytes is None else {"max_body_bytes": self.max_body_bytes}
        return adapter.webhook(self.receiver, self.inbox, **more)


Mounts = Mapping[str, Mounted]  # by path; the first one's inbox lives as long as the application


# the applications


def asgi(mounts: Mounts) -> Any:
    applications = {path: mounted.by(adjourn.receiving.asgi) for path, mounted in mounts.items()}
    first = next(iter(applications.values()))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await applications.get(scope.get("path"), first)(scope, receive, send)

    return application


def starlette(mounts: Mounts) -> Any:
    adapter = adjourn.receiving.starlette
    routes = [Route(path, mounted.by(adapter), methods=["POST"]) for path, mounted in mounts.items()]
    return Starlette(routes=routes, lifespan=_first(mounts).lifespan)


def fastapi(mounts: Mounts) -> Any:
    app = FastAPI(lifespan=_first(mounts).lifespan)
    for path, mounted in mounts.items():
        app.post(path)(mounted.by(adjourn.receiving.starlette))
    return app


def litestar(mounts: Mounts) -> Any:
    adapter = adjourn.receiving.litestar
    handlers = [post(path, status_code=200)(mounted.by(adapter)) for path, mounted in mounts.items()]
    return Litestar(handlers, lifespan=[_first(mounts).lifespan], logging_config=None)


def aiohttp(mounts: Mounts) -> web.Application:
    app = web.Application()
    for path, mounted in mounts.items():
        app.router.add_post(path, mounted.by(adjourn.receiving.aiohttp))
    app.cleanup_ctx.append(adjourn.receiving.aiohttp.lifespan(_first(mounts)))
    return app


def flask(mounts: Mounts) -> Flask:
    app = Flask("receiver")
    for path, mounted in mounts.items():
        app.post(path)(mounted.by(adjourn.receiving.flask))
    return app


def django_urls(mounts: Mounts) -> types.ModuleType:
    urls: Any = types.ModuleType("urls")
    urls.urlpatterns = [
        django_path(path.lstrip("/"), mounted.by(adjourn.receiving.django))
        for path, mounted in mounts.items()
    ]
    return urls  # type: ignore[no-any-return]


def _first(mounts: Mounts) -> Inbox:
    return next(iter(mounts.values())).inbox


# Django's server


class Django:
    """Its settings hold while it serves."""

    def __init__(self, mounts: Mounts, *, is_asynchronous: bool) -> None:
        self._settings = override_settings(ROOT_URLCONF=django_urls(mounts))
        self._settings.enable()
        inboxes = [mounted.inbox for mounted in mounts.values()]
        self._inboxes = inboxes if is_asynchronous else []
        self._server: Server = (
            Uvicorn(ASGIHandler(), lifespan="off") if is_asynchronous else Werkzeug(WSGIHandler(), inboxes)
        )
        self.port = self._server.port

    def stop(self) -> None:
        self._server.stop()
        for inbox in self._inboxes:
            inbox.background.stop()
        self._settings.disable()


KINDS: dict[str, Callable[[Mounts], Server]] = {
    "asgi": lambda mounts: Uvicorn(asgi(mounts)),
    "starlette": lambda mounts: Uvicorn(starlette(mounts)),
    "fastapi": lambda mounts: Uvicorn(fastapi(mounts)),
    "litestar": lambda mounts: Uvicorn(litestar(mounts)),
    "aiohttp": lambda mounts: Aiohttp(aiohttp(mounts)),
    "flask": lambda mounts: Werkzeug(flask(mounts), [mounted.inbox for mounted in mounts.values()]),
    "django": lambda mounts: Django(mounts, is_asynchronous=False),
    "django under ASGI": lambda mounts: Django(mounts, is_asynchronous=True),
}
ASYNC = ["asgi", "starlette", "fastapi", "litestar", "aiohttp"]
"""Those that open and close the inbox themselves."""


@contextlib.contextmanager
def serve(kind: str, mounts: Mounts) -> Iterator[Server]:
    server = KINDS[kind](mounts)
    try:
        yield server
    finally:
        server.stop()


# requests


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


Fields = Sequence[tuple[str, str]]


def ask(
    port: int,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | Fields = (),
    *,
    method: str = "POST",
    chunks: Sequence[bytes] | None = None,
) -> Reply:
    """One request and its answer. `chunks`: the body in their stead, without a Content-Length."""
    with connect(port) as client:
        client.putrequest(method, path, skip_accept_encoding=True)
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        for name, value in pairs:
            client.putheader(name, value)
        if chunks is None:
            client.putheader("Content-Length", str(len(body)))
            client.endheaders(body)
        else:
            client.putheader("Transfer-Encoding", "chunked")
            client.endheaders(chunks, encode_chunked=True)
        return read_reply(client)


@contextlib.contextmanager
def connect(port: int) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        yield client
    finally:
        client.close()


def read_reply(client: http.client.HTTPConnection) -> Reply:
    reply = client.getresponse()
    headers = {name.lower(): value for name, value in reply.getheaders()}
    return Reply(reply.status, headers, reply.read())

"""What stands before the framework: the request's id, its body (bounded), the platform key, and publishing.

Publishing is the one path that has to be quick, so it does not go through the framework.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, unquote

from adjourn.api.auth import PlatformAuth
from adjourn.api.limits import RateLimit
from adjourn.api.problems import Answer, Problem, Problems, Unauthorized, problem_answer
from adjourn.ids import Uuid7

__all__ = ["Front", "Incoming", "Route", "Start", "Told", "canonical", "unescaped"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Any, Any, Any], Awaitable[None]]

_MOST = 256 << 10  # bytes of a body
_MOST_OF_MANY = 8 << 20  # bytes of a body that carries many events or connections
_DROPPED = 1 << 20  # bytes read beyond that, so that the client gets to see the answer
_BODY_WITHIN = 30  # seconds
_PLATFORM = "/v1/platform"
_SLASH = "\udc2f"  # stands for one within a segment: a lone surrogate, which no decoded path can hold


class Incoming:
    """A request that has come in whole."""

    __slots__ = ("body", "headers", "method", "path", "request_id")

    def __init__(self, scope: Scope, body: bytes, request_id: str) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.body = body
        self.request_id = request_id

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


Route = Callable[[Incoming], Awaitable[Answer]]
Told = Callable[[Answer | Exception], None]
Start = Callable[[bytes, str, Told], None]
"""How a route begins that needs no task: with a body and its content type. It is told its answer later."""

# What only the ordinary way knows to treat; all other headers are nothing to a route that starts so.
_ODD = frozenset((b"content-encoding", b"expect", b"idempotency-key", b"transfer-encoding", b"upgrade"))


class Front:
    """ASGI. `routes` are answered here, by (method, path); all else goes on to `inner`.

    `inner` finds what is `given` in each request's state. `problem_of`: what errors on a path look like. A
    server may start a route without ASGI: one of the platform's POST that has a `start`.
    """

    def __init__(
        self,
        inner: Asgi,
        *,
        platform: PlatformAuth,
        limit: RateLimit | None,
        routes: Mapping[tuple[str, str], Route],
        ids: Uuid7,
        given: Mapping[str, Any] | None = None,
        problem_of: Callable[[str], Problems] = lambda path: problem_answer,
    ) -> None:
        self.inner = inner
        self._given = dict(given or {})
        self._problem_of = problem_of
        self._platform = platform
        self._limit = limit
        self.routes = routes
        self._ids = ids
        self._starts: Mapping[bytes, tuple[Start, int]] = {
            path.encode(): (route.start, _most(path))
            for (method, path), route in routes.items()
            if method == "POST" and path.startswith(_PLATFORM) and hasattr(route, "start")
        }

    def find_start(self, url: bytes, headers: Mapping[bytes, bytes]) -> tuple[Start, int] | None:
        """What a POST starts whose answer needs no more of us, and the bytes that its body may have.

        None: only `__call__` knows what to answer. `headers` have names in lower case.
        """
        found = self._starts.get(url)
        if found is None or self._limit is not None or not _ODD.isdisjoint(headers):
            return None
        try:
            self._platform.check(headers.get(b"authorization", b""))
        except Unauthorized:
            return None
        return found

    def new_id(self) -> str:
        """For a request that was started so."""
        return self._ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        request_id = self._ids()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state.update(self._given)
        try:
            scope["path"] = _routable(scope)
            if "//" in scope["path"]:
                raise Problem(404, "no such path")  # the framework would take it for the path without
            if scope["path"].startswith(_PLATFORM):  # before the body is read; the routes check again
                self._platform.check(dict(scope["headers"]).get(b"authorization", b""))
                if self._limit is not None:
                    state["headers"] = self._limit.count("platform")
            body = await _read(scope, receive)
            route = self.routes.get((scope["method"], scope["path"].rstrip("/")))
            if route is None:
                await self._pass_on(scope, receive, send, body)
                return
            answer = await route(Incoming(scope, body, request_id))
        except _Gone:
            return
        except Exception as exc:
            answer = self._problem_of(scope["path"])(exc, request_id)
        await _reply(send, answer, _headers(state))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        """On to the framework; HEAD as a GET without its body, and OPTIONS with all the methods there are."""
        is_head = scope["method"] == "HEAD"
        allowed = await self._allowed(scope) if scope["method"] == "OPTIONS" else None
        messages: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Message:
            return next(messages, None) or await receive()

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (name, self._allowing(scope, allowed or value) if name.lower() == b"allow" else value)
                    for name, value in message.get("headers", ())
                ]
                message["headers"] = [*headers, *_headers(scope["state"])]
            elif is_head:
                message["body"] = b""
            await send(message)

        await self.inner({**scope, "method": "GET"} if is_head else scope, replay, with_id)

    async def _allowed(self, scope: Scope) -> bytes | None:
        """As a method that no path has is told; the framework's own OPTIONS names those of one handler."""
        found: list[bytes] = []

        async def keep(message: Message) -> None:
            found.extend(value for name, value in message.get("headers", ()) if name.lower() == b"allow")

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        await self.inner({**scope, "method": "TRACE", "state": dict(scope["state"])}, nothing, keep)
        return found[0] if found else None

    def _allowing(self, scope: Scope, allowed: bytes) -> bytes:
        """With the methods that are answered here, too."""
        ours = [method.encode() for method, path in self.routes if path == scope["path"].rstrip("/")]
        methods = dict.fromkeys([*allowed.split(b", "), *ours])
        if b"GET" in methods:
            methods[b"HEAD"] = None
        return b", ".join(methods)


def unescaped(parameter: str) -> str:
    """A path parameter as it was meant: a user's id may have a slash, which came as %2F."""
    return parameter.replace(_SLASH, "/")


def canonical(path: str) -> str:
    """A request's path in the one spelling that stands for all of its spellings, ASCII alone."""
    return "/".join(quote(unescaped(segment), safe="") for segment in path.rstrip("/").split("/"))


def _routable(scope: Scope) -> str:
    """The path, its slashes only those between segments."""
    raw = scope.get("raw_path") or b""
    if b"%2f" not in raw.lower():
        return str(scope["path"])
    segments = raw.partition(b"?")[0].decode("latin-1").split("/")
    return "/".join(unquote(segment).replace("/", _SLASH) for segment in segments)


class _Gone(Exception):
    """The client went away before its body was whole."""


async def _read(scope: Scope, receive: Receive) -> bytes:
    """The whole body. Raises Problem: 413 when it is too large, 400 when it does not come in time."""
    headers = dict(scope["headers"])
    if headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
        raise Problem(415, "send the body as it is, without Content-Encoding")
    most = _most(scope["path"].rstrip("/"))
    try:
        async with asyncio.timeout(_BODY_WITHIN):
            body, whole = await _receive(receive, most)
            if len(body) <= most:
                return body
            if not whole:
                await _receive(receive, _DROPPED)
    except TimeoutError:
        headers = {"Connection": "close"}
        raise Problem(400, f"the body did not come within {_BODY_WITHIN} s", headers=headers) from None
    raise Problem(413, f"the body is larger than {most >> 10:,} KiB", headers={"Connection": "close"})


def _most(path: str) -> int:
    """Bytes of a body."""
    many = path.startswith(_PLATFORM) and path.endswith(("/events/batch", "/connections"))
    return _MOST_OF_MANY if many else _MOST


async def _receive(receive: Receive, most: int) -> tuple[bytes, bool]:
    """Up to the end of the body, or just beyond `most`; and whether it came to its end."""
    chunks, size = [], 0
    while size <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if not message.get("more_body", False):
            return b"".join(chunks), True
    return b"".join(chunks), False


def _headers(state: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    """What every answer carries: the request's id, and what is left of a rate limit."""
    yield b"x-request-id", state["request_id"].encode()
    yield from _encoded(state.get("headers", {}))


def _encoded(headers: Mapping[str, str]) -> Iterator[tuple[bytes, bytes]]:
    return ((name.lower().encode(), value.encode()) for name, value in headers.items())


async def _reply(send: Send, answer: Answer, more: Iterable[tuple[bytes, bytes]]) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.body)).encode()),
        *_encoded(answer.headers),
        *more,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})

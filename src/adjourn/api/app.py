"""The whole HTTP surface as one ASGI application."""

import time
from collections.abc import Callable, Sequence

import msgspec
from litestar import Litestar, MediaType, Response, Router, get
from litestar.di import Provide
from litestar.types import ASGIApp, Middleware, Receive, Scope, Send

from adjourn.api import openapi, partner, platform
from adjourn.api.auth import PartnerAuth, PlatformAuth
from adjourn.api.front import Front, unescaped
from adjourn.api.idempotency import Idempotency
from adjourn.api.limits import RateLimit
from adjourn.api.publishing import Publishing
from adjourn.api.services import Services, handle_error
from adjourn.errors import AdjournError
from adjourn.wiring import Engine

__all__ = ["build_app"]


@get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@get("/openapi.json", media_type=MediaType.JSON)
async def openapi_json() -> bytes:
    return msgspec.json.encode(openapi.document())


@get("/docs", media_type=MediaType.HTML)
async def docs() -> Response[str]:
    """The same to browse; it runs nothing and fetches nothing."""
    return Response(
        openapi.page(), headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    )


def build_app(engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> Front:
    """Every path of both APIs, over one engine. `clock`: that of the rate limits, in seconds."""
    directory, settings = engine.store.directory, engine.settings
    idempotency = Idempotency(directory, engine.vault)
    publishing = Publishing(engine.publisher, idempotency)
    partner_auth = PartnerAuth(engine.store.keyring, require_client_id=settings.require_client_id)
    services = Services(
        directory=directory,
        log=engine.store.log,
        apps=engine.apps,
        partners=engine.partners,
        retries=engine.retries,
        idempotency=idempotency,
    )
    platform_auth = PlatformAuth(engine.platform_digest)
    platform_routes = Router(
        path="/v1/platform",
        middleware=[_platform_only(platform_auth)],
        route_handlers=[
            platform.Apps,
            platform.Connections,
            platform.Events,
            platform.Deliveries,
            platform.EventTypes,
        ],
    )
    partner_routes = Router(
        path="/v1/partner/admin",
        route_handlers=[partner.WebhookSettings, partner.WebhookDeliveries],
        middleware=_partner_middleware(partner_auth, _limit(settings.partner_rate_limit, clock)),
    )
    inner = Litestar(
        route_handlers=[healthz, openapi_json, docs, platform_routes, partner_routes],
        dependencies={"services": Provide(lambda: services, sync_to_thread=False)},
        exception_handlers={AdjournError: handle_error, Exception: handle_error},
        openapi_config=None,
        logging_config=None,
        middleware=[_unescape_parameters],
    )
    routes = {
        ("POST", "/v1/platform/events"): publishing.one,
        ("POST", "/v1/platform/events/batch"): publishing.batch,
    }
    platform_limit = _limit(settings.platform_rate_limit, clock)
    return Front(inner, platform=platform_auth, limit=platform_limit, routes=routes, ids=engine.ids)


def _limit(most: int, clock: Callable[[], float]) -> RateLimit | None:
    return RateLimit(most, clock=clock) if most else None


def _platform_only(auth: PlatformAuth) -> Middleware:
    """The check that counts: it stands at the routes themselves, however a path led there."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def check(scope: Scope, receive: Receive, send: Send) -> None:
            auth.check(dict(scope["headers"]).get(b"authorization", b""))
            await app(scope, receive, send)

        return check

    return middleware


def _unescape_parameters(app: ASGIApp) -> ASGIApp:
    async def unescape(scope: Scope, receive: Receive, send: Send) -> None:
        scope["path_params"] = {name: unescaped(str(value)) for name, value in scope["path_params"].items()}
        await app(scope, receive, send)

    return unescape


def _partner_middleware(auth: PartnerAuth, limit: RateLimit | None) -> Sequence[Middleware]:
    # a function, not the bound method: the framework copies what routers hold, and would copy `auth`
    def authenticate(app: ASGIApp) -> ASGIApp:
        return auth.middleware(app)

    def count(app: ASGIApp) -> ASGIApp:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if limit is not None:
                scope["state"]["headers"] = limit.count(scope["user"].id)  # the front sends them
            await app(scope, receive, send)

        return counted

    return [authenticate, count]

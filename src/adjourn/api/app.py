"""The whole HTTP surface as one ASGI application."""

from collections.abc import Sequence

from litestar import Litestar, Router, get
from litestar.di import Provide
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.types import ASGIApp, Middleware, Receive, Scope, Send

from adjourn.api import partner, platform
from adjourn.api.auth import PartnerAuth, PlatformAuth
from adjourn.api.front import Front, unescaped
from adjourn.api.idempotency import Idempotency
from adjourn.api.publishing import Publishing
from adjourn.api.services import AnyRequest, Services, handle_error
from adjourn.errors import AdjournError
from adjourn.wiring import Engine

__all__ = ["build_app"]


@get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


def build_app(engine: Engine) -> Front:
    """Every path of both APIs, over one engine."""
    directory, settings = engine.store.directory, engine.settings
    idempotency = Idempotency(directory, engine.vault)
    publishing = Publishing(engine.publisher, idempotency)
    partner_auth = PartnerAuth(directory, require_client_id=settings.require_client_id)
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
        middleware=_partner_middleware(partner_auth, settings.partner_rate_limit),
    )
    inner = Litestar(
        route_handlers=[healthz, platform_routes, partner_routes],
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
    return Front(inner, platform=platform_auth, routes=routes, ids=engine.ids)


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


def _partner_middleware(auth: PartnerAuth, rate_limit: int) -> Sequence[Middleware]:
    # a function, not the bound method: the framework copies what routers hold, and would copy `auth`
    def authenticate(app: ASGIApp) -> ASGIApp:
        return auth.middleware(app)

    if not rate_limit:
        return [authenticate]
    limit = RateLimitConfig(rate_limit=("minute", rate_limit), identifier_for_request=_app_id)
    return [authenticate, limit.middleware]


def _app_id(request: AnyRequest) -> str:
    return str(request.user.id)

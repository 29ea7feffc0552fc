"""The whole HTTP surface as one ASGI application."""

import time
from collections.abc import Callable

import msgspec
from litestar import Litestar, MediaType, Response, Router, get
from litestar.di import Provide
from litestar.types import ASGIApp, ControllerRouterHandler, Receive, Scope, Send

from adjourn.api import openapi, partner, platform
from adjourn.api.auth import PartnerAuth, PartnerOnly, PlatformAuth
from adjourn.api.automations import Automations, put_automation
from adjourn.api.callers import app_of_key, app_of_path, check_status
from adjourn.api.connections import Connections, OwnConnections
from adjourn.api.credentials import Credentials
from adjourn.api.documents import DOCUMENTS
from adjourn.api.front import Front, unescaped
from adjourn.api.idempotency import Idempotency
from adjourn.api.limits import RateLimit, Windows
from adjourn.api.meetingbaas import VENDORS_PATHS, bot_problem, bot_routes
from adjourn.api.problems import Problems, problem_answer
from adjourn.api.publishing import Publishing
from adjourn.api.replays import Replays
from adjourn.api.services import AnyRequest, Services, answer, request_id
from adjourn.api.status import WebhookSettings
from adjourn.errors import AdjournError
from adjourn.portal.pages import PAGES
from adjourn.wiring import Engine

__all__ = ["build_app", "build_framework"]


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


def build_framework() -> Litestar:
    """Every path that is not the front's. It takes a while, and holds nothing of an engine: any may use it.

    What its routes work with is in each request's state, where the front puts it.
    """
    platform_routes = Router(
        path="/v1/platform",
        middleware=[_platform_only],
        route_handlers=[
            platform.Apps,
            platform.Events,
            platform.Deliveries,
            platform.EventTypes,
            _of_one_app(),
        ],
    )
    partner_routes = Router(
        path="/v1/partner/admin",
        route_handlers=_of_own_app(),
        dependencies={"app": Provide(app_of_key)},
        guards=[check_status],
        middleware=[PartnerOnly, _count],
    )
    return Litestar(
        route_handlers=[
            *(healthz, openapi_json, docs, *DOCUMENTS, *PAGES),
            *(platform_routes, partner_routes, bot_routes(_count)),
        ],
        dependencies={"services": Provide(_services, sync_to_thread=False)},
        exception_handlers={AdjournError: _handle_error, Exception: _handle_error},
        openapi_config=None,
        logging_config=None,
        middleware=[_unescape_parameters],
    )


def build_app(
    engine: Engine,
    *,
    clock: Callable[[], float] = time.monotonic,
    windows: Windows | None = None,
    framework: Litestar | None = None,
) -> Front:
    """Every path of both APIs, over one engine. `clock`: that of the rate limits, in seconds.

    `windows`: where they count, if not in this process alone. `framework`: one that is there already.
    """
    settings = engine.settings

    def limit(most: int, noun: str) -> RateLimit | None:
        return RateLimit(most, clock=clock, noun=noun, windows=windows) if most else None

    idempotency = Idempotency(engine.store.directory, engine.vault)
    publishing = Publishing(engine.publisher, engine.apps, idempotency, urls=engine.urls)
    platform_auth = PlatformAuth(engine.platform_digest)
    partner_auth = PartnerAuth(
        engine.store.keyring, engine.credentials, require_client_id=settings.require_client_id
    )
    services = Services(
        store=engine.store,
        ids=engine.ids,
        apps=engine.apps,
        partners=engine.partners,
        automations=engine.automations,
        credentials=engine.credentials,
        retries=engine.retries,
        replays=engine.replays,
        resends=engine.resends,
        idempotency=idempotency,
        auto_disable=settings.auto_disable,
        urls=engine.urls,
    )
    routes = {
        ("POST", "/v1/platform/events"): publishing.one,
        ("POST", "/v1/platform/events/batch"): publishing.batch,
    }
    return Front(
        build_framework() if framework is None else framework,
        platform=platform_auth,
        limit=limit(settings.platform_rate_limit, "key"),
        routes=routes,
        ids=engine.ids,
        problem_of=_problem_of,
        given={
            "services": services,
            "platform_auth": platform_auth,
            "partner_auth": partner_auth,
            "partner_limit": limit(settings.partner_rate_limit, "app"),
        },
    )


def _problem_of(path: str) -> Problems:
    """What an error on that path looks like."""
    return bot_problem if path.startswith(VENDORS_PATHS) else problem_answer


def _handle_error(request: AnyRequest, exc: Exception) -> Response[bytes]:
    """The framework's exception handler: every error in the documented form."""
    return answer(_problem_of(request.scope["path"])(exc, request_id(request)))


def _services(scope: Scope) -> Services:
    services: Services = scope["state"]["services"]
    return services


def _of_one_app() -> Router:
    """What the platform API has of one app, beside the app itself."""
    return Router(
        path="/apps/{app_id:str}",
        dependencies={"app": Provide(app_of_path)},
        route_handlers=[
            WebhookSettings,
            Credentials,
            Connections,
            Router("/automations", route_handlers=[Automations]),
            Router("/deliveries", route_handlers=[Replays]),
        ],
    )


def _of_own_app() -> list[ControllerRouterHandler]:
    """The partner API, each path in the forms that clients use."""
    automations = ("/automations", "/automation", "/workflows")
    return [
        partner.OwnApp,
        WebhookSettings,
        Router("/app", route_handlers=[WebhookSettings]),
        partner.WebhookDeliveries,
        Router("/webhook-deliveries", route_handlers=[Replays]),
        *(Router(path, route_handlers=[Automations, put_automation]) for path in automations),
        OwnConnections,
        Credentials,
    ]


def _platform_only(app: ASGIApp) -> ASGIApp:
    """The check that counts: it stands at the routes themselves, however a path led there."""

    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        auth: PlatformAuth = scope["state"]["platform_auth"]
        auth.check(dict(scope["headers"]).get(b"authorization", b""))
        await app(scope, receive, send)

    return check


def _unescape_parameters(app: ASGIApp) -> ASGIApp:
    async def unescape(scope: Scope, receive: Receive, send: Send) -> None:
        scope["path_params"] = {name: unescaped(str(value)) for name, value in scope["path_params"].items()}
        await app(scope, receive, send)

    return unescape


def _count(app: ASGIApp) -> ASGIApp:
    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        limit: RateLimit | None = scope["state"]["partner_limit"]
        if limit is not None:
            scope["state"]["headers"] = limit.count(scope["user"].id)  # the front sends them
        await app(scope, receive, send)

    return counted

"""Who asks, about which app, and whether they may: the product always, a partner by its app's status."""

from collections.abc import Callable
from typing import Any, NamedTuple

from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from adjourn.api.front import canonical
from adjourn.api.idempotency import Call
from adjourn.api.problems import Answer, Problem
from adjourn.api.services import AnyRequest, Services, Wired, Work, request_id
from adjourn.api.shapes import Json, app_shape, platform_app_shape
from adjourn.models import App, AppStatus, DisabledBy
from adjourn.storage.base import Who

__all__ = [
    "BY_INACTIVE",
    "Caller",
    "Concerned",
    "app_of_key",
    "app_of_path",
    "caller",
    "check_status",
    "once",
    "who",
]

_READS = {"GET", "HEAD", "OPTIONS"}
_LONGEST_USER_AGENT = 500  # characters

Concerned = NamedDependency[App]
"""The app that a call is about, in either API: a parameter `app: Concerned`."""


class Caller(NamedTuple):
    """Which of the two APIs was called; `name` is the scope of its idempotency keys."""

    name: str
    kind: str
    disables_as: DisabledBy
    shape: Callable[[App], Json]


def caller(request: AnyRequest) -> Caller:
    app: App | None = request.scope.get("user")
    if app is None:
        return Caller("platform", "internal", DisabledBy.PLATFORM, platform_app_shape)
    return Caller(f"app:{app.id}", "partner", DisabledBy.PARTNER, app_shape)


def who(request: AnyRequest) -> Who:
    """As the history of credentials remembers them."""
    user_agent = request.headers.get("user-agent", "")[:_LONGEST_USER_AGENT]
    return Who(
        kind=caller(request).kind,
        ip_address=None if request.client is None else request.client.host,
        user_agent=user_agent or None,
    )


async def app_of_key(request: AnyRequest) -> App:
    """In the partner API."""
    app: App = request.user
    return app


async def app_of_path(app_id: FromPath[str], services: Wired) -> App:
    """In the platform API. Raises NotFound."""
    return await services.apps.get(app_id)


BY_INACTIVE = {"by_inactive": True}
"""Marks a route that an inactive app's key may call although it changes something."""


def check_status(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The framework's guard of the partner API: any app's key may read. Raises Problem (403)."""
    app: App = connection.user
    if connection.scope.get("method") in _READS or app.status is AppStatus.ACTIVE:
        return
    if app.status is AppStatus.SUSPENDED:
        raise Problem(403, "the app is suspended: its key only reads until the platform lifts that")
    if not handler.opt.get("by_inactive"):
        raise Problem(403, "the app is inactive: its key only reads until PUT /app/status makes it active")


async def once(services: Services, request: AnyRequest, work: Work, *, secret: bool = False) -> Answer:
    """Do a POST's work once for each Idempotency-Key. `secret`: its answer shows credentials."""
    call = Call(
        caller=caller(request).name,
        method="POST",
        path=canonical(request.scope["path"]),
        key=request.headers.get("idempotency-key"),
        body=await request.body(),
        request_id=request_id(request),
        secret=secret,
    )
    return await services.idempotency.run(call, work)

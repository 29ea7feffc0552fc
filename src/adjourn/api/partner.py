"""The partner admin API, /v1/partner/admin, as far as the platform API has nothing like it: CONTRACTS 1.7."""

import msgspec
from litestar import Controller, Response, get, post, put, route
from litestar.params import FromPath

from adjourn.api.bodies import ChangeApp, SetAppStatus
from adjourn.api.callers import BY_INACTIVE, Concerned
from adjourn.api.deliveries import list_deliveries, retry, show_delivery
from adjourn.api.inputs import changes, read_form
from adjourn.api.problems import Problem
from adjourn.api.services import AnyRequest, Wired, answer, json_answer
from adjourn.api.shapes import app_shape
from adjourn.models import App, AppStatus
from adjourn.providers import PROVIDERS

__all__ = ["OwnApp", "WebhookDeliveries"]

_ELSEWHERE = {
    "status": "is set with PUT /app/status",
    "webhook_enabled": "is set with PUT /webhook-status",
    "webhook_filter": "is set with PUT /webhook-filter",
}


class OwnApp(Controller):
    """The app whose key it is."""

    path = "/app"

    @get()
    async def show(self, app: Concerned) -> Response[bytes]:
        return answer(json_answer(app_shape(app)))

    @route(http_method=["PUT", "PATCH"])
    async def change(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        given = changes(await read_form(request, ChangeApp, elsewhere=_ELSEWHERE))
        app = await services.partners.change_app(app.id, lambda app: msgspec.structs.replace(app, **given))
        return answer(json_answer(app_shape(app)))

    @put("/status", opt=BY_INACTIVE)
    async def set_status(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        status = AppStatus((await read_form(request, SetAppStatus)).status)
        if status is AppStatus.SUSPENDED:
            raise Problem(403, "only the platform suspends an app; make it inactive instead")

        def change(app: App) -> App:
            if app.status is AppStatus.SUSPENDED:
                raise Problem(403, "the app is suspended: only the platform lifts that")
            return msgspec.structs.replace(app, status=status)

        return answer(json_answer(app_shape(await services.partners.change_app(app.id, change))))


class WebhookDeliveries(Controller):
    path = "/webhook-deliveries"

    @get()
    async def list_all(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        providers = [PROVIDERS[app.provider]]
        return answer(await list_deliveries(services, request.query_params, app.id, providers))

    @get("/{delivery_id:str}")
    async def show(self, delivery_id: FromPath[str], app: Concerned, services: Wired) -> Response[bytes]:
        return answer(await show_delivery(services, app.id, delivery_id))

    @post("/{delivery_id:str}/retry", status_code=200)
    async def retry(
        self, delivery_id: FromPath[str], app: Concerned, request: AnyRequest, services: Wired
    ) -> Response[bytes]:
        return answer(await retry(services, request, app.id, delivery_id))

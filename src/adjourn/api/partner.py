"""The partner admin API, /v1/partner/admin: CONTRACTS 1.7. `request.user` is the caller's App."""

import msgspec
from litestar import Controller, Response, delete, get, post, put
from litestar.params import FromPath

from adjourn.api.bodies import FilterBody, SwitchWebhooks
from adjourn.api.deliveries import list_deliveries, retry, show_delivery
from adjourn.api.filters import read_filter
from adjourn.api.inputs import read_body
from adjourn.api.services import AnyRequest, Services, Wired, answer, json_answer
from adjourn.api.shapes import app_shape
from adjourn.errors import Fault, InputError
from adjourn.models import App, DisabledBy, Filter
from adjourn.providers import PROVIDERS
from adjourn.storage.base import Backlog

__all__ = ["WebhookDeliveries", "WebhookSettings"]


def _app(request: AnyRequest) -> App:
    app: App = request.user
    return app


class WebhookSettings(Controller):
    """The app itself, whether it gets webhooks, and which."""

    path = "/"

    @get("/app")
    async def show(self, request: AnyRequest) -> Response[bytes]:
        return answer(json_answer(app_shape(_app(request))))

    @put(["/webhook-status", "/app/webhook-status"])
    async def switch(self, request: AnyRequest, services: Wired) -> Response[bytes]:
        form = read_body(await request.body(), request.headers.get("content-type", ""), SwitchWebhooks)
        app = _app(request)
        if form.enabled and not app.webhook_enabled and form.pending_disposition is None:
            reason = "is required when re-enabling: abandon or deliver, for what waits"
            fault = Fault("$.pending_disposition", reason)
            raise InputError("what becomes of the backlog?", faults=[fault])
        if form.enabled:
            app = await services.partners.enable(app.id, Backlog(form.pending_disposition or "deliver"))
        else:
            app = await services.partners.disable(app.id, DisabledBy.PARTNER)
        return answer(json_answer(app_shape(app)))

    @put(["/webhook-filter", "/app/webhook-filter"])
    async def filter(self, request: AnyRequest, services: Wired) -> Response[bytes]:
        form = read_body(await request.body(), request.headers.get("content-type", ""), FilterBody)
        wanted = read_filter(form, PROVIDERS[_app(request).provider])
        return await self._set_filter(request, services, wanted)

    @delete(["/webhook-filter", "/app/webhook-filter"], status_code=200)
    async def unfilter(self, request: AnyRequest, services: Wired) -> Response[bytes]:
        return await self._set_filter(request, services, None)

    async def _set_filter(
        self, request: AnyRequest, services: Services, wanted: Filter | None
    ) -> Response[bytes]:
        app = await services.partners.change_app(
            _app(request).id, lambda app: msgspec.structs.replace(app, webhook_filter=wanted)
        )
        return answer(json_answer(app_shape(app)))


class WebhookDeliveries(Controller):
    path = "/webhook-deliveries"

    @get()
    async def list_all(self, request: AnyRequest, services: Wired) -> Response[bytes]:
        app = _app(request)
        providers = [PROVIDERS[app.provider]]
        return answer(await list_deliveries(services, request.query_params, app.id, providers))

    @get("/{delivery_id:str}")
    async def show(self, delivery_id: FromPath[str], request: AnyRequest, services: Wired) -> Response[bytes]:
        return answer(await show_delivery(services, _app(request).id, delivery_id))

    @post("/{delivery_id:str}/retry", status_code=200)
    async def retry(
        self, delivery_id: FromPath[str], request: AnyRequest, services: Wired
    ) -> Response[bytes]:
        app_id = _app(request).id
        return answer(await retry(services, request, f"app:{app_id}", (app_id, delivery_id)))

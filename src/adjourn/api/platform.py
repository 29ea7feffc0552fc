"""The platform API, /v1/platform: for the meeting product itself."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath

from adjourn.api.bodies import CreateApp, GivenCredentials, PatchApp
from adjourn.api.callers import once
from adjourn.api.deliveries import list_deliveries, retry, show_delivery
from adjourn.api.explain import explanation, narrowed, not_considered
from adjourn.api.filters import read_filter
from adjourn.api.idempotency import Keep
from adjourn.api.inputs import changes, choice, event_type, moment, one_of, page, read_split
from adjourn.api.options import OPTION_NAMES, read_options
from adjourn.api.problems import Answer
from adjourn.api.services import AnyRequest, Wired, answer, json_answer
from adjourn.api.shapes import event_type_shape, listing, platform_app_shape
from adjourn.errors import Fault, InputError, NotFound
from adjourn.models import App, AppStatus
from adjourn.providers import PROVIDERS, Provider
from adjourn.sending.partners import Keys, NewApp
from adjourn.sending.signers import check_signer
from adjourn.wirejson import utc

__all__ = ["Apps", "Deliveries", "EventTypes", "Events"]

_ELSEWHERE = {
    "webhook_enabled": "is set with PUT /v1/platform/apps/{id}/webhook-status",
    "webhook_filter": "is set with PUT /v1/platform/apps/{id}/webhook-filter",
}


def _new_app(form: CreateApp, options: Mapping[str, Any]) -> NewApp:
    if form.provider not in PROVIDERS:
        fault = Fault("$.provider", f"must be one of {', '.join(PROVIDERS)}")
        raise InputError("unknown provider", faults=[fault])
    given = form.credentials or GivenCredentials()
    keys = msgspec.structs.replace(
        Keys.new(), **{name: key for name, key in msgspec.structs.asdict(given).items() if key is not None}
    )
    return NewApp(
        name=form.name,
        company_name=form.company_name,
        primary_contact_email=form.primary_contact_email,
        keys=keys,
        id=form.id,
        provider=form.provider,
        description=form.description,
        webhook_url=form.webhook_url,
        slug=form.slug,
        options=read_options(PROVIDERS[form.provider], options),
        status=AppStatus(form.status),
        webhook_enabled=form.webhook_enabled,
        webhook_filter=None
        if form.webhook_filter is None
        else read_filter(form.webhook_filter, PROVIDERS[form.provider], path="$.webhook_filter"),
        created_at=moment(form.created_at, path="$.created_at"),
    )


def _patched(app: App, form: PatchApp, options: Mapping[str, Any]) -> App:
    """The app with the fields given: absent ones stay, null clears."""
    given = changes(form)
    if "status" in given:
        given["status"] = AppStatus(given["status"])
    if options:
        given["options"] = read_options(PROVIDERS[app.provider], options, app.options)
        check_signer(msgspec.structs.replace(app, options=given["options"]))
    return msgspec.structs.replace(app, **given)


class Apps(Controller):
    path = "/apps"

    @post()
    async def create(self, request: AnyRequest, services: Wired) -> Response[bytes]:
        async def work(keep: Keep) -> Answer:
            new = _new_app(*await read_split(request, CreateApp, apart=OPTION_NAMES))

            def shown(app: App) -> Answer:
                return json_answer({"app": platform_app_shape(app), "credentials": new.keys}, 201)

            return shown(await services.partners.create_app(new, keep=lambda app: keep(shown(app))))

        return answer(await once(services, request, work, secret=True))

    @get()
    async def list_apps(self, request: AnyRequest, services: Wired) -> Response[bytes]:
        limit, offset = page(request.query_params)
        status = choice(request.query_params, "status", AppStatus)
        apps, total = await services.store.directory.list_apps(status=status, limit=limit, offset=offset)
        return answer(json_answer(listing([platform_app_shape(app) for app in apps], total, (limit, offset))))

    @get("/{app_id:str}")
    async def show(self, app_id: FromPath[str], services: Wired) -> Response[bytes]:
        return answer(json_answer(platform_app_shape(await services.apps.get(app_id))))

    @patch("/{app_id:str}")
    async def change(self, app_id: FromPath[str], request: AnyRequest, services: Wired) -> Response[bytes]:
        form, options = await read_split(request, PatchApp, apart=OPTION_NAMES, elsewhere=_ELSEWHERE)
        app = await services.partners.change_app(app_id, lambda app: _patched(app, form, options))
        return answer(json_answer(platform_app_shape(app)))

    @delete("/{app_id:str}", status_code=204)
    async def remove(self, app_id: FromPath[str], services: Wired) -> None:
        await services.partners.delete_app(app_id)


class Events(Controller):
    """Reading what was published; publishing itself is api/publishing.py."""

    path = "/events"

    @get()
    async def list_events(self, request: AnyRequest, services: Wired) -> Response[bytes]:
        limit, offset = page(request.query_params)
        wanted = event_type(request.query_params, PROVIDERS.values())
        found, total = await services.store.log.list_publications(
            event_type=wanted, limit=limit, offset=offset
        )
        items = [
            {
                "id": each.id,
                "event_type": each.event_type,
                "provider": each.provider,
                "timestamp": each.timestamp,
                "published_at": utc(each.at),
                "envelopes": sum(1 for verdict in each.verdicts if verdict.event_id is not None),
            }
            for each in found
        ]
        return answer(json_answer(listing(items, total, (limit, offset))))

    @get("/{key:str}")
    async def show(self, key: FromPath[str], request: AnyRequest, services: Wired) -> Response[bytes]:
        app_id = request.query_params.get("partner_app_id")
        published = await services.store.log.find_published(key)
        if published is None:
            raise NotFound("event", key)
        if app_id is None:
            return answer(json_answer(explanation(published)))
        shape = explanation(narrowed(published, app_id))
        if not shape["outcomes"]:
            shape["outcomes"] = [not_considered(published.publication, await services.apps.get(app_id))]
        return answer(json_answer(shape))


class Deliveries(Controller):
    """Every app's deliveries, for the operator."""

    path = "/deliveries"

    @get()
    async def list_all(self, request: AnyRequest, services: Wired) -> Response[bytes]:
        query = request.query_params
        return answer(await list_deliveries(services, query, query.get("app_id"), PROVIDERS.values()))

    @get("/{delivery_id:str}")
    async def show(self, delivery_id: FromPath[str], services: Wired) -> Response[bytes]:
        return answer(await show_delivery(services, None, delivery_id))

    @post("/{delivery_id:str}/retry", status_code=200)
    async def retry(
        self, delivery_id: FromPath[str], request: AnyRequest, services: Wired
    ) -> Response[bytes]:
        delivery = await services.store.log.get_delivery(None, delivery_id)
        return answer(await retry(services, request, delivery.app_id, delivery_id))


class EventTypes(Controller):
    path = "/event-types"

    @get()
    async def list_types(self, request: AnyRequest) -> Response[bytes]:
        items = [
            event_type_shape(provider, each, whole=False)
            for provider in _asked_for(request)
            for each in provider.event_types.values()
        ]
        return answer(json_answer({"items": items, "total": len(items)}))

    @get("/{name:str}")
    async def show(self, name: FromPath[str], request: AnyRequest) -> Response[bytes]:
        for provider in _asked_for(request):
            if (found := provider.resolve(name)) is not None:
                shape = event_type_shape(provider, found, whole=True)
                others = [each.name for each in PROVIDERS.values() if each.resolve(name) and each != provider]
                return answer(json_answer(shape | {"other_providers": others}))
        raise NotFound("event type", name)


def _asked_for(request: AnyRequest) -> list[Provider]:
    """The provider that the query names, or every one. Raises InputError."""
    name = one_of(request.query_params, "provider", PROVIDERS)
    return [*PROVIDERS.values()] if name is None else [PROVIDERS[name]]

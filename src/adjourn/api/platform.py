"""The platform API, /v1/platform: for the meeting product itself."""

from datetime import UTC, datetime

import msgspec
from litestar import Controller, Response, delete, get, patch, post, put
from litestar.params import FromPath
from msgspec import UNSET

from adjourn.api.bodies import Connect, ConnectMany, ConnectOne, CreateApp, GivenCredentials, PatchApp
from adjourn.api.deliveries import list_deliveries, retry, show_delivery
from adjourn.api.explain import explanation
from adjourn.api.filters import read_filter
from adjourn.api.idempotency import Call, Keep
from adjourn.api.inputs import choice, event_type, page, read_body
from adjourn.api.problems import Answer
from adjourn.api.services import AnyRequest, Wired, answer, json_answer, request_id
from adjourn.api.shapes import (
    connection_shape,
    event_type_shape,
    listing,
    platform_app_shape,
    utc,
)
from adjourn.errors import Fault, InputError, NotFound
from adjourn.models import (
    App,
    AppOptions,
    AppStatus,
    Connection,
    ConnectionStatus,
    SignatureProfile,
)
from adjourn.providers import PROVIDERS
from adjourn.sending.partners import Keys, NewApp

__all__ = ["Apps", "Connections", "Deliveries", "EventTypes", "Events"]

_OTHERS = 1000  # apps that an event's explanation names beside those it considered


def _new_app(form: CreateApp) -> NewApp:
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
        options=AppOptions(
            signature_profile=SignatureProfile(form.signature_profile),
            auto_disable=form.auto_disable,
            ordered=form.ordered,
            legacy_event_names=form.legacy_event_names,
        ),
        status=AppStatus(form.status),
        webhook_enabled=form.webhook_enabled,
        webhook_filter=None
        if form.webhook_filter is None
        else read_filter(form.webhook_filter, PROVIDERS[form.provider]),
        created_at=None if form.created_at is None else _moment(form.created_at, path="$.created_at"),
    )


def _moment(text: str, *, path: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError("out of range", faults=[Fault(path, "is out of range")]) from None
    return moment


def _patched(app: App, form: PatchApp) -> App:
    """The app with the fields given: absent ones stay, null clears."""
    given = {name: value for name, value in msgspec.structs.asdict(form).items() if value is not UNSET}
    options = {name: given.pop(name) for name in AppOptions.__struct_fields__ if name in given}
    if "signature_profile" in options:
        options["signature_profile"] = SignatureProfile(options["signature_profile"])
    if "status" in given:
        given["status"] = AppStatus(given["status"])
    return msgspec.structs.replace(app, **given, options=msgspec.structs.replace(app.options, **options))


def _connection(app_id: str, user_id: str, form: Connect | ConnectOne, now: datetime) -> Connection:
    return Connection(
        id=form.id or "",  # none given: the store keeps the one it has, or makes one
        app_id=app_id,
        user_id=user_id,
        user_email=form.email,
        oauth_scopes=tuple(form.oauth_scopes or ()),
        status=ConnectionStatus.ACTIVE,
        created_at=now,
        updated_at=now,
    )


def _content_type(request: AnyRequest) -> str:
    return request.headers.get("content-type", "")


class Apps(Controller):
    path = "/apps"

    @post()
    async def create(self, request: AnyRequest, services: Wired) -> Response[bytes]:
        body = await request.body()

        async def work(keep: Keep) -> Answer:
            new = _new_app(read_body(body, _content_type(request), CreateApp))

            def shown(app: App) -> Answer:
                return json_answer({"app": platform_app_shape(app), "credentials": new.keys}, 201)

            return shown(await services.partners.create_app(new, keep=lambda app: keep(shown(app))))

        call = Call(
            caller="platform",
            method="POST",
            path=request.scope["path"],
            key=request.headers.get("idempotency-key"),
            body=body,
            request_id=request_id(request),
            secret=True,
        )
        return answer(await services.idempotency.run(call, work))

    @get()
    async def list_apps(self, request: AnyRequest, services: Wired) -> Response[bytes]:
        limit, offset = page(request.query_params)
        status = choice(request.query_params, "status", AppStatus)
        apps, total = await services.directory.list_apps(status=status, limit=limit, offset=offset)
        return answer(json_answer(listing([platform_app_shape(app) for app in apps], total, (limit, offset))))

    @get("/{app_id:str}")
    async def show(self, app_id: FromPath[str], services: Wired) -> Response[bytes]:
        return answer(json_answer(platform_app_shape(await services.apps.get(app_id))))

    @patch("/{app_id:str}")
    async def change(self, app_id: FromPath[str], request: AnyRequest, services: Wired) -> Response[bytes]:
        form = read_body(await request.body(), _content_type(request), PatchApp)
        app = await services.partners.change_app(app_id, lambda app: _patched(app, form))
        return answer(json_answer(platform_app_shape(app)))

    @delete("/{app_id:str}", status_code=204)
    async def remove(self, app_id: FromPath[str], services: Wired) -> None:
        await services.partners.delete_app(app_id)


class Connections(Controller):
    path = "/apps/{app_id:str}/connections"

    @get()
    async def list_connections(
        self, app_id: FromPath[str], request: AnyRequest, services: Wired
    ) -> Response[bytes]:
        await services.apps.get(app_id)
        limit, offset = page(request.query_params)
        found, total = await services.directory.list_connections(
            app_id,
            user_id=request.query_params.get("user_id"),
            status=choice(request.query_params, "status", ConnectionStatus),
            limit=limit,
            offset=offset,
        )
        return answer(
            json_answer(listing([connection_shape(each) for each in found], total, (limit, offset)))
        )

    @put()
    async def connect_many(
        self, app_id: FromPath[str], request: AnyRequest, services: Wired
    ) -> Response[bytes]:
        form = read_body(await request.body(), _content_type(request), ConnectMany)
        now = datetime.now(UTC)
        created = await services.partners.connect(
            app_id, [_connection(app_id, each.user_id, each, now) for each in form.connections]
        )
        return answer(json_answer({"created": sum(created), "updated": len(created) - sum(created)}))

    @put("/{user_id:str}")
    async def connect(
        self, app_id: FromPath[str], user_id: FromPath[str], request: AnyRequest, services: Wired
    ) -> Response[bytes]:
        form = read_body(await request.body(), _content_type(request), Connect)
        connection = _connection(app_id, user_id, form, datetime.now(UTC))
        (created,) = await services.partners.connect(app_id, [connection])
        stored = await services.directory.find_connection(app_id, user_id)
        if stored is None:
            raise NotFound("connection", user_id)
        return answer(json_answer(connection_shape(stored), 201 if created else 200))

    @delete("/{user_id:str}", status_code=204)
    async def disconnect(self, app_id: FromPath[str], user_id: FromPath[str], services: Wired) -> None:
        await services.partners.disconnect(app_id, user_id)


class Events(Controller):
    """Reading what was published; publishing itself is api/publishing.py."""

    path = "/events"

    @get()
    async def list_events(self, request: AnyRequest, services: Wired) -> Response[bytes]:
        limit, offset = page(request.query_params)
        wanted = event_type(request.query_params, PROVIDERS.values())
        found, total = await services.log.list_publications(event_type=wanted, limit=limit, offset=offset)
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
    async def show(self, key: FromPath[str], services: Wired) -> Response[bytes]:
        published = await services.log.find_published(key, others=_OTHERS)
        if published is None:
            raise NotFound("event", key)
        return answer(json_answer(explanation(published)))


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
        delivery = await services.log.get_delivery(None, delivery_id)
        return answer(await retry(services, request, "platform", (delivery.app_id, delivery_id)))


class EventTypes(Controller):
    path = "/event-types"

    @get()
    async def list_types(self) -> Response[bytes]:
        items = [
            event_type_shape(provider, each, whole=False)
            for provider in PROVIDERS.values()
            for each in provider.event_types.values()
        ]
        return answer(json_answer({"items": items, "total": len(items)}))

    @get("/{name:str}")
    async def show(self, name: FromPath[str]) -> Response[bytes]:
        for provider in PROVIDERS.values():
            if (found := provider.resolve(name)) is not None:
                return answer(json_answer(event_type_shape(provider, found, whole=True)))
        raise NotFound("event type", name)

"""Users connected to an app: the product makes connections, a partner sees and ends them."""

from datetime import UTC, datetime

from litestar import Controller, Response, delete, get, put
from litestar.params import FromPath

from adjourn.api.bodies import Connect, ConnectMany, ConnectOne
from adjourn.api.callers import Concerned
from adjourn.api.inputs import choice, page, read_form
from adjourn.api.problems import Answer
from adjourn.api.services import AnyRequest, Services, Wired, answer, json_answer
from adjourn.api.shapes import connection_shape, listing
from adjourn.check import check
from adjourn.errors import Fault, InputError, NotFound
from adjourn.models import App, Connection, ConnectionStatus

__all__ = ["Connections", "OwnConnections"]


class OwnConnections(Controller):
    """A partner's: by their ids."""

    path = "/connections"

    @get()
    async def list_all(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        return answer(await _list_connections(services, request, app))

    @get("/{connection_id:str}")
    async def show(self, connection_id: FromPath[str], app: Concerned, services: Wired) -> Response[bytes]:
        connection = await services.store.directory.get_connection(app.id, connection_id)
        return answer(json_answer(connection_shape(connection)))

    @delete("/{connection_id:str}", status_code=204)
    async def revoke(self, connection_id: FromPath[str], app: Concerned, services: Wired) -> None:
        connection = await services.store.directory.get_connection(app.id, connection_id)
        if connection.status is ConnectionStatus.REVOKED:
            raise NotFound("connection", connection_id)
        await services.partners.disconnect(app.id, connection.user_id)


class Connections(Controller):
    """The product's: by their users."""

    path = "/connections"

    @get()
    async def list_all(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        return answer(await _list_connections(services, request, app))

    @put()
    async def connect_many(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        form = await read_form(request, ConnectMany)
        now = datetime.now(UTC)
        created = await services.partners.connect(
            app.id, [_connection(app.id, each.user_id, each, now) for each in form.connections]
        )
        return answer(json_answer({"created": sum(created), "updated": len(created) - sum(created)}))

    @put("/{user_id:str}")
    async def connect(
        self, user_id: FromPath[str], app: Concerned, request: AnyRequest, services: Wired
    ) -> Response[bytes]:
        form = await read_form(request, Connect)
        _check_user_id(user_id, form)
        connection = _connection(app.id, user_id, form, datetime.now(UTC))
        (created,) = await services.partners.connect(app.id, [connection])
        stored = await services.store.directory.find_connection(app.id, user_id)
        if stored is None:
            raise NotFound("connection", user_id)
        return answer(json_answer(connection_shape(stored), 201 if created else 200))

    @delete("/{user_id:str}", status_code=204)
    async def disconnect(self, user_id: FromPath[str], app: Concerned, services: Wired) -> None:
        await services.partners.disconnect(app.id, user_id)


def _check_user_id(user_id: str, form: Connect) -> None:
    """In a path it may be what it may be in a body. Raises InputError."""
    for fault in check(ConnectOne, {"user_id": user_id, "email": form.email}):
        raise InputError("no user's id", faults=[Fault("{user_id}", fault.reason)])


async def _list_connections(services: Services, request: AnyRequest, app: App) -> Answer:
    query = request.query_params
    limit, offset = page(query)
    found, total = await services.store.directory.list_connections(
        app.id,
        user_id=query.get("user_id"),
        status=choice(query, "status", ConnectionStatus),
        limit=limit,
        offset=offset,
    )
    return json_answer(listing([connection_shape(each) for each in found], total, (limit, offset)))


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

"""Replays, in both APIs: many deliveries retried by one ask."""

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromPath

from adjourn.api.bodies import RetryMany
from adjourn.api.callers import Concerned, once
from adjourn.api.front import canonical
from adjourn.api.idempotency import Keep
from adjourn.api.inputs import moment, page, read_form
from adjourn.api.problems import Answer, UnknownEventType
from adjourn.api.services import AnyRequest, Wired, answer, json_answer
from adjourn.api.shapes import Json, given, listing
from adjourn.errors import Fault, InputError
from adjourn.models import DeliveryState, Replay
from adjourn.providers import PROVIDERS, Provider
from adjourn.sending.replays import Asked

__all__ = ["Replays"]


class Replays(Controller):
    path = "/retry"

    @post()
    async def ask(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        async def work(keep: Keep) -> Answer:
            asked = _asked(await read_form(request, RetryMany), PROVIDERS[app.provider])
            replay = await services.replays.ask(
                app.id, asked, keep=lambda replay: keep(json_answer(_shape(replay), 202))
            )
            return json_answer(_shape(replay), 202)

        reply = await once(services, request, work)
        if reply.status != 202:
            return answer(reply)
        location = f"{canonical(request.scope['path'])}/{msgspec.json.decode(reply.body)['id']}"
        return answer(msgspec.structs.replace(reply, headers={**reply.headers, "Location": location}))

    @get()
    async def list_replays(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        limit, offset = page(request.query_params)
        found, total = await services.store.replays.list_replays(app.id, limit=limit, offset=offset)
        return answer(json_answer(listing([_shape(each) for each in found], total, (limit, offset))))

    @get("/{replay_id:str}")
    async def show(self, replay_id: FromPath[str], app: Concerned, services: Wired) -> Response[bytes]:
        return answer(json_answer(_shape(await services.store.replays.get(app.id, replay_id))))

    @post("/{replay_id:str}/cancel", status_code=200)
    async def cancel(
        self, replay_id: FromPath[str], app: Concerned, request: AnyRequest, services: Wired
    ) -> Response[bytes]:
        async def work(keep: Keep) -> Answer:
            reply = json_answer(_shape(await services.store.replays.cancel(app.id, replay_id)))
            if (kept := keep(reply)) is not None:
                await services.store.directory.keep_answer(kept)  # apart: cancelling again would say the same
            return reply

        return answer(await once(services, request, work))


def _asked(form: RetryMany, provider: Provider) -> Asked:
    """Raises InputError and UnknownEventType."""
    since, until = moment(form.since, path="$.since"), moment(form.until, path="$.until")
    faults = []
    if since is not None and until is not None and since >= until:
        faults.append(Fault("$.until", "must be later than since"))
    event_type = None if form.event_type is None else provider.resolve(form.event_type)
    if form.event_type is not None and event_type is None:
        faults.append(Fault("$.event_type", f"is no event type of {provider.title}"))
        raise UnknownEventType(faults, providers=[provider])
    if faults:
        raise InputError("the body has faults", faults=faults)
    return Asked(
        state=None if form.status is None else DeliveryState(form.status),
        event_type=None if event_type is None else event_type.name,
        since=since,
        until=until,
    )


def _shape(replay: Replay) -> Json:
    return given(
        {
            "id": replay.id,
            "partner_app_id": replay.app_id,
            "status": replay.status,
            "delivery_status": replay.state,
            "event_type": replay.event_type,
            "since": replay.since,
            "until": replay.until,
            "total": replay.total,
            "scheduled": replay.scheduled,
            "skipped": replay.skipped,
            "created_at": replay.created_at,
            "finished_at": replay.finished_at,
        }
    )

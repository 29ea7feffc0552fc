"""Whether an app gets webhooks, and which, in both APIs: its status, what waits, its filter."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

import msgspec
from litestar import Controller, Response, delete, get, put

from adjourn.api.bodies import FilterBody, SwitchWebhooks
from adjourn.api.callers import Caller, Concerned, caller
from adjourn.api.filters import read_filter
from adjourn.api.inputs import read_form
from adjourn.api.services import AnyRequest, Services, Wired, answer, json_answer
from adjourn.api.shapes import Json, given
from adjourn.errors import Fault, InputError, NotFound
from adjourn.models import App, DeliveryState, Filter, Health, Notice, NoticeState
from adjourn.providers import PROVIDERS
from adjourn.sending.health import standing
from adjourn.sending.notices import render
from adjourn.storage.base import Backlog, Waiting
from adjourn.wirejson import utc

__all__ = ["WebhookSettings"]

_NOTICES = 10  # the latest, that are shown


class WebhookSettings(Controller):
    path = "/"

    @get("/webhook-status")
    async def show(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        health = await services.store.infirmary.find_health(app.id)
        if health is None:
            raise NotFound("app", app.id)  # deleted just now
        notices = await services.store.infirmary.list_notices(app.id, limit=_NOTICES)
        status = {
            "webhook_enabled": app.webhook_enabled,
            "status": app.status,
            "disabled": None if app.disabled is None else given(msgspec.structs.asdict(app.disabled)),
            "backlog": await _backlog_shape(services, app),
            "auto_disable": _standing_shape(app, health, rollout=services.auto_disable),
            "notices": [_notice_shape(each, app, caller(request)) for each in notices],
        }
        return answer(json_answer(given(status)))

    @put("/webhook-status")
    async def switch(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        form = await read_form(request, SwitchWebhooks)
        if form.enabled:
            app = await _enable(services, app.id, form.pending_disposition)
        else:
            app = await services.partners.disable(app.id, caller(request).disables_as)
        return answer(json_answer(caller(request).shape(app)))

    @put("/webhook-filter")
    async def filter(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        wanted = read_filter(await read_form(request, FilterBody), PROVIDERS[app.provider])
        return await _set_filter(services, request, app.id, wanted)

    @delete("/webhook-filter", status_code=200)
    async def unfilter(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        return await _set_filter(services, request, app.id, None)


async def _enable(services: Services, app_id: str, disposition: str | None) -> App:
    if disposition is not None:
        return await services.partners.enable(app_id, Backlog(disposition))
    app = await services.apps.get(app_id)
    if not app.webhook_enabled:
        reason = "is required when re-enabling: abandon or deliver, for what waits"
        raise InputError("what becomes of the backlog?", faults=[Fault("$.pending_disposition", reason)])
    return app


async def _set_filter(
    services: Services, request: AnyRequest, app_id: str, wanted: Filter | None
) -> Response[bytes]:
    app = await services.partners.change_app(
        app_id, lambda app: msgspec.structs.replace(app, webhook_filter=wanted)
    )
    return answer(json_answer(caller(request).shape(app)))


async def _backlog_shape(services: Services, app: App) -> Json:
    waiting = await services.store.log.backlog_of(app.id)
    by_type = groupby(sorted(waiting, key=lambda each: each.event_type), lambda each: each.event_type)
    return {
        **_waiting_shape(waiting, "total"),
        "pending": sum(each.count for each in waiting if each.state is DeliveryState.PENDING),
        "failed": sum(each.count for each in waiting if each.state is DeliveryState.FAILED),
        "by_event_type": [
            {
                "event_type": name,
                **_waiting_shape([*found], "count"),
                **await _expired_shape(services, app, name, now=datetime.now(UTC)),
            }
            for name, found in by_type
        ],
    }


async def _expired_shape(services: Services, app: App, event_type: str, *, now: datetime) -> Json:
    """A warning where links in the oldest event of that type that waits work no more."""
    oldest = await services.store.log.oldest_waiting(app.id, event_type)
    if oldest is None:
        return {}
    expire_at = PROVIDERS[app.provider].links_expire_at(event_type, msgspec.json.decode(oldest.data))
    return {} if expire_at is None or expire_at > now else {"links_expired_at": utc(expire_at)}


def _waiting_shape(waiting: Sequence[Waiting], counted: str) -> Json:
    return given(
        {
            counted: sum(each.count for each in waiting),
            "oldest_at": min((each.oldest_at for each in waiting), default=None),
        }
    )


def _standing_shape(app: App, health: Health, *, rollout: bool) -> Json:
    enabled = rollout and app.options.auto_disable
    shape = given(msgspec.structs.asdict(standing(health, datetime.now(UTC), enabled=enabled)))
    if not (enabled and app.webhook_enabled):
        shape.pop("strikes_at", None)  # it will not
    return shape


def _notice_shape(notice: Notice, app: App, asks: Caller) -> Json:
    subject, _ = render(notice, app)
    return given(
        {
            "kind": notice.kind,
            "created_at": notice.created_at,
            "state": notice.state,
            "subject": subject,
            "sent_at": notice.sent_at,
            "error": _error(notice, asks) if notice.error else None,
        }
    )


def _error(notice: Notice, asks: Caller) -> str:
    """What went wrong with the mail. The mail server is the platform's, and nothing of a partner's."""
    if asks.kind == "internal":
        return notice.error
    how = "yet" if notice.state is NoticeState.WAITING else "at all"
    return f"the mail could not be delivered {how}"

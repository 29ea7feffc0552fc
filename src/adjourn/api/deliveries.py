"""Deliveries listed, shown and retried, for a partner and for the platform: CONTRACTS 1.7."""

from collections.abc import Collection, Mapping
from typing import Any

from adjourn.api.callers import once
from adjourn.api.idempotency import Keep
from adjourn.api.inputs import choice, event_type, page
from adjourn.api.problems import Answer
from adjourn.api.services import AnyRequest, Services, json_answer
from adjourn.api.shapes import attempt_shape, delivery_shape, listing
from adjourn.models import App, DeliveryState
from adjourn.providers import Provider
from adjourn.storage.base import RetryAsked
from adjourn.wirejson import utc

__all__ = ["list_deliveries", "retry", "show_delivery"]


async def list_deliveries(
    services: Services, query: Mapping[str, str], app_id: str | None, providers: Collection[Provider]
) -> Answer:
    """A page of an app's deliveries, or of every app's where `app_id` is None. Raises InputError."""
    limit, offset = page(query)
    found, total = await services.store.log.list_deliveries(
        app_id,
        state=choice(query, "status", DeliveryState),
        event_type=event_type(query, providers),
        limit=limit,
        offset=offset,
    )
    items = [delivery_shape(each) for each in found]
    return json_answer(listing(items, total, (limit, offset), name="deliveries"))


async def show_delivery(services: Services, app_id: str | None, delivery_id: str) -> Answer:
    """One with its attempts; of that app, or of any where it is None. Raises NotFound."""
    log = services.store.log
    delivery, before = await log.get_delivery(app_id, delivery_id), -1
    while delivery.attempt_no != before:  # else one was recorded meanwhile
        before = delivery.attempt_no
        attempts = await log.list_attempts(delivery_id)
        delivery = await log.get_delivery(app_id, delivery_id)
    return json_answer({**delivery_shape(delivery), "attempts": [attempt_shape(each) for each in attempts]})


async def retry(services: Services, request: AnyRequest, app_id: str, delivery_id: str) -> Answer:
    """Ask for one extra attempt. Raises NotFound."""

    async def work(keep: Keep) -> Answer:
        app = await services.apps.get(app_id)
        asked = await services.retries.ask(app_id, delivery_id, keep=lambda asked: keep(_shown(asked, app)))
        return _shown(asked, app)

    return await once(services, request, work)


def _shown(asked: RetryAsked, app: App) -> Answer:
    """The same for the ask that made the attempt and for those that found it made."""
    held = (
        "" if app.takes_attempts(asked.delivery.target) else "; it is held until the app takes webhooks again"
    )
    shape: dict[str, Any] = {
        "delivery_id": asked.delivery.id,
        "message": f"Webhook delivery retry scheduled{held}",
        "retry_scheduled": True,
        "retry_count": asked.delivery.retry_count,
        "next_retry_at": utc(asked.at),
    }
    return json_answer(shape)

"""POST .../{id}/retry, for a partner and for the platform: CONTRACTS 1.7."""

from typing import Any

from adjourn.api.idempotency import Call, Keep
from adjourn.api.problems import Answer
from adjourn.api.services import AnyRequest, Services, json_answer, request_id
from adjourn.api.shapes import utc
from adjourn.models import App
from adjourn.storage.base import RetryAsked

__all__ = ["retry"]


async def retry(services: Services, request: AnyRequest, caller: str, what: tuple[str, str]) -> Answer:
    """Ask for one extra attempt of `what`, an app's id and a delivery's. Raises NotFound."""

    async def work(keep: Keep) -> Answer:
        app = await services.apps.get(what[0])
        asked = await services.retries.ask(*what, keep=lambda asked: keep(_shown(asked, app)))
        return _shown(asked, app)

    call = Call(
        caller=caller,
        method="POST",
        path=request.scope["path"],
        key=request.headers.get("idempotency-key"),
        body=await request.body(),
        request_id=request_id(request),
    )
    return await services.idempotency.run(call, work)


def _shown(asked: RetryAsked, app: App) -> Answer:
    """The same for the ask that made the attempt and for those that found it made."""
    held = "" if app.takes_attempts else "; it is held until the app takes webhooks again"
    shape: dict[str, Any] = {
        "delivery_id": asked.delivery.id,
        "message": f"Webhook delivery retry scheduled{held}",
        "retry_scheduled": True,
        "retry_count": asked.delivery.retry_count,
        "next_retry_at": utc(asked.at),
    }
    return json_answer(shape)

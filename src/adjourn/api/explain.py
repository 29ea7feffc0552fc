"""Why did X (not) get this? What became of a publication, app by app and user by user."""

from collections.abc import Iterator
from typing import Any

import msgspec

from adjourn.api.shapes import delivery_shape, utc
from adjourn.models import App, Delivery, DeliveryState, Outcome, Verdict
from adjourn.storage.base import Published

__all__ = ["explanation"]

_DECIDED = {
    Outcome.FILTERED: ("filtered", "the app's webhook filter left this event type out when it was published"),
    Outcome.INACTIVE: (
        "app_inactive",
        "the app, or the automation it was for, was not active when this was published",
    ),
    Outcome.OTHER_APP: ("other_app", "it was for an automation that belongs to another app"),
    Outcome.NO_URL: ("no_url", "the app had no webhook URL when this was published"),
    Outcome.NOT_CONNECTED: (
        "not_connected",
        "the user was not connected to this app when this was published",
    ),
}
_OPEN = {DeliveryState.PENDING, DeliveryState.FAILED}


def explanation(published: Published) -> dict[str, Any]:
    """A publication, and for each app that could have got it what happened and why."""
    publication = published.publication
    return {
        "id": publication.id,
        "event_type": publication.event_type,
        "provider": publication.provider,
        "timestamp": publication.timestamp,
        "published_at": utc(publication.at),
        **({"actor_user_id": publication.actor_user_id} if publication.actor_user_id is not None else {}),
        "audience": publication.audience,
        "data": msgspec.Raw(publication.data),
        "outcomes": [*_considered(published), *_not_considered(published)],
    }


def _considered(published: Published) -> Iterator[dict[str, Any]]:
    for verdict in published.publication.verdicts:
        app = published.apps.get(verdict.app_id or "")
        if verdict.outcome is Outcome.SENT:
            deliveries = [published.deliveries[each] for each in verdict.delivery_ids]
            outcome, reason = _now(deliveries, app)
            more = {"event_id": verdict.event_id, "deliveries": [delivery_shape(each) for each in deliveries]}
        elif verdict.app_id is None:
            outcome, reason, more = (
                "not_connected",
                "the user was connected to no app when this was published",
                {},
            )
        else:
            outcome, reason = _DECIDED[verdict.outcome]
            more = {}
        yield {**_who(verdict, app), "outcome": outcome, "reason": reason, **more}


def _not_considered(published: Published) -> Iterator[dict[str, Any]]:
    """Apps that none of its users was connected to, or that its audience did not name."""
    audience = published.publication.audience
    if audience.partner_app_ids is not None:
        return  # it was for those apps alone
    reason = "none of the event's users was connected to this app when this was published"
    users = audience.user_ids or ()
    only = {"user_id": users[0]} if len(users) == 1 else {}
    for app in published.others:
        yield {
            "partner_app_id": app.id,
            "partner_app_name": app.name,
            **only,
            "outcome": "not_connected",
            "reason": reason,
        }


def _who(verdict: Verdict, app: App | None) -> dict[str, Any]:
    who: dict[str, Any] = {}
    if verdict.app_id is not None:
        who["partner_app_id"] = verdict.app_id
    if app is not None:
        who["partner_app_name"] = app.name
    if verdict.user_id is not None:
        who["user_id"] = verdict.user_id
    return who


def _now(deliveries: list[Delivery], app: App | None) -> tuple[str, str]:
    """What a sent event has come to by now: as its least finished delivery."""
    delivery = min(deliveries, key=lambda each: [*DeliveryState].index(each.state))
    if delivery.state in _OPEN and app is None:
        return "abandoned", "the app was deleted"
    if delivery.state in _OPEN and app is not None and not app.takes_attempts(delivery.target):
        return "held", f"it waits, because {_why_off(app, delivery.target)}"
    last = delivery.error or "no answer yet"
    match delivery.state:
        case DeliveryState.DELIVERED:
            at = "" if delivery.delivered_at is None else f" at {utc(delivery.delivered_at)}"
            return "delivered", f"the endpoint answered {delivery.http_status}{at}"
        case DeliveryState.PENDING:
            return "pending", "its first attempt is under way or about to start"
        case DeliveryState.FAILED:
            at = "soon" if delivery.next_retry_at is None else f"at {utc(delivery.next_retry_at)}"
            return "failed", f"the last attempt failed ({last}); the next is {at}"
        case DeliveryState.ABANDONED:
            return "abandoned", f"given up after {delivery.attempt_no} attempts: {last}"


def _why_off(app: App, target: str | None) -> str:
    if app.status != "active":
        return f"the app is {app.status}"
    if not app.webhook_enabled:
        return "the app's webhooks are disabled"
    return "the app has no webhook URL" if target is None else "its automation is inactive, or has no URL"

"""Why did X (not) get this? What became of a publication, app by app and user by user."""

from collections.abc import Iterator

import msgspec

from adjourn.api.shapes import Json, delivery_shape
from adjourn.models import App, Delivery, DeliveryState, Outcome, Publication, Verdict
from adjourn.providers import PROVIDERS
from adjourn.storage.base import Published
from adjourn.wirejson import utc

__all__ = ["explanation", "narrowed", "not_considered"]

_DECIDED = {
    Outcome.FILTERED: ("filtered", "the app's webhook filter left this event type out when it was published"),
    Outcome.OTHER_APP: ("other_app", "it was for an automation that belongs to another app"),
    Outcome.NO_URL: ("no_url", "the app had no webhook URL when this was published"),
    Outcome.NOT_CONNECTED: (
        "not_connected",
        "the user was not connected to this app when this was published",
    ),
}
_OPEN = {DeliveryState.PENDING, DeliveryState.FAILED}


def explanation(published: Published) -> Json:
    """A publication, and for each (app, user) that was considered what happened and why."""
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
        "outcomes": [*_considered(published)],
    }


def narrowed(published: Published, app_id: str) -> Published:
    """With what was decided for that app alone."""
    verdicts = tuple(each for each in published.publication.verdicts if each.app_id == app_id)
    publication = msgspec.structs.replace(published.publication, verdicts=verdicts)
    return msgspec.structs.replace(published, publication=publication)


def _considered(published: Published) -> Iterator[Json]:
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
        elif verdict.outcome is Outcome.INACTIVE:
            outcome, reason, more = "app_inactive", _why_inactive(published.publication, app), {}
        else:
            (outcome, reason), more = _DECIDED[verdict.outcome], {}
        yield {**_who(verdict, app), "outcome": outcome, "reason": reason, **more}


def _why_inactive(publication: Publication, app: App | None) -> str:
    """What was decided is known, what it was decided by is not: the rest is told as it is now."""
    data = msgspec.json.decode(publication.data)
    automation_id = PROVIDERS[publication.provider].automation_of(publication.event_type, data)
    if automation_id is None:
        now = "" if app is None else f"; it is {app.status} now"
        return f"the app was suspended or inactive when this was published{now}"
    either = (
        "the app was suspended or inactive, or its automation inactive or deleted, when this was published"
    )
    if app is None:
        return either
    automation = app.find_automation(automation_id)
    its = "it has no such automation" if automation is None else f"its automation is {automation.status}"
    return f"{either}; now the app is {app.status} and {its}"


def not_considered(publication: Publication, app: App) -> Json:
    """The outcome for an app that nothing was decided about."""
    users = publication.audience.user_ids or ()
    return {
        "partner_app_id": app.id,
        "partner_app_name": app.name,
        **({"user_id": users[0]} if len(users) == 1 else {}),
        "outcome": "not_connected" if app.provider == publication.provider else "other_provider",
        "reason": _why_not_considered(publication, app),
    }


def _why_not_considered(publication: Publication, app: App) -> str:
    if app.provider != publication.provider:
        return f"the event is {publication.provider}'s, the app {app.provider}'s"
    if app.created_at > publication.at:
        return "the app was made after this was published"
    if publication.audience.partner_app_ids is not None:
        return "it was published for other apps alone"
    return "none of the event's users was connected to this app when this was published"


def _who(verdict: Verdict, app: App | None) -> Json:
    who: Json = {}
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

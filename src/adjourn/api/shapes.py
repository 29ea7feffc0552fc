"""How the nouns look in JSON: CONTRACTS 1.7. An absent optional field is left out, not null."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET

from adjourn.api.options import options_shape
from adjourn.documents.schema import event_schema, json_schema
from adjourn.models import App, Attempt, Connection, Delivery, subject_of_target
from adjourn.providers import EventType, Provider
from adjourn.sending.fanout import Envelope, FanOut
from adjourn.wirejson import utc

__all__ = [
    "Json",
    "accepted_shape",
    "app_shape",
    "attempt_shape",
    "connection_shape",
    "delivery_shape",
    "event_type_shape",
    "given",
    "listing",
    "platform_app_shape",
]

Json = dict[str, Any]


def given(fields: Mapping[str, object]) -> Json:
    """The fields that have a value."""
    return {
        name: utc(value) if isinstance(value, datetime) else value
        for name, value in fields.items()
        if value is not None and value is not UNSET
    }


def app_shape(app: App) -> Json:
    """As its partner sees it."""
    before = given(
        {
            "id": app.id,
            "name": app.name,
            "description": app.description,
            "company_name": app.company_name,
            "client_id": app.client_id,
            "primary_contact_email": app.primary_contact_email,
            "webhook_url": app.webhook_url,
            "webhook_enabled": app.webhook_enabled,
        }
    )
    after = given(
        {
            "status": app.status,
            "slug": app.slug,
            "created_at": app.created_at,
            "updated_at": app.updated_at,
        }
    )
    return {**before, "webhook_filter": app.webhook_filter, **after}


def platform_app_shape(app: App) -> Json:
    """As the product sees it: with its provider and options."""
    return {**app_shape(app), "provider": app.provider, **options_shape(app.options)}


def connection_shape(connection: Connection) -> Json:
    return {
        "id": connection.id,
        "user_id": connection.user_id,
        "user_email": connection.user_email,
        "oauth_scopes": connection.oauth_scopes,
        "status": connection.status,
        "created_at": utc(connection.created_at),
        "updated_at": utc(connection.updated_at),
    }


def delivery_shape(delivery: Delivery) -> Json:
    callback_of = subject_of_target(delivery.target)
    return given(
        {
            "id": delivery.id,
            "partner_app_id": delivery.app_id,
            "event_type": delivery.event_type,
            "event_id": delivery.event_id,
            "delivery_status": delivery.state,
            "http_status_code": delivery.http_status,
            "retry_count": delivery.retry_count,
            "next_retry_at": delivery.next_retry_at,
            "delivered_at": delivery.delivered_at,
            "automation_id": None if callback_of is not None else delivery.target,
            "callback_of": callback_of,
            "error_message": delivery.error,
            "created_at": delivery.created_at,
        }
    )


def attempt_shape(attempt: Attempt) -> Json:
    return given(
        {
            "attempt_no": attempt.no,
            "attempted_at": attempt.at,
            "duration_ms": attempt.duration_ms,
            "http_status_code": attempt.http_status,
            "error_message": attempt.error,
            "response_headers": attempt.response_headers,
            "response_body": attempt.response,
        }
    )


def event_type_shape(provider: Provider, event_type: EventType, *, whole: bool) -> Json:
    brief = given(
        {
            "name": event_type.name,
            "provider": provider.name,
            "group": event_type.group,
            "title": event_type.title,
            "since": event_type.since,
            "description": event_type.description,
            "note": event_type.note,
            "old_names": [old for old, new in provider.aliases.items() if new == event_type.name],
        }
    )
    if not whole:
        return brief
    return {
        **brief,
        "schema": json_schema(event_type),
        "event_schema": event_schema(event_type),
        "sample": event_type.sample,
    }


def accepted_shape(fan_out: FanOut) -> Json:
    """The 202 for one event: its envelopes, and nothing of those that were not made."""
    accepted: Json = {"id": fan_out.publication.id, "events": _envelopes(fan_out)}
    if fan_out.submission.match_automations:
        accepted["assignments"] = [
            {
                "id": each.publication.id,
                "automation_id": each.submission.data["automation_id"],
                "confidence_score": each.submission.data["confidence_score"],
                "events": _envelopes(each),
            }
            for each in fan_out.assignments
        ]
    return accepted


def _envelopes(fan_out: FanOut) -> list[Json]:
    return [_envelope_shape(each) for each in fan_out.envelopes]


def _envelope_shape(envelope: Envelope) -> Json:
    event = envelope.event
    delivery_ids = [each.delivery_id for each in envelope.deliveries]
    if event.user_id is None:
        return {"event_id": event.id, "partner_app_id": event.app_id, "delivery_ids": delivery_ids}
    return {
        "event_id": event.id,
        "partner_app_id": event.app_id,
        "user_id": event.user_id,
        "delivery_ids": delivery_ids,
    }


def listing(items: Sequence[Json], total: int, page: tuple[int, int], *, name: str = "items") -> Json:
    return {name: items, "total": total, "limit": page[0], "offset": page[1]}

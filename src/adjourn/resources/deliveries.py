"""Deliveries, their attempts and replays as the APIs show them."""

from msgspec import UNSET, Struct

from adjourn.resources.common import Maybe, Moment

__all__ = ["Attempt", "Deliveries", "Delivery", "DeliveryWithAttempts", "Replay", "RetryScheduled"]


class Delivery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event on its way to one URL: the app's, or that of the automation named."""

    id: str
    partner_app_id: str
    event_type: str
    event_id: str
    delivery_status: str
    retry_count: int
    error_message: str
    created_at: Moment
    http_status_code: int | Maybe = UNSET
    next_retry_at: Moment | Maybe = UNSET
    delivered_at: Moment | Maybe = UNSET
    automation_id: str | Maybe = UNSET
    callback_of: str | Maybe = UNSET


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One HTTP try; `response_body` is the start of what came back."""

    attempt_no: int
    attempted_at: Moment
    duration_ms: int
    error_message: str
    response_headers: dict[str, str]
    response_body: str
    http_status_code: int | Maybe = UNSET


class DeliveryWithAttempts(Delivery, frozen=True, kw_only=True, omit_defaults=True):
    attempts: list[Attempt] = []


class Deliveries(Struct, frozen=True, kw_only=True):
    """A page of deliveries, newest first."""

    deliveries: list[Delivery]
    total: int
    limit: int
    offset: int


class RetryScheduled(Struct, frozen=True, kw_only=True):
    delivery_id: str = ""
    message: str
    retry_scheduled: bool
    retry_count: int = 0
    next_retry_at: Moment | Maybe = UNSET


class Replay(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Many deliveries being retried. `status`: running, done or cancelled.

    `total` matched when it was asked for; of those `scheduled` got an extra attempt, and `skipped` had one
    under way, or no longer matched.
    """

    id: str
    partner_app_id: str
    status: str
    total: int
    scheduled: int
    skipped: int
    created_at: Moment
    delivery_status: str | Maybe = UNSET
    event_type: str | Maybe = UNSET
    since: Moment | Maybe = UNSET
    until: Moment | Maybe = UNSET
    finished_at: Moment | Maybe = UNSET

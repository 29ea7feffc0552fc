"""What was published, the events made of it, and their deliveries.

Thousands are in memory at a time. None can come to hold itself, so the garbage collector need not look.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

__all__ = [
    "Attempt",
    "Audience",
    "Delivery",
    "DeliveryState",
    "Event",
    "Outcome",
    "Publication",
    "Replay",
    "ReplayStatus",
    "Verdict",
]


class DeliveryState(StrEnum):
    """`pending`: waiting for its first attempt, or held. `failed`: a retry is due at next_retry_at."""

    PENDING = "pending"
    FAILED = "failed"
    DELIVERED = "delivered"
    ABANDONED = "abandoned"


class Outcome(StrEnum):
    """What publishing decided for one (app, user)."""

    SENT = "sent"
    FILTERED = "filtered"
    INACTIVE = "inactive"
    NO_URL = "no_url"
    NOT_CONNECTED = "not_connected"
    OTHER_APP = "other_app"  # it is about an automation that another app owns


class Audience(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Whom a publication is for: users, or partner apps; exactly one of the two is given."""

    user_ids: tuple[str, ...] | None = None
    partner_app_ids: tuple[str, ...] | None = None


class Verdict(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What was decided for one (app, user) considered, when it was published.

    `app_id` is None for a user connected to no app at all.
    """

    app_id: str | None
    user_id: str | None
    outcome: Outcome
    event_id: str | None = None
    delivery_ids: tuple[str, ...] = ()


class Publication(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the product published, once. `data` is canonical JSON."""

    id: str
    at: datetime
    provider: str
    event_type: str
    timestamp: str
    actor_user_id: str | None
    audience: Audience
    data: bytes
    verdicts: tuple[Verdict, ...]


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One envelope for one (app, user). Its body is `head + data + b"}"`.

    `own_data` replaces the publication's data where the app reads it under older names.
    """

    id: str
    publication_id: str
    app_id: str
    user_id: str | None
    head: bytes
    own_data: bytes | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one URL. `attempt_no` counts the attempts made so far."""

    id: str
    app_id: str
    event_id: str
    event_type: str
    lane_id: int
    target: str | None  # an automation's id; None: the app
    state: DeliveryState
    attempt_no: int
    retry_count: int
    http_status: int | None
    error: str
    next_retry_at: datetime | None
    delivered_at: datetime | None
    retry_asked_at: datetime | None
    created_at: datetime


class Attempt(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One HTTP try. `no` is 1-based; `response` is the start of what came back."""

    delivery_id: str
    no: int
    at: datetime
    duration_ms: int
    http_status: int | None
    error: str
    response: str
    response_headers: Mapping[str, str] = {}


class ReplayStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Many deliveries of an app to be retried: those up to the id `up_to` that match what is given.

    `total` matched when it was asked for; of those `scheduled` got an extra attempt so far, and `skipped`
    had one under way, or did not match any more.
    """

    id: str
    app_id: str
    status: ReplayStatus
    state: DeliveryState | None
    event_type: str | None
    since: datetime | None
    until: datetime | None
    up_to: str
    total: int
    scheduled: int = 0
    skipped: int = 0
    created_at: datetime
    finished_at: datetime | None = None

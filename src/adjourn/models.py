"""The nouns of DESIGN.md and their states. Frozen: a change makes a new value.

Every datetime is aware UTC.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from adjourn.config import Secret

__all__ = [
    "App",
    "AppOptions",
    "AppStatus",
    "Attempt",
    "Audience",
    "Connection",
    "ConnectionStatus",
    "Delivery",
    "DeliveryState",
    "Event",
    "Filter",
    "Outcome",
    "Publication",
    "SignatureProfile",
    "Verdict",
]


class AppStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    INACTIVE = "inactive"


class SignatureProfile(StrEnum):
    """How X-Contio-Signature is made: CONTRACTS 1.4."""

    DOCUMENTED = "documented"
    SDK = "sdk"


class ConnectionStatus(StrEnum):
    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


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


class Filter(msgspec.Struct, frozen=True):
    """Which event types an app gets: only those listed, or all but those listed."""

    type: Literal["include", "exclude"]
    events: tuple[str, ...]

    def passes(self, event_type: str) -> bool:
        return (event_type in self.events) == (self.type == "include")


class AppOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the platform sets for one app, beside what the partner sees."""

    signature_profile: SignatureProfile = SignatureProfile.DOCUMENTED
    auto_disable: bool = True
    ordered: bool = False
    legacy_event_names: bool = False


class App(msgspec.Struct, frozen=True, kw_only=True):
    """A partner app. `version` grows with each change: no statement acts on an old one."""

    id: str
    version: int
    provider: str
    name: str
    description: str | None
    company_name: str
    client_id: str
    primary_contact_email: str
    webhook_url: str | None
    webhook_enabled: bool
    webhook_filter: Filter | None
    status: AppStatus
    slug: str | None
    options: AppOptions
    webhook_secret: Secret
    created_at: datetime
    updated_at: datetime

    @property
    def takes_attempts(self) -> bool:
        """Whether an attempt may start: switched on, active, and somewhere to send to."""
        return self.webhook_enabled and self.status is AppStatus.ACTIVE and self.webhook_url is not None


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A user connected to an app; one row for each (app, user)."""

    id: str
    app_id: str
    user_id: str
    user_email: str
    oauth_scopes: tuple[str, ...] = ()
    status: ConnectionStatus
    created_at: datetime
    updated_at: datetime


class Audience(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Whom a publication is for: users, or partner apps; exactly one of the two is given."""

    user_ids: tuple[str, ...] | None = None
    partner_app_ids: tuple[str, ...] | None = None


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """What was decided for one (app, user) considered, when it was published.

    `app_id` is None for a user connected to no app at all.
    """

    app_id: str | None
    user_id: str | None
    outcome: Outcome
    event_id: str | None = None
    delivery_ids: tuple[str, ...] = ()


class Publication(msgspec.Struct, frozen=True, kw_only=True):
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


class Event(msgspec.Struct, frozen=True, kw_only=True):
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
    state: DeliveryState
    attempt_no: int
    retry_count: int
    http_status: int | None
    error: str
    next_retry_at: datetime | None
    delivered_at: datetime | None
    retry_asked_at: datetime | None
    created_at: datetime


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP try. `no` is 1-based; `response` is the start of what came back."""

    delivery_id: str
    no: int
    at: datetime
    duration_ms: int
    http_status: int | None
    error: str
    response: str
    response_headers: Mapping[str, str] = {}

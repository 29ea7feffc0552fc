"""The nouns as both APIs show them: what a client decodes, and what the OpenAPI document describes.

One struct for each shape of CONTRACTS 1.7. An optional field is left out where it has no value, never null;
`webhook_filter` alone is null for "none". Every moment is aware UTC. Reading is lenient: fields that a
later version adds are passed over, and a few that every answer of ours has are missing from a vendor's
(those with a default that is not UNSET, and is_active).
"""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from adjourn.errors import Fault

__all__ = [
    "Accepted",
    "AcceptedBatch",
    "Action",
    "App",
    "Assigned",
    "Attempt",
    "AutoDisable",
    "Automation",
    "Backlog",
    "Connection",
    "Connections",
    "CreatedApp",
    "CredentialHistory",
    "CredentialHistoryEvent",
    "CredentialStatus",
    "Credentials",
    "CredentialsStatus",
    "Deliveries",
    "Delivery",
    "DeliveryWithAttempts",
    "Disabled",
    "Envelope",
    "EventType",
    "EventTypeInFull",
    "EventTypes",
    "Explanation",
    "MatchingRules",
    "Notice",
    "Outcome",
    "Page",
    "Pagination",
    "PlatformApp",
    "Problem",
    "Publication",
    "Replay",
    "RetryScheduled",
    "RotatedCredential",
    "TypeBacklog",
    "WebhookFilter",
    "WebhookStatus",
]

T = TypeVar("T")
Moment = Annotated[datetime, Meta(tz=True)]
Maybe = UnsetType
Json = dict[str, Any]


# --- errors


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every error. `error` and `message` say the same; `faults` name each field at fault."""

    code: str
    error: str
    message: str
    request_id: str
    faults: list[Fault] | Maybe = UNSET
    valid_event_types: list[str] | Maybe = UNSET


# --- lists


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """A page of a list. `total` counts all there are, `limit` and `offset` are those asked for."""

    items: list[T]
    total: int
    limit: int
    offset: int


# --- apps


class WebhookFilter(Struct, frozen=True, kw_only=True):
    """Which event types an app gets: `include` only those listed, `exclude` all but those."""

    type: str
    events: list[str]


class App(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A partner app as its partner sees it."""

    id: str
    name: str
    company_name: str
    client_id: str
    primary_contact_email: str
    webhook_enabled: bool
    webhook_filter: WebhookFilter | None = None
    status: str
    created_at: Moment
    updated_at: Moment
    description: str | Maybe = UNSET
    webhook_url: str | Maybe = UNSET
    slug: str | Maybe = UNSET


class PlatformApp(App, frozen=True, kw_only=True, omit_defaults=True):
    """A partner app as the product sees it: with its provider and options."""

    provider: str
    signature_profile: str
    auto_disable: bool
    ordered: bool
    legacy_event_names: bool


class Credentials(Struct, frozen=True, kw_only=True):
    """An app's credentials in plain: shown once, when it is made."""

    client_id: str
    api_key: str
    client_secret: str
    webhook_secret: str

    def __repr__(self) -> str:
        return f"Credentials(client_id={self.client_id!r}, ***)"


class CreatedApp(Struct, frozen=True, kw_only=True):
    app: PlatformApp
    credentials: Credentials


# --- status


class TypeBacklog(Struct, frozen=True, kw_only=True):
    """What waits of one event type."""

    event_type: str
    count: int
    oldest_at: Moment


class Backlog(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What waits for an app: what `pending_disposition` would deliver or abandon.

    `pending` wait for their first attempt, `failed` for a retry. `oldest_at` is absent when nothing waits.
    """

    total: int
    pending: int
    failed: int
    by_event_type: list[TypeBacklog]
    oldest_at: Moment | Maybe = UNSET


class AutoDisable(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How near an app is to being disabled.

    It strikes at `abandoned_limit` deliveries abandoned after exhausting their retries since webhooks were
    last enabled; or once `hours_since_last_success` (or since the enabling, if that was later) is more than
    `hours_limit` while deliveries fail. `strikes_at`: when that second rule would strike, should they go on
    failing.
    """

    enabled: bool
    abandoned: int
    abandoned_limit: int
    hours_since_last_success: float
    hours_limit: float
    failing: bool
    last_enabled_at: Moment
    last_success_at: Moment | Maybe = UNSET
    strikes_at: Moment | Maybe = UNSET


class Disabled(Struct, frozen=True, kw_only=True):
    """Why webhooks are off. `by`: partner, platform, auto_disable, or gone (the URL answered 410)."""

    by: str
    at: Moment
    reason: str


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A mail to the primary contact. `state`: waiting, sent, failed, or not_configured (no mail server)."""

    kind: str
    created_at: Moment
    state: str
    subject: str
    sent_at: Moment | Maybe = UNSET
    error: str | Maybe = UNSET


class WebhookStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether an app gets webhooks, what waits, how near auto-disable is, and the latest notices."""

    webhook_enabled: bool
    status: str
    backlog: Backlog
    auto_disable: AutoDisable
    notices: list[Notice]
    disabled: Disabled | Maybe = UNSET


# --- automations


class Action(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an automation does. Of type `webhook`, `config.url` is its URL; `phrase_match` has phrases."""

    type: str
    config: Json | Maybe = UNSET


class MatchingRules(Struct, frozen=True, kw_only=True):
    keywords: list[str] = []


class Automation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """In both forms at once: actions and status, and the older webhook_url, matching_rules and is_active."""

    id: str
    partner_app_id: str
    name: str
    trigger_type: str
    actions: list[Action]
    status: str
    matching_rules: MatchingRules = MatchingRules()
    is_active: bool | Maybe = UNSET
    created_at: Moment
    updated_at: Moment
    description: str | Maybe = UNSET
    webhook_url: str | Maybe = UNSET


# --- connections


class Connection(Struct, frozen=True, kw_only=True):
    """A user connected to an app."""

    id: str
    user_id: str
    user_email: str = ""
    oauth_scopes: list[str]
    status: str
    created_at: Moment
    updated_at: Moment


class Connections(Struct, frozen=True, kw_only=True):
    """How many of a list were new, and how many were there already."""

    created: int
    updated: int


# --- deliveries


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


# --- credentials


class CredentialStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`status`: active, transitioning (the one before still works), disabled.

    `recommended_action`: ok, rotate_soon, rotate_recommended.
    """

    credential_type: str
    status: str
    created_at: Moment
    age_days: int
    recommended_action: str
    last_rotated_at: Moment | Maybe = UNSET
    last_used_at: Moment | Maybe = UNSET
    grace_period_ends_at: Moment | Maybe = UNSET


class CredentialsStatus(Struct, frozen=True, kw_only=True):
    api_key: CredentialStatus
    webhook_secret: CredentialStatus
    client_secret: CredentialStatus


class RotatedCredential(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A new credential in plain: shown this once."""

    credential_type: str
    new_credential: str
    grace_period_ends_at: Moment | Maybe = UNSET
    rollback_token: str | Maybe = UNSET
    rollback_expires_at: Moment | Maybe = UNSET

    def __repr__(self) -> str:
        return f"RotatedCredential(credential_type={self.credential_type!r}, ***)"


class CredentialHistoryEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`action`: rotated, rollback, disabled. `initiated_by`: partner, internal, system."""

    id: str
    partner_app_id: str
    credential_type: str
    action: str
    initiated_by: str
    created_at: Moment
    ip_address: str | Maybe = UNSET
    user_agent: str | Maybe = UNSET
    reason: str | Maybe = UNSET


class Pagination(Struct, frozen=True, kw_only=True):
    """`count`: how many this page has."""

    limit: int
    offset: int
    count: int


class CredentialHistory(Struct, frozen=True, kw_only=True):
    """Newest first."""

    events: list[CredentialHistoryEvent]
    pagination: Pagination


# --- publishing


class Envelope(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event made for one (app, user)."""

    event_id: str
    partner_app_id: str
    delivery_ids: list[str]
    user_id: str | Maybe = UNSET


class Assigned(Struct, frozen=True, kw_only=True):
    """An automation that matched, and the assignment event published for it."""

    id: str
    automation_id: str
    confidence_score: float
    events: list[Envelope]


class Accepted(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The 202: it is on disk. `assignments` is there where `match_automations` was asked for."""

    id: str
    events: list[Envelope]
    assignments: list[Assigned] | Maybe = UNSET


class AcceptedBatch(Struct, frozen=True, kw_only=True):
    """One for each event of the batch, in its order."""

    events: list[Accepted]


class Publication(Struct, frozen=True, kw_only=True):
    """What was published, in a list. `envelopes` counts the events made of it."""

    id: str
    event_type: str
    provider: str
    timestamp: str
    published_at: Moment
    envelopes: int


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a publication for one (app, user), and why."""

    outcome: str
    reason: str
    partner_app_id: str | Maybe = UNSET
    partner_app_name: str | Maybe = UNSET
    user_id: str | Maybe = UNSET
    event_id: str | Maybe = UNSET
    deliveries: list[Delivery] | Maybe = UNSET


class Explanation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A publication whole: its data, its audience, and every outcome."""

    id: str
    event_type: str
    provider: str
    timestamp: str
    published_at: Moment
    audience: dict[str, list[str]]
    data: Json
    outcomes: list[Outcome]
    actor_user_id: str | Maybe = UNSET


# --- the catalog


class EventType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    provider: str
    group: str
    title: str
    description: str
    old_names: list[str]
    since: str | Maybe = UNSET
    note: str | Maybe = UNSET


class EventTypeInFull(EventType, frozen=True, kw_only=True, omit_defaults=True):
    """With the JSON Schema of its data and of the whole event, and a sample."""

    schema: Json
    event_schema: Json
    sample: Json


class EventTypes(Struct, frozen=True, kw_only=True):
    items: list[EventType]
    total: int

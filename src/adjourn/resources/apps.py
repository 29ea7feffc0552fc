"""Apps as the APIs show them: the app, whether it gets webhooks, its users."""

from msgspec import UNSET, Struct

from adjourn.resources.common import Maybe, Moment

__all__ = [
    "App",
    "AutoDisable",
    "Backlog",
    "Connection",
    "Connections",
    "CreatedApp",
    "Credentials",
    "Disabled",
    "Notice",
    "PlatformApp",
    "TypeBacklog",
    "WebhookFilter",
    "WebhookStatus",
]


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
    auto_disable: bool
    ordered: bool
    # of its provider
    signature_profile: str | Maybe = UNSET
    legacy_event_names: bool | Maybe = UNSET
    participants: str | Maybe = UNSET
    signature: str | Maybe = UNSET
    signature_header: str | Maybe = UNSET
    signature_prefix: str | Maybe = UNSET


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


class TypeBacklog(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What waits of one event type.

    `links_expired_at`: since when links in the oldest of it work no more.
    """

    event_type: str
    count: int
    oldest_at: Moment
    links_expired_at: Moment | Maybe = UNSET


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
    failing; absent where it cannot.
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

"""What requests carry, as both APIs read it: `read_body` checks with these, the OpenAPI document shows them.

An absent field of a change stays as it is, null clears it: hence UNSET beside None.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

__all__ = [
    "AutomationAction",
    "ChangeApp",
    "ChangeAutomation",
    "Connect",
    "ConnectMany",
    "ConnectOne",
    "CreateApp",
    "CreateAutomation",
    "CreateWorkflow",
    "FilterBody",
    "GivenCredentials",
    "Keywords",
    "PatchApp",
    "RetryMany",
    "RollBackCredential",
    "RotateCredential",
    "SetAppStatus",
    "SwitchWebhooks",
]

_TEXT = {"format": "text"}
_Id = Annotated[str, Meta(extra_json_schema={"format": "id"})]
_Text = Annotated[str, Meta(min_length=1, max_length=255, extra_json_schema=_TEXT)]
_Name = Annotated[str, Meta(min_length=1, max_length=255, extra_json_schema={"format": "name"})]
_Long = Annotated[str, Meta(max_length=4000, extra_json_schema=_TEXT)]
_Reason = Annotated[str, Meta(max_length=500, extra_json_schema=_TEXT)]
_Token = Annotated[str, Meta(min_length=1)]
_Key = Annotated[str, Meta(min_length=1, max_length=500, extra_json_schema=_TEXT)]
_DateTime = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
_Url = Annotated[str, Meta(extra_json_schema={"format": "http-url"})]
_Email = Annotated[str, Meta(extra_json_schema={"format": "email"})]
_AppStatus = Literal["active", "suspended", "inactive"]
_AutomationStatus = Literal["active", "inactive"]
_Trigger = Literal[
    "action_item_created",
    "action_item_updated",
    "action_item_completed",
    "meeting_ended",
    "meeting_summary_ready",
]


# --- apps


class FilterBody(Struct, frozen=True):
    type: Literal["include", "exclude"]
    events: Annotated[list[str], Meta(max_length=1000)]


class SwitchWebhooks(Struct, frozen=True):
    """`pending_disposition`, for what waits, is required when re-enabling."""

    enabled: bool
    pending_disposition: Literal["abandon", "deliver"] | None = None


class SetAppStatus(Struct, frozen=True):
    status: _AppStatus


class ChangeApp(Struct, frozen=True):
    """What a partner may change of its app."""

    name: _Name | UnsetType = UNSET
    company_name: _Name | UnsetType = UNSET
    primary_contact_email: _Email | UnsetType = UNSET
    webhook_url: _Url | UnsetType | None = UNSET
    description: _Long | UnsetType | None = UNSET
    slug: _Text | UnsetType | None = UNSET


class PatchApp(ChangeApp, frozen=True):
    """What the product may change of an app, beside its options."""

    status: _AppStatus | UnsetType = UNSET


class GivenCredentials(Struct, frozen=True):
    """Those that a partner has already; the others are made up."""

    client_id: _Key | None = None
    api_key: _Key | None = None
    client_secret: _Key | None = None
    webhook_secret: _Key | None = None


class CreateApp(Struct, frozen=True):
    """A partner app to be made, beside its options."""

    name: _Name
    company_name: _Name
    primary_contact_email: _Email
    webhook_url: _Url | None = None
    description: _Long | None = None
    slug: _Text | None = None
    provider: str = "contio"
    status: _AppStatus = "active"
    webhook_enabled: bool = True
    webhook_filter: FilterBody | None = None
    id: _Id | None = None
    created_at: _DateTime | None = None
    credentials: GivenCredentials | None = None


# --- connections


class Connect(Struct, frozen=True):
    email: _Email
    id: _Id | None = None
    oauth_scopes: list[_Text] | None = None


class ConnectOne(Struct, frozen=True):
    user_id: _Id
    email: _Email
    id: _Id | None = None
    oauth_scopes: list[_Text] | None = None


class ConnectMany(Struct, frozen=True):
    connections: Annotated[list[ConnectOne], Meta(max_length=10_000)]


# --- automations


class AutomationAction(Struct, frozen=True):
    """What it does: `webhook` sends to `config.url`, `phrase_match` looks for `config.phrases`.

    The config of any other type is kept as it is.
    """

    type: Annotated[str, Meta(min_length=1, max_length=100)]
    config: dict[str, Any] | None = None


class Keywords(Struct, frozen=True):
    keywords: Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=100)] = []


_Actions = Annotated[list[AutomationAction], Meta(max_length=50)]


class CreateAutomation(Struct, frozen=True):
    name: _Name
    trigger_type: _Trigger
    actions: _Actions
    description: _Long | None = None
    status: _AutomationStatus = "active"


class CreateWorkflow(Struct, frozen=True):
    """An automation in its older form."""

    name: _Name
    webhook_url: _Url
    matching_rules: Keywords | None = None
    is_active: bool = True
    description: _Long | None = None


class ChangeAutomation(Struct, frozen=True):
    """In either form, or in both where they agree: api/automations.py reads a new one with it too."""

    name: _Name | UnsetType = UNSET
    description: _Long | UnsetType | None = UNSET
    trigger_type: _Trigger | UnsetType = UNSET
    actions: _Actions | UnsetType = UNSET
    status: _AutomationStatus | UnsetType = UNSET
    webhook_url: _Url | UnsetType | None = UNSET
    matching_rules: Keywords | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


# --- deliveries and credentials


class RetryMany(Struct, frozen=True):
    """Which deliveries to retry: all that match what is given."""

    status: Literal["pending", "failed", "delivered", "abandoned"] | None = None
    event_type: str | None = None
    since: _DateTime | None = None
    until: _DateTime | None = None


class RotateCredential(Struct, frozen=True):
    """Any non-empty confirmation token will do. For the grace period, in hours, the one before works on."""

    confirmation_token: _Token
    reason: _Reason | None = None
    grace_period_hours: Annotated[float, Meta(ge=0, le=720)] = 24.0


class RollBackCredential(Struct, frozen=True):
    rollback_token: _Token
    reason: _Reason | None = None

"""Credentials as the APIs show them."""

from msgspec import UNSET, Struct

from adjourn.resources.common import Maybe, Moment

__all__ = [
    "CredentialHistory",
    "CredentialHistoryEvent",
    "CredentialStatus",
    "CredentialsStatus",
    "Pagination",
    "RotatedCredential",
]


class CredentialStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`status`: active, transitioning (the one before still works), disabled.

    `recommended_action`: ok, rotate_soon, rotate_recommended. `public_key`: the `whpk_` to verify webhooks
    with, where the app's are signed by a private key.
    """

    credential_type: str
    status: str
    created_at: Moment
    age_days: int
    recommended_action: str
    last_rotated_at: Moment | Maybe = UNSET
    last_used_at: Moment | Maybe = UNSET
    grace_period_ends_at: Moment | Maybe = UNSET
    public_key: str | Maybe = UNSET


class CredentialsStatus(Struct, frozen=True, kw_only=True):
    api_key: CredentialStatus
    webhook_secret: CredentialStatus
    client_secret: CredentialStatus


class RotatedCredential(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A new credential in plain: shown this once. Of a webhook secret that is a key pair, the public key."""

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

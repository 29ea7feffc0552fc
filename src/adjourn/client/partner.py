"""The partner admin API: what a partner's own software asks, of Adjourn or of the vendor itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Unpack

from msgspec import UNSET, UnsetType

from adjourn.client.call import Call, changes, delete, get, given, post, put
from adjourn.client.credentials import Rotation, rollback, rotate
from adjourn.client.method import every, method
from adjourn.client.transport import AsyncOptions, AsyncTransport, SyncOptions, SyncTransport
from adjourn.client.values import (
    AppStatus,
    AutomationStatus,
    ConnectionStatus,
    CredentialAction,
    CredentialType,
    DeliveryStatus,
    Disposition,
    FilterType,
)
from adjourn.resources import (
    Action,
    App,
    Automation,
    Connection,
    CredentialHistory,
    CredentialsStatus,
    Deliveries,
    DeliveryWithAttempts,
    MatchingRules,
    Page,
    Replay,
    RetryScheduled,
    RotatedCredential,
    WebhookStatus,
)

__all__ = ["AsyncPartnerAdmin", "PartnerAdmin"]

_VENDOR = "https://api.contio.ai"
_PREFIX = "/v1/partner/admin"

Json = dict[str, Any]


class _PartnerCalls:
    """Names and paths are those of the vendor's own SDK, @contio/partner-sdk, where it has the call."""

    # --- the app

    @method
    def get_app(self) -> Call[App]:
        return get(App, "app")

    @method
    def update_app(
        self,
        *,
        name: str | UnsetType = UNSET,
        description: str | UnsetType | None = UNSET,
        company_name: str | UnsetType = UNSET,
        primary_contact_email: str | UnsetType = UNSET,
        webhook_url: str | UnsetType | None = UNSET,
        slug: str | UnsetType | None = UNSET,
    ) -> Call[App]:
        """Change what is given; None clears."""
        body = changes(
            name=name,
            description=description,
            company_name=company_name,
            primary_contact_email=primary_contact_email,
            webhook_url=webhook_url,
            slug=slug,
        )
        return put(App, "app", body=body)

    @method
    def update_app_status(self, status: AppStatus) -> Call[App]:
        """Only the platform suspends an app or lifts that: Forbidden."""
        return put(App, "app", "status", body={"status": status})

    # --- webhooks: on or off, and which

    @method
    def get_webhook_status(self) -> Call[WebhookStatus]:
        """What waits, how near auto-disable is, and the latest notices. Adjourn only."""
        return get(WebhookStatus, "app", "webhook-status")

    @method
    def update_webhook_status(
        self, *, enabled: bool, pending_disposition: Disposition | None = None
    ) -> Call[App]:
        """Switch webhooks off or on; on needs `pending_disposition`: what becomes of all that waits."""
        body = given(enabled=enabled, pending_disposition=pending_disposition)
        return put(App, "app", "webhook-status", body=body)

    @method
    def set_webhook_filter(self, *, type: FilterType, events: Sequence[str]) -> Call[App]:  # noqa: A002
        return put(App, "app", "webhook-filter", body={"type": type, "events": events})

    @method
    def remove_webhook_filter(self) -> Call[App]:
        return Call(method="DELETE", path=("app", "webhook-filter"), result=App)

    # --- deliveries

    @method
    def get_webhook_deliveries(
        self,
        *,
        status: DeliveryStatus | None = None,
        event_type: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Call[Deliveries]:
        """A page, newest first."""
        return get(
            Deliveries, "webhook-deliveries", status=status, event_type=event_type, limit=limit, offset=offset
        )

    iter_webhook_deliveries = every(get_webhook_deliveries, lambda page: page.deliveries)

    @method
    def get_webhook_delivery(self, delivery_id: str) -> Call[DeliveryWithAttempts]:
        return get(DeliveryWithAttempts, "webhook-deliveries", delivery_id)

    @method
    def retry_webhook_delivery(
        self, delivery_id: str, *, idempotency_key: str | None = None
    ) -> Call[RetryScheduled]:
        """One extra attempt, now."""
        return post(RetryScheduled, "webhook-deliveries", delivery_id, "retry", key=idempotency_key)

    @method
    def retry_webhook_deliveries(
        self,
        *,
        status: DeliveryStatus | None = None,
        event_type: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Replay]:
        """One extra attempt of each that matches; `get_replay` tells how far it is. Adjourn only."""
        body = given(status=status, event_type=event_type, since=since, until=until)
        return post(Replay, "webhook-deliveries", "retry", body=body, key=idempotency_key)

    @method
    def get_replays(self, *, limit: int = 50, offset: int = 0) -> Call[Page[Replay]]:
        """A page of those that were asked for, newest first."""
        return get(Page[Replay], "webhook-deliveries", "retry", limit=limit, offset=offset)

    iter_replays = every(get_replays, lambda page: page.items)

    @method
    def get_replay(self, replay_id: str) -> Call[Replay]:
        return get(Replay, "webhook-deliveries", "retry", replay_id)

    @method
    def cancel_replay(self, replay_id: str, *, idempotency_key: str | None = None) -> Call[Replay]:
        """Stop it; what it has scheduled already stays."""
        return post(Replay, "webhook-deliveries", "retry", replay_id, "cancel", key=idempotency_key)

    # --- automations

    @method
    def create_automation(
        self,
        *,
        name: str,
        trigger_type: str,
        actions: Sequence[Action | Json],
        description: str | None = None,
        status: AutomationStatus | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Automation]:
        """An action of type `webhook` has its URL in config.url, one of `phrase_match` its config.phrases."""
        body = given(
            name=name, trigger_type=trigger_type, actions=actions, description=description, status=status
        )
        return post(Automation, "automations", body=body, key=idempotency_key)

    @method
    def get_automations(self, *, limit: int = 50, offset: int = 0) -> Call[Page[Automation]]:
        return get(Page[Automation], "automations", limit=limit, offset=offset)

    iter_automations = every(get_automations, lambda page: page.items)

    @method
    def get_automation(self, automation_id: str) -> Call[Automation]:
        return get(Automation, "automations", automation_id)

    @method
    def update_automation(
        self,
        automation_id: str,
        *,
        name: str | UnsetType = UNSET,
        description: str | UnsetType | None = UNSET,
        trigger_type: str | UnsetType = UNSET,
        actions: Sequence[Action | Json] | UnsetType = UNSET,
        status: AutomationStatus | UnsetType = UNSET,
    ) -> Call[Automation]:
        """Change what is given; None clears."""
        body = changes(
            name=name, description=description, trigger_type=trigger_type, actions=actions, status=status
        )
        return put(Automation, "automations", automation_id, body=body)

    @method
    def delete_automation(self, automation_id: str) -> Call[None]:
        return delete("automations", automation_id)

    # --- automations in the older form

    @method
    def create_workflow(
        self,
        *,
        name: str,
        webhook_url: str,
        matching_rules: MatchingRules | Json | None = None,
        description: str | None = None,
        is_active: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Automation]:
        """As `matching_rules={"keywords": ["follow-up", "sales"]}`."""
        body = given(
            name=name,
            webhook_url=webhook_url,
            matching_rules=matching_rules,
            description=description,
            is_active=is_active,
        )
        return post(Automation, "workflows", body=body, key=idempotency_key)

    @method
    def get_workflows(self, *, limit: int = 50, offset: int = 0) -> Call[Page[Automation]]:
        return get(Page[Automation], "workflows", limit=limit, offset=offset)

    iter_workflows = every(get_workflows, lambda page: page.items)

    @method
    def get_workflow(self, workflow_id: str) -> Call[Automation]:
        return get(Automation, "workflows", workflow_id)

    @method
    def update_workflow(
        self,
        workflow_id: str,
        *,
        name: str | UnsetType = UNSET,
        webhook_url: str | UnsetType = UNSET,
        matching_rules: MatchingRules | Json | UnsetType = UNSET,
        description: str | UnsetType | None = UNSET,
        is_active: bool | UnsetType = UNSET,
    ) -> Call[Automation]:
        """Change what is given; None clears."""
        body = changes(
            name=name,
            webhook_url=webhook_url,
            matching_rules=matching_rules,
            description=description,
            is_active=is_active,
        )
        return put(Automation, "workflows", workflow_id, body=body)

    @method
    def delete_workflow(self, workflow_id: str) -> Call[None]:
        return delete("workflows", workflow_id)

    # --- connections

    @method
    def get_user_connections(
        self,
        *,
        user_id: str | None = None,
        status: ConnectionStatus | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Call[Page[Connection]]:
        return get(
            Page[Connection], "connections", user_id=user_id, status=status, limit=limit, offset=offset
        )

    iter_user_connections = every(get_user_connections, lambda page: page.items)

    @method
    def get_user_connection(self, connection_id: str) -> Call[Connection]:
        return get(Connection, "connections", connection_id)

    @method
    def revoke_user_connection(self, connection_id: str) -> Call[None]:
        """End it; user.connection.revoked is sent."""
        return delete("connections", connection_id)

    # --- credentials

    @method
    def get_credential_status(self) -> Call[CredentialsStatus]:
        return get(CredentialsStatus, "credentials")

    @method
    def get_credential_history(
        self,
        *,
        credential_type: CredentialType | None = None,
        action: CredentialAction | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Call[CredentialHistory]:
        """A page, newest first."""
        return get(
            CredentialHistory,
            "credentials",
            "history",
            credential_type=credential_type,
            action=action,
            limit=limit,
            offset=offset,
        )

    iter_credential_history = every(get_credential_history, lambda page: page.events)

    @method
    def rotate_api_key(self, **rotation: Unpack[Rotation]) -> Call[RotatedCredential]:
        """A new one, shown this once; the client of yours that asked goes on with the old one."""
        return rotate("api_key", rotation, "credentials")

    @method
    def rotate_webhook_secret(self, **rotation: Unpack[Rotation]) -> Call[RotatedCredential]:
        return rotate("webhook_secret", rotation, "credentials")

    @method
    def rotate_client_secret(self, **rotation: Unpack[Rotation]) -> Call[RotatedCredential]:
        return rotate("client_secret", rotation, "credentials")

    @method
    def rollback_credential(
        self,
        credential_type: CredentialType,
        *,
        rollback_token: str,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[None]:
        """Take back the one before, within its grace period. The webhook secret has no rollback."""
        body = given(rollback_token=rollback_token, reason=reason)
        return rollback(credential_type, body, idempotency_key, "credentials")


class PartnerAdmin(_PartnerCalls, SyncTransport):
    """The partner admin API of an Adjourn server, or of the vendor itself, which is the default.

    `options`: timeout, retries, transport and others (SyncOptions). Raises ConfigError.
    """

    def __init__(
        self,
        *,
        api_key: str,
        client_id: str | None = None,
        base_url: str = _VENDOR,
        **options: Unpack[SyncOptions],
    ) -> None:
        super().__init__((base_url, _PREFIX), _headers(api_key, client_id), options)


class AsyncPartnerAdmin(_PartnerCalls, AsyncTransport):
    """PartnerAdmin with calls that are awaited."""

    def __init__(
        self,
        *,
        api_key: str,
        client_id: str | None = None,
        base_url: str = _VENDOR,
        **options: Unpack[AsyncOptions],
    ) -> None:
        super().__init__((base_url, _PREFIX), _headers(api_key, client_id), options)


def _headers(api_key: str, client_id: str | None) -> dict[str, str]:
    return {"X-API-Key": api_key} if client_id is None else {"X-API-Key": api_key, "X-Client-ID": client_id}

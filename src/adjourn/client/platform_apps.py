"""The platform API's calls about one app or the list of them; platform.py has the others."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack

from msgspec import UNSET, Raw, UnsetType

from adjourn.client.call import Call, changes, delete, get, given, patch, post, put
from adjourn.client.credentials import Rotation, rollback, rotate
from adjourn.client.method import every, method
from adjourn.client.values import (
    AppStatus,
    AutomationStatus,
    ConnectionStatus,
    CredentialAction,
    CredentialType,
    DeliveryStatus,
    Disposition,
    FilterType,
    SignatureProfile,
)
from adjourn.resources import (
    Action,
    Automation,
    Connection,
    Connections,
    CreatedApp,
    CredentialHistory,
    CredentialsStatus,
    MatchingRules,
    Page,
    PlatformApp,
    Replay,
    RotatedCredential,
    WebhookStatus,
)

__all__ = ["AppCalls"]

Json = Mapping[str, Any]


class AppCalls:
    # --- apps

    @method
    def create_app(
        self,
        *,
        name: str,
        company_name: str,
        primary_contact_email: str,
        webhook_url: str | None = None,
        description: str | None = None,
        slug: str | None = None,
        signature_profile: SignatureProfile | None = None,
        auto_disable: bool | None = None,
        ordered: bool | None = None,
        legacy_event_names: bool | None = None,
        provider: str | None = None,
        options: Json | None = None,
        credentials: Json | None = None,
        id: str | None = None,  # noqa: A002
        idempotency_key: str | None = None,
    ) -> Call[CreatedApp]:
        """Make an app; its credentials are shown this once.

        `options`: further ones that its provider has. `credentials`: those that it has already, by name.
        """
        body = given(
            name=name,
            company_name=company_name,
            primary_contact_email=primary_contact_email,
            webhook_url=webhook_url,
            description=description,
            slug=slug,
            signature_profile=signature_profile,
            auto_disable=auto_disable,
            ordered=ordered,
            legacy_event_names=legacy_event_names,
            provider=provider,
            credentials=credentials,
            id=id,
        )
        body |= options or {}
        return post(CreatedApp, "apps", body=body, key=idempotency_key)

    @method
    def import_app(self, app: Json, *, idempotency_key: str | None = None) -> Call[CreatedApp]:
        """Make an app by the body of its request, which may bring credentials, created_at and more."""
        return post(CreatedApp, "apps", body=app, key=idempotency_key)

    @method
    def get_apps(
        self, *, status: AppStatus | None = None, limit: int = 50, offset: int = 0
    ) -> Call[Page[PlatformApp]]:
        """A page, oldest first."""
        return get(Page[PlatformApp], "apps", status=status, limit=limit, offset=offset)

    iter_apps = every(get_apps, lambda page: page.items)

    @method
    def get_app(self, app_id: str) -> Call[PlatformApp]:
        return get(PlatformApp, "apps", app_id)

    @method
    def update_app(
        self,
        app_id: str,
        *,
        name: str | UnsetType = UNSET,
        company_name: str | UnsetType = UNSET,
        primary_contact_email: str | UnsetType = UNSET,
        webhook_url: str | UnsetType | None = UNSET,
        description: str | UnsetType | None = UNSET,
        slug: str | UnsetType | None = UNSET,
        status: AppStatus | UnsetType = UNSET,
        signature_profile: SignatureProfile | UnsetType = UNSET,
        auto_disable: bool | UnsetType = UNSET,
        ordered: bool | UnsetType = UNSET,
        legacy_event_names: bool | UnsetType = UNSET,
        options: Json | None = None,
    ) -> Call[PlatformApp]:
        """Change what is given; None clears. `options`: further ones that its provider has."""
        body = changes(
            name=name,
            company_name=company_name,
            primary_contact_email=primary_contact_email,
            webhook_url=webhook_url,
            description=description,
            slug=slug,
            status=status,
            signature_profile=signature_profile,
            auto_disable=auto_disable,
            ordered=ordered,
            legacy_event_names=legacy_event_names,
        )
        body |= options or {}
        return patch(PlatformApp, "apps", app_id, body=body)

    @method
    def delete_app(self, app_id: str) -> Call[None]:
        return delete("apps", app_id)

    # --- an app's webhooks: on or off, and which

    @method
    def get_webhook_status(self, app_id: str) -> Call[WebhookStatus]:
        """What waits, how near auto-disable is, and the latest notices."""
        return get(WebhookStatus, "apps", app_id, "webhook-status")

    @method
    def update_webhook_status(
        self, app_id: str, *, enabled: bool, pending_disposition: Disposition | None = None
    ) -> Call[PlatformApp]:
        """Switch webhooks off or on; on needs `pending_disposition`: what becomes of all that waits."""
        body = given(enabled=enabled, pending_disposition=pending_disposition)
        return put(PlatformApp, "apps", app_id, "webhook-status", body=body)

    @method
    def set_webhook_filter(
        self,
        app_id: str,
        *,
        type: FilterType,  # noqa: A002
        events: Sequence[str],
    ) -> Call[PlatformApp]:
        return put(PlatformApp, "apps", app_id, "webhook-filter", body={"type": type, "events": events})

    @method
    def remove_webhook_filter(self, app_id: str) -> Call[PlatformApp]:
        return Call(method="DELETE", path=("apps", app_id, "webhook-filter"), result=PlatformApp)

    # --- an app's credentials

    @method
    def get_credential_status(self, app_id: str) -> Call[CredentialsStatus]:
        return get(CredentialsStatus, "apps", app_id, "credentials")

    @method
    def get_credential_history(
        self,
        app_id: str,
        *,
        credential_type: CredentialType | None = None,
        action: CredentialAction | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Call[CredentialHistory]:
        """A page, newest first."""
        return get(
            CredentialHistory,
            "apps",
            app_id,
            "credentials",
            "history",
            credential_type=credential_type,
            action=action,
            limit=limit,
            offset=offset,
        )

    iter_credential_history = every(get_credential_history, lambda page: page.events)

    @method
    def rotate_credential(
        self, app_id: str, credential_type: CredentialType, **rotation: Unpack[Rotation]
    ) -> Call[RotatedCredential]:
        """A new one, shown this once."""
        return rotate(credential_type, rotation, "apps", app_id, "credentials")

    @method
    def rollback_credential(
        self,
        app_id: str,
        credential_type: CredentialType,
        *,
        rollback_token: str,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[None]:
        """Take back the one before, within its grace period. The webhook secret has no rollback."""
        body = given(rollback_token=rollback_token, reason=reason)
        return rollback(credential_type, body, idempotency_key, "apps", app_id, "credentials")

    # --- an app's automations

    @method
    def create_automation(
        self,
        app_id: str,
        *,
        name: str,
        trigger_type: str | None = None,
        actions: Sequence[Action | Json] | None = None,
        webhook_url: str | None = None,
        matching_rules: MatchingRules | Json | None = None,
        description: str | None = None,
        status: AutomationStatus | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Automation]:
        """With `trigger_type` and `actions`, or with `webhook_url`, or both.

        An action of type `phrase_match` has config.phrases; `webhook_url` is that of the `webhook` action.
        `matching_rules`: `{"keywords": ["follow-up", "sales"]}`.
        """
        body = given(
            name=name,
            trigger_type=trigger_type,
            actions=actions,
            webhook_url=webhook_url,
            matching_rules=matching_rules,
            description=description,
            status=status,
        )
        return post(Automation, "apps", app_id, "automations", body=body, key=idempotency_key)

    @method
    def get_automations(self, app_id: str, *, limit: int = 50, offset: int = 0) -> Call[Page[Automation]]:
        return get(Page[Automation], "apps", app_id, "automations", limit=limit, offset=offset)

    iter_automations = every(get_automations, lambda page: page.items)

    @method
    def get_automation(self, app_id: str, automation_id: str) -> Call[Automation]:
        return get(Automation, "apps", app_id, "automations", automation_id)

    @method
    def update_automation(
        self,
        app_id: str,
        automation_id: str,
        *,
        name: str | UnsetType = UNSET,
        description: str | UnsetType | None = UNSET,
        trigger_type: str | UnsetType = UNSET,
        actions: Sequence[Action | Json] | UnsetType = UNSET,
        webhook_url: str | UnsetType | None = UNSET,
        matching_rules: MatchingRules | Json | UnsetType = UNSET,
        status: AutomationStatus | UnsetType = UNSET,
    ) -> Call[Automation]:
        """Change what is given; None clears."""
        body = changes(
            name=name,
            description=description,
            trigger_type=trigger_type,
            actions=actions,
            webhook_url=webhook_url,
            matching_rules=matching_rules,
            status=status,
        )
        return patch(Automation, "apps", app_id, "automations", automation_id, body=body)

    @method
    def delete_automation(self, app_id: str, automation_id: str) -> Call[None]:
        return delete("apps", app_id, "automations", automation_id)

    # --- an app's connections

    @method
    def connect(
        self,
        app_id: str,
        user_id: str,
        *,
        email: str,
        id: str | None = None,  # noqa: A002
        oauth_scopes: Sequence[str] | None = None,
    ) -> Call[Connection]:
        """Connect a user, or change the connection there is."""
        body = given(email=email, id=id, oauth_scopes=oauth_scopes)
        return put(Connection, "apps", app_id, "connections", user_id, body=body)

    @method
    def connect_many(self, app_id: str, connections: Sequence[Json | Raw]) -> Call[Connections]:
        """Up to 10,000 at once: each with user_id, email and perhaps id and oauth_scopes."""
        return put(Connections, "apps", app_id, "connections", body={"connections": connections})

    @method
    def get_connections(
        self,
        app_id: str,
        *,
        user_id: str | None = None,
        status: ConnectionStatus | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Call[Page[Connection]]:
        """A page, oldest first."""
        query = {"user_id": user_id, "status": status, "limit": limit, "offset": offset}
        return get(Page[Connection], "apps", app_id, "connections", **query)

    iter_connections = every(get_connections, lambda page: page.items)

    @method
    def disconnect(self, app_id: str, user_id: str) -> Call[None]:
        """End a connection; user.connection.revoked is sent."""
        return delete("apps", app_id, "connections", user_id)

    # --- an app's deliveries, many at once

    @method
    def retry_deliveries(
        self,
        app_id: str,
        *,
        status: DeliveryStatus | None = None,
        event_type: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Replay]:
        """One extra attempt of each of an app's that matches; `get_replay` tells how far it is."""
        body = given(status=status, event_type=event_type, since=since, until=until)
        return post(Replay, "apps", app_id, "deliveries", "retry", body=body, key=idempotency_key)

    @method
    def get_replays(self, app_id: str, *, limit: int = 50, offset: int = 0) -> Call[Page[Replay]]:
        """A page of those that were asked for, newest first."""
        return get(Page[Replay], "apps", app_id, "deliveries", "retry", limit=limit, offset=offset)

    iter_replays = every(get_replays, lambda page: page.items)

    @method
    def get_replay(self, app_id: str, replay_id: str) -> Call[Replay]:
        return get(Replay, "apps", app_id, "deliveries", "retry", replay_id)

    @method
    def cancel_replay(
        self, app_id: str, replay_id: str, *, idempotency_key: str | None = None
    ) -> Call[Replay]:
        """Stop it; what it has scheduled already stays."""
        return post(Replay, "apps", app_id, "deliveries", "retry", replay_id, "cancel", key=idempotency_key)

"""The platform API: what the meeting product itself asks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack

from msgspec import UNSET, Raw, UnsetType

from adjourn.client.call import Call, changes, delete, get, given, patch, post, put
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
    SignatureProfile,
)
from adjourn.resources import (
    Accepted,
    AcceptedBatch,
    Action,
    Automation,
    Connection,
    Connections,
    CreatedApp,
    CredentialHistory,
    CredentialsStatus,
    Deliveries,
    DeliveryWithAttempts,
    EventTypeInFull,
    EventTypes,
    Explanation,
    Page,
    PlatformApp,
    Publication,
    Replay,
    RetryScheduled,
    RotatedCredential,
    WebhookStatus,
)

__all__ = ["AsyncPlatform", "Platform"]

_PREFIX = "/v1/platform"

Json = Mapping[str, Any]


class _PlatformCalls:
    # --- publishing

    @method
    def publish(
        self,
        event_type: str,
        data: Json,
        *,
        user_ids: Sequence[str] | None = None,
        partner_app_ids: Sequence[str] | None = None,
        actor_user_id: str | None = None,
        timestamp: datetime | None = None,
        provider: str | None = None,
        match_automations: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Accepted]:
        """Publish one event, for the apps of these users or for these apps. It is on disk once it returns."""
        body = given(
            event_type=event_type,
            data=data,
            audience=given(user_ids=user_ids, partner_app_ids=partner_app_ids),
            actor_user_id=actor_user_id,
            timestamp=timestamp,
            provider=provider,
            match_automations=match_automations,
        )
        return post(Accepted, "events", body=body, key=idempotency_key)

    @method
    def publish_request(self, request: object, *, idempotency_key: str | None = None) -> Call[Accepted]:
        """Publish one event by the body of its request: event_type, data, audience and so on."""
        return post(Accepted, "events", body=request, key=idempotency_key)

    @method
    def publish_batch(
        self, events: Sequence[Json], *, idempotency_key: str | None = None
    ) -> Call[AcceptedBatch]:
        """Publish up to 1,000 events, all or none; each as `publish_request` takes it."""
        return post(AcceptedBatch, "events", "batch", body={"events": events}, key=idempotency_key)

    @method
    def get_events(
        self, *, event_type: str | None = None, limit: int = 50, offset: int = 0
    ) -> Call[Page[Publication]]:
        """A page of what was published, newest first."""
        return get(Page[Publication], "events", event_type=event_type, limit=limit, offset=offset)

    iter_events = every(get_events, lambda page: page.items)

    @method
    def get_event(self, event_id: str, *, partner_app_id: str | None = None) -> Call[Explanation]:
        """A publication, by its id or that of one app's event: who was considered, what came of it, why."""
        return get(Explanation, "events", event_id, partner_app_id=partner_app_id)

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
        id: str | None = None,  # noqa: A002
        idempotency_key: str | None = None,
    ) -> Call[CreatedApp]:
        """Make an app; its credentials are shown this once."""
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
            id=id,
        )
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
    ) -> Call[PlatformApp]:
        """Change what is given; None clears."""
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
        status: AutomationStatus | UnsetType = UNSET,
    ) -> Call[Automation]:
        """Change what is given; None clears."""
        body = changes(
            name=name, description=description, trigger_type=trigger_type, actions=actions, status=status
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

    # --- deliveries

    @method
    def get_deliveries(
        self,
        *,
        app_id: str | None = None,
        status: DeliveryStatus | None = None,
        event_type: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Call[Deliveries]:
        """A page of every app's or of one's, newest first."""
        query = {"app_id": app_id, "status": status, "event_type": event_type}
        return get(Deliveries, "deliveries", **query, limit=limit, offset=offset)

    iter_deliveries = every(get_deliveries, lambda page: page.deliveries)

    @method
    def get_delivery(self, delivery_id: str) -> Call[DeliveryWithAttempts]:
        return get(DeliveryWithAttempts, "deliveries", delivery_id)

    @method
    def retry_delivery(self, delivery_id: str, *, idempotency_key: str | None = None) -> Call[RetryScheduled]:
        """One extra attempt, now."""
        return post(RetryScheduled, "deliveries", delivery_id, "retry", key=idempotency_key)

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

    # --- the catalog

    @method
    def get_event_types(self) -> Call[EventTypes]:
        return get(EventTypes, "event-types")

    @method
    def get_event_type(self, name: str) -> Call[EventTypeInFull]:
        return get(EventTypeInFull, "event-types", name)


class Platform(_PlatformCalls, SyncTransport):
    """The platform API of an Adjourn server.

    `options`: timeout, retries, transport, sleep, rng, on_answer (transport.py). Raises ConfigError.
    """

    def __init__(self, *, key: str, base_url: str, **options: Unpack[SyncOptions]) -> None:
        super().__init__((base_url, _PREFIX), {"Authorization": f"Bearer {key}"}, options)


class AsyncPlatform(_PlatformCalls, AsyncTransport):
    """Platform with calls that are awaited."""

    def __init__(self, *, key: str, base_url: str, **options: Unpack[AsyncOptions]) -> None:
        super().__init__((base_url, _PREFIX), {"Authorization": f"Bearer {key}"}, options)

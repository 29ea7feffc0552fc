"""The platform API: what the meeting product itself asks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack

from adjourn.client.call import Call, get, given, post
from adjourn.client.method import every, method
from adjourn.client.platform_apps import AppCalls
from adjourn.client.transport import AsyncOptions, AsyncTransport, SyncOptions, SyncTransport
from adjourn.client.values import DeliveryStatus
from adjourn.resources import (
    Accepted,
    AcceptedBatch,
    Deliveries,
    DeliveryWithAttempts,
    EventTypeInFull,
    EventTypes,
    Explanation,
    Page,
    Publication,
    RetryScheduled,
)

__all__ = ["AsyncPlatform", "Platform"]

_PREFIX = "/v1/platform"

Json = Mapping[str, Any]


class _PlatformCalls(AppCalls):
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
        extra: Json | None = None,
        callback: Json | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Accepted]:
        """Publish one event, for the apps of these users or for these apps. It is on disk once it returns.

        Without `provider` it is that of the apps. Where the provider has them: `extra`, carried beside the
        data, and `callback` (url, secret, method), where a bot's end is told beside the app's URL.
        """
        body = given(
            event_type=event_type,
            data=data,
            audience=given(user_ids=user_ids, partner_app_ids=partner_app_ids),
            actor_user_id=actor_user_id,
            timestamp=timestamp,
            provider=provider,
            match_automations=match_automations,
            extra=extra,
            callback=callback,
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

    # --- the catalog

    @method
    def get_event_types(self, *, provider: str | None = None) -> Call[EventTypes]:
        return get(EventTypes, "event-types", provider=provider)

    @method
    def get_event_type(self, name: str, *, provider: str | None = None) -> Call[EventTypeInFull]:
        """By its name or an older one; that of the first provider that has it, where none is given."""
        return get(EventTypeInFull, "event-types", name, provider=provider)


class Platform(_PlatformCalls, SyncTransport):
    """The platform API of an Adjourn server.

    `options`: timeout, retries, transport and others (SyncOptions). Raises ConfigError.
    """

    def __init__(self, *, key: str, base_url: str, **options: Unpack[SyncOptions]) -> None:
        super().__init__((base_url, _PREFIX), {"Authorization": f"Bearer {key}"}, options)


class AsyncPlatform(_PlatformCalls, AsyncTransport):
    """Platform with calls that are awaited."""

    def __init__(self, *, key: str, base_url: str, **options: Unpack[AsyncOptions]) -> None:
        super().__init__((base_url, _PREFIX), {"Authorization": f"Bearer {key}"}, options)

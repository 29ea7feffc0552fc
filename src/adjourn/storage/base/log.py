"""The log: reads for the APIs, never in the way of the queue."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from adjourn.models import App, Attempt, Delivery, DeliveryState, Publication

__all__ = ["Log", "Published", "Waiting"]


class Waiting(msgspec.Struct, frozen=True):
    """What waits for an app of one event type, in one state."""

    event_type: str
    state: DeliveryState
    count: int
    oldest_at: datetime


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A publication with what became of it since."""

    publication: Publication
    deliveries: Mapping[str, Delivery]
    apps: Mapping[str, App]


class Log(Protocol):
    """Reads for the APIs: never in the way of the queue."""

    async def get_delivery(self, app_id: str | None, delivery_id: str) -> Delivery:
        """Of that app, or of any where it is None. Raises NotFound."""

    async def list_deliveries(
        self,
        app_id: str | None,
        *,
        state: DeliveryState | None,
        event_type: str | None,
        limit: int,
        offset: int,
    ) -> tuple[list[Delivery], int]:
        """A page, newest first, and how many there are; of every app where `app_id` is None."""

    async def find_newest(self) -> str | None:
        """The highest id of a delivery; None where there is none."""

    async def list_attempts(self, delivery_id: str) -> list[Attempt]:
        """Oldest first."""

    async def find_published(self, key: str) -> Published | None:
        """By the publication's id or any event's."""

    async def list_publications(
        self, *, event_type: str | None, limit: int, offset: int
    ) -> tuple[list[Publication], int]:
        """A page, newest first, and how many there are."""

    async def backlog_of(self, app_id: str) -> list[Waiting]:
        """Everything that waits for an app, by event type and state."""

    async def oldest_waiting(self, app_id: str, event_type: str) -> Publication | None:
        """What the oldest delivery of that type that waits for an app is of."""

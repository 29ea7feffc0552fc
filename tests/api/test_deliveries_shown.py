"""A delivery and its attempts are shown as they were at one moment."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from adjourn.api.deliveries import show_delivery
from adjourn.models import Attempt, Delivery, DeliveryState

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Log:
    """An attempt that succeeds is recorded behind each of the first reads that are named."""

    def __init__(self, *, behind: set[int]) -> None:
        self.behind = behind
        self.reads = self.made = 0

    def _read(self) -> int:
        made = self.made
        self.reads += 1
        self.made += self.reads in self.behind
        return made

    async def get_delivery(self, app_id: str | None, delivery_id: str) -> Delivery:
        made = self._read()
        return Delivery(
            id="d",
            app_id="a",
            event_id="e",
            event_type="meeting.created",
            lane_id=1,
            target=None,
            state=DeliveryState.DELIVERED if made else DeliveryState.PENDING,
            attempt_no=made,
            retry_count=0,
            http_status=200 if made else None,
            error="",
            next_retry_at=None,
            delivered_at=AT if made else None,
            retry_asked_at=None,
            created_at=AT,
        )

    async def list_attempts(self, delivery_id: str) -> list[Attempt]:
        return [
            Attempt(delivery_id="d", no=no + 1, at=AT, duration_ms=1, http_status=200, error="", response="")
            for no in range(self._read())
        ]


pytestmark = pytest.mark.anyio


async def shown(*, behind: set[int]) -> tuple[str, int]:
    services: Any = SimpleNamespace(store=SimpleNamespace(log=Log(behind=behind)))
    answer = await show_delivery(services, None, "d")
    told = json.loads(answer.body)
    return told["delivery_status"], len(told["attempts"])


async def test_whichever_read_an_attempt_is_recorded_behind_state_and_attempts_agree() -> None:
    assert await shown(behind=set()) == ("pending", 0)
    for read in (1, 2):
        assert await shown(behind={read}) == ("delivered", 1)
    assert await shown(behind={3}) == ("pending", 0)  # too late for this answer
    assert await shown(behind={1, 2}) == ("delivered", 2)

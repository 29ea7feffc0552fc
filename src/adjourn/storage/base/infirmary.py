"""Health and notices: what auto-disable looks at and moves, and the mails that follow."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from adjourn.models import Health, Notice, NoticeState

__all__ = ["Infirmary", "Verdict"]


class Verdict(msgspec.Struct, frozen=True):
    """What is to be done about an app's health: disable its webhooks or warn, and why, in a sentence."""

    disable: bool
    reason: str


class Infirmary(Protocol):
    async def find_health(self, app_id: str) -> Health | None: ...

    async def judge(
        self, app_ids: Sequence[str] | None, decide: Callable[[Health, datetime], Verdict | None]
    ) -> list[str]:
        """Let `decide` look at the health of these apps, or of all whose deliveries fail where it is None.

        Only apps that are on and may be disabled automatically are looked at. In one commit with the look:
        where it says disable, webhooks go off and a notice is made; where it says warn, a notice is made, the
        first time since the last enabling. The ids of the apps that went off.
        """

    async def claim_notices(self, *, limit: int, lease: timedelta) -> list[Notice]:
        """Take notices that are due, oldest first; hidden until now + lease."""

    async def settle_notice(
        self, notice_id: int, *, state: NoticeState, error: str = "", retry_in: timedelta | None = None
    ) -> None:
        """Record what came of a try. `retry_in`: it waits again for so long."""

    async def list_notices(self, app_id: str, *, limit: int) -> list[Notice]:
        """Newest first."""

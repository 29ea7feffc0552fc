"""Replays: many deliveries retried by one ask, step by step, whatever happens to the process."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from adjourn.models import Replay
from adjourn.storage.base.answers import KeptAnswer

__all__ = ["Replays"]


class Replays(Protocol):
    async def count(self, replay: Replay) -> int:
        """How many deliveries match it now: made from `since` on, and before `until`."""

    async def add(self, replay: Replay, *, answer: KeptAnswer | None) -> None:
        """Raises AnswerExists, and Conflict where too many of the app are running."""

    async def get(self, app_id: str, replay_id: str) -> Replay:
        """Raises NotFound."""

    async def list_replays(self, app_id: str, *, limit: int, offset: int) -> tuple[list[Replay], int]:
        """A page, newest first, and how many there are."""

    async def list_running(self) -> Sequence[Replay]:
        """Those of apps that are on, oldest first."""

    async def step(self, replay: Replay, *, limit: int, waiting: int, quiet: timedelta) -> int:
        """Give up to `limit` more of its deliveries an extra attempt; how many got one.

        Nothing while `waiting` extra attempts of the app wait already. One is skipped where `Queue.ask_retry`
        would schedule nothing, or its state changed. Cursor, scheduling and the check that nobody cancelled
        it are one commit. When none is left, it is done: what was not scheduled of `total` was skipped then.
        """

    async def cancel(self, app_id: str, replay_id: str) -> Replay:
        """What was scheduled stays so. Unchanged if it is not running. Raises NotFound."""

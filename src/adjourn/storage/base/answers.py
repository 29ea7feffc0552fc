"""What a caller is told in the store's own words: stale plans, and answers kept for their repetition."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from adjourn.errors import AdjournError

__all__ = ["AnswerExists", "KeptAnswer", "StaleApps"]


class StaleApps(AdjournError):
    """The caller planned with an old version of these apps: reload them and plan again."""

    def __init__(self, app_ids: Sequence[str]) -> None:
        super().__init__(f"changed meanwhile: {', '.join(app_ids)}")
        self.app_ids = tuple(app_ids)


class AnswerExists(AdjournError):
    """An idempotency key's first answer is there already: replay it."""


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The first answer to an Idempotency-Key. `body` is sealed where it shows credentials."""

    scope: str  # caller, method and path
    key: str
    body_hash: bytes
    status: int
    body: bytes
    sealed: bool
    at: datetime

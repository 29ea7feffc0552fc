"""Subjects: what a vendor's clients name in later calls, and the callbacks that they have of their own.

Publishing makes them known (`Entry.subjects`), in the commit that stores their events.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from adjourn.models import Callback, Subject
from adjourn.storage.base.queue import NewDelivery

__all__ = ["SubjectKey", "Subjects"]

SubjectKey = tuple[str, str]
"""An app's id, and a subject's."""


class Subjects(Protocol):
    """Bots and the like, each of one app. Their callbacks' secrets are sealed at rest."""

    async def find(self, app_id: str, subject_id: str) -> Subject | None: ...

    async def callbacks_of(self, keys: Sequence[SubjectKey]) -> Mapping[SubjectKey, Callback]:
        """The present callbacks of those that have one: read when deliveries to them are claimed."""

    async def set_callback(self, app_id: str, subject_id: str, callback: Callback) -> Subject:
        """Give it a callback in place of the one it may have: what waits goes there, by that URL's lane.

        Raises NotFound.
        """

    async def call_back(self, app_id: str, subject_id: str, delivery: NewDelivery) -> bool:
        """Store a delivery of its final event to its callback, due now, where there was none.

        False where the subject has had one by now, or has another final event than `delivery` names. Raises
        Conflict where that event is older than what is kept.
        """

    async def sweep(self, *, before: datetime, limit: int = 1000) -> int:
        """Forget up to `limit` that nothing was heard of since `before`; how many it was.

        Those whose callback is still to be sent something stay.
        """

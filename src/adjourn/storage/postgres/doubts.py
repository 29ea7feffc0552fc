"""What may or may not have been committed: the answer was lost, or the server was gone when it was asked.

A COMMIT may still be on its way. So the session that was to carry it out is ended first; only then it can be
looked up, or undone, what became of it.
"""

from collections.abc import Sequence

from adjourn.errors import StorageError
from adjourn.storage.base import Claimed
from adjourn.storage.postgres.bridge import Link

__all__ = ["Doubts"]

_END = """
    SELECT coalesce(bool_and(pg_terminate_backend(pid, 5000)), true)
    FROM pg_stat_activity WHERE application_name = ANY($1::text[])
"""


class Doubts:
    """Of one process."""

    def __init__(self) -> None:
        self._sessions: set[str] = set()  # whose last statement nobody knows the end of
        self._claimed: list[tuple[int, Claimed]] = []  # and the worker

    def note_session(self, name: str) -> None:
        self._sessions.add(name)

    def note_claimed(self, worker: int, deliveries: Sequence[Claimed]) -> None:
        """They may be this worker's, or not, and nobody holds them in memory."""
        self._claimed += [(worker, each) for each in deliveries]

    async def end_sessions(self, link: Link) -> None:
        """After this nothing of them is still to come. Raises StorageError where one cannot be ended."""
        names = list(self._sessions)
        if names and not await link.raw.fetchval(_END, names):
            raise StorageError("a session whose end is not known is still there")
        self._sessions.difference_update(names)

    def next_claimed(self) -> tuple[int, list[Claimed]] | None:
        """Those of one worker, to be put back."""
        if not self._claimed:
            return None
        worker = self._claimed[0][0]
        return worker, [each for number, each in self._claimed if number == worker]

    def settled(self, worker: int, deliveries: Sequence[Claimed]) -> None:
        ids = {each.id for each in deliveries}
        self._claimed = [(number, each) for number, each in self._claimed if each.id not in ids]

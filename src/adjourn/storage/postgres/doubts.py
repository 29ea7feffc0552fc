"""What may or may not have been committed: the answer was lost, or the server was gone when it was asked.

A COMMIT may still be on its way. So the session that was to carry it out is ended first; only then it can be
looked up, or undone, what became of it.
"""

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from adjourn.errors import StorageError
from adjourn.storage.postgres.bridge import Link

__all__ = ["Doubts"]

Worker = TypeVar("Worker", bound=Hashable)
Held = TypeVar("Held")

_END = """
    SELECT coalesce(bool_and(pg_terminate_backend(pid, 5000)), true)
    FROM pg_stat_activity WHERE application_name = ANY($1::text[])
"""


class Doubts(Generic[Worker, Held]):
    """Of one process: its sessions, and what its workers may hold without having it in memory."""

    def __init__(self) -> None:
        self._sessions: set[str] = set()  # whose last statement nobody knows the end of
        self._claimed: dict[Worker, list[Held]] = {}

    def note_session(self, name: str) -> None:
        self._sessions.add(name)

    def note_claimed(self, worker: Worker, taken: Sequence[Held]) -> None:
        """They may be this worker's, or not, and nobody holds them in memory."""
        if taken:
            self._claimed.setdefault(worker, []).extend(taken)

    async def end_sessions(self, link: Link) -> None:
        """After this nothing of them is still to come. Raises StorageError where one cannot be ended."""
        names = list(self._sessions)
        if names and not await link.raw.fetchval(_END, names):
            raise StorageError("a session whose end is not known is still there")
        self._sessions.difference_update(names)

    def next_claimed(self) -> tuple[Worker, list[Held]] | None:
        """Those of one worker, to be put back."""
        for worker, taken in self._claimed.items():
            return worker, list(taken)
        return None

    def settled(self, worker: Worker, count: int) -> None:
        """So many of that worker, those noted first, were put back."""
        del self._claimed[worker][:count]
        if not self._claimed[worker]:
            del self._claimed[worker]

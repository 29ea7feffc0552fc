"""A retry by hand: one extra attempt, at once, whatever the delivery's state."""

from collections.abc import Callable
from datetime import timedelta

from adjourn.sending.worker import Worker
from adjourn.storage.base import KeptAnswer, Queue, RetryAsked

__all__ = ["QUIET", "Retries"]

QUIET = timedelta(seconds=10)  # CONTRACTS 1.7: an ask so soon after the last sends nothing more


class Retries:
    def __init__(self, *, queue: Queue, worker: Worker) -> None:
        self._queue = queue
        self._worker = worker

    async def ask(
        self,
        app_id: str,
        delivery_id: str,
        *,
        keep: Callable[[RetryAsked], KeptAnswer | None] = lambda asked: None,
    ) -> RetryAsked:
        """Raises NotFound and AnswerExists."""
        asked = await self._queue.ask_retry(app_id, delivery_id, quiet=QUIET, keep=keep)
        if asked.scheduled:
            self._worker.poke()
        return asked

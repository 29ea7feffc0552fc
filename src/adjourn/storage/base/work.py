"""What every queue of ours promises, whatever it is that waits in it: deliveries, receipts.

The lease is the worker's, not the row's: one heartbeat renews all that it holds (ENGINE.md, "Moves and their
guards").
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

__all__ = ["WorkQueue"]

Held = TypeVar("Held", contravariant=True)
Ended = TypeVar("Ended", contravariant=True)


class WorkQueue(Protocol[Held, Ended]):
    """At least once: what is taken and not recorded waits again when its worker's lease is over.

    `worker` is an id that its process made at start. How something comes into the queue, and is claimed, each
    says for itself: it is hidden from everybody then, until it is recorded, given back, or reaped.
    """

    async def enlist(self, worker: str, *, lease: timedelta) -> None:
        """Enter or renew a worker: it is alive until now + lease, that moment included.

        One that takes something while it is not enlisted counts as entered with a lease that is over.
        """

    async def now(self) -> datetime:
        """The store's clock, which rules due times and leases."""

    async def record(self, worker: str, results: Sequence[Ended], /) -> object:
        """Append attempts and move what they were of.

        A success counts whoever reports it; a failure moves something only when `worker` still owns it and no
        other attempt came between. The attempt itself is always recorded, once for each number and worker:
        recording the same again changes nothing. Two claims of one worker, that was reaped between them, are
        one to the store: whoever claims what it still has at hand goes on with that, and runs it once.
        """

    async def give_back(self, worker: str, held: Sequence[Held], /) -> None:
        """Put back what this worker holds, and has not tried, to wait in its old place."""

    async def reap(self) -> int:
        """Put back what workers whose lease ran out held; how many that was."""

    async def end(self, worker: str) -> int:
        """Put back what a worker held whose process is gone for certain; how many that was."""

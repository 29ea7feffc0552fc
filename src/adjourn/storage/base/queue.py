"""The queue: the moves of deliveries (ENGINE.md, "Moves and their guards").

The garbage collector need not look at what is moved: none of it can come to hold itself.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from adjourn.models import (
    Attempt,
    Callback,
    Connection,
    Delivery,
    DeliveryState,
    Event,
    Publication,
    Subject,
)
from adjourn.storage.base.answers import KeptAnswer
from adjourn.storage.base.work import WorkQueue

__all__ = [
    "Claim",
    "Claimed",
    "Entry",
    "NewDelivery",
    "Queue",
    "Recorded",
    "Result",
    "RetryAsked",
    "Step",
]


class NewDelivery(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A delivery to be stored. Owned by `owner` from the start, or left to a job that is due now."""

    id: str
    app_id: str
    event_id: str
    event_type: str
    lane_id: int
    origin: str
    target: str | None  # an automation's id, or that of a subject's callback; None: the app
    owner: str | None
    order_key: str | None


class Entry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that one publish request stores, in one commit with the rest of its batch.

    `app_versions` are those it was planned with. `revokes` is the connection it ends. `subjects` become known
    by it: a final event takes the place of the one before, a callback is kept unless another is given.
    """

    publication: Publication
    events: Sequence[Event]
    deliveries: Sequence[NewDelivery]
    app_versions: Mapping[str, int]
    answer: KeptAnswer | None = None
    revokes: Connection | None = None
    subjects: Sequence[Subject] = ()


class Claimed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A delivery in this worker's memory, with all that an attempt needs but the app.

    `attempt_no` counts the attempts made before. `state` is FAILED when this is a scheduled retry.
    `from_job`: a job row waits behind it. `callback`: where its target is one, where that is now; a claim
    leaves it out (`Subjects.callbacks_of`).
    """

    id: str
    app_id: str
    lane_id: int
    event_id: str
    event_type: str
    body: bytes
    state: DeliveryState = DeliveryState.PENDING
    target: str | None = None
    attempt_no: int = 0
    retry_count: int = 0
    manual: bool = False
    order_key: str | None = None
    from_job: bool = False
    paced: bool = False  # of a backlog that is drained at a bounded rate
    callback: Callback | None = None


class Claim(msgspec.Struct, frozen=True):
    """What a claim brought, and when the next lane wakes (None: none waits for a time).

    `app_versions`: of the apps that the deliveries are of; who remembers an older one reads it anew before
    sending. `workers`: how many are alive, this one included; limits that no store counts are shared by them.
    """

    deliveries: Sequence[Claimed]
    next_wake: datetime | None
    app_versions: Mapping[str, int]
    workers: int = 1


class Step(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Where an attempt takes its delivery: the policy's decision, ready to be recorded.

    delivered: done. failed: again at `retry_at`. abandoned: never again. pending: stays as it was, after
    an extra attempt. `gone_url` answered 410: the app or automation that still has it is switched off in the
    same commit. `exhausted`: it is abandoned because its last retry failed.
    """

    state: DeliveryState
    retry_count: int
    retry_at: datetime | None = None
    gone_url: str | None = None
    exhausted: bool = False


class Result(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One attempt that ended, and the step that follows."""

    claimed: Claimed
    attempt: Attempt
    step: Step


class Recorded(msgspec.Struct, frozen=True):
    """What recording moved beside the deliveries: apps that changed since a URL of theirs is gone."""

    changed: Sequence[str] = ()


class RetryAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery after a retry was asked for. `scheduled`: this ask made the attempt, due at `at`.

    `is_repeated`: it made none, since the last ask that did was a moment ago, at `at`; else because an
    attempt is under way or due.
    """

    delivery: Delivery
    scheduled: bool
    at: datetime
    is_repeated: bool = False


class Queue(WorkQueue[Claimed, Result], Protocol):
    """The moves of deliveries: what every queue promises, and what is theirs alone."""

    async def enlist(self, worker: str, *, lease: timedelta, floor: str = "") -> None:
        """As every queue. `floor`: it owns no unfinished delivery below this id that was claimed as it was
        published.
        """

    async def publish(self, entries: Sequence[Entry]) -> None:
        """Store a batch: publications, events, deliveries, and jobs for those without an owner.

        All or nothing. Raises StaleApps when an app has another version than planned with, and
        AnswerExists when an idempotency key was used before.
        """

    async def claim(
        self,
        worker: str,
        *,
        room: Callable[[int, str], int],
        limit: int,
        pace: Callable[[str], int] | None = None,
    ) -> Claim:
        """Take up to `limit` waiting deliveries that are due, oldest first within each lane.

        `room` is asked once for each lane reached, with its app, and that lane gives at most as many: so
        no lane delays another. While an app's backlog drains, each of its lanes gives at most what `pace`
        says of the app, too. Deliveries of an app that is off stay, and of a target that has no URL now.
        Hidden from other workers until recorded, given back, or reaped. Empty when nothing is due.
        """

    async def record(self, worker: str, results: Sequence[Result], /) -> Recorded:
        """As every queue. A manual attempt that fails leaves state and schedule as they were.

        The app's health follows in the same commit.
        """

    async def ask_retry(
        self,
        app_id: str,
        delivery_id: str,
        *,
        quiet: timedelta,
        keep: Callable[[RetryAsked], KeptAnswer | None],
    ) -> RetryAsked:
        """Schedule one extra attempt now, in any state.

        Nothing is scheduled while an attempt is under way or due, or within `quiet` of the last ask
        that scheduled one, its last moment included.
        `keep` renders the answer to be kept in the same commit. Raises NotFound, AnswerExists, and Conflict
        when the automation it is for was deleted.
        """

    async def discard(self, *, limit: int) -> int:
        """Abandon up to `limit` waiting deliveries that their app has discarded, or whose automation was
        deleted; how many it was.
        """

    async def sweep(self, *, answers_before: datetime) -> None:
        """Forget idempotency answers given before that moment, in commits of bounded size."""

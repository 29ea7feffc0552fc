"""Publishing: what many requests ask for at the same time is planned, stored and answered together.

Requests that arrive while a commit is in flight share the next one. An answer is given only after the
commit; then what this process holds is sent from memory.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from adjourn.errors import InDoubt, StorageError, TooLarge
from adjourn.providers import order_key
from adjourn.sending.apps import AppCache
from adjourn.sending.fanout import Addressed, Envelope, FanOut
from adjourn.sending.linger import Linger
from adjourn.sending.planner import Known, Planner
from adjourn.sending.submission import Submission
from adjourn.sending.worker import Worker
from adjourn.storage.base import Claimed, Entry, KeptAnswer, NewDelivery, Queue, StaleApps

__all__ = ["Publisher", "Rendered", "Told"]

_MOST_ENVELOPES = 10_000  # of one request: ENGINE.md, "Moves and their guards"
_MOST_WAITING = 20_000  # events in requests that wait for their commit
_BATCH = 2_000  # users and apps addressed in one commit: its deliveries are a small multiple
_REPLANS = 10  # times that apps may change under a plan
_PATIENCE = 5.0  # seconds that requests wait while outcomes cannot be recorded

_log = logging.getLogger(__name__)

Rendered = Callable[[Sequence[FanOut]], KeptAnswer | None]


Told = Callable[["Sequence[FanOut] | Exception"], None]
"""Hears what became of a request, once: it is on disk, or what went wrong."""


class _Request(msgspec.Struct):
    """One caller's events: all stored or none."""

    submissions: Sequence[Submission]
    keep: Rendered
    told: Told
    weight: int  # users and apps addressed, and one for each event


class _Plan(msgspec.Struct):
    """A request, planned: what to store, and what this process will then send."""

    fan_outs: Sequence[FanOut]
    entries: Sequence[Entry]
    held: Sequence[Claimed]


class Publisher:
    """One for each process, beside its worker.

    `linger`: seconds that a request waits for others to share its commit, where requests come one by one.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        planner: Planner,
        apps: AppCache,
        worker: Worker,
        patience: float = _PATIENCE,
        linger: float = 0.0,
    ) -> None:
        self._queue = queue
        self._planner = planner
        self._apps = apps
        self._worker = worker
        self._patience = patience
        self._linger = Linger(linger) if linger else None
        self._waiting: deque[_Request] = deque()
        self._waiting_events = 0
        self._task: asyncio.Task[None] | None = None

    async def publish(
        self, submissions: Sequence[Submission], *, keep: Rendered = lambda fan_outs: None
    ) -> Sequence[FanOut]:
        """Store events and what they cause, in one commit; it is on disk when this returns.

        `keep` renders the answer to be kept in the same commit, where there is an idempotency key.
        Raises InputError (an app that does not exist), TooLarge, AnswerExists, and StorageError when
        the store cannot take it or too much waits already.
        """
        done: asyncio.Future[Sequence[FanOut]] = asyncio.get_running_loop().create_future()

        def told(outcome: Sequence[FanOut] | Exception) -> None:
            if done.done():
                return  # a caller who leaves cancels his answer, not the work
            if isinstance(outcome, Exception):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

        self.submit(submissions, told, keep=keep)
        return await done

    def submit(
        self, submissions: Sequence[Submission], told: Told, *, keep: Rendered = lambda fan_outs: None
    ) -> None:
        """As `publish`, for a caller that does not wait: `told` hears the outcome.

        Raises StorageError when too much waits already; then `told` hears nothing.
        """
        events = len(submissions)
        if self._waiting_events + events > _MOST_WAITING:
            raise StorageError("too many events wait to be stored")
        self._waiting.append(_Request(submissions, keep, told, _weight(submissions)))
        self._waiting_events += events
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        elif self._linger is not None:
            self._linger.arrived(len(self._waiting))

    async def _run(self) -> None:
        await asyncio.sleep(0)  # what this pass of the loop still brings joins the first commit
        try:
            while self._waiting:
                if self._linger is not None:
                    await self._wait_for_more(self._linger)
                if await self._worker.outcomes.wait_for_room(within=self._patience):
                    await self._commit_all(self._next_batch())
                else:
                    self._refuse()
        finally:
            self._task = None

    async def _wait_for_more(self, linger: Linger) -> None:
        before = len(self._waiting)
        now = asyncio.get_running_loop().time()
        if wanted := linger.wants(before, events=self._waiting_events, now=now):
            await linger.wait(wanted)
            linger.brought(len(self._waiting) - before)

    def _next_batch(self) -> list[_Request]:
        batch = [self._waiting.popleft()]
        weight = batch[0].weight
        while self._waiting and (weight := weight + self._waiting[0].weight) <= _BATCH:
            batch.append(self._waiting.popleft())
        self._waiting_events -= sum([len(each.submissions) for each in batch])
        return batch

    def _refuse(self) -> None:
        while self._waiting:
            _tell_all(self._next_batch(), StorageError("too many outcomes wait to be recorded"))

    async def _commit_all(self, batch: Sequence[_Request]) -> None:
        """Commit a batch; if that fails, each request alone, so that a bad one fails its caller only."""
        try:
            done = await self._commit(batch)
        except Exception as exc:
            if len(batch) == 1 or isinstance(exc, InDoubt):  # what may be stored is not stored again
                _tell_all(batch, exc)
                return
            for request in batch:
                await self._commit_all([request])
            return
        if self._linger is not None:
            self._linger.committed(len(batch), now=asyncio.get_running_loop().time())
        for request, fan_outs in zip(batch, done, strict=True):
            _tell(request, fan_outs)

    async def _commit(self, batch: Sequence[_Request]) -> list[Sequence[FanOut]]:
        known = await self._planner.read([each for request in batch for each in request.submissions])
        for _ in range(_REPLANS):
            plans: list[_Plan] = []
            try:
                at = await self._queue.now()
                for request in batch:
                    plans.append(self._plan(request, known, at))  # noqa: PERF401 - what is held must be known
                await self._queue.publish([entry for plan in plans for entry in plan.entries])
            except BaseException as exc:
                undo = self._worker.doubt if isinstance(exc, InDoubt) else self._worker.let_go
                for plan in plans:
                    _each(plan.held, undo)
                if not isinstance(exc, StaleApps):
                    raise
                await self._apps.reload(exc.app_ids)
                continue
            self._hand_over(plans)
            return [plan.fan_outs for plan in plans]
        raise StorageError("the apps concerned change faster than events can be published")

    def _hand_over(self, plans: Sequence[_Plan]) -> None:
        for plan in plans:
            for claimed in plan.held:
                self._worker.take(claimed)
            if len(plan.held) < sum([len(entry.deliveries) for entry in plan.entries]):
                self._worker.poke()

    def _plan(self, request: _Request, known: Known, at: datetime) -> _Plan:
        plan = self._planner.plan
        fan_outs = [plan(each, known, at) for each in request.submissions]
        every = fan_outs
        if any(made.assignments for made in fan_outs):
            every = [each for made in fan_outs for each in (made, *made.assignments)]
        # What partners set up, further URLs and automations that match, is bounded elsewhere and not counted:
        # no partner makes a product's request too large.
        if sum([len(each.envelopes) for each in fan_outs]) > _MOST_ENVELOPES:
            raise TooLarge(
                f"one request makes at most {_MOST_ENVELOPES:,} deliveries; address fewer at a time"
            )
        answer = request.keep(fan_outs)
        held: list[Claimed] = []
        try:
            entries = [self._entry(made, held) for made in every]
        except BaseException:
            _each(held, self._worker.let_go)
            raise
        if answer is not None:
            entries[0] = msgspec.structs.replace(entries[0], answer=answer)
        return _Plan(fan_outs, entries, held)

    def _entry(self, planned: FanOut, held: list[Claimed]) -> Entry:
        return Entry(
            publication=planned.publication,
            events=[envelope.event for envelope in planned.envelopes],
            deliveries=[
                self._delivery(planned.submission, envelope, addressed, held)
                for envelope in planned.envelopes
                for addressed in envelope.deliveries
            ],
            app_versions=planned.versions,
            revokes=planned.submission.revokes,
            subjects=planned.subjects,
        )

    def _delivery(
        self, submission: Submission, envelope: Envelope, addressed: Addressed, held: list[Claimed]
    ) -> NewDelivery:
        """Owned by this process from the start where it has room, else left to wait in its lane."""
        app, event, to = envelope.app, envelope.event, addressed.to
        order = _order_key(submission, to.target) if app.options.ordered else None
        may_go = order is None and to.is_open
        holds = may_go and self._worker.try_hold(addressed.delivery_id, to.lane_id, app.id)
        if holds:
            held.append(
                Claimed(
                    id=addressed.delivery_id,
                    app_id=app.id,
                    lane_id=to.lane_id,
                    event_id=event.id,
                    event_type=submission.event_type.name,
                    body=envelope.body,
                    target=to.target,
                    callback=to.callback,
                )
            )
        return NewDelivery(
            id=addressed.delivery_id,
            app_id=app.id,
            event_id=event.id,
            event_type=submission.event_type.name,
            lane_id=to.lane_id,
            origin=to.origin,
            target=to.target,
            owner=self._worker.id if holds else None,
            order_key=order,
        )


def _each(held: Sequence[Claimed], act: Callable[[Claimed], None]) -> None:
    for claimed in held:
        act(claimed)


def _order_key(submission: Submission, target: str | None) -> str | None:
    """The meeting or bot, for each target apart: CONTRACTS 1.5."""
    key = order_key(submission.data)
    if key is None:
        return None
    key = key.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL keeps none in a text
    return key if target is None else f"{target} {key}"


def _weight(submissions: Sequence[Submission]) -> int:
    weight = len(submissions)
    for each in submissions:
        weight += len(each.audience.user_ids or each.audience.partner_app_ids or ())
    return weight


def _tell_all(batch: Sequence[_Request], exc: Exception) -> None:
    for request in batch:
        _tell(request, exc)


def _tell(request: _Request, outcome: Sequence[FanOut] | Exception) -> None:
    try:
        request.told(outcome)
    except Exception:  # one caller's trouble: the others are to hear, too
        _log.exception("a caller could not be told what became of its events")

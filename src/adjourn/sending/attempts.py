"""What this process has in its hands: each delivery from the moment it is taken to its outcome.

The middle of the flow. An attempt whose answer is a success passes through here in two calls, without a task;
whatever else comes of one is settled in a task of its own.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from adjourn.errors import StorageError
from adjourn.models import App, Attempt, Policy, subject_of_target
from adjourn.providers import PROVIDERS
from adjourn.sending.apps import AppCache
from adjourn.sending.lanes import Lanes
from adjourn.sending.policy import Reply, decide, delivered
from adjourn.sending.replies import NOT_MADE, failed
from adjourn.sending.request import RequestBuilder
from adjourn.sending.sender import Request, Sender, UnderWay
from adjourn.storage.base import Claimed, Result, Step

__all__ = ["Attempts"]

_log = logging.getLogger(__name__)

# Attempts started before other work of the loop has its turn: of what was just published, and of what comes
# from the store. That is the dearer: much of it failed before, and a connection that is refused costs most.
_AT_ONCE = 64
_AT_ONCE_STORED = 8
_REJECTED = (401, 403)  # while a secret's grace period runs: tried again with the one before
_QUICK = 1.0  # seconds: a lane whose answers take longer gets no more room


class _Try(msgspec.Struct, eq=False):
    """An attempt under way. `began` is by our clock, `at` the time of day."""

    claimed: Claimed
    url: str
    policy: Policy
    at: datetime
    began: float
    step: UnderWay | None = None  # what is waited for


class Attempts:
    """`take` deliveries; each ends in `outcomes` or, where no attempt was made, in `returns`.

    `may_start`: whether any attempt may start now. `now`: the store's clock. `on_room`: a lane has room for
    what waits in the store. `again`: seconds until what went wrong is tried again.
    """

    def __init__(
        self,
        *,
        apps: AppCache,
        sender: Sender,
        policies: dict[str, Policy],
        lanes: Lanes,
        rng: random.Random,
        clock: Callable[[], float],
        now: Callable[[], Awaitable[datetime]],
        may_start: Callable[[], bool],
        outcomes: Callable[[Result], None],
        returns: Callable[[Claimed], None],
        on_room: Callable[[], None],
        again: float,
    ) -> None:
        self._apps = apps
        self._sender = sender
        self._policies = policies
        self._lanes = lanes
        self._rng = rng
        self._clock = clock
        self._now = now
        self._may_start = may_start
        self._outcomes = outcomes
        self._returns = returns
        self._on_room = on_room
        self._again = again
        self._requests = RequestBuilder()
        self._published: deque[Claimed] = deque()  # taken, and not started yet
        self._stored: deque[Claimed] = deque()  # the same, of what had waited
        self._starting = False
        self._under_way: set[_Try] = set()
        self._drains = False
        self._ended = asyncio.Event()  # one did, while it drains

    def take(self, claimed: Claimed) -> None:
        """Attempt one for which room is held, as soon as the loop comes to it."""
        if self._drains:
            self._put_back(claimed)
            return
        (self._stored if claimed.from_job else self._published).append(claimed)
        if not self._starting:
            self._starting = True
            asyncio.get_running_loop().call_soon(self._start_taken)

    def refuse(self, claimed: Claimed, error: str) -> None:
        """Put on record an attempt that cannot be made."""
        app = self._apps.find(claimed.app_id)
        policy = None if app is None else self._policy(app, claimed)
        if policy is None or self._drains:
            self._put_back(claimed)
            return
        attempt = _Try(claimed, "", policy, datetime.now(UTC), self._clock())
        self._under_way.add(attempt)
        self._hear(attempt, failed(error))

    async def drain(self, grace: timedelta) -> None:
        """Start nothing more. What has not ended when the grace is over is put back."""
        self._drains = True
        for taken in (self._published, self._stored):
            while taken:
                self._put_back(taken.popleft())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace.total_seconds()):
                while self._under_way:
                    self._ended.clear()
                    await self._ended.wait()
        for each in [*self._under_way]:
            if each.step is not None:
                each.step.cancel()
            self._abandon(each)

    # the straight path

    def _start_taken(self) -> None:
        """Some of both: what was published just now does not wait behind all that a claim brought."""
        may_start = self._may_start()
        at, began = datetime.now(UTC), self._clock()
        try:
            for taken, most in ((self._published, _AT_ONCE), (self._stored, _AT_ONCE_STORED)):
                for _ in range(min(len(taken), most)):
                    self._start_one(taken.popleft(), may_start, at, began)
        finally:
            self._starting = bool(self._published or self._stored)
            if self._starting:
                asyncio.get_running_loop().call_soon(self._start_taken)

    def _start_one(self, claimed: Claimed, may_start: bool, at: datetime, began: float) -> None:
        app = self._apps.find(claimed.app_id) if may_start else None
        if app is None or not app.is_on:
            self._put_back(claimed)
            return
        callback = claimed.callback
        url = app.url_for(claimed.target) if callback is None else callback.url
        policy = self._policies[app.provider] if callback is None else self._policy(app, claimed)
        if url is None or policy is None:
            self._put_back(claimed)
        else:
            self._start(_Try(claimed, url, policy, at, began), app)

    def _policy(self, app: App, claimed: Claimed) -> Policy | None:
        if subject_of_target(claimed.target) is None:
            return self._policies[app.provider]
        callbacks = PROVIDERS[app.provider].callbacks
        return None if callbacks is None else callbacks.policy

    def _start(self, attempt: _Try, app: App) -> None:
        self._under_way.add(attempt)
        try:
            request = self._request(attempt, app, at=attempt.at)
            attempt.step = self._sender.start(request, partial(self._hear, attempt))
        except Exception:  # a fault of ours: on record as a failed attempt, so that its retry is paced
            _log.exception("delivery %s could not be sent", attempt.claimed.id)
            self._hear(attempt, failed(NOT_MADE))

    def _hear(self, attempt: _Try, reply: Reply) -> None:
        if attempt not in self._under_way:
            return  # it is abandoned
        try:
            ended = self._clock()
            if reply.succeeded:
                self._finish(attempt, reply, ended=ended, step=delivered(attempt.claimed))
            else:
                settling = self._settle(attempt, reply, ended=ended)
                attempt.step = asyncio.get_running_loop().create_task(settling)
        except Exception:
            self._go_wrong(attempt)

    def _finish(self, attempt: _Try, reply: Reply, *, ended: float, step: Step) -> None:
        claimed = attempt.claimed
        result = Result(
            claimed=claimed,
            attempt=Attempt(
                delivery_id=claimed.id,
                no=claimed.attempt_no + 1,
                at=attempt.at,
                duration_ms=round((ended - attempt.began) * 1000),
                http_status=reply.status,
                error=reply.error,
                response=reply.start.decode("utf-8", "replace"),
                response_headers=reply.headers,
            ),
            step=step,
        )
        if reply.succeeded:
            self._lanes.succeeded(claimed.lane_id, quickly=ended - attempt.began < _QUICK)
        self._outcomes(result)
        self._let_go(attempt)

    # what else comes of an attempt

    async def _settle(self, attempt: _Try, reply: Reply, *, ended: float) -> None:
        """Try once more where an older secret counts; then decide, by the store's clock, what follows."""
        claimed = attempt.claimed
        try:
            if reply.status in _REJECTED and (app := self._may_repeat(attempt)) is not None:
                reply = await self._repeat(attempt, app)
                ended = self._clock()
            if not reply.succeeded:
                self._lanes.failed(claimed.lane_id, timed_out=reply.timed_out)
                _log.debug("delivery %s of app %s failed: %s", claimed.id, claimed.app_id, reply.error)
            now = await self._time_of(ended)
            if attempt in self._under_way:
                step = decide(attempt.policy, claimed, reply, url=attempt.url, now=now, rng=self._rng)
                self._finish(attempt, reply, ended=ended, step=step)
        except Exception:
            self._go_wrong(attempt)

    def _may_repeat(self, attempt: _Try) -> App | None:
        """The app as it is by now, if an older secret counts and an attempt may start at that URL still."""
        if not attempt.policy.old_secret_again:
            return None
        app = self._apps.find(attempt.claimed.app_id)
        if app is None or not app.is_on or app.url_for(attempt.claimed.target) != attempt.url:
            return None
        return app if app.secrets_in_grace(datetime.now(UTC)) and self._may_start() else None

    async def _repeat(self, attempt: _Try, app: App) -> Reply:
        try:
            request = self._request(attempt, app, at=datetime.now(UTC), old_first=True)
            return await self._sender.send(request)
        except Exception:
            _log.exception("delivery %s could not be sent again", attempt.claimed.id)
            return failed(NOT_MADE)

    async def _time_of(self, moment: float) -> datetime:
        """What the store's clock said at a moment of ours. Waits while the store cannot tell."""
        while True:
            try:
                now = await self._now()
            except StorageError as exc:
                _log.warning("the store cannot tell the time, asking again: %s", exc)
                await asyncio.sleep(self._again)
            else:
                return now - timedelta(seconds=self._clock() - moment)

    def _go_wrong(self, attempt: _Try) -> None:
        """A fault of ours: nothing may stay in memory for ever."""
        _log.exception("delivery %s goes back to wait", attempt.claimed.id)
        attempt.step = asyncio.get_running_loop().call_later(self._again, self._abandon, attempt)

    # the ends

    def _request(self, attempt: _Try, app: App, *, at: datetime, old_first: bool = False) -> Request:
        return self._requests.build(
            app, attempt.claimed, attempt.policy, url=attempt.url, now=at, old_first=old_first
        )

    def _abandon(self, attempt: _Try) -> None:
        self._returns(attempt.claimed)
        self._let_go(attempt)

    def _let_go(self, attempt: _Try) -> None:
        self._under_way.discard(attempt)
        self._release(attempt.claimed.lane_id)
        if self._drains:
            self._ended.set()

    def _put_back(self, claimed: Claimed) -> None:
        self._returns(claimed)
        self._release(claimed.lane_id)

    def _release(self, lane_id: int) -> None:
        if self._lanes.release(lane_id):
            self._on_room()

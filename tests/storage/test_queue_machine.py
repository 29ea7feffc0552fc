"""Random moves against a model in memory: nothing unfinished is lost, nothing is in two hands."""

import asyncio
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.storage.harness import BACKENDS, LEASE, MINUTE, MS, QUIET, Clock, World

from adjourn.models import DeliveryState
from adjourn.storage.base import Claimed, Result

APPS = ["plain", "ordered"]
WORKERS = ["w1", "w2"]
UNFINISHED = (DeliveryState.PENDING, DeliveryState.FAILED)


class Job:
    """Waiting or claimed; `due` None: behind another of its key."""

    def __init__(
        self, seq: int, due: datetime | None, *, key: str | None = None, manual: bool = False
    ) -> None:
        self.seq = seq
        self.due = due
        self.key = key
        self.manual = manual
        self.owner: str | None = None


class Row:
    """A delivery, as it must be."""

    def __init__(self, app_id: str, owner: str | None) -> None:
        self.app_id = app_id
        self.owner = owner
        self.state = DeliveryState.PENDING
        self.attempt_no = 0
        self.retry_count = 0
        self.next_retry_at: datetime | None = None
        self.asked_at: datetime | None = None
        self.job: Job | None = None
        self.attempts: set[tuple[int, str]] = set()


class QueueMachine(RuleBasedStateMachine):
    backend = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.rows: dict[str, Row] = {}
        self.hands: list[tuple[str, Claimed]] = []  # what workers believe they hold
        self.results: list[tuple[str, Result]] = []
        self.expires: dict[str, datetime] = {}
        self.on = dict.fromkeys(APPS, True)
        self.seq = 0

    @initialize()
    def open(self) -> None:
        backend = BACKENDS[self.backend](Path(self.folder.name))
        self.store = self.runner.run(backend.open(self.clock))
        self.world = World(self.store, self.clock)
        self.queue = self.store.queue
        for app_id in APPS:
            self.runner.run(self.world.add_app(app_id, ordered=app_id == "ordered"))

    # moves

    @rule(worker=st.sampled_from(WORKERS))
    def enlist(self, worker: str) -> None:
        held = [each.id for name, each in self.hands if name == worker and not each.from_job]
        self.runner.run(self.world.enlist(worker, floor=min(held, default=self.world.ids.floor())))
        self.expires[worker] = self.clock.now + LEASE

    @rule(worker=st.sampled_from(WORKERS), count=st.integers(1, 3))
    def publish_held(self, worker: str, count: int) -> None:
        for _ in range(count):
            claimed = self.runner.run(self.world.publish_held(worker, "plain"))
            self.rows[claimed.id] = Row("plain", worker)
            self.hands.append((worker, claimed))
            self.expires.setdefault(worker, self.clock.now)

    @rule(app_id=st.sampled_from(APPS), keys=st.lists(st.sampled_from(["k1", "k2", None]), max_size=4))
    def publish_waiting(self, app_id: str, keys: list[str | None]) -> None:
        keys = [key if app_id == "ordered" else None for key in keys]
        new = [self.world.delivery(app_id, order_key=key) for key in keys]
        self.runner.run(self.world.publish(*new))
        for each in new:
            self.rows[each.id] = Row(app_id, None)
            self._wait(self.rows[each.id], self.clock.now, key=each.order_key)

    @rule(worker=st.sampled_from(WORKERS), room=st.integers(0, 4))
    def claim(self, worker: str, room: int) -> None:
        expected = []
        for app_id in APPS:
            due = [
                (row.job.due, row.job.seq, delivery_id)
                for delivery_id, row in self.rows.items()
                if row.app_id == app_id and row.job is not None and row.job.owner is None
                if row.job.due is not None and row.job.due <= self.clock.now
            ]
            expected += [each[2] for each in sorted(due)[:room]] if self.on[app_id] else []
        taken = self.runner.run(self.world.claim(worker, room=room))
        for app_id in APPS:
            wanted = [each for each in expected if self.rows[each].app_id == app_id]
            assert [each.id for each in taken if each.app_id == app_id] == wanted
        for each in taken:
            row = self.rows[each.id]
            assert row.owner is None
            assert row.job is not None
            assert (each.state, each.attempt_no, each.retry_count) == (
                row.state,
                row.attempt_no,
                row.retry_count,
            )
            assert (each.manual, each.order_key) == (row.job.manual, row.job.key)
            row.job.owner = worker
            self.hands.append((worker, each))
        if taken:
            self.expires.setdefault(worker, self.clock.now)

    @precondition(lambda self: self.hands)
    @rule(
        pick=st.integers(0, 99),
        end=st.sampled_from(["success", "failure", "failure", "last_failure"]),
    )
    def record(self, pick: int, end: str) -> None:
        worker, claimed = self.hands.pop(pick % len(self.hands))
        if claimed.manual and end == "failure":
            end = "extra_failure"
        result: Result = getattr(self.world, end)(claimed)
        self._record(worker, result)

    @precondition(lambda self: self.results)
    @rule(pick=st.integers(0, 99))
    def record_again(self, pick: int) -> None:
        self._record(*self.results[pick % len(self.results)])

    @precondition(lambda self: self.hands)
    @rule(pick=st.integers(0, 99))
    def give_back(self, pick: int) -> None:
        worker, claimed = self.hands.pop(pick % len(self.hands))
        self.runner.run(self.queue.give_back(worker, [claimed]))
        row = self.rows[claimed.id]
        if claimed.from_job and row.job is not None and row.job.owner == worker:
            row.job.owner = None
        elif not claimed.from_job and row.owner == worker:
            row.owner = None
            self._wait(row, self.clock.now)

    @precondition(lambda self: self.rows)
    @rule(pick=st.integers(0, 99))
    def ask_retry(self, pick: int) -> None:
        delivery_id = list(self.rows)[pick % len(self.rows)]
        row = self.rows[delivery_id]
        asked = self.runner.run(self.world.ask(delivery_id, row.app_id))
        job = row.job
        is_due = job is not None and (
            job.owner is not None or (job.due is not None and job.due <= self.clock.now)
        )
        is_quiet = row.asked_at is not None and row.asked_at >= self.clock.now - QUIET
        assert asked.scheduled == (row.owner is None and not is_due and not is_quiet)
        if asked.scheduled:
            row.asked_at = self.clock.now
            self._wait(row, self.clock.now, manual=True)

    @rule(by=st.sampled_from([MS, QUIET, QUIET + MS, MINUTE - MS, MINUTE, LEASE + MS]))
    def advance(self, by: timedelta) -> None:
        self.clock.advance(by)

    @rule()
    def reap(self) -> None:
        dead = {worker for worker, expires in self.expires.items() if expires < self.clock.now}
        count = 0
        for row in self.rows.values():
            if row.job is not None and row.job.owner in dead:
                row.job.owner = None
                count += 1
        for _, row in sorted(self.rows.items(), key=lambda each: (each[1].owner or "", each[0])):
            if row.owner in dead:
                row.owner = None
                self._wait(row, self.clock.now)
                count += 1
        for worker in dead:
            del self.expires[worker]
        assert self.runner.run(self.queue.reap()) == count

    @rule(app_id=st.sampled_from(APPS))
    def switch(self, app_id: str) -> None:
        self.on[app_id] = not self.on[app_id]
        self.runner.run(self.world.change(app_id, enabled=self.on[app_id]))

    # what must hold

    @invariant()
    def every_delivery_is_as_it_must_be(self) -> None:
        for delivery_id, row in self.rows.items():
            found = self.runner.run(self.world.get(delivery_id))
            assert (found.state, found.attempt_no, found.retry_count, found.next_retry_at) == (
                row.state,
                row.attempt_no,
                row.retry_count,
                row.next_retry_at,
            )

    @invariant()
    def unfinished_deliveries_are_in_one_hand_or_wait_for_one(self) -> None:
        heads = self._heads()
        for row in self.rows.values():
            job = row.job
            if row.state in UNFINISHED:
                assert (row.owner is None) != (job is None)
            else:
                assert row.owner is None
                assert job is None or job.manual
            if job is not None:
                assert job.due is not None or heads[row.app_id, job.key] < job.seq
            for owner in (row.owner, None if job is None else job.owner):
                assert owner is None or owner in self.expires

    def teardown(self) -> None:
        try:
            if self.rows:
                self.runner.run(self._finish_all())
        finally:
            self.runner.run(self.store.close())
            self.runner.close()
            self.folder.cleanup()

    async def _finish_all(self) -> None:
        """However it went: in the end each unfinished delivery comes once, and is delivered."""
        self.clock.advance(timedelta(days=1))
        for app_id in APPS:
            await self.world.change(app_id, enabled=True)
        await self.queue.reap()
        left = sorted(delivery_id for delivery_id, row in self.rows.items() if row.job or row.owner)
        came = []
        while taken := await self.world.claim("last"):
            came += [each.id for each in taken]
            await self.world.record(*(self.world.success(each) for each in taken), worker="last")
        assert sorted(came) == left
        for delivery_id, row in self.rows.items():
            expected = DeliveryState.DELIVERED if delivery_id in left else row.state
            assert await self.world.state(delivery_id) is expected

    # the model's own moves

    def _record(self, worker: str, result: Result) -> None:
        self.results.append((worker, result))
        self.runner.run(self.world.record(result, worker=worker))
        row, step, attempt = self.rows[result.claimed.id], result.step, result.attempt
        is_success = step.state is DeliveryState.DELIVERED
        known = (attempt.no, worker) in row.attempts
        row.attempts.add((attempt.no, worker))
        if known and not (is_success and row.state is not DeliveryState.DELIVERED):
            return
        holds = row.owner == worker or (row.job is not None and row.job.owner == worker)
        if is_success:
            row.state, row.owner, row.next_retry_at = DeliveryState.DELIVERED, None, None
            row.attempt_no = max(row.attempt_no, attempt.no)
            row.retry_count = max(row.retry_count, step.retry_count)
            self._finish(row)
        elif not holds or row.attempt_no != result.claimed.attempt_no:
            return
        elif step.state is not DeliveryState.PENDING and row.state in UNFINISHED:
            self._fail(row, result)
        elif result.claimed.manual:
            self._fail_extra(row)

    def _fail(self, row: Row, result: Result) -> None:
        row.state, row.owner, row.next_retry_at = result.step.state, None, result.step.retry_at
        row.retry_count = result.step.retry_count
        row.attempt_no += 1
        if result.step.retry_at is None:
            self._finish(row)
        else:
            self._wait(row, result.step.retry_at)

    def _fail_extra(self, row: Row) -> None:
        row.attempt_no += 1
        if row.state not in UNFINISHED:
            self._finish(row)
        elif row.state is DeliveryState.FAILED:
            self._wait(row, row.next_retry_at)
        else:
            assert row.job is not None
            is_head = row.job.key is None or self._heads()[row.app_id, row.job.key] == row.job.seq
            self._wait(row, self.clock.now if is_head else None)

    def _wait(self, row: Row, due: datetime | None, *, key: str | None = None, manual: bool = False) -> None:
        if row.job is not None:
            row.job.due, row.job.owner, row.job.manual = due, None, manual
            return
        self.seq += 1
        behind = key is not None and (row.app_id, key) in self._heads()
        row.job = Job(self.seq, None if behind else due, key=key, manual=manual)

    def _finish(self, row: Row) -> None:
        job, row.job = row.job, None
        if job is None or job.key is None:
            return
        for other in self.rows.values():
            next_job = other.job
            if (
                next_job is not None
                and (other.app_id, next_job.key) == (row.app_id, job.key)
                and next_job.seq == self._heads()[row.app_id, job.key]
                and next_job.due is None
                and next_job.owner is None
            ):
                next_job.due = self.clock.now

    def _heads(self) -> dict[tuple[str, str | None], int]:
        """The oldest job of each order key."""
        heads: dict[tuple[str, str | None], int] = {}
        for row in self.rows.values():
            if row.job is not None and row.job.key is not None:
                key = (row.app_id, row.job.key)
                heads[key] = min(row.job.seq, heads.get(key, row.job.seq))
        return heads


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_random_moves_lose_nothing(backend: str) -> None:
    machine = type("Machine", (QueueMachine,), {"backend": backend})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30 if backend == "sqlite" else 10,  # it takes a second for each
            stateful_step_count=40,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

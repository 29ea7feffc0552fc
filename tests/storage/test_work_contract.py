"""WorkQueue: what every queue of ours promises of claims, leases and outcomes, on every database."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.storage.harness import LEASE, MINUTE, MS
from tests.storage.work import State, Work, open_work

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["deliveries-postgres", "deliveries-sqlite", "receipts-postgres", "receipts-sqlite"])
async def work(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Work]:
    what, _, kind = request.param.partition("-")
    opened = await open_work(what, kind, tmp_path)
    yield opened
    await opened.close()


async def lost(work: Work) -> tuple[Any, Any]:
    """One as w1 had claimed it, whose lease ran out, and as w2 claimed it then."""
    await work.enlist("w1")
    await work.put()
    before = await work.claim_one()
    work.clock.advance(LEASE + MS)
    await work.enlist("w2")
    assert await work.queue.reap() == 1
    return before, await work.claim_one("w2")


async def test_the_clock_of_the_store_is_its_own(work: Work) -> None:
    work.clock.advance(MINUTE)
    assert await work.queue.now() == work.clock.now


# claiming


async def test_nothing_is_claimed_from_an_empty_store(work: Work) -> None:
    assert (await work.claim(), await work.next_due()) == ([], None)


async def test_what_is_claimed_is_hidden_from_everybody(work: Work) -> None:
    await work.put()
    assert len(await work.claim("w1")) == 1
    assert await work.claim("w2") == []
    assert await work.claim("w1") == []


async def test_a_retry_says_so_and_counts(work: Work) -> None:
    await work.put()
    await work.record(work.failure(await work.claim_one()))
    work.clock.advance(MINUTE)
    retry = await work.claim_one()
    assert (retry.state, retry.attempt_no, retry.retry_count) == ("failed", 1, 0)


async def test_oldest_first(work: Work) -> None:
    put = [await work.put() for _ in range(5)]
    assert work.names(await work.claim(limit=2)) == put[:2]
    assert work.names(await work.claim(limit=2)) == put[2:4]
    assert work.names(await work.claim(limit=2)) == put[4:]


async def test_what_was_due_first_comes_first(work: Work) -> None:
    early = await work.put()
    await work.record(work.failure(await work.claim_one(), retry_in=2 * MINUTE))
    work.clock.advance(MINUTE)
    late = await work.put()
    work.clock.advance(MINUTE)
    assert work.names(await work.claim()) == [late, early]


async def test_a_retry_is_due_at_its_moment_and_not_a_millisecond_before(work: Work) -> None:
    name = await work.put()
    await work.record(work.failure(await work.claim_one(), retry_in=MINUTE))
    work.clock.advance(MINUTE - MS)
    assert await work.claim() == []
    work.clock.advance(MS)
    assert work.names(await work.claim()) == [name]


async def test_a_retry_between_two_milliseconds_is_never_early(work: Work) -> None:
    await work.put()
    await work.record(work.failure(await work.claim_one(), retry_in=timedelta(microseconds=60_000_300)))
    work.clock.advance(MINUTE)
    assert await work.claim() == []
    work.clock.advance(MS)
    assert len(await work.claim()) == 1


async def test_a_claim_tells_when_the_next_is_due(work: Work) -> None:
    await work.put()
    await work.put()
    one, two = await work.claim()
    assert await work.next_due() is None
    await work.record(work.failure(one, retry_in=MINUTE), work.failure(two, retry_in=3 * MINUTE))
    assert await work.next_due() == work.clock.now + MINUTE
    work.clock.advance(MINUTE)
    assert work.names(await work.claim()) == [work.name(one)]
    assert await work.next_due() == work.clock.now + 2 * MINUTE
    work.clock.advance(2 * MINUTE)
    assert work.names(await work.claim()) == [work.name(two)]


# giving back


async def test_what_was_given_back_waits_in_its_old_place(work: Work) -> None:
    first = await work.put()
    work.clock.advance(MS)
    claimed = await work.claim_one()
    second = await work.put()
    await work.queue.give_back("w1", [claimed])
    assert work.names(await work.claim("w2")) == [first, second]


async def test_giving_back_twice_changes_nothing(work: Work) -> None:
    await work.put()
    claimed = await work.claim_one()
    for _ in range(2):
        await work.queue.give_back("w1", [claimed])
    assert work.names(await work.claim("w2")) == [work.name(claimed)]
    await work.queue.give_back("w1", [claimed])
    assert await work.claim("w3") == []


async def test_giving_back_what_was_recorded_changes_nothing(work: Work) -> None:
    await work.put()
    claimed = await work.claim_one()
    await work.record(work.failure(claimed))
    await work.queue.give_back("w1", [claimed])
    assert await work.claim() == []
    assert await work.state(work.name(claimed)) is State.FAILED


# leases


async def test_a_worker_is_alive_to_the_end_of_its_lease_and_not_a_millisecond_longer(work: Work) -> None:
    await work.enlist("w1")
    name = await work.put()
    await work.claim("w1")
    work.clock.advance(LEASE)
    assert await work.queue.reap() == 0
    assert await work.claim("w2") == []
    work.clock.advance(MS)
    assert await work.queue.reap() == 1
    assert work.names(await work.claim("w2")) == [name]


async def test_a_renewed_lease_counts_from_its_renewal(work: Work) -> None:
    await work.enlist("w1")
    await work.put()
    await work.claim("w1")
    work.clock.advance(LEASE)
    await work.enlist("w1")
    work.clock.advance(LEASE)
    assert await work.queue.reap() == 0
    work.clock.advance(MS)
    assert await work.queue.reap() == 1


async def test_a_lease_given_up_is_over_at_once(work: Work) -> None:
    await work.enlist("w1")
    await work.put()
    await work.claim("w1")
    await work.queue.enlist("w1", lease=timedelta(0))
    work.clock.advance(MS)
    assert await work.queue.reap() == 1


async def test_what_a_worker_held_that_is_gone_for_certain_waits_at_once(work: Work) -> None:
    await work.enlist("gone")
    await work.enlist("alive")
    await work.put()
    await work.put()
    (of_gone,) = await work.claim("gone", limit=1)
    await work.claim("alive")
    assert await work.queue.end("gone") == 1
    assert work.names(await work.claim("w3")) == [work.name(of_gone)]
    assert await work.queue.end("gone") == 0


async def test_only_what_the_dead_worker_held_is_put_back(work: Work) -> None:
    await work.enlist("dead")
    of_dead = [await work.put(), await work.put()]
    await work.claim("dead")
    work.clock.advance(LEASE)
    await work.enlist("alive")
    await work.put()
    claimed = await work.claim_one("alive")
    work.clock.advance(MS)
    assert await work.queue.reap() == 2
    assert sorted(work.names(await work.claim("alive"))) == sorted(of_dead)
    await work.record(work.success(claimed), worker="alive")
    assert await work.state(work.name(claimed)) is State.DONE


async def test_reaping_twice_frees_nothing_twice(work: Work) -> None:
    await work.enlist("w1")
    await work.put()
    await work.put()
    await work.claim("w1")
    work.clock.advance(LEASE + MS)
    assert [await work.queue.reap() for _ in range(3)] == [2, 0, 0]
    assert len(await work.claim("w2")) == 2
    assert await work.claim("w3") == []


async def test_a_reaped_retry_keeps_what_it_was(work: Work) -> None:
    await work.put()
    await work.record(work.failure(await work.claim_one("w1")))
    work.clock.advance(MINUTE - MS)
    await work.enlist("w1")
    work.clock.advance(MS)
    before = await work.claim_one("w1")
    work.clock.advance(LEASE)
    await work.queue.reap()
    assert await work.claim_one("w2") == before
    assert before.state == "failed"


async def test_what_is_finished_is_not_put_back(work: Work) -> None:
    await work.enlist("w1")
    await work.put()
    await work.put()
    one, two = await work.claim("w1")
    await work.record(work.success(one), work.last_failure(two))
    work.clock.advance(LEASE + MS)
    assert await work.queue.reap() == 0
    assert await work.claim("w2") == []


async def test_what_is_claimed_by_a_worker_reaped_unnoticed_is_not_lost(work: Work) -> None:
    name = await work.put()
    await work.claim("never enlisted")
    work.clock.advance(MS)
    assert await work.queue.reap() == 1
    assert work.names(await work.claim("w2")) == [name]


async def test_after_a_restart_everything_unfinished_waits(work: Work) -> None:
    await work.enlist("w1")
    put = [await work.put() for _ in range(3)]
    done, _, failed = await work.claim("w1")
    await work.record(work.success(done), work.failure(failed))
    waiting = await work.put()
    work.clock.advance(LEASE + MS)
    await work.reopen()
    await work.queue.reap()
    assert sorted(work.names(await work.claim("w2"))) == sorted([*put[1:], waiting])
    assert await work.state(put[0]) is State.DONE


async def test_a_worker_that_takes_again_what_it_lost_gets_rid_of_it(work: Work) -> None:
    """Its stale failure and its new one have one number: the new one still moves it."""
    name = await work.put()
    await work.enlist("w1")
    stale = work.failure(await work.claim_one("w1"))
    work.clock.advance(LEASE + MS)
    await work.queue.reap()
    await work.enlist("w1")
    await work.record(stale)
    again = await work.claim_one("w1")
    await work.record(work.failure(again))
    found = await work.look(name)
    assert (found.state, found.attempt_no) == (State.FAILED, 1)
    work.clock.advance(MINUTE)
    assert work.names(await work.claim("w1")) == [name]


# recording


async def test_a_success_ends_it(work: Work) -> None:
    name = await work.put()
    claimed = await work.claim_one()
    work.clock.advance(MS)
    await work.record(work.success(claimed))
    found = await work.look(name)
    assert (found.state, found.done_at, found.attempt_no) == (State.DONE, work.clock.now, 1)
    assert (found.due, found.error) == (None, "")
    work.clock.advance(100 * MINUTE)
    assert await work.claim() == []


async def test_a_failure_waits_for_its_retry(work: Work) -> None:
    name = await work.put()
    failure = work.failure(await work.claim_one(), retry_in=5 * MINUTE)
    await work.record(failure)
    found = await work.look(name)
    assert (found.state, found.due) == (State.FAILED, work.clock.now + 5 * MINUTE)
    assert (found.attempt_no, found.retry_count, found.error) == (1, 0, failure.attempt.error)


async def test_the_last_failure_ends_it(work: Work) -> None:
    name = await work.put()
    await work.record(work.failure(await work.claim_one()))
    work.clock.advance(MINUTE)
    await work.record(work.last_failure(await work.claim_one()))
    found = await work.look(name)
    assert (found.state, found.due, found.attempt_no) == (State.DEAD, None, 2)
    work.clock.advance(100 * MINUTE)
    assert await work.claim() == []


async def test_a_success_after_retries_clears_the_schedule_and_the_error(work: Work) -> None:
    name = await work.put()
    await work.record(work.failure(await work.claim_one()))
    work.clock.advance(MINUTE)
    await work.record(work.success(await work.claim_one(), retry_count=1))
    found = await work.look(name)
    assert (found.state, found.due, found.error) == (State.DONE, None, "")
    assert (found.attempt_no, found.retry_count) == (2, 1)


async def test_a_success_counts_whoever_reports_it(work: Work) -> None:
    before, now = await lost(work)
    name = work.name(before)
    await work.record(work.success(before), worker="w1")
    assert await work.state(name) is State.DONE
    await work.record(work.last_failure(now), worker="w2")
    assert await work.state(name) is State.DONE
    assert await work.attempts(name) == [1, 1]
    work.clock.advance(100 * MINUTE)
    assert await work.claim() == []


async def test_the_first_of_two_successes_is_when_it_was_done(work: Work) -> None:
    before, now = await lost(work)
    await work.record(work.success(now), worker="w2")
    first = work.clock.now
    work.clock.advance(MINUTE)
    await work.record(work.success(before), worker="w1")
    assert (await work.look(work.name(now))).done_at == first


async def test_a_failure_without_its_lease_moves_nothing_but_is_on_record(work: Work) -> None:
    before, now = await lost(work)
    name = work.name(before)
    held = await work.look(name)
    await work.record(work.last_failure(before), worker="w1")
    assert await work.look(name) == held
    assert await work.attempts(name) == [1]
    await work.record(work.success(now), worker="w2")
    assert await work.state(name) is State.DONE


async def test_a_failure_whose_attempt_was_not_the_last_moves_nothing(work: Work) -> None:
    name = await work.put()
    first = await work.claim_one()
    await work.record(work.failure(first))
    work.clock.advance(MINUTE)
    second = await work.claim_one()
    await work.record(replace(work.last_failure(first), attempt=work.last_failure(second).attempt))
    assert await work.state(name) is State.FAILED


@pytest.mark.parametrize("ends", ["success", "failure", "last_failure"])
async def test_recording_the_same_again_changes_nothing(work: Work, ends: str) -> None:
    name = await work.put()
    result = getattr(work, ends)(await work.claim_one())
    await work.record(result)
    after = await work.look(name)
    work.clock.advance(MS)
    await work.record(result)
    await work.record(result, result)
    assert await work.look(name) == after
    assert await work.attempts(name) == [1]
    work.clock.advance(MINUTE)
    assert len(await work.claim()) == (1 if ends == "failure" else 0)


async def test_a_success_counts_even_under_a_number_that_its_worker_used_before(work: Work) -> None:
    """A worker that lost its lease unnoticed may claim again what it is still at."""
    await work.enlist()
    name = await work.put()
    first = await work.claim_one()
    work.clock.advance(LEASE + MS)
    await work.queue.reap()
    await work.enlist()
    again = await work.claim_one()
    await work.record(work.failure(first))
    await work.record(work.success(again))
    assert await work.state(name) is State.DONE
    work.clock.advance(100 * MINUTE)
    assert await work.claim() == []


async def test_an_attempt_is_kept_as_it_was(work: Work) -> None:
    name = await work.put()
    result = work.failure(await work.claim_one())
    await work.record(result)
    assert await work.list_attempts(name) == [result.attempt]


async def test_a_batch_moves_each_as_it_ended(work: Work) -> None:
    put = [await work.put() for _ in range(3)]
    one, two, three = await work.claim()
    await work.record(work.failure(one), work.success(two), work.last_failure(three))
    assert [await work.state(name) for name in put] == [State.FAILED, State.DONE, State.DEAD]


async def test_an_empty_batch_is_nothing(work: Work) -> None:
    await work.record()
    await work.queue.give_back("w1", [])
    assert await work.claim() == []

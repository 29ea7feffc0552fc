"""Publisher and worker together on a real store: what is promised in ENGINE.md, "Promises"."""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.sending.harness import OK, QUICK, World, connection, eventually, submission, world

from adjourn.endpoint import parse_endpoint
from adjourn.errors import InputError, NotFound, StorageError
from adjourn.models import AppStatus, Audience, ConnectionStatus, DeliveryState, DisabledBy, Filter
from adjourn.sending.lanes import Limits
from adjourn.sending.policy import Reply
from adjourn.sending.sender import Request
from adjourn.sending.worker import Pace
from adjourn.storage.base import Backlog

PENDING, FAILED = DeliveryState.PENDING, DeliveryState.FAILED
DELIVERED, ABANDONED = DeliveryState.DELIVERED, DeliveryState.ABANDONED
NEVER = 3600.0  # seconds: longer than any test
BROKEN = Reply(status=500, error="HTTP 500")
TIMED_OUT = Reply(error="timed out", timed_out=True)

VERBS = {"enlist", "now", "publish", "claim", "record", "give_back", "reap", "discard", "sweep"}

Test = Callable[[World], Awaitable[None]]
Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Run]:
    """Runs a test in a world of its own; no task may end with an exception that nobody sees."""
    complaints: list[dict[str, Any]] = []

    def run_in(test: Test, **options: Any) -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            async with asyncio.timeout(60), world(tmp_path, **options) as made:
                await test(made)
            gc.collect()

        asyncio.run(main())

    gc.freeze()  # what was there before is not looked at, which takes most of the time
    try:
        yield run_in
        gc.collect()
    finally:
        gc.unfreeze()
    assert complaints == []


# the way from memory


def test_the_first_attempt_is_made_from_memory_at_once(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        gate = w.sender.block(url)
        (made,) = await w.publish()
        await eventually(lambda: len(w.sender.requests) == 1)
        assert await w.waiting() == 0, "nothing waits in the store for a worker"
        assert w.sender.requests[0].body == made.envelopes[0].body
        assert w.sender.requests[0].headers["Content-Type"] == "application/json"
        assert w.sender.requests[0].timeout == timedelta(seconds=30)
        gate.set()
        (delivery,) = await w.settled(DELIVERED, 1)
        (attempt,) = await w.attempts(delivery)
        assert (attempt.no, attempt.http_status, attempt.error) == (1, 200, "")

    run(test, pace=msgspec.structs.replace(QUICK, claim=NEVER, housekeeping=NEVER))


def test_retries_come_until_one_succeeds_with_the_same_bytes_and_a_new_signature_time(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        replies = iter([BROKEN, TIMED_OUT, OK])
        w.sender.answer = lambda request: next(replies)
        await w.publish()
        (delivery,) = await w.settled(DELIVERED, 1)
        assert (delivery.retry_count, delivery.attempt_no) == (2, 3)
        assert [each.error for each in await w.attempts(delivery)] == ["HTTP 500", "timed out", ""]
        assert len({each.body for each in w.sender.to(url)}) == 1
        assert len({each.headers["webhook-id"] for each in w.sender.to(url)}) == 1

    run(test)


def test_three_failed_retries_abandon(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        w.sender.answer = lambda request: BROKEN
        await w.publish()
        (delivery,) = await w.settled(ABANDONED, 1)
        assert (delivery.retry_count, delivery.attempt_no, delivery.http_status) == (3, 4, 500)
        assert delivery.next_retry_at is None
        assert len(w.sender.requests) == 4

    run(test)


def test_a_retry_is_never_early(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        w.sender.answer = lambda request: BROKEN
        await w.publish()
        (delivery,) = await w.settled(ABANDONED, 1)
        attempts = await w.attempts(delivery)
        for before, after in pairwise(attempts):
            ended = before.at + timedelta(milliseconds=before.duration_ms - 1)  # both are rounded
            assert after.at - ended >= timedelta(milliseconds=98)

    run(test, delays=(0.1, 0.1, 0.1))


# lanes


def test_a_hanging_endpoint_delays_nobody_else(run: Run) -> None:
    async def test(w: World) -> None:
        stuck, fine = await w.add("stuck", users=["eve"]), await w.add("fine")
        w.sender.block(stuck)
        await w.publish("eve", count=400)
        await eventually(lambda: len(w.sender.to(stuck)) == 16)
        for _ in range(10):
            await w.publish(count=30)
        await w.settled(DELIVERED, 300, "fine")
        assert len(w.sender.to(fine)) == 300
        assert len(w.sender.to(stuck)) == 16
        assert w.sender.most["https://stuck.example:443"] == 16

    run(test)


def test_what_waits_for_a_hanging_endpoint_is_sent_when_it_answers_again(run: Run) -> None:
    async def test(w: World) -> None:
        stuck = await w.add("stuck")
        gate = w.sender.block(stuck)
        await w.publish(count=300)
        await eventually(lambda: len(w.sender.to(stuck)) == 16)
        gate.set()
        await w.settled(DELIVERED, 300)
        assert len(w.sender.to(stuck)) == 300, "each once"
        assert w.sender.most["https://stuck.example:443"] <= 64

    run(test, pace=msgspec.structs.replace(QUICK, claim=NEVER, housekeeping=NEVER))


def test_after_a_timeout_a_lane_holds_one_at_a_time(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("slow")
        w.sender.answer = lambda request: TIMED_OUT
        await w.publish()
        await w.settled(ABANDONED, 1)
        w.sender.most.clear()
        gate = w.sender.block(url)
        await w.publish(count=20)
        await eventually(lambda: len(w.sender.to(url)) == 5)
        gate.set()
        await w.settled(ABANDONED, 21)
        assert w.sender.most["https://slow.example:443"] == 1

    run(test)


@pytest.mark.parametrize("total", [1, 7, 40])
def test_no_more_is_in_flight_than_the_limits_allow(run: Run, total: int) -> None:
    """However it comes: from publishing, or claimed from many lanes at once."""

    async def test(w: World) -> None:
        urls = [await w.add(f"app{number}") for number in range(12)]
        gates = [w.sender.block(url) for url in urls]
        await w.publish(count=10)
        await eventually(lambda: len(w.sender.requests) == min(max(total, 12), 12 * 3))
        for gate in gates:
            gate.set()
        await w.settled(DELIVERED, 120)
        assert w.sender.most_in_all < total + total // 5 + 12, "the total, its fifth, and one for each lane"
        assert max(w.sender.most.values()) <= 4
        assert len(w.sender.requests) == 120
        await w.idle()

    run(test, limits=Limits(total=total, start=3, most=4))


def test_hanging_endpoints_that_took_every_slot_delay_no_other(run: Run) -> None:
    async def test(w: World) -> None:
        hanging = [await w.add(f"hang{number}", users=["ben"]) for number in range(8)]
        gates = [w.sender.block(url) for url in hanging]
        await w.add("good", users=["ana"])
        await w.publish("ben", count=5)
        await eventually(lambda: len(w.sender.requests) >= 8)
        before = len(w.sender.requests)
        await w.publish("ana", count=10)
        await eventually(lambda: len(w.sender.requests) == before + 10)
        for gate in gates:
            gate.set()

    run(test, limits=Limits(total=4, start=2, most=4))


def test_room_that_comes_free_is_used_though_no_poll_is_due(run: Run) -> None:
    """Lanes that came off short of the total are woken by what others release."""

    async def test(w: World) -> None:
        for number in range(10):
            await w.add(f"app{number}")
        await w.publish(count=20)
        await w.settled(DELIVERED, 200)

    run(
        test,
        limits=Limits(total=3, start=2, most=2),
        pace=msgspec.structs.replace(QUICK, claim=NEVER, housekeeping=NEVER),
    )


def test_an_idle_worker_and_one_with_stuck_lanes_do_not_spin(run: Run) -> None:
    async def test(w: World) -> None:
        off, stuck = await w.add("off", users=["eve"]), await w.add("stuck", users=["eve"])
        gone = await w.add("gone", users=["eve"])
        fine = await w.add("fine")
        for url in (off, stuck, gone):
            w.sender.block(url)
        await w.publish("eve", count=50)
        await w.partners.disable("off", DisabledBy.PARTNER)
        await w.partners.delete_app("gone")
        for url in (off, gone):
            w.sender.blocked[parse_endpoint(url).origin].set()
        await eventually(lambda: w.lanes.held == 16)
        before = w.queue.calls["claim"]
        for _ in range(40):
            await w.publish()
            await eventually(lambda: w.lanes.held == 16)
        assert len(w.sender.to(fine)) == 40
        # each loop of 40 may meet a poll; none may follow from what the fine lane released
        assert w.queue.calls["claim"] - before <= 6
        assert w.queue.calls["give_back"] <= 6

    run(test, pace=msgspec.structs.replace(QUICK, claim=1.0))


# apps that change


def test_an_app_switched_off_while_publishing_gets_nothing_until_it_is_on(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")

        async def switch_off() -> None:
            del w.queue.before["publish"]
            await w.partners.disable("one", DisabledBy.PARTNER)

        w.queue.before["publish"] = switch_off
        await w.publish()
        await w.publish(count=3)
        await w.idle()
        assert w.sender.to(url) == []
        assert await w.states() == {PENDING: 4}
        assert await w.waiting() == 0, "claims refuse an app that is off"
        await w.partners.enable("one", Backlog.DELIVER)
        await w.settled(DELIVERED, 4)
        assert len(w.sender.to(url)) == 4

    run(test)


def test_a_delivery_in_memory_whose_app_is_off_goes_back_and_is_sent_later(run: Run) -> None:
    """Switched off after the commit, before the attempt. Here the store has it on: it was stale news."""

    async def test(w: World) -> None:
        url = await w.add("one")
        off = msgspec.structs.replace(await w.apps.get("one"), webhook_enabled=False)

        async def switch_off() -> None:
            w.apps.put(off)

        w.queue.before["publish"] = switch_off
        await w.publish()
        await w.settled(DELIVERED, 1)
        assert len(w.sender.to(url)) == 1
        assert w.queue.calls["give_back"] == 1, "the claim brings the app up to date"

    run(test)


def test_re_enabling_with_abandon_drops_what_waited(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        await w.partners.disable("one", DisabledBy.PARTNER)
        await w.publish(count=3)
        await w.partners.enable("one", Backlog.ABANDON)
        await w.settled(ABANDONED, 3)
        await w.publish()
        await eventually(lambda: len(w.sender.to(url)) == 1)

    run(test)


def test_enabling_what_is_enabled_abandons_nothing(run: Run) -> None:
    async def test(w: World) -> None:
        gate = w.sender.block(await w.add("one"))
        await w.publish(count=20)
        await w.partners.enable("one", Backlog.ABANDON)
        gate.set()
        await w.settled(DELIVERED, 20)

    run(test)


@pytest.mark.parametrize("change", ["filter", "url", "status", "off"])
def test_a_change_under_a_plan_is_seen_before_anything_is_stored(run: Run, change: str) -> None:
    """Another process changed the app: the store refuses the plan, and the apps are read again."""

    async def test(w: World) -> None:
        url = await w.add("one")
        app = await w.apps.get("one")
        changes: dict[str, dict[str, Any]] = {
            "filter": {"webhook_filter": Filter(type="include", events=())},
            "url": {"webhook_url": "https://new.example/"},
            "status": {"status": AppStatus.SUSPENDED},
            "off": {"webhook_enabled": False},
        }
        await w.store.directory.save_app(msgspec.structs.replace(app, **changes[change]))
        (made,) = await w.publish()
        assert w.queue.calls["publish"] == 2
        await w.idle()
        assert w.room("one") == 16, "what the first plan held is let go"
        assert w.sender.to(url) == []
        outcome = made.publication.verdicts[0].outcome
        assert outcome == {"filter": "filtered", "status": "inactive"}.get(change, "sent")
        if change == "url":
            await w.settled(DELIVERED, 1)
            assert len(w.sender.to("https://new.example/")) == 1

    run(test)


def test_apps_that_change_without_end_fail_the_publish(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")

        async def change_again() -> None:
            await w.store.directory.save_app(await w.store.directory.get_app("one"))

        w.queue.before["publish"] = change_again
        with pytest.raises(StorageError, match="change faster"):
            await w.publish()
        assert w.room("one") == 16
        del w.queue.before["publish"]
        await w.publish()
        await w.settled(DELIVERED, 1)

    run(test)


def test_410_abandons_and_switches_the_app_off_at_once(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        w.sender.answer = lambda request: Reply(status=410, error="HTTP 410")
        await w.publish()
        await w.settled(ABANDONED, 1)
        await eventually(lambda: not getattr(w.apps.find("one"), "webhook_enabled", True))
        await w.publish(count=3)
        await w.idle()
        assert len(w.sender.to(url)) == 1
        assert await w.states() == {ABANDONED: 1, PENDING: 3}
        w.sender.answer = lambda request: OK
        await w.partners.enable("one", Backlog.DELIVER)
        await eventually(lambda: len(w.sender.to(url)) == 4)

    run(test)


@pytest.mark.parametrize("trouble", ["the app cannot be read again", "the answer of the store is lost"])
def test_after_a_410_the_partner_can_switch_it_on_again_whatever_failed_meanwhile(
    run: Run, trouble: str
) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        w.sender.answer = lambda request: Reply(status=410, error="HTTP 410")
        if trouble == "the app cannot be read again":
            gate = w.sender.block(url)
            await w.publish()
            await eventually(lambda: len(w.sender.to(url)) == 1)
            w.directory.failing["load_apps"] = 2
            gate.set()
        else:
            w.queue.failing["recorded"] = 1
            await w.publish()
        await w.settled(ABANDONED, 1)
        await w.idle()
        assert not (await w.apps.get("one")).webhook_enabled
        assert (await w.partners.enable("one", Backlog.DELIVER)).webhook_enabled
        assert (await w.store.directory.get_app("one")).webhook_enabled

    run(test)


def test_an_app_deleted_while_its_delivery_is_in_flight_takes_the_outcome_and_nothing_more(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        gate = w.sender.block(url)
        w.sender.answer = lambda request: BROKEN
        await w.publish(count=20)
        await eventually(lambda: len(w.sender.to(url)) == 16)
        await w.partners.delete_app("one")
        gate.set()
        await w.settled(ABANDONED, 20)
        assert len(w.sender.to(url)) == 16
        await w.idle()
        assert await w.waiting() == 0

    run(test)


def test_a_connection_that_ends_is_told_once_and_gets_no_more(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        await w.partners.disconnect("one", "ana")
        with pytest.raises(NotFound):
            await w.partners.disconnect("one", "ana")
        await w.publish()
        await w.settled(DELIVERED, 1)
        (body,) = w.sender.bodies(url)
        assert body["event_type"] == "user.connection.revoked"
        assert body["for_user"] == {"id": "ana", "email": "ana@example.com"}

    run(test)


def test_an_expired_connection_that_ends_is_told_too(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        expired = msgspec.structs.replace(connection("one", "ana"), status=ConnectionStatus.EXPIRED)
        await w.partners.connect("one", [expired])
        await w.partners.disconnect("one", "ana")
        await w.settled(DELIVERED, 1)
        assert [each["event_type"] for each in w.sender.bodies(url)] == ["user.connection.revoked"]

    run(test)


# by hand


def test_a_retry_by_hand_is_one_extra_attempt(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        w.sender.answer = lambda request: BROKEN
        await w.publish()
        (delivery,) = await w.settled(ABANDONED, 1)
        assert (await w.retries.ask("one", delivery.id)).scheduled
        assert not (await w.retries.ask("one", delivery.id)).scheduled, "an ask within 10 s"
        await eventually(lambda: len(w.sender.to(url)) == 5)
        await w.idle()
        (after,) = await w.settled(ABANDONED, 1)
        assert (after.retry_count, after.attempt_no) == (3, 5)
        assert await w.waiting() == 0
        await asyncio.sleep(0)
        assert len(w.sender.to(url)) == 5

    run(test, pace=msgspec.structs.replace(QUICK, claim=NEVER))


def test_a_retry_by_hand_that_succeeds_delivers(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        replies = iter([BROKEN, OK])
        w.sender.answer = lambda request: next(replies)
        await w.publish()
        (delivery,) = await w.settled(FAILED, 1)
        await w.retries.ask("one", delivery.id)
        (after,) = await w.settled(DELIVERED, 1)
        assert (after.retry_count, after.next_retry_at) == (0, None)

    run(test, delays=(NEVER,))


# order


def test_an_ordered_app_gets_each_meeting_in_order_and_meetings_side_by_side(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one", ordered=True)
        failed: set[bytes] = set()

        def answer(request: Request) -> Reply:
            """Every third event fails the first time."""
            number = int(msgspec.json.decode(request.body)["data"]["agenda_item_id"])
            if number % 3 == 0 and request.body not in failed:
                failed.add(request.body)
                return BROKEN
            return OK

        w.sender.answer = answer
        gate = w.sender.block(url)
        for number in range(12):
            for meeting in ("a", "b", "c"):
                await w.publish_one("ana", meeting, number)
        await eventually(lambda: len(w.sender.to(url)) == 3)
        assert {each["data"]["meeting_id"] for each in w.sender.bodies(url)} == {"a", "b", "c"}
        gate.set()
        await w.settled(DELIVERED, 36)
        for meeting in ("a", "b", "c"):
            numbers = [
                int(each["data"]["agenda_item_id"])
                for each in w.sender.bodies(url)
                if each["data"]["meeting_id"] == meeting
            ]
            assert numbers == sorted([*range(12), 0, 3, 6, 9])

    run(test, pace=msgspec.structs.replace(QUICK, claim=NEVER))


def test_an_abandoned_event_lets_the_next_of_its_meeting_go(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one", ordered=True)
        w.sender.answer = lambda request: BROKEN if b'"title":"m 0"' in request.body else OK
        for number in range(3):
            await w.publish_one("ana", "m", number)
        await eventually(lambda: len(w.sender.to(url)) == 6)
        await w.idle()
        assert await w.states() == {ABANDONED: 1, DELIVERED: 2}
        assert [each["data"]["title"] for each in w.sender.bodies(url)] == ["m 0"] * 4 + ["m 1", "m 2"]

    run(test)


# faults


@pytest.mark.parametrize("fault", [RuntimeError("a bug"), ValueError("x"), StorageError("y"), KeyError("z")])
def test_an_exception_out_of_the_sender_is_a_failed_attempt(
    run: Run, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(w: World) -> None:
        await w.add("one")

        def answer(request: Request) -> Reply:
            if len(w.sender.requests) == 1:
                raise fault
            return OK

        w.sender.answer = answer
        await w.publish()
        (delivery,) = await w.settled(DELIVERED, 1)
        first, _ = await w.attempts(delivery)
        assert (first.http_status, first.error) == (None, "internal error: the attempt could not be made")
        await w.idle()

    with caplog.at_level(logging.ERROR):
        run(test)
    assert any(each.exc_info for each in caplog.records)


def test_an_exception_out_of_the_signer_is_a_failed_attempt(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        app = await w.apps.get("one")
        # A provider that is not there has neither signer nor schedule.
        w.apps.put(msgspec.structs.replace(app, webhook_secret=None))
        await w.publish()
        await eventually(lambda: w.queue.calls["record"] == 1)
        w.apps.forget("one")
        (delivery,) = await w.settled(DELIVERED, 1)
        assert len(await w.attempts(delivery)) == 2

    run(test)


def test_a_reply_that_cannot_be_decided_on_sends_its_delivery_back(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong in us, nothing stays in memory for ever, and no room is lost."""

    async def test(w: World) -> None:
        url = await w.add("one")
        replies: Iterator[Any] = iter([None, OK])
        w.sender.answer = lambda request: next(replies)
        await w.publish()
        await w.settled(DELIVERED, 1)
        await w.idle()
        assert len(w.sender.to(url)) == 2
        assert w.room("one") >= 16

    with caplog.at_level(logging.ERROR):
        run(test)


@pytest.mark.parametrize("verb", ["recorded", *sorted(VERBS - {"publish", "give_back"})])
def test_a_store_that_fails_for_a_while_loses_nothing(run: Run, verb: str) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        seen: Counter[bytes] = Counter()

        def answer(request: Request) -> Reply:
            seen[request.body] += 1
            return BROKEN if seen[request.body] == 1 else OK

        w.sender.answer = answer
        gate = w.sender.block(url)
        await w.publish(count=40)
        await eventually(lambda: len(w.sender.to(url)) == 16)
        w.queue.down = {verb}
        gate.set()
        calls = w.queue.calls[verb]
        await eventually(lambda: w.queue.calls[verb] >= calls + 2)
        w.queue.down.clear()
        delivered = await w.settled(DELIVERED, 40)
        await w.idle()
        assert {(each.retry_count, each.attempt_no) for each in delivered} == {(1, 2)}
        assert len(w.sender.to(url)) == 80, "each attempt once"
        assert await w.waiting() == 0

    run(test, pace=msgspec.structs.replace(QUICK, heartbeat=0.02))


def test_an_outage_of_everything_loses_nothing(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        gate = w.sender.block(url)
        await w.publish(count=40)
        w.queue.down = {
            "enlist",
            "now",
            "publish",
            "claim",
            "record",
            "give_back",
            "reap",
            "discard",
            "sweep",
        }
        gate.set()
        with pytest.raises(StorageError):
            await w.publish()
        await eventually(lambda: w.queue.calls["claim"] > 2)
        w.queue.down.clear()
        await w.settled(DELIVERED, 40)
        await w.idle()

    run(test)


def test_publishing_that_fails_answers_so_and_holds_nothing(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        w.queue.down = {"publish"}
        results = await asyncio.gather(
            *(w.publish_one("ana", "m", number) for number in range(40)), return_exceptions=True
        )
        assert {type(each) for each in results} == {StorageError}
        w.queue.down.clear()
        assert w.lanes.held == 0
        assert w.room("one") == 16
        await w.publish(count=16)
        await w.settled(DELIVERED, 16)
        assert len(w.sender.to(url)) == 16

    run(test)


@pytest.mark.parametrize("verb", ["connections_of", "load_apps"])
def test_publishing_that_cannot_read_answers_so(run: Run, verb: str) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        w.apps.forget("one")
        w.directory.failing[verb] = 1
        with pytest.raises(StorageError):
            await w.publish()
        assert w.lanes.held == 0
        await w.publish()
        await w.settled(DELIVERED, 1)

    run(test)


def test_claimed_deliveries_whose_app_cannot_be_read_are_sent_later(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        await w.partners.disable("one", DisabledBy.PARTNER)
        await w.publish(count=5)
        await w.partners.enable("one", Backlog.DELIVER)
        w.apps.forget("one")
        w.directory.failing["load_apps"] = 3
        await w.settled(DELIVERED, 5)
        await w.idle()
        assert len(w.sender.to(url)) == 5
        assert w.directory.failing["load_apps"] == 0

    run(test)


def test_one_bad_request_of_a_batch_fails_alone(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        nobody = Audience(partner_app_ids=("nobody",))
        bad = msgspec.structs.replace(submission("ana", "m", 0), audience=nobody)

        def render(fan_outs: object) -> None:
            raise ZeroDivisionError

        results = await asyncio.gather(
            w.publish_one("ana", "m", 1),
            w.publisher.publish([bad]),
            w.publisher.publish([submission("ana", "m", 2)], keep=render),
            w.publish_one("ana", "m", 3),
            return_exceptions=True,
        )
        assert [type(each).__name__ for each in results] == [
            "FanOut",
            "InputError",
            "ZeroDivisionError",
            "FanOut",
        ]
        assert isinstance(results[1], InputError)
        assert results[1].faults[0].path == "$.audience.partner_app_ids[0]"
        await w.settled(DELIVERED, 2)
        await w.idle()

    run(test)


@pytest.mark.parametrize("fails", [False, True])
def test_a_caller_who_leaves_takes_nothing_with_him(run: Run, fails: bool) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        reached, gate = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            reached.set()
            await gate.wait()

        w.queue.before["publish"] = wait
        w.queue.failing["publish"] = 3 * fails
        leaving = asyncio.create_task(w.publish())
        staying = asyncio.create_task(w.publish())
        await reached.wait()
        leaving.cancel()
        gate.set()
        await asyncio.wait([leaving, staying])
        assert leaving.cancelled()
        if fails:
            assert isinstance(staying.exception(), StorageError)
            assert w.room("one") == 16
        else:
            await w.settled(DELIVERED, 2)

    run(test)


def has_outcomes(w: World, count: int) -> bool:
    return len(w.worker.outcomes) == count


def test_publishing_is_refused_while_outcomes_cannot_be_recorded(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        w.queue.down = {"record"}
        for _ in range(3):
            wanted = len(w.worker.outcomes) + 700
            await w.publish(count=700)
            await eventually(partial(has_outcomes, w, wanted))
        with pytest.raises(StorageError, match="recorded"):
            await w.publish()
        w.queue.down.clear()
        await w.settled(DELIVERED, 2100)
        await w.publish()

    run(test, patience=0.05)


# its life


def test_draining_lets_what_is_in_flight_end(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        gate = w.sender.block(url)
        await w.publish(count=20)
        await eventually(lambda: len(w.sender.to(url)) == 16)
        draining = asyncio.create_task(w.worker.drain(timedelta(seconds=20)))
        await asyncio.sleep(0)
        await w.publish()
        gate.set()
        await draining
        assert await w.states() == {DELIVERED: 16, PENDING: 5}
        assert len(w.sender.to(url)) == 16

    run(test)


def test_draining_gives_back_what_hangs_and_the_next_worker_sends_it(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        w.sender.block(url)
        await w.publish(count=20)
        await eventually(lambda: len(w.sender.to(url)) == 16)
        await w.worker.drain(timedelta(0))
        assert await w.states() == {PENDING: 20}
        assert await w.waiting() == 20
        first = Counter(each.headers["webhook-id"] for each in w.sender.to(url))
        after = World(w.store, limits=Limits(), delays=(0.02,), pace=QUICK)
        await after.worker.start()
        await after.settled(DELIVERED, 20)
        await after.worker.drain(timedelta(0))
        second = Counter(each.headers["webhook-id"] for each in after.sender.to(url))
        assert set(first) <= set(second)
        assert set(second.values()) == {1}

    run(test)


def test_a_worker_that_ends_without_a_word_is_succeeded_by_another(run: Run) -> None:
    """Its store fails while it drains: it ends all the same, and its lease runs out or is taken over."""

    async def test(w: World) -> None:
        url = await w.add("one")
        w.sender.block(url)
        await w.publish(count=20)
        await eventually(lambda: len(w.sender.to(url)) == 16)
        w.queue.down = {"enlist", "give_back", "record"}
        async with asyncio.timeout(10):
            await w.worker.drain(timedelta(0))
        await w.store.queue.take_over()
        after = World(w.store, limits=Limits(), delays=(0.02,), pace=QUICK)
        await after.worker.start()
        await after.settled(DELIVERED, 20)
        await after.worker.drain(timedelta(0))

    run(test, pace=msgspec.structs.replace(QUICK, last_stores=0.05))


def test_what_is_committed_after_the_drain_is_taken_up_by_the_next(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        publishing = asyncio.create_task(w.publish(count=5))
        await eventually(lambda: w.queue.calls["publish"] == 1)
        await w.worker.drain(timedelta(0))
        await publishing
        await w.store.queue.take_over()
        after = World(w.store, limits=Limits(), delays=(0.02,), pace=QUICK)
        await after.worker.start()
        await after.settled(DELIVERED, 5)
        await after.worker.drain(timedelta(0))
        assert len(w.sender.to(url)) + len(after.sender.to(url)) == 5

    run(test)


def test_a_worker_may_be_drained_before_it_started_and_twice(run: Run) -> None:
    async def test(w: World) -> None:
        await w.worker.drain(timedelta(0))
        await w.worker.drain(timedelta(0))

    run(test, start=False)


def test_before_it_starts_what_is_published_waits(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        await w.publish(count=3)
        assert await w.states() == {PENDING: 3}
        await w.worker.start()
        await w.settled(DELIVERED, 3)

    run(test, start=False)


def test_nothing_is_sent_while_the_lease_may_be_lost_and_all_of_it_after(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        w.queue.down = {"enlist"}
        w.slept = 56.0  # a lease is 60 s, and the last 5 s of it are not used
        await w.publish(count=3)
        calls = w.queue.calls["enlist"]
        await eventually(lambda: w.queue.calls["enlist"] > calls + 2)
        assert w.sender.to(url) == []
        w.queue.down.clear()
        await w.settled(DELIVERED, 3)

    run(test, pace=msgspec.structs.replace(QUICK, heartbeat=0.02))


def test_a_heartbeat_that_fails_is_tried_again_soon(run: Run) -> None:
    async def test(w: World) -> None:
        w.queue.failing["enlist"] = 3
        await eventually(lambda: w.queue.failing["enlist"] == 0)
        calls = w.queue.calls["enlist"]
        await eventually(lambda: w.queue.calls["enlist"] > calls)

    run(test, pace=Pace(heartbeat=0.01, after_error=0.01))


def test_a_clock_that_leaps_does_not_make_the_worker_reap_itself(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        gate = w.sender.block(url)
        await w.publish(count=5)
        await eventually(lambda: len(w.sender.to(url)) == 5)
        await w.store.queue.enlist(w.worker.id, lease=-timedelta(hours=1), floor="0")
        reaps = w.queue.calls["reap"]
        await eventually(lambda: w.queue.calls["reap"] >= reaps + 2)
        assert await w.waiting() == 0
        gate.set()
        await w.settled(DELIVERED, 5)
        assert len(w.sender.to(url)) == 5

    run(test)


# beside other nodes


def test_nothing_starts_while_it_may_not_know_what_others_answered(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        gate = w.sender.block(url)
        await w.publish(count=3)
        await eventually(lambda: len(w.sender.to(url)) == 3)
        w.current = False
        await w.publish(count=4)
        gate.set()
        await eventually(lambda: w.lanes.held == 0)
        claims = w.queue.calls["claim"]
        heartbeats = w.queue.calls["enlist"]
        await eventually(lambda: w.queue.calls["enlist"] > heartbeats + 1)
        assert w.queue.calls["claim"] == claims
        assert len(w.sender.to(url)) == 3
        assert await w.waiting() == 4, "none is held in memory"
        w.current = True
        await w.settled(DELIVERED, 7)
        assert len(w.sender.to(url)) == 7

    run(test)


def test_what_was_stored_for_memory_goes_back_when_it_is_not_current_any_more(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")

        async def fall_behind() -> None:
            w.current = False

        w.queue.before["publish"] = fall_behind
        await w.publish(count=5)
        await eventually(lambda: w.lanes.held == 0)
        assert w.sender.to(url) == []
        await eventually(lambda: w.queue.calls["give_back"] > 0)
        w.current = True
        await w.settled(DELIVERED, 5)
        assert len(w.sender.to(url)) == 5

    run(test)


def test_a_claim_of_a_newer_app_is_not_sent_as_the_older_one(run: Run) -> None:
    """Another node changed the URL while the deliveries waited: the claim names the version."""

    async def test(w: World) -> None:
        old = await w.add("one")
        w.current = False
        await w.publish(count=5)
        known = await w.store.directory.get_app("one")
        await w.store.directory.save_app(
            msgspec.structs.replace(known, webhook_url="https://one.example/new")
        )
        w.current = True
        await w.settled(DELIVERED, 5)
        assert w.sender.to(old) == []
        assert len(w.sender.to("https://one.example/new")) == 5

    run(test)


def test_workers_that_send_beside_it_take_their_part_of_a_lane(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        w.queue.workers = 4
        w.current = False
        await w.publish(count=20)
        w.current = True
        await eventually(lambda: len(w.sender.to(url)) >= 16)
        await w.settled(DELIVERED, 20)
        gate = w.sender.block(url)
        w.sender.most.clear()
        await w.publish(count=40)
        await eventually(lambda: w.lanes.held >= 4)
        gate.set()
        await w.settled(DELIVERED, 60)
        assert w.sender.most["https://one.example:443"] <= 16, "64 for four"

    run(test)


def test_a_worker_keeps_the_lease_that_it_is_given(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        w.queue.down = {"enlist"}
        w.slept = 20.0
        await w.publish(count=1)
        await w.settled(DELIVERED, 1)
        w.slept = 26.0
        await w.publish(count=2)
        calls = w.queue.calls["enlist"]
        await eventually(lambda: w.queue.calls["enlist"] > calls + 2)
        assert len(w.sender.to(url)) == 1
        w.queue.down.clear()
        await w.settled(DELIVERED, 3)

    run(test, pace=msgspec.structs.replace(QUICK, lease=30.0, heartbeat=0.02))


@pytest.mark.parametrize("broken", ["reap", "discard"])
def test_what_keeps_house_in_one_way_does_not_wait_for_the_others(run: Run, broken: str) -> None:
    async def test(w: World) -> None:
        w.queue.down.add(broken)
        swept = w.queue.calls["sweep"]
        await eventually(lambda: w.queue.calls["sweep"] >= swept + 2)
        assert w.queue.calls[broken] > 0

    run(test)

"""Replays: which deliveries match, and how they get their extra attempts step by step."""

import asyncio
from datetime import datetime

import msgspec
import pytest
from tests.storage.harness import LEASE, MINUTE, MS, QUIET, START, Backend, Clock, World, ids_of, kept

from adjourn.errors import Conflict, NotFound
from adjourn.models import Automation, AutomationStatus, DeliveryState, Replay, ReplayStatus
from adjourn.storage.base import AnswerExists

pytestmark = pytest.mark.anyio

MANY = 1000


async def abandoned(world: World, count: int = 1, *, app_id: str = "app") -> list[str]:
    """So many deliveries that failed for good."""
    ids = await world.publish(*(world.delivery(app_id) for _ in range(count)))
    await world.record(*(world.last_failure(each) for each in await world.claim()))
    return ids


async def failed(world: World) -> str:
    """One whose next retry is far away."""
    delivery_id = await world.publish_waiting()
    await world.record(world.failure(await world.claim_one(), retry_in=1000 * MINUTE))
    return delivery_id


def replay_of(
    world: World,
    *,
    app_id: str = "app",
    state: DeliveryState | None = DeliveryState.ABANDONED,
    event_type: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    total: int = 0,
) -> Replay:
    return Replay(
        id=world.ids(),
        app_id=app_id,
        status=ReplayStatus.RUNNING,
        state=state,
        event_type=event_type,
        since=since,
        until=until,
        up_to=world.ids(),
        total=total,
        created_at=world.clock.now,
    )


async def count(world: World, replay: Replay) -> int:
    return await world.store.replays.count(replay)


async def started(world: World, replay: Replay | None = None) -> Replay:
    """A replay as it is asked for: of all that was abandoned, unless another is given."""
    replay = replay_of(world) if replay is None else replay
    replay = msgspec.structs.replace(replay, total=await count(world, replay))
    await world.store.replays.add(replay, answer=None)
    return replay


async def step(world: World, replay: Replay, *, limit: int = MANY, waiting: int = MANY) -> int:
    return await world.store.replays.step(replay, limit=limit, waiting=waiting, quiet=QUIET)


async def progress(world: World, replay: Replay) -> tuple[ReplayStatus, int, int]:
    """Its status, and how many were scheduled and skipped."""
    now = await world.store.replays.get(replay.app_id, replay.id)
    return now.status, now.scheduled, now.skipped


async def extra(world: World) -> list[str]:
    """The deliveries whose extra attempt is due."""
    claimed = await world.claim()
    assert all(each.manual for each in claimed)
    return ids_of(claimed)


# what matches


async def test_what_matches_is_counted_by_state_and_type(world: World) -> None:
    await world.add_app()
    await world.add_app("other")
    await abandoned(world, 2)
    await abandoned(world, app_id="other")
    await failed(world)
    await world.publish(world.delivery(event_type="meeting.deleted"))
    asked = {
        (None, None): 4,
        (DeliveryState.ABANDONED, None): 2,
        (DeliveryState.FAILED, None): 1,
        (DeliveryState.DELIVERED, None): 0,
        (None, "meeting.deleted"): 1,
        (DeliveryState.ABANDONED, "meeting.deleted"): 0,
        (DeliveryState.ABANDONED, "meeting.created"): 2,
    }
    for (state, event_type), expected in asked.items():
        assert await count(world, replay_of(world, state=state, event_type=event_type)) == expected
    assert await count(world, replay_of(world, app_id="no such app")) == 0


async def test_what_matches_was_made_from_since_on_and_before_until(world: World) -> None:
    await world.add_app()
    made_at = START
    for _ in range(3):
        await abandoned(world)
        world.clock.advance(MINUTE)
    second = made_at + MINUTE
    for since, until, expected in [
        (second, None, 2),
        (second + MS, None, 1),
        (None, second, 1),
        (None, second + MS, 2),
        (second, second + MS, 1),
        (second, second, 0),
        (second + MS, second, 0),
    ]:
        replay = await started(world, replay_of(world, since=since, until=until))
        assert replay.total == expected
        world.clock.advance(QUIET + MS)
        assert await step(world, replay) == expected
        await world.record(*(world.extra_failure(each) for each in await world.claim()))


async def test_deliveries_made_after_it_was_asked_for_do_not_match(world: World) -> None:
    await world.add_app()
    before = await abandoned(world, 2)
    replay = await started(world)
    await abandoned(world, 2)
    assert await count(world, replay) == 2
    assert await step(world, replay) == 2
    assert await extra(world) == before


# keeping


async def test_a_replay_comes_back_as_it_was_added(world: World) -> None:
    for given in (
        replay_of(world, state=None, total=7),
        replay_of(world, event_type="meeting.created", since=START, until=START + MS),
    ):
        await world.store.replays.add(given, answer=None)
        assert await world.store.replays.get("app", given.id) == given


async def test_a_replay_is_its_apps_own(world: World) -> None:
    await world.add_app()
    replay = await started(world)
    for app_id, replay_id in (("other", replay.id), ("app", "no such replay")):
        with pytest.raises(NotFound):
            await world.store.replays.get(app_id, replay_id)
        with pytest.raises(NotFound):
            await world.store.replays.cancel(app_id, replay_id)
    assert (await progress(world, replay))[0] is ReplayStatus.RUNNING


async def test_a_replay_is_added_with_its_answer_or_not_at_all(world: World) -> None:
    await world.store.replays.add(replay_of(world), answer=kept())
    assert await world.store.directory.find_answer("POST /events", "k") == kept()
    second = replay_of(world)
    with pytest.raises(AnswerExists):
        await world.store.replays.add(second, answer=kept())
    with pytest.raises(NotFound):
        await world.store.replays.get("app", second.id)


async def test_replays_are_listed_newest_first_and_those_that_run_oldest_first(world: World) -> None:
    await world.add_app()
    await world.add_app("other")
    first, second, third = [await started(world) for _ in range(3)]
    other = await started(world, replay_of(world, app_id="other"))
    listed = world.store.replays.list_replays
    assert await listed("app", limit=2, offset=0) == ([third, second], 3)
    assert await listed("app", limit=2, offset=2) == ([first], 3)
    assert await listed("none", limit=2, offset=0) == ([], 0)
    await step(world, second)
    await world.store.replays.cancel("app", third.id)
    assert await world.store.replays.list_running() == [first, other]


# stepping


async def test_a_step_gives_the_oldest_an_extra_attempt(world: World) -> None:
    await world.add_app()
    ids = await abandoned(world, 5)
    replay = await started(world)
    assert [await step(world, replay, limit=2) for _ in range(2)] == [2, 2]
    assert await progress(world, replay) == (ReplayStatus.RUNNING, 4, 0)
    assert await extra(world) == ids[:4]
    assert {await world.state(each) for each in ids} == {DeliveryState.ABANDONED}
    assert (await world.get(ids[0])).retry_asked_at == world.clock.now


async def test_it_is_done_when_none_is_left(world: World) -> None:
    await world.add_app()
    await abandoned(world, 3)
    replay = await started(world)
    await step(world, replay, limit=2)
    world.clock.advance(MINUTE)
    assert await step(world, replay, limit=2) == 1
    assert await world.store.replays.get("app", replay.id) == msgspec.structs.replace(
        replay, status=ReplayStatus.DONE, scheduled=3, finished_at=world.clock.now
    )
    await extra(world)
    world.clock.advance(MINUTE)
    assert await step(world, replay) == 0
    assert await extra(world) == []


@pytest.mark.parametrize("full", [True, False])
async def test_a_replay_of_which_nothing_is_left_is_done(world: World, full: bool) -> None:
    await world.add_app()
    await abandoned(world, 2 if full else 0)
    replay = await started(world)
    if full:
        await step(world, replay, limit=2)
    assert await step(world, replay, limit=2) == 0
    assert await progress(world, replay) == (ReplayStatus.DONE, 2 if full else 0, 0)


async def test_nothing_is_scheduled_while_enough_waits(world: World) -> None:
    await world.add_app()
    await world.add_app("other")
    await abandoned(world, 5)
    others = await abandoned(world, 1, app_id="other")
    await world.ask(others[0], "other")
    replay = await started(world)
    assert await step(world, replay, limit=2, waiting=3) == 2
    assert await step(world, replay, limit=2, waiting=3) == 2
    assert await step(world, replay, limit=2, waiting=3) == 0
    assert await progress(world, replay) == (ReplayStatus.RUNNING, 4, 0)
    claimed = [each for each in await world.claim() if each.app_id == "app"]
    await world.record(*(world.success(each) for each in claimed[:2]))
    assert await step(world, replay, limit=2, waiting=3) == 1


async def test_a_retry_that_is_scheduled_anyway_does_not_count_as_waiting(world: World) -> None:
    await world.add_app()
    await failed(world)
    await world.publish_waiting()
    replay = await started(world, replay_of(world, state=DeliveryState.FAILED))
    assert await step(world, replay, waiting=1) == 1


async def test_one_that_is_under_way_or_was_just_asked_for_is_skipped(world: World) -> None:
    await world.add_app()
    await world.enlist()
    recently, longer_ago, plain = await abandoned(world, 3)
    await world.ask(longer_ago)
    world.clock.advance(MS)
    await world.ask(recently)
    await world.record(*(world.extra_failure(each) for each in await world.claim()))
    world.clock.advance(QUIET)
    await world.publish_held()
    under_way = await world.publish_waiting()
    assert ids_of(await world.claim()) == [under_way]
    await world.publish_waiting()
    replay = await started(world, replay_of(world, state=None))
    assert replay.total == 6
    assert await step(world, replay) == 2
    assert await progress(world, replay) == (ReplayStatus.DONE, 2, 4)
    asked = [each.id for each in await world.claim() if each.manual]
    assert asked == [longer_ago, plain]


async def test_one_whose_automation_was_deleted_is_skipped(world: World) -> None:
    app = await world.add_app()
    automation = Automation(
        id="auto",
        app_id="app",
        name="Automation",
        description=None,
        trigger_type="meeting_ended",
        actions=(),
        keywords=("budget",),
        status=AutomationStatus.ACTIVE,
        created_at=START,
        updated_at=START,
    )
    app = await world.store.directory.save_app(msgspec.structs.replace(app, automations=(automation,)))
    await world.publish(world.delivery(target="auto"))
    await world.record(world.last_failure(await world.claim_one()))
    (other,) = await abandoned(world)
    await world.store.directory.save_app(msgspec.structs.replace(app, automations=()))
    replay = await started(world)
    assert await step(world, replay) == 1
    assert await progress(world, replay) == (ReplayStatus.DONE, 1, 1)
    assert await extra(world) == [other]


async def test_one_whose_state_changed_is_skipped(world: World) -> None:
    await world.add_app()
    first, second = await abandoned(world, 2)
    replay = await started(world)
    await world.ask(first)
    await world.record(world.success(await world.claim_one()))
    world.clock.advance(MINUTE)
    assert await step(world, replay) == 1
    assert await progress(world, replay) == (ReplayStatus.DONE, 1, 1)
    assert await extra(world) == [second]


async def test_one_that_is_delivered_beside_the_step_gets_no_extra_attempt(world: World) -> None:
    await world.add_app()
    first, second = await abandoned(world, 2)
    await world.ask(first)
    claimed = await world.claim_one()
    world.clock.advance(MINUTE)
    replay = await started(world)
    await asyncio.gather(step(world, replay), world.record(world.success(claimed)))
    assert await progress(world, replay) == (ReplayStatus.DONE, 1, 1)
    assert await extra(world) == [second]


async def test_one_that_came_to_match_is_sent_too(world: World) -> None:
    await world.add_app()
    waiting = await world.publish_waiting()
    replay = await started(world)
    await world.record(world.last_failure(await world.claim_one()))
    assert await step(world, replay) == 1
    assert await progress(world, replay) == (ReplayStatus.DONE, 1, 0)
    assert await extra(world) == [waiting]


async def test_a_failed_delivery_keeps_its_schedule(world: World) -> None:
    await world.add_app()
    delivery_id = await failed(world)
    before = await world.get(delivery_id)
    replay = await started(world, replay_of(world, state=DeliveryState.FAILED))
    assert await step(world, replay) == 1
    await world.record(*(world.extra_failure(each) for each in await world.claim()))
    after = await world.get(delivery_id)
    assert (after.state, after.next_retry_at) == (before.state, before.next_retry_at)


async def test_extra_attempts_of_an_app_that_is_off_wait_with_it(world: World) -> None:
    await world.add_app()
    ids = await abandoned(world, 2)
    await world.change(enabled=False)
    assert await step(world, await started(world)) == 2
    assert await extra(world) == []
    await world.change(enabled=True)
    assert await extra(world) == ids


# ends and interruptions


async def test_a_cancelled_replay_schedules_no_more_and_what_it_scheduled_stays(world: World) -> None:
    await world.add_app()
    ids = await abandoned(world, 3)
    replay = await started(world)
    await step(world, replay, limit=1)
    world.clock.advance(MINUTE)
    cancelled = await world.store.replays.cancel("app", replay.id)
    assert (cancelled.status, cancelled.scheduled, cancelled.finished_at) == (
        ReplayStatus.CANCELLED,
        1,
        world.clock.now,
    )
    assert await step(world, replay) == 0
    assert await world.store.replays.get("app", replay.id) == cancelled
    assert await extra(world) == ids[:1]
    world.clock.advance(MINUTE)
    assert await world.store.replays.cancel("app", replay.id) == cancelled


async def test_a_replay_that_is_done_cannot_be_cancelled(world: World) -> None:
    await world.add_app()
    replay = await started(world)
    await step(world, replay)
    done = await world.store.replays.get("app", replay.id)
    assert done.status is ReplayStatus.DONE
    assert await world.store.replays.cancel("app", replay.id) == done


async def test_a_cancel_beside_a_step_comes_before_or_after_it(world: World) -> None:
    await world.add_app()
    await abandoned(world, 3)
    replay = await started(world)
    scheduled, cancelled = await asyncio.gather(
        step(world, replay), world.store.replays.cancel("app", replay.id)
    )
    assert (cancelled.status, cancelled.scheduled) in [
        (ReplayStatus.CANCELLED, 0),
        (ReplayStatus.DONE, 3),
    ]
    assert len(await extra(world)) == scheduled == (await progress(world, replay))[1]


async def test_two_steps_at_once_schedule_each_delivery_once(world: World) -> None:
    await world.add_app()
    ids = await abandoned(world, 4)
    replay = await started(world)
    taken = await asyncio.gather(*(step(world, replay, limit=3) for _ in range(2)))
    assert sum(taken) == (await progress(world, replay))[1]
    await step(world, replay)
    assert await progress(world, replay) == (ReplayStatus.DONE, 4, 0)
    assert await extra(world) == ids


async def test_the_replays_of_a_deleted_app_end_with_it(world: World) -> None:
    await world.add_app()
    await abandoned(world, 2)
    replay = await started(world)
    await world.store.directory.delete_app("app")
    assert await world.store.replays.list_running() == []
    assert await step(world, replay) == 0
    await world.add_app()
    assert await extra(world) == []


async def test_a_replay_goes_on_where_it_was_when_the_store_is_opened_again(backend: Backend) -> None:
    clock = Clock()
    world = World(await backend.open(clock), clock)
    await world.add_app()
    ids = await abandoned(world, 3)
    replay = await started(world)
    await step(world, replay, limit=2)
    await world.store.close()
    clock.advance(2 * LEASE)
    world.store = await backend.open(clock)
    try:
        (running,) = await world.store.replays.list_running()
        assert await step(world, running, limit=2) == 1
        assert await progress(world, replay) == (ReplayStatus.DONE, 3, 0)
        assert await extra(world) == ids
    finally:
        await world.store.close()


# bounds


async def test_five_at_most_run_for_one_app(world: World) -> None:
    await world.add_app()
    running = [await started(world) for _ in range(5)]
    with pytest.raises(Conflict, match="5 bulk retries"):
        await started(world)
    await world.store.replays.cancel("app", running[0].id)
    await started(world)


async def test_those_of_an_app_that_is_off_are_not_listed_as_running(world: World) -> None:
    await world.add_app()
    replay = await started(world)
    await world.change(enabled=False)
    assert await world.store.replays.list_running() == []
    await world.change(enabled=True, drain=True)
    assert await world.store.replays.list_running() == [replay]


async def test_abandoning_the_backlog_cancels_what_runs(world: World) -> None:
    await world.add_app()
    replay = await started(world)
    await world.change(discard=True)
    assert (await world.store.replays.get("app", replay.id)).status is ReplayStatus.CANCELLED


async def test_a_follower_in_order_is_passed_over(world: World) -> None:
    await world.add_app(ordered=True)
    head, follower = [await world.publish_waiting(order_key="m") for _ in range(2)]
    await world.record(world.failure(await world.claim_one()))
    replay = await started(world, replay_of(world, state=None))
    assert await step(world, replay) == 1
    assert await extra(world) == [head]
    assert await world.state(follower) is DeliveryState.PENDING


async def test_what_is_delivered_after_the_ask_is_none_of_a_replay_of_the_delivered(world: World) -> None:
    await world.add_app()
    await world.publish_waiting()
    await world.record(world.success(await world.claim_one()))
    later = await world.publish_waiting()
    replay = await started(world, replay_of(world, state=DeliveryState.DELIVERED))
    world.clock.advance(MINUTE)
    await world.record(world.success(await world.claim_one()))
    assert await world.state(later) is DeliveryState.DELIVERED
    assert await step(world, replay) == 1

"""Subjects: bots that vendors' clients name in later calls, and the callbacks that they have of their own."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.storage.harness import KEY, MINUTE, MS, QUIET, START, Backend, World, ids_of, kept

from adjourn.config import Secret
from adjourn.endpoint import lane_id
from adjourn.errors import ConfigError, NotFound
from adjourn.models import (
    CALLBACK_LANE,
    AppStatus,
    Callback,
    DeliveryState,
    Health,
    Replay,
    ReplayStatus,
    Subject,
    callback_target,
)
from adjourn.storage.base import AnswerExists, Claimed, NewDelivery, StaleApps
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

BOT = "0199c0de-0000-4000-8000-00000000b07a"
TO_BOT = callback_target(BOT)
BOTS = "https://bots.example.com:443"
WITH_SECRET = Callback(url="https://bots.example.com/done", secret=Secret("tüskeny-s3cret"), method="PUT")
PLAIN = Callback(url="https://other.example.com/end")
NEW_KEY = Secret("4q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")


def bot(**fields: Any) -> Subject:
    return Subject(**{"app_id": "app", "id": BOT, **fields})


def final(delivery: NewDelivery, *, called_back: NewDelivery | None = None, **fields: Any) -> Subject:
    """As its last event, sent by the one delivery and by the other to its callback, makes it known."""
    callback_delivery_id = None if called_back is None else called_back.id
    told = {"event_id": delivery.event_id, "delivery_id": delivery.id}
    return bot(**{**told, "callback_delivery_id": callback_delivery_id, **fields})


def to_bot(world: World, subject_id: str = BOT, **fields: Any) -> NewDelivery:
    return world.delivery(target=callback_target(subject_id), origin=BOTS, **fields)


async def tell(world: World, *subjects: Subject, delivery: NewDelivery | None = None) -> None:
    """Publish an event that makes them known."""
    delivery = world.delivery() if delivery is None else delivery
    await world.store.queue.publish([world.entry(delivery, subjects=subjects)])


async def ended(world: World, **fields: Any) -> NewDelivery:
    """Publish a bot's final event, which goes to the app's URL alone."""
    delivery = world.delivery()
    await tell(world, final(delivery, **fields), delivery=delivery)
    return delivery


def again(world: World, before: NewDelivery, **fields: Any) -> NewDelivery:
    """A delivery to the bot's callback of the event that another was of."""
    return msgspec.structs.replace(to_bot(world), event_id=before.event_id, **fields)


async def found(world: World, subject_id: str = BOT, app_id: str = "app") -> Subject | None:
    return await world.store.subjects.find(app_id, subject_id)


async def health(world: World) -> Health:
    its = await world.store.infirmary.find_health("app")
    assert its is not None
    return its


@pytest.fixture
async def one(world: World) -> World:
    """With an app."""
    await world.add_app()
    return world


# known by publishing


async def test_a_subject_is_known_once_something_was_published_about_it(one: World) -> None:
    assert await found(one) is None
    await tell(one, bot())
    assert await found(one) == bot()
    assert await found(one, "another") is None


async def test_it_is_known_when_a_worker_sends_its_event_from_memory(one: World) -> None:
    await one.enlist("w1")
    delivery = one.delivery(owner="w1")
    await tell(one, final(delivery), delivery=delivery)
    assert await found(one) == final(delivery)


async def test_it_is_known_when_its_event_reaches_nobody(one: World) -> None:
    await one.store.queue.publish([one.entry(subjects=[bot()])])
    assert await found(one) == bot()


async def test_it_is_not_known_where_its_event_was_not_stored(one: World) -> None:
    with pytest.raises(StaleApps):
        await one.store.queue.publish([one.entry(one.delivery(), versions={"app": 7}, subjects=[bot()])])
    await one.store.directory.keep_answer(kept())
    repeated = msgspec.structs.replace(one.entry(one.delivery(), subjects=[bot()]), answer=kept())
    with pytest.raises(AnswerExists):
        await one.store.queue.publish([repeated])
    assert await found(one) is None


async def test_two_apps_may_have_one_of_the_same_id(one: World) -> None:
    await one.add_app("other")
    delivery = await ended(one, callback=PLAIN)
    await tell(one, bot(app_id="other"), delivery=one.delivery("other"))
    assert await found(one) == final(delivery, callback=PLAIN)
    assert await found(one, app_id="other") == bot(app_id="other")


@pytest.mark.parametrize("subject_id", ["b" * 255, "größe ☂ %'\"?:callback:", "1"])
async def test_any_text_may_be_its_id(one: World, subject_id: str) -> None:
    await tell(one, bot(id=subject_id, callback=WITH_SECRET))
    assert await found(one, subject_id) == bot(id=subject_id, callback=WITH_SECRET)
    assert dict(await one.store.subjects.callbacks_of([("app", subject_id)])) == {
        ("app", subject_id): WITH_SECRET
    }


async def test_a_final_event_takes_the_place_of_the_one_before(one: World) -> None:
    first, called_back, second = one.delivery(), to_bot(one), one.delivery()
    await tell(one, final(first, called_back=called_back), delivery=first)
    assert await found(one) == final(first, called_back=called_back)
    await tell(one, final(second, delivery_id=None), delivery=second)
    assert await found(one) == bot(event_id=second.event_id)


async def test_an_event_that_is_not_final_leaves_the_last_one(one: World) -> None:
    first, called_back = one.delivery(), to_bot(one)
    await tell(one, final(first, called_back=called_back), delivery=first)
    await tell(one, bot())
    assert await found(one) == final(first, called_back=called_back)


async def test_a_callback_is_kept_unless_another_is_given(one: World) -> None:
    await tell(one, bot(callback=WITH_SECRET))
    await tell(one, bot())
    delivery = await ended(one)
    assert await found(one) == final(delivery, callback=WITH_SECRET)
    await tell(one, bot(callback=PLAIN))
    assert await found(one) == final(delivery, callback=PLAIN)


async def test_a_batch_tells_of_it_in_the_order_of_its_entries(one: World) -> None:
    first, second = one.delivery(), one.delivery()
    told = [bot(callback=WITH_SECRET), final(first, callback=PLAIN), final(second), bot()]
    entries = [one.entry(one.delivery(), subjects=[each]) for each in (told[0], told[3])]
    entries[1:1] = [one.entry(first, subjects=[told[1]]), one.entry(second, subjects=[told[2]])]
    await one.store.queue.publish(entries)
    assert await found(one) == final(second, callback=PLAIN)


async def test_a_batch_makes_many_known(one: World) -> None:
    ids = [f"bot {number}" for number in range(600)]
    given = [bot(id=each, callback=Callback(url=f"https://{each[4:]}.example.com/")) for each in ids]
    await tell(one, *given, bot(id="without"))
    keys = [("app", each) for each in ids]
    callbacks = await one.store.subjects.callbacks_of([*keys, ("app", "without"), ("app", "nobody")])
    assert dict(callbacks) == {("app", each.id): each.callback for each in given}


# callbacks


async def test_callbacks_are_found_for_many_apps_at_once(one: World) -> None:
    await one.add_app("other")
    await tell(one, bot(callback=WITH_SECRET), bot(app_id="other", callback=PLAIN), bot(id="2"))
    keys = [("app", BOT), ("other", BOT), ("app", "2"), ("other", "2")]
    expected = {("app", BOT): WITH_SECRET, ("other", BOT): PLAIN}
    assert dict(await one.store.subjects.callbacks_of(keys)) == expected
    assert dict(await one.store.subjects.callbacks_of([])) == {}


async def test_a_callback_that_is_set_takes_the_place_of_the_one_before(one: World) -> None:
    delivery = await ended(one, callback=WITH_SECRET)
    for callback in (PLAIN, WITH_SECRET):
        told = await one.store.subjects.set_callback("app", BOT, callback)
        assert told == await found(one) == final(delivery, callback=callback)
        assert await one.store.subjects.callbacks_of([("app", BOT)]) == {("app", BOT): callback}


async def test_no_callback_is_set_for_what_nobody_knows(one: World) -> None:
    await one.add_app("other")
    await tell(one, bot())
    for app_id, subject_id in (("other", BOT), ("app", "2")):
        with pytest.raises(NotFound):
            await one.store.subjects.set_callback(app_id, subject_id, PLAIN)
    assert await found(one) == bot()


# what goes to callbacks


async def test_a_claim_names_the_callback_that_each_goes_to(one: World) -> None:
    """They share a lane, which is that of no app's URL and no automation."""
    news = [to_bot(one), to_bot(one, "2"), one.delivery()]
    assert news[0].lane_id == news[1].lane_id != news[2].lane_id
    await one.publish(*news)
    claimed = {each.id: (each.target, each.callback) for each in await one.claim()}
    targets = (TO_BOT, callback_target("2"), None)
    assert claimed == {each.id: (target, None) for each, target in zip(news, targets, strict=True)}
    assert [(await one.get(each.id)).target for each in news] == list(targets)


async def test_callbacks_go_when_their_app_has_no_url(one: World) -> None:
    await one.change(url=None)
    called_back, held = to_bot(one), one.delivery()
    await one.publish(called_back, held)
    assert ids_of(await one.claim()) == [called_back.id]
    assert await one.state(held.id) is DeliveryState.PENDING


@pytest.mark.parametrize(
    ("off", "on"),
    [
        ({"enabled": False}, {"enabled": True}),
        ({"status": AppStatus.SUSPENDED}, {"status": AppStatus.ACTIVE}),
        ({"enabled": False, "url": None}, {"enabled": True}),
    ],
    ids=["switched off", "suspended", "without a URL"],
)
async def test_callbacks_are_held_while_their_app_is_off(
    one: World, off: dict[str, Any], on: dict[str, Any]
) -> None:
    await one.change(**off)
    called_back = to_bot(one)
    await one.publish(called_back)
    assert await one.claim() == []
    assert await one.state(called_back.id) is DeliveryState.PENDING
    await one.change(**on)
    (claimed,) = await one.claim()
    assert (claimed.id, claimed.target) == (called_back.id, TO_BOT)


async def test_a_retry_and_what_was_given_back_name_the_callback_again(one: World) -> None:
    await one.publish(to_bot(one))
    await one.store.queue.give_back("w1", await one.claim())
    claimed = await one.claim_one()
    assert claimed.target == TO_BOT
    await one.record(one.failure(claimed))
    one.clock.advance(MINUTE + MS)
    retried = await one.claim_one()
    assert (retried.target, retried.attempt_no, retried.state) == (TO_BOT, 1, DeliveryState.FAILED)


def replay_of(world: World, total: int) -> Replay:
    return Replay(
        id=world.ids(),
        app_id="app",
        status=ReplayStatus.RUNNING,
        state=None,
        event_type=None,
        since=None,
        until=None,
        up_to=world.ids.floor(),
        total=total,
        created_at=world.clock.now,
    )


async def test_a_replay_retries_callbacks_that_are_known_and_passes_over_others(one: World) -> None:
    await one.change(url=None)
    called_back = to_bot(one)
    await tell(one, bot(callback=PLAIN), bot(id="2"), delivery=called_back)
    await one.publish(to_bot(one, "2"), to_bot(one, "3"))
    await one.record(*[one.success(each) for each in await one.claim()])
    replay = replay_of(one, 3)
    await one.store.replays.add(replay, answer=None)
    assert await one.store.replays.step(replay, limit=10, waiting=1, quiet=QUIET) == 1
    assert ids_of(await one.claim()) == [called_back.id]
    done = await one.store.replays.get("app", replay.id)
    assert (done.status, done.scheduled, done.skipped) == (ReplayStatus.DONE, 1, 2)


async def test_callbacks_that_wait_for_an_extra_attempt_count_for_a_replay(one: World) -> None:
    called_back = to_bot(one)
    await tell(one, bot(callback=PLAIN), delivery=called_back)
    await one.publish_waiting()
    await one.record(*[one.success(each) for each in await one.claim()])
    assert (await one.ask(called_back.id)).scheduled
    replay = replay_of(one, 2)
    await one.store.replays.add(replay, answer=None)
    assert await one.store.replays.step(replay, limit=10, waiting=1, quiet=QUIET) == 0
    assert await one.store.replays.step(replay, limit=10, waiting=2, quiet=QUIET) == 1


# call_back


async def test_a_final_event_that_went_to_no_callback_is_sent_to_one_later(one: World) -> None:
    event = await ended(one)
    sent = await one.claim_one()
    await one.record(one.success(sent))
    await one.store.subjects.set_callback("app", BOT, PLAIN)
    called_back = again(one, event)
    assert await one.store.subjects.call_back("app", BOT, called_back)
    assert await found(one) == final(event, called_back=called_back, callback=PLAIN)
    stored = await one.get(called_back.id)
    assert (stored.state, stored.target, stored.event_id) == (DeliveryState.PENDING, TO_BOT, event.event_id)
    assert (stored.app_id, stored.event_type) == ("app", "meeting.created")
    assert stored.created_at == one.clock.now
    claimed = await one.claim_one()
    assert (claimed.id, claimed.target, claimed.attempt_no) == (called_back.id, TO_BOT, 0)
    assert (claimed.body, claimed.manual) == (sent.body, False)
    await one.record(one.success(claimed))
    assert await one.state(called_back.id) is DeliveryState.DELIVERED


async def test_what_is_called_back_wakes_the_lane_that_sleeps(one: World) -> None:
    await one.publish(to_bot(one))
    await one.record(one.success(await one.claim_one()))
    event = await ended(one, callback=PLAIN)
    await one.claim()
    assert await one.claim() == []
    called_back = again(one, event)
    assert await one.store.subjects.call_back("app", BOT, called_back)
    assert ids_of(await one.claim()) == [called_back.id]


async def test_what_is_called_back_waits_while_the_app_is_off(one: World) -> None:
    event = await ended(one, callback=PLAIN)
    await one.claim()
    await one.change(enabled=False)
    called_back = again(one, event)
    assert await one.store.subjects.call_back("app", BOT, called_back)
    assert await one.claim() == []
    await one.change(enabled=True)
    assert ids_of(await one.claim()) == [called_back.id]


async def test_an_event_is_called_back_once(one: World) -> None:
    event = await ended(one, callback=PLAIN)
    await one.claim()
    first, second = again(one, event), again(one, event)
    assert await one.store.subjects.call_back("app", BOT, first)
    assert not await one.store.subjects.call_back("app", BOT, second)
    assert await found(one) == final(event, called_back=first, callback=PLAIN)
    assert ids_of(await one.claim()) == [first.id]
    with pytest.raises(NotFound):
        await one.get(second.id)


async def test_of_many_at_a_time_one_calls_back(one: World) -> None:
    event = await ended(one, callback=PLAIN)
    await one.claim()
    news = [again(one, event) for _ in range(5)]
    done = await asyncio.gather(*(one.store.subjects.call_back("app", BOT, each) for each in news))
    assert sorted(done) == [False] * 4 + [True]
    called_back = news[done.index(True)]
    assert ids_of(await one.claim()) == [called_back.id]
    assert await found(one) == final(event, called_back=called_back, callback=PLAIN)


async def test_nothing_else_than_its_final_event_is_called_back(one: World) -> None:
    await one.add_app("other")
    older, other = await ended(one), one.delivery()
    await tell(one, bot(id="2"), delivery=other)
    newer = await ended(one)
    await one.claim()
    subjects = one.store.subjects
    assert not await subjects.call_back("app", BOT, again(one, older))
    assert not await subjects.call_back("app", "2", again(one, other))  # it has no final event
    assert not await subjects.call_back("app", "3", again(one, newer))
    assert not await subjects.call_back("other", BOT, again(one, newer, app_id="other"))
    assert await one.claim() == []
    assert await found(one) == final(newer)


async def test_a_newer_final_event_may_be_called_back_in_turn(one: World) -> None:
    for _ in range(2):
        event = await ended(one)
        await one.claim()
        called_back = again(one, event)
        assert await one.store.subjects.call_back("app", BOT, called_back)
        assert ids_of(await one.claim()) == [called_back.id]


# secrets


def sealed_secrets(backend: Backend) -> list[bytes | None]:
    rows = backend.rows("SELECT callback_secret FROM subject ORDER BY id")
    return [None if secret is None else bytes(secret) for (secret,) in rows]


async def test_secrets_are_sealed_at_rest(one: World, backend: Backend) -> None:
    await tell(one, bot(id="1", callback=WITH_SECRET), bot(id="2", callback=PLAIN), bot(id="3"), bot(id="4"))
    await one.store.subjects.set_callback("app", "3", WITH_SECRET)
    published, none, was_set, unknown = sealed_secrets(backend)
    assert none is unknown is None
    assert WITH_SECRET.secret is not None
    plain = WITH_SECRET.secret.reveal().encode()
    for sealed in (published, was_set):
        assert sealed is not None
        assert plain not in sealed
        assert Vault([KEY]).open(sealed) == plain
    assert all(plain not in str(row).encode() for row in backend.rows("SELECT * FROM subject"))


async def test_they_are_sealed_anew_when_the_key_changes(one: World, backend: Backend) -> None:
    given = [bot(id=f"{number}", callback=WITH_SECRET) for number in range(5)]
    await tell(one, *given, bot(id="plain", callback=PLAIN))
    await one.store.close()
    await (await backend.open(one.clock, vault=Vault([NEW_KEY, KEY]))).close()
    new = Vault([NEW_KEY])
    sealed = [each for each in sealed_secrets(backend) if each is not None]
    assert [new.is_newest(each) for each in sealed] == [True] * 5
    store = await backend.open(one.clock, vault=new)
    assert [await store.subjects.find("app", each.id) for each in given] == given
    assert await store.subjects.find("app", "plain") == bot(id="plain", callback=PLAIN)
    await store.close()
    with pytest.raises(ConfigError):
        await backend.open(one.clock)


# forgotten


async def test_an_app_that_is_deleted_takes_its_subjects_along(one: World) -> None:
    await one.add_app("other")
    called_back = to_bot(one)
    await tell(one, bot(callback=WITH_SECRET), bot(app_id="other"), delivery=called_back)
    await one.store.directory.delete_app("app")
    await one.add_app()
    assert await found(one) is None
    assert await one.store.subjects.callbacks_of([("app", BOT)]) == {}
    assert await found(one, app_id="other") == bot(app_id="other")
    assert await one.claim() == []
    assert await one.store.queue.discard(limit=10) == 1
    assert await one.state(called_back.id) is DeliveryState.ABANDONED


async def test_one_that_nothing_was_heard_of_for_long_is_forgotten(one: World) -> None:
    await tell(one, bot())
    one.clock.advance(MINUTE)
    await tell(one, bot(id="later"))
    sweep = one.store.subjects.sweep
    assert await sweep(before=START) == 0
    assert await found(one) == bot()
    assert await sweep(before=START + MS) == 1
    assert await sweep(before=START + MS) == 0
    assert await found(one) is None
    assert await found(one, "later") == bot(id="later")


async def test_so_many_are_forgotten_at_once_the_oldest_first(one: World) -> None:
    for number in range(5):
        await tell(one, bot(id=f"{number}"))
        one.clock.advance(MINUTE)
    assert await one.store.subjects.sweep(before=one.clock.now, limit=2) == 2
    assert [await found(one, f"{number}") is None for number in range(5)] == [True] * 2 + [False] * 3
    assert await one.store.subjects.sweep(before=one.clock.now, limit=4) == 3


async def test_whatever_is_heard_of_it_keeps_it(one: World) -> None:
    event = await ended(one, callback=PLAIN)
    one.clock.advance(MINUTE)
    await tell(one, bot())
    assert await one.store.subjects.sweep(before=one.clock.now) == 0
    one.clock.advance(MINUTE)
    await one.store.subjects.set_callback("app", BOT, PLAIN)
    assert await one.store.subjects.sweep(before=one.clock.now) == 0
    one.clock.advance(MINUTE)
    called_back = again(one, event)
    await one.store.subjects.call_back("app", BOT, called_back)
    await one.record(*[one.success(each) for each in await one.claim()])
    assert await one.store.subjects.sweep(before=one.clock.now) == 0
    assert await one.store.subjects.sweep(before=one.clock.now + MS) == 1


async def test_one_whose_callback_still_waits_is_not_forgotten(one: World) -> None:
    called_back = to_bot(one)
    await tell(one, final(one.delivery(), called_back=called_back, callback=PLAIN), delivery=called_back)
    await one.change(enabled=False)
    one.clock.advance(MINUTE)
    assert await one.store.subjects.sweep(before=one.clock.now) == 0
    await one.change(enabled=True)
    claimed = await one.claim_one()
    assert await one.store.subjects.sweep(before=one.clock.now) == 0
    await one.record(one.success(claimed))
    assert await one.store.subjects.sweep(before=one.clock.now) == 1


# the app's health


async def held(world: World, new: NewDelivery) -> Claimed:
    """Publish it for a worker that sends it from memory."""
    new = msgspec.structs.replace(new, owner="w1")
    await world.enlist("w1", floor=new.id)
    entry = world.entry(new)
    await world.store.queue.publish([entry])
    return Claimed(
        id=new.id,
        app_id=new.app_id,
        lane_id=new.lane_id,
        event_id=new.event_id,
        event_type=new.event_type,
        body=entry.events[0].head + entry.publication.data + b"}",
        target=new.target,
        callback=PLAIN,
    )


@pytest.mark.parametrize("outcome", ["success", "failure", "last_failure"])
@pytest.mark.parametrize("from_memory", [True, False])
async def test_an_attempt_at_a_callback_leaves_the_apps_health(
    one: World, outcome: str, from_memory: bool
) -> None:
    before = await health(one)
    one.clock.advance(MINUTE)
    if from_memory:
        claimed = await held(one, to_bot(one))
    else:
        await one.publish(to_bot(one))
        claimed = await one.claim_one()
    await one.record(getattr(one, outcome)(claimed))
    states = {
        "success": DeliveryState.DELIVERED,
        "failure": DeliveryState.FAILED,
        "last_failure": DeliveryState.ABANDONED,
    }
    assert await one.state(claimed.id) is states[outcome]
    assert await one.attempts(claimed.id) == [1]
    assert await health(one) == before


async def test_callbacks_neither_hide_nor_make_what_the_apps_url_does(one: World) -> None:
    """In one batch: what counts is the app's own, though a callback's comes last."""
    failed, well = await held(one, one.delivery()), await held(one, to_bot(one))
    await one.record(one.last_failure(failed), one.success(well))
    its = await health(one)
    assert (its.abandoned, its.succeeded_at, its.failed_first) == (1, None, one.clock.now)
    well, failed = await held(one, one.delivery()), await held(one, to_bot(one))
    await one.record(one.success(well), one.last_failure(failed))
    its = await health(one)
    assert (its.abandoned, its.succeeded_at, its.failed_first) == (1, one.clock.now, None)


async def test_a_callback_that_is_gone_switches_nothing_off(one: World) -> None:
    """Though it be the app's own URL that answered 410."""
    before = await one.store.directory.get_app("app")
    await one.publish(to_bot(one))
    claimed = await one.claim_one()
    recorded = await one.record(one.last_failure(claimed, gone_url=str(before.webhook_url)))
    assert list(recorded.changed) == []
    assert await one.store.directory.get_app("app") == before
    assert await one.store.infirmary.list_notices("app", limit=10) == []
    assert await one.state(claimed.id) is DeliveryState.ABANDONED


async def test_one_stays_while_an_earlier_event_of_its_app_waits_for_a_callback(one: World) -> None:
    called_back = to_bot(one)
    await tell(one, final(one.delivery(), called_back=called_back, callback=PLAIN), delivery=called_back)
    await ended(one)  # its last event has no callback of its own
    one.clock.advance(MINUTE)
    assert await one.store.subjects.sweep(before=one.clock.now) == 0
    assert await one.store.subjects.callbacks_of([("app", BOT)]) == {("app", BOT): PLAIN}


# another callback, another lane


async def called_back_later(one: World) -> NewDelivery:
    """What waits to go to the bot's callback."""
    delivery, called_back = one.delivery(), to_bot(one)
    await tell(one, final(delivery, called_back=called_back, callback=WITH_SECRET), delivery=called_back)
    return called_back


async def test_what_waits_moves_to_the_lane_of_the_new_url(one: World) -> None:
    called_back = await called_back_later(one)
    await one.store.subjects.set_callback("app", BOT, PLAIN)
    (claimed,) = await one.claim()
    assert (claimed.id, claimed.target) == (called_back.id, TO_BOT)
    assert claimed.lane_id == lane_id("app", "https://other.example.com:443", CALLBACK_LANE)
    assert await one.claim() == []


async def test_a_url_of_the_same_origin_leaves_it_in_its_lane(one: World) -> None:
    called_back = await called_back_later(one)
    await one.store.subjects.set_callback("app", BOT, Callback(url="https://bots.example.com/other"))
    assert [each.lane_id for each in await one.claim()] == [called_back.lane_id]


async def test_what_is_under_way_stays_and_its_retry_is_found(one: World) -> None:
    called_back = await called_back_later(one)
    (claimed,) = await one.claim()
    await one.store.subjects.set_callback("app", BOT, PLAIN)
    await one.store.queue.give_back("w1", [claimed])
    assert [(each.id, each.lane_id) for each in await one.claim()] == [(called_back.id, called_back.lane_id)]


async def test_one_that_is_final_is_asked_for_again_in_the_new_lane(one: World) -> None:
    called_back = await called_back_later(one)
    (claimed,) = await one.claim()
    await one.record(one.success(claimed))
    await one.store.subjects.set_callback("app", BOT, PLAIN)
    await one.ask(called_back.id)
    (again_,) = await one.claim()
    assert again_.lane_id == lane_id("app", "https://other.example.com:443", CALLBACK_LANE)

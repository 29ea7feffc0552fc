"""Receipts: kept once, handled in order, replayed, buried, forgotten; on either database.

What every queue promises of claims, leases and outcomes: test_work_contract.py.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.storage.harness import LEASE, MINUTE, MS, START
from tests.storage.work import Inbox, inbox_url

from adjourn.errors import NotFound, StorageError
from adjourn.models import Receipt, ReceiptState
from adjourn.storage.base import Kept, ReceiptFilter

pytestmark = pytest.mark.anyio

ALL = ReceiptFilter()
NEW, FAILED, HANDLED, DEAD = ReceiptState


@pytest.fixture(params=["postgres", "sqlite"])
async def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Inbox]:
    opened = await Inbox.open(inbox_url(request.param, tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
async def other(inbox: Inbox) -> AsyncIterator[Inbox]:
    """A second store on the same database, in the same process."""
    opened = await Inbox.open(inbox.url, inbox.clock, source="other")
    yield opened
    await opened.close()


async def handle(inbox: Inbox, held: Receipt) -> None:
    await inbox.record(inbox.success(held))


async def give_up(inbox: Inbox, held: Receipt) -> None:
    await inbox.record(inbox.last_failure(held))


async def bury(inbox: Inbox, held: Receipt) -> None:
    await inbox.record(inbox.failure(held))
    assert await inbox.receipts.bury(ReceiptFilter(seqs=(held.seq,))) == 1


async def handled(inbox: Inbox, count: int = 1, *, order_key: str | None = None) -> list[str]:
    """So many that were handled, at once."""
    names = [await inbox.put(order_key=order_key) for _ in range(count)]
    while claimed := await inbox.claim():
        await inbox.record(*(inbox.success(each, done=("a",)) for each in claimed))
    return names


# keeping


async def test_what_is_kept_is_all_there(inbox: Inbox) -> None:
    new = inbox.new("evt_1", order_key="meeting 1")
    (kept,) = await inbox.keep(new)
    assert kept == Kept(kept.seq, is_duplicate=False)
    expected = Receipt(
        seq=kept.seq,
        provider="contio",
        id="evt_1",
        event_type="meeting.completed",
        state=NEW,
        received_at=START,
        scheme="standard",
        profile="documented",
        order_key="meeting 1",
        due=START,
        body=new.body,
    )
    assert await inbox.get(str(kept.seq)) == expected
    assert await inbox.receipts.find("contio", "evt_1") == expected
    assert await inbox.claim() == [expected]


async def test_an_event_is_kept_once_and_its_duplicates_are_counted(inbox: Inbox) -> None:
    (first,) = await inbox.keep(inbox.new("evt_1"))
    for _ in range(3):
        inbox.clock.advance(MINUTE)
        assert await inbox.keep(inbox.new("evt_1")) == [Kept(first.seq, is_duplicate=True)]
    found = await inbox.get(str(first.seq))
    assert (found.duplicates, found.received_at) == (3, START)
    assert len(await inbox.claim()) == 1


async def test_of_two_of_the_same_in_one_call_the_second_is_a_duplicate(inbox: Inbox) -> None:
    one, two = inbox.new("evt_1"), inbox.new("evt_2")
    kept = await inbox.keep(one, two, one, replace(one, body=b"{}"))
    assert [each.is_duplicate for each in kept] == [False, False, True, True]
    assert kept[0].seq == kept[2].seq == kept[3].seq != kept[1].seq
    again = await inbox.keep(one, one)
    assert [each.is_duplicate for each in again] == [True, True]
    found = await inbox.get(str(kept[0].seq))
    assert (found.duplicates, found.body) == (4, one.body)


async def test_one_id_of_two_providers_is_two_events(inbox: Inbox) -> None:
    kept = await inbox.keep(inbox.new("evt_1"), inbox.new("evt_1", provider="quil"))
    assert [each.is_duplicate for each in kept] == [False, False]


async def test_seq_ascends_in_the_order_given(inbox: Inbox) -> None:
    kept = await inbox.keep(*(inbox.new(name) for name in ("c", "a", "d", "b")))
    kept += await inbox.keep(inbox.new("aa"))
    seqs = [each.seq for each in kept]
    assert seqs == sorted(set(seqs))
    assert [each.id for each in await inbox.claim()] == ["c", "a", "d", "b", "aa"]


async def test_keeping_is_all_or_nothing(inbox: Inbox) -> None:
    broken = replace(inbox.new("evt_2"), event_type=None)
    with pytest.raises(StorageError):
        await inbox.keep(inbox.new("evt_1"), broken, inbox.new("evt_3"))
    assert await inbox.seqs() == []
    assert await inbox.keep() == []


async def test_a_duplicate_of_what_is_in_hand_disturbs_nothing(inbox: Inbox) -> None:
    name = await inbox.put()
    claimed = await inbox.claim_one()
    await inbox.keep(inbox.new(claimed.id))
    assert await inbox.claim("w2") == []
    await inbox.record(inbox.failure(claimed))
    found = await inbox.get(name)
    assert (found.state, found.duplicates, found.attempt_no) == (FAILED, 1, 1)


async def test_a_duplicate_of_what_was_handled_is_not_handled_again(inbox: Inbox) -> None:
    (name,) = await handled(inbox)
    event_id = (await inbox.get(name)).id
    assert (await inbox.keep(inbox.new(event_id)))[0].is_duplicate
    assert await inbox.claim() == []
    assert (await inbox.get(name)).state is HANDLED


@pytest.mark.parametrize("keys", [[None], ["one", "two", None]])
async def test_the_same_events_kept_by_two_stores_at_once_are_kept_once(
    inbox: Inbox, other: Inbox, keys: list[str | None]
) -> None:
    names = [f"evt_{number}" for number in range(40)]
    rounds = [
        (store, [store.new(name, order_key=keys[int(name[4:]) % len(keys)]) for name in given])
        for _ in range(6)
        for store, given in ((inbox, names), (other, names[::-1]))
    ]
    kept = await asyncio.gather(*(store.receipts.keep(given) for store, given in rounds))
    new = [each.seq for told in kept for each in told if not each.is_duplicate]
    assert len(new) == len(set(new)) == len(names)
    assert sum([(await inbox.get(str(seq))).duplicates for seq in new]) == 11 * len(names)


async def test_two_stores_that_claim_at_once_share_what_there_is(inbox: Inbox, other: Inbox) -> None:
    names = await inbox.put_many(60)
    taken = await asyncio.gather(
        *(store.claim(worker, limit=10) for store, worker in ((inbox, "w1"), (other, "w2")) for _ in range(6))
    )
    claimed = [inbox.name(each) for some in taken for each in some]
    claimed += [inbox.name(each) for each in await inbox.claim("w3")]  # passed over, being looked at
    assert sorted(claimed) == sorted(names)


@pytest.mark.parametrize("was_open", [True, False])
async def test_what_a_fast_clock_kept_is_due_when_it_was_set_right(inbox: Inbox, was_open: bool) -> None:
    retried = await inbox.put()
    await inbox.record(inbox.failure(await inbox.claim_one(), retry_in=2 * MINUTE))
    inbox.clock.advance(60 * MINUTE)
    await inbox.record(inbox.failure(await inbox.claim_one(), retry_in=2 * MINUTE))
    names = [await inbox.put(order_key=key) for key in ("m", "m", None)]
    if was_open:
        assert await inbox.queue.reap() == 0
    else:
        await inbox.reopen()
    inbox.clock.advance(-60 * MINUTE)
    assert await inbox.claim() == []
    assert await inbox.queue.reap() == 0
    head, other = await inbox.claim()
    assert inbox.names([head, other]) == [names[0], names[2]]
    await handle(inbox, head)
    assert inbox.names(await inbox.claim()) == [names[1]]
    assert (await inbox.look(retried)).due == START + 62 * MINUTE


# what a handler left


async def test_the_handlers_that_are_done_are_remembered(inbox: Inbox) -> None:
    await inbox.put()
    await inbox.record(inbox.failure(await inbox.claim_one(), done=("one", "two")))
    inbox.clock.advance(MINUTE)
    claimed = await inbox.claim_one()
    assert claimed.done == ("one", "two")
    await inbox.record(inbox.success(claimed, done=("one", "two", "three")))
    assert (await inbox.get(str(claimed.seq))).done == ("one", "two", "three")


async def test_whatever_a_handler_raised_is_on_record(inbox: Inbox) -> None:
    name = await inbox.put()
    await inbox.record(inbox.failure(await inbox.claim_one(), error="a\0b \ud83d ☂"))
    (attempt,) = await inbox.receipts.list_attempts(int(name))
    assert attempt.error == (await inbox.get(name)).error == "a\N{REPLACEMENT CHARACTER}b ? ☂"


# order


async def test_followers_wait_for_the_head(inbox: Inbox) -> None:
    head, follower, _ = [await inbox.put(order_key="m") for _ in range(3)]
    assert inbox.names(await inbox.claim()) == [head]
    inbox.clock.advance(100 * MINUTE)
    assert await inbox.claim() == []
    assert await inbox.next_due() is None
    assert (await inbox.get(follower)).due is None


async def test_a_head_that_waits_for_its_retry_holds_its_followers(inbox: Inbox) -> None:
    head = await inbox.put(order_key="m")
    await inbox.record(inbox.failure(await inbox.claim_one(), retry_in=5 * MINUTE))
    follower = await inbox.put(order_key="m")
    other = await inbox.put(order_key="n")
    inbox.clock.advance(5 * MINUTE - MS)
    assert inbox.names(await inbox.claim()) == [other]
    inbox.clock.advance(MS)
    claimed = await inbox.claim_one()
    assert inbox.name(claimed) == head
    await handle(inbox, claimed)
    assert inbox.names(await inbox.claim()) == [follower]


@pytest.mark.parametrize("finish", [handle, give_up, bury])
async def test_a_head_that_ends_lets_the_next_go_and_only_that(
    inbox: Inbox, finish: Callable[[Inbox, Receipt], Awaitable[None]]
) -> None:
    for name in [await inbox.put(order_key="m") for _ in range(4)]:
        claimed = await inbox.claim_one()
        assert inbox.name(claimed) == name
        await finish(inbox, claimed)
    assert await inbox.claim() == []


async def test_order_holds_within_one_call(inbox: Inbox) -> None:
    (old,) = await handled(inbox, order_key="m")
    known = replace(inbox.new((await inbox.get(old)).id), order_key="m")
    # a duplicate of what is over holds nobody
    kept = await inbox.keep(known, *(inbox.new(name, order_key="m") for name in ("c", "a", "b")))
    assert kept[0].is_duplicate
    for name in ("c", "a", "b"):
        claimed = await inbox.claim_one()
        assert claimed.id == name
        await handle(inbox, claimed)


async def test_keys_do_not_wait_for_each_other(inbox: Inbox) -> None:
    keys = ["one", "one", "two", None, None]
    names = [await inbox.put(order_key=key) for key in keys]
    assert inbox.names(await inbox.claim()) == [names[0], *names[2:]]


async def test_one_kept_while_the_head_is_in_hand_waits(inbox: Inbox) -> None:
    await inbox.put(order_key="m")
    head = await inbox.claim_one()
    follower = await inbox.put(order_key="m")
    assert await inbox.claim() == []
    await handle(inbox, head)
    assert inbox.names(await inbox.claim()) == [follower]


async def test_one_kept_after_all_were_handled_waits_for_none(inbox: Inbox) -> None:
    await handled(inbox, 3, order_key="m")
    wanted = await inbox.put(order_key="m")
    assert inbox.names(await inbox.claim()) == [wanted]


async def test_heads_that_end_in_one_batch_let_their_followers_go(inbox: Inbox) -> None:
    followers = []
    for key in ("a", "b", "c"):
        await inbox.put(order_key=key)
        followers.append(await inbox.put(order_key=key))
    one, two, three = await inbox.claim()
    await inbox.record(inbox.success(one), inbox.last_failure(two), inbox.failure(three))
    assert inbox.names(await inbox.claim()) == followers[:2]


async def test_a_reaped_head_is_still_the_head(inbox: Inbox) -> None:
    await inbox.enlist()
    head, _ = [await inbox.put(order_key="m") for _ in range(2)]
    await inbox.claim()
    inbox.clock.advance(LEASE + MS)
    await inbox.queue.reap()
    assert inbox.names(await inbox.claim("w2")) == [head]


async def test_order_holds_between_two_stores(inbox: Inbox, other: Inbox) -> None:
    """Each keeps and handles what it can get; of each key one is in hand at a time, in the order of seq."""
    await asyncio.gather(
        *(store.put_many(5, order_key=key) for key in ("a", "b", "c") for store in (inbox, other))
    )
    order: dict[str | None, list[int]] = {}

    async def work(store: Inbox, worker: str) -> None:
        while claimed := await store.claim(worker, limit=2):
            for each in claimed:
                order.setdefault(each.order_key, []).append(each.seq)
            await store.record(*(store.success(each) for each in claimed), worker=worker)

    while (await inbox.receipts.count())[NEW]:
        await asyncio.gather(work(inbox, "w1"), work(other, "w2"))
    assert {key: len(seqs) for key, seqs in order.items()} == {"a": 10, "b": 10, "c": 10}
    assert all(seqs == sorted(seqs) for seqs in order.values())


# replay


async def test_a_replay_has_all_handled_anew(inbox: Inbox) -> None:
    names = await handled(inbox, 3)
    await inbox.put()
    await inbox.record(inbox.last_failure(await inbox.claim_one()))
    inbox.clock.advance(MINUTE)
    assert await inbox.receipts.replay(ALL, limit=10) == (4, None)
    found = await inbox.get(names[0])
    assert (found.state, found.due, found.replays, found.handled_at) == (NEW, inbox.clock.now, 1, None)
    assert (found.done, found.error, found.retry_count, found.attempt_no) == ((), "", 0, 1)
    claimed = await inbox.claim()
    assert inbox.names(claimed)[:3] == names
    assert len(claimed) == 4
    await inbox.record(*(inbox.success(each) for each in claimed))
    assert await inbox.attempts(names[0]) == [1, 2]
    assert (await inbox.receipts.count())[HANDLED] == 4


async def test_a_replay_goes_on_above_the_last_that_it_looked_at(inbox: Inbox) -> None:
    names = await handled(inbox, 5)
    steps, above = [], 0
    while True:
        count, last = await inbox.receipts.replay(ALL, limit=2, above=above)
        steps.append((count, last))
        if last is None:
            break
        above = last
    assert steps == [(2, int(names[1])), (2, int(names[3])), (1, None)]
    assert {(await inbox.get(name)).replays for name in names} == {1}


async def test_what_is_in_hand_is_not_replayed(inbox: Inbox) -> None:
    await inbox.put()
    claimed = await inbox.claim_one()
    assert await inbox.receipts.replay(ALL, limit=10) == (0, None)
    await inbox.record(inbox.success(claimed))
    assert (await inbox.get(str(claimed.seq))).replays == 0


async def test_recording_a_success_again_spares_the_replay_since(inbox: Inbox) -> None:
    await inbox.put()
    success = inbox.success(await inbox.claim_one())
    await inbox.record(success)
    await inbox.receipts.replay(ALL, limit=1)
    await inbox.record(success)
    assert len(await inbox.claim()) == 1


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ReceiptFilter(), [1, 2, 3, 4]),
        (ReceiptFilter(provider="quil"), [3]),
        (ReceiptFilter(event_type="meeting.started"), [2]),
        (ReceiptFilter(state=DEAD), [4]),
        (ReceiptFilter(state=HANDLED), [1, 2, 3]),
        (ReceiptFilter(since=START + MINUTE), [2, 3, 4]),
        (ReceiptFilter(until=START + MINUTE), [1]),
        (ReceiptFilter(since=START + MINUTE, until=START + 2 * MINUTE), [2]),
        (ReceiptFilter(seqs=(4, 2, 9)), [2, 4]),
        (ReceiptFilter(seqs=()), []),
        (ReceiptFilter(provider="contio", state=HANDLED, since=START + MINUTE), [2]),
    ],
)
async def test_what_a_filter_means(inbox: Inbox, wanted: ReceiptFilter, expected: list[int]) -> None:
    for changes in ({}, {"event_type": "meeting.started"}, {"provider": "quil"}, {}):
        await inbox.keep(inbox.new(**changes))
        (claimed,) = await inbox.claim()
        last = claimed.seq == 4
        await inbox.record(inbox.last_failure(claimed) if last else inbox.success(claimed))
        inbox.clock.advance(MINUTE)
    assert [each.seq for each in await inbox.receipts.list_receipts(wanted, limit=9)] == expected[::-1]
    assert await inbox.receipts.replay(wanted, limit=9) == (len(expected), None)
    assert [each.seq for each in await inbox.claim()] == expected


async def test_a_replayed_order_is_an_order_again(inbox: Inbox) -> None:
    names = await handled(inbox, 3, order_key="m")
    newcomer = await inbox.put(order_key="m")
    await inbox.receipts.replay(ReceiptFilter(state=HANDLED), limit=10)
    for name in (*names, newcomer):
        claimed = await inbox.claim_one()
        assert inbox.name(claimed) == name
        await handle(inbox, claimed)
    assert await inbox.claim() == []


async def test_one_that_is_replayed_goes_before_those_kept_after_it(inbox: Inbox) -> None:
    (first,) = await handled(inbox, order_key="m")
    second = await inbox.put(order_key="m")
    await inbox.record(inbox.failure(await inbox.claim_one(), retry_in=5 * MINUTE))
    await inbox.receipts.replay(ReceiptFilter(seqs=(int(first),)), limit=1)
    inbox.clock.advance(5 * MINUTE)
    claimed = await inbox.claim_one()
    assert inbox.name(claimed) == first
    await handle(inbox, claimed)
    assert inbox.names(await inbox.claim()) == [second]


async def test_a_follower_that_was_set_back_keeps_the_time_of_its_retry(inbox: Inbox) -> None:
    (first,) = await handled(inbox, order_key="m")
    second = await inbox.put(order_key="m")
    await inbox.record(inbox.failure(await inbox.claim_one(), retry_in=5 * MINUTE))
    await inbox.receipts.replay(ReceiptFilter(seqs=(int(first),)), limit=1)
    await handle(inbox, await inbox.claim_one())
    assert await inbox.claim() == []
    assert (await inbox.get(second)).due == await inbox.next_due() == START + 5 * MINUTE


async def test_one_in_hand_when_an_earlier_one_is_replayed_waits_if_it_fails(inbox: Inbox) -> None:
    (first,) = await handled(inbox, order_key="m")
    second = await inbox.put(order_key="m")
    in_hand = await inbox.claim_one()
    await inbox.receipts.replay(ReceiptFilter(seqs=(int(first),)), limit=1)
    await inbox.record(inbox.failure(in_hand))
    inbox.clock.advance(MINUTE)
    claimed = await inbox.claim_one()
    assert inbox.name(claimed) == first
    await handle(inbox, claimed)
    assert inbox.names(await inbox.claim()) == [second]


async def replayed_under_another(inbox: Inbox) -> tuple[str, Receipt]:
    """One that was replayed, and a later one of its key that w1 has in hand."""
    (first,) = await handled(inbox, order_key="m")
    await inbox.enlist()
    await inbox.put(order_key="m")
    in_hand = await inbox.claim_one()
    assert await inbox.receipts.replay(ReceiptFilter(seqs=(int(first),)), limit=1) == (1, None)
    return first, in_hand


async def give_back(inbox: Inbox, held: Receipt) -> None:
    await inbox.queue.give_back("w1", [held])


async def lose(inbox: Inbox, held: Receipt) -> None:
    inbox.clock.advance(LEASE + MS)
    assert await inbox.queue.reap() == 1


async def end(inbox: Inbox, held: Receipt) -> None:
    assert await inbox.queue.end("w1") == 1


@pytest.mark.parametrize("finish", [handle, give_up])
async def test_one_that_is_replayed_waits_for_what_is_in_hand(
    inbox: Inbox, finish: Callable[[Inbox, Receipt], Awaitable[None]]
) -> None:
    first, in_hand = await replayed_under_another(inbox)
    third = await inbox.put(order_key="m")
    assert await inbox.claim("w2") == []
    assert ((await inbox.get(first)).due, await inbox.next_due()) == (None, None)
    await finish(inbox, in_hand)
    claimed = await inbox.claim_one("w2")
    assert inbox.name(claimed) == first
    assert await inbox.claim("w2") == []
    await handle(inbox, claimed)
    assert inbox.names(await inbox.claim("w2")) == [third]


@pytest.mark.parametrize("put_back", [give_back, lose, end])
async def test_one_that_is_replayed_goes_before_what_was_in_hand_and_was_put_back(
    inbox: Inbox, put_back: Callable[[Inbox, Receipt], Awaitable[None]]
) -> None:
    first, in_hand = await replayed_under_another(inbox)
    other = await inbox.put(order_key="n")
    await put_back(inbox, in_hand)
    claimed, its = await inbox.claim("w2")
    assert (inbox.name(claimed), inbox.name(its)) == (first, other)
    await handle(inbox, claimed)
    assert inbox.names(await inbox.claim("w2")) == [inbox.name(in_hand)]


async def test_one_at_a_time_is_in_hand_however_often_the_others_are_replayed(
    inbox: Inbox, other: Inbox
) -> None:
    names = await handled(inbox, 6, order_key="m")
    in_hand: list[int] = []
    most = 0

    async def replay() -> None:
        for name in names[::-1] * 5:
            await other.receipts.replay(ReceiptFilter(seqs=(int(name),)), limit=1)

    async def work(store: Inbox, worker: str) -> None:
        nonlocal most
        while (await store.receipts.count())[NEW] or not replaying.done():
            for each in await store.claim(worker):
                in_hand.append(each.seq)
                most = max(most, len(in_hand))
                for _ in range(5):  # as long as others take for a move or two
                    await store.receipts.count()
                in_hand.remove(each.seq)
                await store.record(store.success(each), worker=worker)

    replaying = asyncio.create_task(replay())
    await asyncio.gather(work(inbox, "w1"), work(other, "w2"))
    assert most == 1
    assert max([(await inbox.get(name)).attempt_no for name in names]) > 1


async def test_what_is_buried_and_replayed_behind_what_is_in_hand_stays_in_order(inbox: Inbox) -> None:
    names = await handled(inbox, 2, order_key="m")
    third = await inbox.put(order_key="m")
    in_hand = await inbox.claim_one()
    for name in names[::-1]:
        await inbox.receipts.replay(ReceiptFilter(seqs=(int(name),)), limit=1)
    assert await inbox.receipts.bury(ReceiptFilter(seqs=(int(names[0]),))) == 1
    assert await inbox.claim("w2") == []
    await inbox.record(inbox.failure(in_hand))
    inbox.clock.advance(MINUTE)
    claimed = await inbox.claim_one("w2")
    assert inbox.name(claimed) == names[1]
    await handle(inbox, claimed)
    assert inbox.names(await inbox.claim("w2")) == [third]


# burying


async def test_what_is_buried_is_dead(inbox: Inbox) -> None:
    names = [await inbox.put() for _ in range(3)]
    failed, in_hand, given_back = await inbox.claim()
    await inbox.record(inbox.failure(failed))
    await inbox.queue.give_back("w1", [given_back])
    (old,) = await handled(inbox)  # and the one that was given back
    waiting = await inbox.put()
    assert await inbox.receipts.bury(ALL) == 2
    states = [(await inbox.get(name)).state for name in (*names, old, waiting)]
    assert states == [DEAD, NEW, HANDLED, HANDLED, DEAD]
    assert (await inbox.get(waiting)).due is None
    inbox.clock.advance(100 * MINUTE)
    assert await inbox.claim() == []
    await inbox.record(inbox.success(in_hand))
    assert (await inbox.get(names[1])).state is HANDLED


async def test_what_is_buried_of_an_order_lets_the_rest_go(inbox: Inbox) -> None:
    names = [await inbox.put(order_key="m") for _ in range(4)]
    assert await inbox.receipts.bury(ReceiptFilter(seqs=(int(names[0]), int(names[2])))) == 2
    claimed = await inbox.claim_one()
    assert inbox.name(claimed) == names[1]
    await handle(inbox, claimed)
    assert inbox.names(await inbox.claim()) == [names[3]]


async def test_thousands_can_be_buried_and_replayed(inbox: Inbox) -> None:
    await inbox.put_many(2500, order_key="m")
    assert await inbox.receipts.bury(ALL) == 2500
    assert await inbox.receipts.replay(ReceiptFilter(state=DEAD), limit=5000) == (2500, None)
    assert len(await inbox.claim(limit=5000)) == 1


# forgetting


async def test_what_was_handled_long_ago_is_forgotten_but_not_that_it_was_had(inbox: Inbox) -> None:
    (old,) = await handled(inbox)
    inbox.clock.advance(MINUTE)
    (recent,) = await handled(inbox)
    await inbox.put()
    await inbox.record(inbox.last_failure(await inbox.claim_one()))
    assert await inbox.receipts.forget(before=START) == 0
    assert await inbox.receipts.forget(before=START + MINUTE) == 1
    assert await inbox.receipts.forget(before=START + MINUTE) == 0
    found = await inbox.get(old)
    assert (found.state, found.body) == (HANDLED, None)
    assert await inbox.attempts(old) == []
    assert (await inbox.keep(inbox.new(found.id)))[0].is_duplicate
    assert (await inbox.get(recent)).body is not None
    inbox.clock.advance(MINUTE)
    assert await inbox.receipts.forget(before=inbox.clock.now) == 1
    assert (await inbox.get("3")).body is not None  # dead: somebody may want it still


async def test_what_was_forgotten_is_not_replayed(inbox: Inbox) -> None:
    names = await handled(inbox, 2)
    inbox.clock.advance(MS)
    assert await inbox.receipts.forget(before=inbox.clock.now, limit=1) == 1
    assert await inbox.receipts.replay(ALL, limit=10) == (1, None)
    assert len(await inbox.claim()) == 1
    assert sorted([(await inbox.get(name)).replays for name in names]) == [0, 1]


async def test_what_is_replayed_is_not_forgotten(inbox: Inbox) -> None:
    await handled(inbox)
    await inbox.receipts.replay(ALL, limit=1)
    assert await inbox.receipts.forget(before=START + 100 * MINUTE) == 0
    assert (await inbox.claim_one()).body is not None


# looking


async def test_a_list_shows_the_newest_first_page_by_page_without_bodies(inbox: Inbox) -> None:
    names = await inbox.put_many(5)
    page = await inbox.receipts.list_receipts(ALL, limit=3)
    assert inbox.names(page) == names[:1:-1]
    assert {each.body for each in page} == {None}
    rest = await inbox.receipts.list_receipts(ALL, limit=3, below=page[-1].seq)
    assert inbox.names(rest) == names[1::-1]


async def test_how_many_there_are_in_each_state(inbox: Inbox) -> None:
    assert await inbox.receipts.count() == {NEW: 0, FAILED: 0, HANDLED: 0, DEAD: 0}
    await inbox.put_many(6)
    one, two, three, *_ = await inbox.claim()
    await inbox.record(inbox.success(one), inbox.failure(two), inbox.last_failure(three))
    assert await inbox.receipts.count() == {NEW: 3, FAILED: 1, HANDLED: 1, DEAD: 1}


async def test_when_the_oldest_came_that_waits(inbox: Inbox) -> None:
    assert await inbox.receipts.oldest_waiting() is None
    await handled(inbox)
    assert await inbox.receipts.oldest_waiting() is None
    inbox.clock.advance(MINUTE)
    await inbox.put()
    await inbox.record(inbox.failure(await inbox.claim_one()))
    inbox.clock.advance(timedelta(seconds=1))
    await inbox.put()
    assert await inbox.receipts.oldest_waiting() == START + MINUTE


@pytest.mark.parametrize("seq", [0, -1, 7, 2**70])
async def test_what_is_not_there_is_not_found(inbox: Inbox, seq: int) -> None:
    with pytest.raises(NotFound):
        await inbox.receipts.get(seq)
    assert await inbox.receipts.find("contio", "none") is None


async def test_after_it_was_opened_again_all_is_there(inbox: Inbox) -> None:
    name = await inbox.put()
    await inbox.reopen()
    assert inbox.names(await inbox.claim()) == [name]


async def test_a_closed_inbox_says_so(inbox: Inbox, other: Inbox) -> None:
    await other.close()
    await other.close()
    with pytest.raises(StorageError):
        await other.put()
    with pytest.raises(StorageError):
        await other.receipts.count()
    await inbox.put()  # which shares the database

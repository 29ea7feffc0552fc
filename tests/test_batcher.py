"""Things on their way to the store: none lost, none stuck, in order."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.sending.harness import eventually

from adjourn.batcher import Batcher
from adjourn.errors import StorageError

LONG = 10.0  # seconds: a bound that is never reached


class FakeStore:
    """Takes batches of numbers; fails as it is told."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.calls: list[list[int]] = []
        self.failures = 0
        self.down = False
        self.refused: dict[int, Exception] = {}
        self.gate: asyncio.Event | None = None

    async def take(self, batch: Sequence[int]) -> None:
        self.calls.append(list(batch))
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate.wait()
        if self.failures or self.down:
            self.failures -= not self.down
            raise StorageError("down")
        for each in batch:
            if each in self.refused:
                raise self.refused[each]
        self.taken += batch


URGENT = -1


def run(
    test: Callable[[FakeStore, Batcher[int]], Awaitable[None]], *, full: int = 2000, linger: float = 0.0
) -> FakeStore:
    async def main() -> FakeStore:
        store = FakeStore()
        batcher = Batcher(
            store.take, full=full, retry_every=0, linger=linger, urgent=lambda number: number == URGENT
        )
        await test(store, batcher)
        return store

    return asyncio.run(main())


def test_what_comes_while_a_batch_is_stored_shares_the_next() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        store.gate = asyncio.Event()
        for number in range(3):
            batcher.add(number)
        await eventually(lambda: bool(store.calls))
        for number in range(3, 6):
            batcher.add(number)
        assert len(batcher) == 6
        store.gate.set()
        assert await batcher.finish(within=LONG)
        assert len(batcher) == 0

    assert run(test).calls == [[0, 1, 2], [3, 4, 5]]


def test_a_batch_is_bounded() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        for number in range(1201):
            batcher.add(number)
        assert await batcher.finish(within=LONG)

    store = run(test)
    assert [len(each) for each in store.calls] == [500, 500, 201]
    assert store.taken == list(range(1201))


def test_what_the_store_cannot_take_is_stored_later_in_order() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        store.failures = 2
        for number in range(40):
            batcher.add(number)
        assert await batcher.finish(within=LONG)

    store = run(test)
    assert store.taken == list(range(40))


def test_nothing_is_lost_in_a_long_outage() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        store.failures = 100
        for number in range(700):
            batcher.add(number)
        assert await batcher.finish(within=LONG)
        batcher.add(700)
        assert await batcher.finish(within=LONG)

    store = run(test)
    assert sorted(store.taken) == list(range(701))
    assert len(store.calls) < 130, "batches grow again after it"


def test_one_that_is_never_stored_does_not_keep_the_others_back() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        store.refused = {5: StorageError("too large")}
        for number in range(50):
            batcher.add(number)
        await eventually(lambda: len(store.taken) == 49)
        batcher.add(50)
        await eventually(lambda: len(store.taken) == 50)
        assert len(batcher) == 1
        store.refused.clear()
        assert await batcher.finish(within=LONG)

    assert sorted(run(test).taken) == list(range(51))


def test_one_that_the_store_chokes_on_is_dropped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        store.refused = {5: UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")}
        for number in range(50):
            batcher.add(number)
        assert await batcher.finish(within=LONG)
        assert await batcher.wait_for_room(within=0)
        batcher.add(50)
        assert await batcher.finish(within=LONG)

    with caplog.at_level(logging.ERROR):
        store = run(test, full=10)
    assert sorted(store.taken) == [number for number in range(51) if number != 5]
    assert len([each for each in caplog.records if each.exc_info]) == 1


def test_waits_for_room_until_enough_is_stored() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        store.gate = asyncio.Event()
        for number in range(9):
            batcher.add(number)
        assert await batcher.wait_for_room(within=0)
        batcher.add(9)
        assert not await batcher.wait_for_room(within=0)
        waiting = asyncio.create_task(batcher.wait_for_room(within=LONG))
        store.gate.set()
        assert await waiting
        assert await batcher.finish(within=LONG)

    run(test, full=10)


def test_has_no_room_while_the_store_is_down() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        store.down = True
        for number in range(10):
            batcher.add(number)
        assert not await batcher.wait_for_room(within=0.01)
        store.down = False
        assert await batcher.wait_for_room(within=LONG)
        assert await batcher.finish(within=LONG)

    run(test, full=10)


def test_finish_gives_up_on_a_store_that_stays_down() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        store.down = True
        batcher.add(1)
        assert not await batcher.finish(within=0.01)
        calls = len(store.calls)
        await asyncio.sleep(0.01)
        assert len(store.calls) == calls, "nothing goes on in the background"

    run(test)


def test_finish_gives_up_on_a_store_that_hangs() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        store.gate = asyncio.Event()
        batcher.add(1)
        assert not await batcher.finish(within=0.01)

    run(test)


def test_finish_with_nothing_to_store_returns_at_once() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        assert await batcher.finish(within=0)

    assert run(test).calls == []


# a batch that lingers


def test_a_small_batch_waits_for_more() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        for number in range(10):
            batcher.add(number)
            for _ in range(3):
                await asyncio.sleep(0)
        assert store.calls == []
        assert len(batcher) == 10
        assert await batcher.finish(within=LONG)

    assert run(test, linger=2 * LONG).calls == [list(range(10))]


def test_a_batch_that_lingered_is_stored() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        for number in range(2):
            batcher.add(number)
            await eventually(lambda: len(batcher) == 0)

    assert run(test, linger=0.001).calls == [[0], [1]]


def test_a_whole_batch_is_stored_at_once() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        for number in range(501):
            batcher.add(number)
        await eventually(lambda: len(store.taken) == 500)
        assert len(batcher) == 1, "the next one lingers"
        for number in range(501, 1000):
            batcher.add(number)
        await eventually(lambda: len(store.taken) == 1000)

    assert [len(each) for each in run(test, linger=2 * LONG).calls] == [500, 500]


def test_what_is_urgent_takes_along_what_waits() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        batcher.add(1)
        for _ in range(3):
            await asyncio.sleep(0)
        batcher.add(URGENT)
        await eventually(lambda: len(batcher) == 0)

    assert run(test, linger=2 * LONG).calls == [[1, URGENT]]


def test_what_is_urgent_need_not_find_anybody_waiting() -> None:
    async def test(store: FakeStore, batcher: Batcher[int]) -> None:
        batcher.add(URGENT)
        await eventually(lambda: len(batcher) == 0)
        batcher.add(1)
        await asyncio.sleep(0)
        assert len(batcher) == 1, "what is not lingers again"
        assert await batcher.finish(within=LONG)

    assert run(test, linger=2 * LONG).calls == [[URGENT], [1]]

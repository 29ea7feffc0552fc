"""What comes at once shares a commit, and one that cannot be kept fails no other."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adjourn import StorageError
from adjourn.receiving.keeper import Keeper
from adjourn.storage.base import Kept, NewReceipt, Receipts
from adjourn.storage.inbox import open_receipts

NO_TEXT = "\ud800"
"""Half a character: no database takes it."""


def new(event_id: str) -> NewReceipt:
    return NewReceipt(
        provider="contio",
        id=event_id,
        event_type="meeting.completed",
        order_key=None,
        scheme="contio",
        profile="documented",
        received_at=datetime(2026, 1, 5, tzinfo=UTC),
        body=b"{}",
    )


class Counted:
    """A store that notes how many it was given at once, and may be out of order."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts
        self.batches: list[int] = []
        self.is_broken = False
        self.began = asyncio.Event()

    async def keep(self, receipts: Sequence[NewReceipt]) -> list[Kept]:
        self.batches.append(len(receipts))
        self.began.set()
        if self.is_broken:
            raise StorageError("out of order")
        return await self._receipts.keep(receipts)


def run(test: Callable[[Counted, Keeper, list[int]], Coroutine[Any, Any, None]], tmp_path: Path) -> None:
    async def main() -> None:
        receipts = await open_receipts(f"sqlite:///{tmp_path}/inbox.db")
        store, told = Counted(receipts), list[int]()
        keeping: Any = store
        try:
            async with asyncio.timeout(60):
                await test(store, Keeper(keeping, on_new=lambda: told.append(len(store.batches))), told)
        finally:
            await receipts.close()

    asyncio.run(main())


def test_what_comes_while_a_commit_is_in_flight_shares_the_next(tmp_path: Path) -> None:
    async def test(store: Counted, keeper: Keeper, told: list[int]) -> None:
        first = asyncio.create_task(keeper.keep(new("a")))
        await store.began.wait()
        await asyncio.gather(first, *(keeper.keep(new(each)) for each in "bcd"))
        assert store.batches == [1, 3]

    run(test, tmp_path)


def test_whoever_handles_is_told_of_new_ones_after_their_commit_and_of_no_duplicates(tmp_path: Path) -> None:
    async def test(store: Counted, keeper: Keeper, told: list[int]) -> None:
        await keeper.keep(new("a"))
        assert told == [1]
        await keeper.keep(new("a"))
        assert told == [1]
        await asyncio.gather(keeper.keep(new("a")), keeper.keep(new("b")))
        assert told == [1, 3]

    run(test, tmp_path)


def test_one_that_cannot_be_kept_fails_alone(tmp_path: Path) -> None:
    async def test(store: Counted, keeper: Keeper, told: list[int]) -> None:
        given = [keeper.keep(new(each)) for each in ("a", NO_TEXT, "b")]
        first, bad, last = await asyncio.gather(*given, return_exceptions=True)
        assert isinstance(bad, UnicodeEncodeError | StorageError)
        assert [getattr(each, "is_duplicate", None) for each in (first, last)] == [False, False]
        assert (await keeper.keep(new("b"))).is_duplicate

    run(test, tmp_path)


def test_when_the_store_is_out_of_order_everyone_hears_of_it_and_may_come_again(tmp_path: Path) -> None:
    async def test(store: Counted, keeper: Keeper, told: list[int]) -> None:
        store.is_broken = True
        given = [keeper.keep(new(each)) for each in "ab"]
        assert [type(each) for each in await asyncio.gather(*given, return_exceptions=True)] == [
            StorageError,
            StorageError,
        ]
        assert store.batches == [2]  # not each again
        store.is_broken = False
        assert not (await keeper.keep(new("a"))).is_duplicate

    run(test, tmp_path)


def test_what_whoever_asked_is_not_waiting_for_any_more_is_kept_all_the_same(tmp_path: Path) -> None:
    async def test(store: Counted, keeper: Keeper, told: list[int]) -> None:
        asking = asyncio.create_task(keeper.keep(new("a")))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await keeper.finish()
        assert (await keeper.keep(new("a"))).is_duplicate

    run(test, tmp_path)

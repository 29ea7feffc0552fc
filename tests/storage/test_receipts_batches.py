"""Many events kept at once: as if one came after the other."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.storage.work import Inbox, inbox_url

pytestmark = pytest.mark.anyio

PROVIDERS = ("contio", "quil")


@pytest.fixture(params=["postgres", "sqlite"])
async def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Inbox]:
    opened = await Inbox.open(inbox_url(request.param, tmp_path))
    yield opened
    await opened.close()


@pytest.mark.parametrize("ids", [10_000, 150, 20], ids=["hardly any twice", "some twice", "most twice"])
@pytest.mark.parametrize("ordered", [False, True])
async def test_a_batch_is_kept_as_its_events_one_by_one(inbox: Inbox, ids: int, ordered: bool) -> None:
    rng = random.Random(ids)
    had: dict[str, int] = {}
    times: dict[str, int] = {}
    keys: dict[str, str] = {}
    bodies: dict[str, bytes | None] = {}
    last = 0
    for size in (1, 15, 16, 17, 70):
        batch = []
        for _ in range(size):
            name = f"evt_{rng.randrange(ids)}"
            key = f"meeting {rng.randrange(5)}" if ordered and rng.random() < 0.1 else None
            batch.append(inbox.new(name, order_key=key))
        for new, kept in zip(batch, await inbox.keep(*batch), strict=True):
            assert kept.is_duplicate == (new.id in had)
            if not kept.is_duplicate:
                assert kept.seq > last
                last = had[new.id] = kept.seq
                bodies[new.id] = new.body
                if new.order_key is not None:
                    keys[new.id] = new.order_key
            assert kept.seq == had[new.id]
            times[new.id] = times.get(new.id, -1) + 1
    for name, seq in had.items():
        receipt = await inbox.get(str(seq))
        assert (receipt.id, receipt.duplicates, receipt.body) == (name, times[name], bodies[name])
        assert receipt.order_key == keys.get(name)
    first = {key: name for name, key in reversed(keys.items())}
    claimed = {receipt.id for receipt in await inbox.claim(limit=len(had))}
    assert claimed == {name for name in had if name not in keys or first[keys[name]] == name}


async def test_of_two_providers_the_same_id_is_two_events(inbox: Inbox) -> None:
    batch = [inbox.new(f"evt_{number // 2}", provider=PROVIDERS[number % 2]) for number in range(40)]
    kept = await inbox.keep(*batch)
    assert [each.seq for each in kept] == sorted({each.seq for each in kept})
    assert not any(each.is_duplicate for each in kept)

"""When a commit waits for more requests, and when it does not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.sending.harness import submission, world

from adjourn.sending.linger import Linger
from adjourn.sending.planner import Planner
from adjourn.sending.publisher import Publisher

SECONDS = 0.005


def after(requests: int) -> Linger:
    """One whose last commit, of so many requests, ended at 100.0."""
    linger = Linger(SECONDS)
    linger.committed(requests, now=100.0)
    return linger


def test_the_first_request_of_all_waits_for_nobody() -> None:
    assert Linger(SECONDS).wants(1, events=1, now=100.0) == 0


@pytest.mark.parametrize(
    ("last", "there", "events", "now", "wanted"),
    [
        (1, 1, 1, 100.005, 4),
        (1, 1, 1, 100.006, 0),  # nothing was committed just before
        (1, 3, 3, 100.0, 4),
        (1, 4, 4, 100.0, 0),
        (8, 4, 4, 100.0, 8),
        (8, 8, 8, 100.0, 0),  # as many as last time are back
        (1, 1, 31, 100.0, 4),
        (1, 1, 32, 100.0, 0),  # many events as it is
    ],
)
def test_for_how_many_a_commit_waits(last: int, there: int, events: int, now: float, wanted: int) -> None:
    assert after(last).wants(there, events=events, now=now) == wanted


def test_waiting_in_vain_is_tried_less_and_less_often() -> None:
    linger = after(1)
    waited = []
    for commit in range(200):
        if linger.wants(1, events=1, now=100.0):
            waited.append(commit)
            linger.brought(0)
    assert waited == [0, 3, 8, 17, 34, 67, 132, 197]
    linger.brought(1)
    assert linger.wants(1, events=1, now=100.0) == 4


def test_it_waits_until_enough_are_there() -> None:
    async def main() -> None:
        linger = Linger(3600)
        waiting = asyncio.create_task(linger.wait(4))
        await asyncio.sleep(0)
        linger.arrived(3)
        await asyncio.sleep(0)
        assert not waiting.done()
        linger.arrived(4)
        await waiting

    asyncio.run(main())


def test_it_waits_no_longer_than_it_may() -> None:
    asyncio.run(Linger(0.001).wait(4))


def test_requests_that_come_one_by_one_share_a_commit(tmp_path: Path) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), world(tmp_path) as w:
            await w.add("one")
            directory: Any = w.directory
            publisher = Publisher(
                queue=w.queue,
                planner=Planner(directory=directory, apps=w.apps, ids=w.ids),
                apps=w.apps,
                worker=w.worker,
                linger=3600,
            )
            await publisher.publish([submission("ana", "m", 0)])  # the first waits for nobody
            before = w.queue.calls["publish"]
            tasks = []
            for number in range(1, 5):
                tasks.append(asyncio.create_task(publisher.publish([submission("ana", "m", number)])))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            await asyncio.gather(*tasks)
            assert w.queue.calls["publish"] - before == 1
            await w.idle()

    asyncio.run(main())

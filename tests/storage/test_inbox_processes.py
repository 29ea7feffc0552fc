"""Several processes share an inbox, and some of them are killed."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.storage.harness import LEASE, MS
from tests.storage.work import Inbox, inbox_url

from adjourn.models import ReceiptState
from adjourn.storage.base import ReceiptFilter

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["postgres", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return inbox_url(request.param, tmp_path)


@pytest.fixture
async def inbox(url: str) -> AsyncIterator[Inbox]:
    opened = await Inbox.open(url)
    yield opened
    await opened.close()


async def child(url: str, what: str, name: str, count: int) -> tuple[int, list[int]]:
    """How it ended, and the numbers that it told."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.storage.inbox_child", url, what, name, str(count)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode in (0, -signal.SIGKILL), errors.decode()
    return process.returncode, [int(each) for each in output.split()]


async def test_three_processes_keep_each_event_once(url: str) -> None:
    """They make the tables, too, whoever comes first."""
    told = await asyncio.gather(*(child(url, "keep", name, 100) for name in ("a", "b", "c")))
    assert sum(new for _, (new,) in told) == 400
    inbox = await Inbox.open(url)
    try:
        found = await inbox.receipts.list_receipts(ReceiptFilter(), limit=1000)
        assert len({each.id for each in found}) == len(found) == 400
        assert sum(each.duplicates for each in found) == 200
        assert all([(await inbox.get(inbox.name(each))).body for each in found])
    finally:
        await inbox.close()


async def test_three_processes_handle_each_receipt_once_and_an_order_in_its_order(inbox: Inbox) -> None:
    ordered = [int(name) for name in await inbox.put_many(30, order_key="m")]
    await inbox.put_many(90)
    told = await asyncio.gather(*(child(inbox.url, "work", name, 120) for name in ("a", "b", "c")))
    handled = [seq for _, seqs in told for seq in seqs]
    assert sorted(handled) == sorted(set(handled))
    assert len(handled) == 120
    for _, seqs in told:
        its = [seq for seq in seqs if seq in ordered]
        assert its == sorted(its)
    assert (await inbox.receipts.count())[ReceiptState.HANDLED] == 120


async def test_what_a_killed_process_had_in_hand_is_handled_when_its_lease_is_over(inbox: Inbox) -> None:
    status, _ = await child(inbox.url, "die", "w1", 3)
    assert status == -signal.SIGKILL
    inbox.clock.advance(LEASE)
    await inbox.queue.reap()
    assert await inbox.claim("w2") == []
    inbox.clock.advance(MS)
    assert await inbox.queue.reap() == 3
    claimed = await inbox.claim("w2")
    assert [each.body for each in claimed] == [(await inbox.get(inbox.name(each))).body for each in claimed]
    assert len(claimed) == 3

"""The inbox as a user's code has it: open, keep, handle, close; threads, loops and processes around it."""

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from adjourn import ConfigError, Inbox, Receiver, StorageError, contio, quil
from adjourn.models import Receipt, ReceiptState
from adjourn.receiving import Received
from adjourn.storage.base import ReceiptFilter
from adjourn.testing import sample, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RECEIVER = Receiver(contio, SECRET)


def received(event_id: str = "e1", event_type: str = "meeting.completed", **changes: Any) -> Received:
    body = sample(contio, event_type, **changes)
    own_id = json.loads(body)["event_id"]
    body = body.replace(own_id.encode(), event_id.encode())
    return RECEIVER.receive(sign(contio, body, SECRET), body)


def url_of(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/inbox.db"


def run(main: Any) -> None:
    async def within() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(within())


def test_an_event_is_on_disk_when_keep_returns_and_handled_afterwards(tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path))
    seen: list[tuple[Struct, Receipt]] = []

    @inbox.on(contio.MeetingCompleted)
    async def completed(event: contio.MeetingCompleted, receipt: Receipt) -> None:
        seen.append((event, receipt))

    async def main() -> None:
        came = received()
        async with inbox:
            kept = await inbox.keep(came)
            assert not kept.is_duplicate
            with closing(sqlite3.connect(tmp_path / "inbox.db")) as other:
                assert other.execute("SELECT id FROM adjourn_receipt").fetchall() == [("e1",)]
            await inbox.settle()
        ((event, receipt),) = seen
        assert event == came.event
        assert (receipt.seq, receipt.id, receipt.provider) == (kept.seq, "e1", "contio")
        assert (receipt.event_type, receipt.body) == ("meeting.completed", came.body)
        assert (receipt.scheme, receipt.profile) == (came.verified.scheme, came.verified.profile)

    run(main)


def test_a_duplicate_is_told_of_counted_and_not_handled_again(tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path))
    seen: list[Struct] = []
    inbox.on(contio.MeetingCompleted)(seen.append)

    async def main() -> None:
        async with inbox:
            first = await inbox.keep(received())
            await inbox.settle()
            again = await inbox.keep(received())
            await inbox.settle()
            assert (again.seq, again.is_duplicate) == (first.seq, True)
            assert (await inbox.receipts.get(first.seq)).duplicates == 1
        assert len(seen) == 1

    run(main)


def test_of_many_that_come_at_once_each_is_kept_once(tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path))
    seen: list[str] = []
    inbox.on(contio.MeetingCompleted)(lambda event: seen.append(event.event_id))

    async def main() -> None:
        events = [received(f"e{number}") for number in range(20)]
        async with inbox:
            kept = await asyncio.gather(*(inbox.keep(each) for each in events * 5))
            assert sum(not each.is_duplicate for each in kept) == 20
            await inbox.settle()
        assert sorted(seen) == sorted(f"e{number}" for number in range(20))

    run(main)


def test_the_same_id_of_two_vendors_is_two_events(tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path))
    body = sample(quil, "meeting.completed")
    own = Receiver(quil, SECRET).receive(sign(quil, body, SECRET), body)

    async def main() -> None:
        async with inbox:
            await inbox.keep(own)
            assert not (await inbox.keep(received(own.id))).is_duplicate

    run(main)


def test_without_an_open_inbox_the_first_event_opens_it(tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path))
    seen = asyncio.Event()

    @inbox.on(contio.MeetingCompleted)
    async def completed(event: Struct) -> None:
        seen.set()

    async def main() -> None:
        await asyncio.gather(inbox.keep(received("a")), inbox.keep(received("b")))
        await seen.wait()
        await inbox.close()

    run(main)


def test_what_was_kept_before_a_restart_is_handled_after_it(tmp_path: Path) -> None:
    async def keep() -> None:
        async with Inbox(url_of(tmp_path), work=False) as web:
            await web.keep(received())

    run(keep)
    inbox = Inbox(url_of(tmp_path))
    seen = asyncio.Event()

    @inbox.on(contio.MeetingCompleted)
    async def completed(event: Struct) -> None:
        seen.set()

    async def handle() -> None:
        async with inbox.lifespan():
            await seen.wait()

    run(handle)


def test_with_work_elsewhere_nothing_is_handled_here(tmp_path: Path) -> None:
    web, elsewhere = Inbox(url_of(tmp_path), work=False), Inbox(url_of(tmp_path))
    here: list[Struct] = []
    there = asyncio.Event()
    web.on(contio.MeetingCompleted)(here.append)

    @elsewhere.on(contio.MeetingCompleted)
    async def completed(event: Struct) -> None:
        there.set()

    async def main() -> None:
        async with web:
            working = asyncio.create_task(elsewhere.work())
            await web.keep(received())
            await there.wait()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            assert await web.receipts.count() == {
                ReceiptState.NEW: 0,
                ReceiptState.FAILED: 0,
                ReceiptState.HANDLED: 1,
                ReceiptState.DEAD: 0,
            }
        assert here == []

    run(main)


def test_an_inbox_works_in_one_loop_after_the_other_but_not_in_two(tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path))
    seen: list[Struct] = []
    inbox.on(contio.MeetingCompleted)(seen.append)

    async def keep(event_id: str) -> None:
        await inbox.keep(received(event_id))
        await inbox.settle()

    run(lambda: keep("a"))  # and nobody closed it
    run(lambda: keep("b"))
    assert len(seen) == 2
    run(inbox.close)  # of a loop that is gone: nothing to do

    async def in_two() -> None:
        async with inbox:
            with pytest.raises(ConfigError, match="another event loop"):
                await asyncio.to_thread(asyncio.run, inbox.keep(received()))

    run(in_two)


def test_threads_keep_by_the_background_loop(tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path))
    seen = threading.Event()

    @inbox.on(contio.MeetingCompleted)
    def completed(event: Struct) -> None:
        seen.set()

    assert not inbox.background.run(inbox.keep(received()), within=60).is_duplicate
    assert inbox.background.run(inbox.keep(received()), within=60).is_duplicate
    assert seen.wait(60)
    inbox.background.stop()
    assert inbox.background.run(inbox.keep(received()), within=60).is_duplicate  # it starts anew
    inbox.background.stop()


def test_what_would_end_the_background_loop_does_not(tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path))
    seen = threading.Event()

    async def leave() -> None:
        raise SystemExit(3)

    @inbox.on(contio.MeetingCompleted)
    async def completed(event: contio.MeetingCompleted) -> None:
        if event.event_id == "a":
            await asyncio.gather(asyncio.create_task(leave()), return_exceptions=True)
        else:
            seen.set()

    for event_id in "ab":
        assert not inbox.background.run(inbox.keep(received(event_id)), within=60).is_duplicate
    assert seen.wait(60)
    inbox.background.stop()


def test_what_takes_too_long_in_the_background_is_a_storage_error(tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path))

    async def never() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StorageError, match="did not answer within"):
        inbox.background.run(never(), within=0.01)
    inbox.background.stop()


@pytest.mark.parametrize("event_id", ["x" * 3000, "a\\u0000b", "ä" * 256])
def test_an_id_that_no_database_could_index_is_known_by_its_hash(event_id: str, tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path), work=False)

    async def main() -> None:
        async with inbox:
            assert not (await inbox.keep(received(event_id))).is_duplicate
            again = await inbox.keep(received(event_id))
            assert again.is_duplicate
            assert not (await inbox.keep(received(event_id + "b"))).is_duplicate
            assert re.fullmatch("sha256:[0-9a-f]{64}", (await inbox.receipts.get(again.seq)).id)

    run(main)


def test_of_one_meeting_events_are_handled_in_order_where_asked(tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path), ordered=True, work=False)
    seen: list[str] = []

    @inbox.on(contio.MeetingCompleted)
    async def completed(event: contio.MeetingCompleted) -> None:
        for _ in range(int(event.data.title)):  # the first takes the most turns
            await asyncio.sleep(0)
        seen.append(event.event_id)

    async def main() -> None:
        async with inbox:
            for number in range(5):
                await inbox.keep(received(f"e{number}", meeting_id="m", title=str(5 - number)))
            await inbox.settle()
        assert seen == [f"e{number}" for number in range(5)]

    run(main)


def test_an_inbox_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    async def main() -> None:
        for url in (f"sqlite:///{tmp_path}/file/inbox.db", "mysql://localhost/db"):
            with pytest.raises(ConfigError):
                await Inbox(url).open()

    run(main)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retry_delays": [1, 1]}, "retry_delays is told in timedeltas"),
        ({"retry_delays": [timedelta(seconds=-1)]}, "negative"),
        ({"timeout": 5}, "timeout is told in timedeltas"),
        ({"timeout": None}, "timeout is told in timedeltas"),
        ({"keep": 30}, "keep is told in timedeltas"),
        ({"concurrency": 0}, "concurrency"),
    ],
)
def test_options_of_a_wrong_kind_are_refused_at_once(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Inbox(**options)


def test_a_decorator_without_its_events_is_refused_where_it_stands() -> None:
    inbox: Any = Inbox()

    with pytest.raises(ConfigError, match=r"as in @inbox\.on\(contio\.MeetingCompleted\)"):
        inbox.on(lambda event: None)

    with pytest.raises(ConfigError, match="needs the events"):
        inbox.on()


def test_the_store_can_be_asked_only_while_it_is_open(tmp_path: Path) -> None:
    inbox = Inbox(url_of(tmp_path))
    with pytest.raises(ConfigError, match="async with inbox"):
        _ = inbox.receipts


_WEB = """
import asyncio, sys
from adjourn import Inbox, Receiver, contio
from adjourn.testing import sample, sign

SECRET = {secret!r}
inbox = Inbox({url!r})

@inbox.on(contio.MeetingCompleted)
async def hang(event):
    print("handling", flush=True)
    await asyncio.get_running_loop().create_future()

async def main():
    body = sample(contio, "meeting.completed")
    async with inbox:
        await inbox.keep(Receiver(contio, SECRET).receive(sign(contio, body, SECRET), body))
        print("kept", flush=True)
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""


@pytest.mark.parametrize("killed_at", ["kept", "handling"])
def test_what_was_kept_is_handled_after_a_kill(killed_at: str, tmp_path: Path) -> None:
    program = _WEB.format(secret=SECRET, url=url_of(tmp_path))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as web:
        assert web.stdout is not None
        while web.stdout.readline().strip() != killed_at:
            assert web.poll() is None
        web.send_signal(signal.SIGKILL)
    with closing(sqlite3.connect(tmp_path / "inbox.db")) as file, file:
        file.execute("UPDATE adjourn_inbox_worker SET expires_at = 0")  # as if its lease had run out
    inbox = Inbox(url_of(tmp_path))
    seen: list[Struct] = []
    inbox.on(contio.MeetingCompleted)(seen.append)

    async def main() -> None:
        async with inbox:
            await inbox.settle()
            listed = await inbox.receipts.list_receipts(ReceiptFilter(), limit=10)
            assert [each.state for each in listed] == [ReceiptState.HANDLED]
        assert len(seen) == 1

    run(main)

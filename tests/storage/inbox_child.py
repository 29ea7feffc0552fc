"""A process with the inbox open: `python -m tests.storage.inbox_child <url> <what> <name> <count>`.

`keep`: so many events that others keep as well, and as many that are its own, one call each, some at once.
`work`: handles what there is until nothing is left, and prints what it handled. `die`: keeps so many, claims
them, and kills itself. Run by test_inbox_processes.py.
"""

import asyncio
import os
import signal
import sys

from tests.storage.harness import LEASE
from tests.storage.work import Inbox

from adjourn.models import ReceiptState

_AT_ONCE = 8


async def keep(inbox: Inbox, name: str, count: int) -> None:
    """Prints how many of them were new."""
    ids = [each for number in range(count) for each in (f"shared-{number}", f"{name}-{number}")]
    new = 0
    for first in range(0, len(ids), _AT_ONCE):
        kept = await asyncio.gather(
            *(inbox.keep(inbox.new(each, order_key="m")) for each in ids[first : first + _AT_ONCE])
        )
        new += sum(not each.is_duplicate for (each,) in kept)
    print(new)


async def work(inbox: Inbox, name: str, count: int) -> None:
    """Until so many were handled by whoever it was."""
    handled = []
    while (await inbox.receipts.count())[ReceiptState.HANDLED] < count:
        claimed = await inbox.claim(name, limit=3)
        await inbox.record(*(inbox.success(each) for each in claimed), worker=name)
        handled += [each.seq for each in claimed]
    print(*handled)


async def die(inbox: Inbox, name: str, count: int) -> None:
    await inbox.receipts.enlist(name, lease=LEASE)
    await inbox.put_many(count)
    await inbox.claim(name)
    os.kill(os.getpid(), signal.SIGKILL)


async def main(url: str, what: str, name: str, count: int) -> None:
    inbox = await Inbox.open(url)
    try:
        await {"keep": keep, "work": work, "die": die}[what](inbox, name, count)
    finally:
        await inbox.close()


if __name__ == "__main__":
    url, what, name, count = sys.argv[1:]
    asyncio.run(main(url, what, name, int(count)))

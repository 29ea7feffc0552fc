"""A server's life in small, killed at a step: `python -m tests.storage.kill_child <file> <step>`.

Run by test_kill.py, which knows what must be on disk after each move.
"""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from tests.storage.harness import KEY, MS, QUIET, Clock, World, keep_nothing

from adjourn.storage.base import Claimed, NewDelivery
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.vault import Vault


class Killer:
    """Kills this process at one step of one move; the same step of another move passes."""

    def __init__(self, step: str) -> None:
        self._step = step
        self.move = ""

    def __call__(self, step: str) -> None:
        if step == self._step and step.startswith(f"{self.move}."):
            os.kill(os.getpid(), signal.SIGKILL)


def held(new: NewDelivery) -> Claimed:
    return Claimed(
        id=new.id,
        app_id=new.app_id,
        lane_id=new.lane_id,
        event_id=new.event_id,
        event_type=new.event_type,
        body=b"{}",
    )


async def live(path: Path, killer: Killer) -> None:
    clock = Clock()
    store = await SqliteStore.open(path, Vault([KEY]), clock=clock, on_step=killer)
    world = World(store, clock)
    await world.add_app()
    await world.enlist("w1")
    await store.queue.enlist("dead", lease=timedelta(0), floor=world.ids.floor())
    h1, h2 = world.delivery(owner="w1"), world.delivery(owner="w1")
    batch = [h1, h2, world.delivery(owner="dead"), *(world.delivery() for _ in range(3))]
    print(*(each.id for each in batch), flush=True)

    killer.move = "publish"
    await world.publish(*batch)
    killer.move = ""
    await world.claim("dead", room=1)
    killer.move = "claim"
    q2, q3 = await world.claim("w1")
    killer.move = "record"
    await world.record(world.success(held(h1)), world.failure(q2))
    killer.move = "give_back"
    await store.queue.give_back("w1", [held(h2), q3])
    killer.move = "ask_retry"
    await store.queue.ask_retry("app", h1.id, quiet=QUIET, keep=keep_nothing)
    killer.move = "reap"
    clock.advance(MS)
    await store.queue.reap()
    killer.move = ""
    await store.close()
    killer.move = "take_over"
    await SqliteStore.open(path, Vault([KEY]), clock=clock, on_step=killer)


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), Killer(sys.argv[2])))

"""In which order what was taken is attempted."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.sending.harness import QUICK, World, world

from adjourn.models import Policy
from adjourn.sending.attempts import Attempts
from adjourn.sending.lanes import Lanes, Limits
from adjourn.sending.policy import Reply
from adjourn.sending.sender import Request, UnderWay
from adjourn.storage.base import Claimed

pytestmark = pytest.mark.anyio


class Silent:
    """A sender that notes what is sent, and never answers."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def start(self, request: Request, done: Callable[[Reply], None]) -> UnderWay:
        self.bodies.append(request.body)
        return asyncio.get_running_loop().create_future()

    async def send(self, request: Request) -> Reply:
        raise NotImplementedError

    async def close(self) -> None:
        pass


async def attempts_of(w: World, sender: Silent) -> Attempts:
    await w.add("one")
    await w.apps.reload({"one"})
    return Attempts(
        apps=w.apps,
        sender=sender,
        policies={"contio": Policy(retry_delays=(timedelta(0),), old_secret_again=True)},
        lanes=Lanes(Limits()),
        rng=random.Random(1),
        clock=time.monotonic,
        now=w.queue.now,
        may_start=lambda: True,
        outcomes=lambda result: None,
        returns=lambda claimed: None,
        on_room=lambda: None,
        again=QUICK.store_again,
    )


def taken(body: bytes, *, from_job: bool) -> Claimed:
    return Claimed(
        id="d", app_id="one", lane_id=1, event_id="e", event_type="t", body=body, from_job=from_job
    )


async def test_what_was_just_published_does_not_wait_behind_all_that_a_claim_brought(tmp_path: Path) -> None:
    sender = Silent()
    async with world(tmp_path, start=False) as w:
        attempts = await attempts_of(w, sender)
        for _ in range(40):
            attempts.take(taken(b"stored", from_job=True))
        attempts.take(taken(b"published", from_job=False))
        await asyncio.sleep(0)
        assert sender.bodies[0] == b"published"
        assert 0 < len(sender.bodies) - 1 < 40, "other work of the loop has its turn"


async def test_however_much_is_published_what_waited_goes_on(tmp_path: Path) -> None:
    sender = Silent()
    async with world(tmp_path, start=False) as w:
        attempts = await attempts_of(w, sender)
        for _ in range(1000):
            attempts.take(taken(b"published", from_job=False))
        attempts.take(taken(b"stored", from_job=True))
        await asyncio.sleep(0)
        assert b"stored" in sender.bodies
        assert len(sender.bodies) < 1000
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(sender.bodies) == 1001

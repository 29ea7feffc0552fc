"""Processes, PostgreSQL, its sessions and the receiver are killed in random order: nothing accepted is lost.

What arrives again is counted and explained: an attempt that failed on record, or one whose process was killed
before it could record it. No success is on record twice.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.postgres import Server, run_sql
from tests.server.harness import Running, Servers
from tests.server.storm import Account, Load, Receiver, account
from tests.server.test_survives_kills import create_app

_SEED = 20261121
_END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'adjourn {kind} %'
"""
_RETRIES = ",".join(["0.3"] * 200)  # no endpoint that is killed is given up


@pytest.fixture
def postgres() -> Iterator[Server]:
    """One that syncs to disk, as in production."""
    server = Server(careful=True)
    server.start()
    yield server
    server.remove()


class Storm:
    """What is killed, and how often each was."""

    def __init__(self, postgres: Server, receiver: Receiver, rng: random.Random) -> None:
        self._postgres = postgres
        self._receiver = receiver
        self._rng = rng
        self.kills: Counter[str] = Counter()

    async def kill(self, what: str, running: Running) -> None:
        """Kill it and have it started again; returns once deliveries go on."""
        self.kills[what] += 1
        if what == "process":
            os.kill(self._rng.choice(running.children), signal.SIGKILL)
        elif what == "postgres":
            await asyncio.to_thread(self._postgres.stop, immediate=True)
            await asyncio.to_thread(self._postgres.start)
        elif what == "sessions":
            for _ in range(10):
                kind = self._rng.choice(["publish", "record", "claim", "write", "look", "news"])
                await asyncio.to_thread(run_sql, self._postgres.url, _END.format(kind=kind))
        else:
            await self._receiver.kill_amid(4)
            await self._receiver.start()
        await self._receiver.wait_for_more(self._rng.randint(50, 300))


def check(found: Account, storm: Storm) -> None:
    print(f"kills: {dict(storm.kills)}; {found}")
    assert found.accepted > 0
    assert found.stored >= found.accepted
    assert found.succeeded_twice == 0
    died = storm.kills["process"] + storm.kills["all"]
    assert max(found.unrecorded.values(), default=0) <= died
    assert found.again <= found.failed + found.unrecorded.total()


def test_a_few_kills_of_each_kind(postgres: Server) -> None:
    rng = random.Random(_SEED)

    async def run() -> None:
        receiver, load = Receiver(), Load(rng)
        storm = Storm(postgres, receiver, rng)
        await receiver.start()
        servers = Servers.on_postgres(postgres.url, retry_delays=_RETRIES)
        async with servers.start() as server:
            await create_app(server.client, receiver.url)
            async with load.on(server.client):
                kills = ["process", "process", "postgres", "receiver", "receiver", "sessions", "sessions"]
                rng.shuffle(kills)
                for what in kills:
                    await storm.kill(what, server)
            check(await account(postgres.url, receiver, load), storm)
        receiver.kill()

    asyncio.run(run())


@pytest.mark.soak
def test_twenty_kills_of_all_kinds(postgres: Server) -> None:
    rng = random.Random(_SEED + 1)

    async def run() -> None:
        receiver, load = Receiver(), Load(rng)
        storm = Storm(postgres, receiver, rng)
        await receiver.start()
        servers = Servers.on_postgres(postgres.url, retry_delays=_RETRIES)
        async with servers.start() as server:
            await create_app(server.client, receiver.url)
        for _ in range(5):
            async with servers.start() as server, load.on(server.client):
                await receiver.wait_for_more(50)
                for _ in range(3):
                    await storm.kill(rng.choice(["process", "postgres", "receiver", "sessions"]), server)
                storm.kills["all"] += 1
                await server.end(signal.SIGKILL)
        async with servers.start():
            check(await account(postgres.url, receiver, load), storm)
        receiver.kill()

    asyncio.run(run())

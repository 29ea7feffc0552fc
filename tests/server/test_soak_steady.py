"""Under steady load nothing grows: not the tables of what waits, not memory, not latency.

`make soak` runs it for three minutes; ADJOURN_SOAK_MINUTES=60 makes it an hour.
"""

import asyncio
import faulthandler
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.server.harness import Running, Servers
from tests.server.node import ask
from tests.server.storm import Load, Receiver, account
from tests.server.test_survives_kills import create_app, event

from adjourn.testing import RecordedRequest

_MINUTES = float(os.environ.get("ADJOURN_SOAK_MINUTES", "3"))
_SAMPLES = 20
_PROBES = 10  # events of which the way is timed, for each sample
_REFUSED = 0.02  # of all requests: they are tried again
_TABLES = "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM lane), (SELECT count(*) FROM worker)"


class Sample(msgspec.Struct, frozen=True):
    """`latency`: seconds from the request to publish to the arrival, the median of some."""

    jobs: int
    lanes: int
    workers: int
    memory: int  # KiB, of all processes that deliver
    latency: float


@pytest.mark.soak
def test_nothing_grows_under_steady_load(postgres_url: str) -> None:
    faulthandler.cancel_dump_traceback_later()  # it does not hang, it is long
    rng = random.Random(20261121)

    def answer(received: RecordedRequest) -> int:
        return 500 if rng.random() < _REFUSED else 200

    async def run() -> None:
        receiver, load = Receiver(answer), Load(rng, most=20)
        await receiver.start()
        servers = Servers.on_postgres(postgres_url, retry_delays=",".join("1" * 20))
        async with servers.start() as server:
            await create_app(server.client, receiver.url)
            samples = []
            async with load.on(server.client, pause=0.2):
                for _ in range(_SAMPLES):
                    await asyncio.sleep(_MINUTES * 60 / _SAMPLES)
                    samples.append(await sample(server, postgres_url, receiver))
                    print(samples[-1])
            print(await account(postgres_url, receiver, load))
        receiver.kill()
        check(samples)

    asyncio.run(run())


async def sample(server: Running, url: str, receiver: Receiver) -> Sample:
    ((jobs, lanes, workers),) = await ask(url, _TABLES)
    latencies = [await probe(server, receiver, number) for number in range(_PROBES)]
    return Sample(jobs, lanes, workers, sum(map(memory, server.children)), statistics.median(latencies))


async def probe(server: Running, receiver: Receiver, number: int) -> float:
    began = time.monotonic()
    answer = await server.client.post("/v1/platform/events", json=event(-number))
    (told,) = answer.raise_for_status().json()["events"]
    await receiver.wait_for_all({told["event_id"]})
    return time.monotonic() - began


def memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


def check(samples: list[Sample]) -> None:
    """The first quarter warms up; the second is what the last is compared with."""
    quarter = len(samples) // 4
    before, after = samples[quarter : 2 * quarter], samples[-quarter:]

    def grew(of: Callable[[Sample], float]) -> float:
        early, late = (statistics.median(map(of, part)) for part in (before, after))
        return late / early

    assert {each.lanes for each in samples} == {1}
    assert {each.workers for each in samples} == {2}
    assert statistics.median([each.jobs for each in after]) < 1000
    assert grew(lambda each: each.memory) < 1.1, "memory grows"
    assert grew(lambda each: each.latency) < 2, "latency grows"

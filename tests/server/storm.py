"""Load that goes on while things are killed, and the account of what arrived how often."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import msgspec
from tests.server.node import ask
from tests.server.test_survives_kills import event

from adjourn.testing import LocalEndpoint, RecordedRequest

__all__ = ["Account", "Load", "Receiver", "account"]


class Receiver:
    """An endpoint that can be killed, with all its connections, and started again on its port."""

    def __init__(self, answer: Callable[[RecordedRequest], int] = lambda received: 200) -> None:
        self.arrivals: Counter[str] = Counter()  # by event id
        self._endpoint = LocalEndpoint(self._count)
        self._answer = answer
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._more = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def kill(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._endpoint.resume()

    async def kill_amid(self, count: int) -> None:
        """Kill it while so many requests wait for their answers."""
        self._endpoint.pause()
        await self.wait_for_more(count)
        self.kill()

    async def wait_for_more(self, count: int, *, within: float = 60.0) -> None:
        """Until so many more requests came in."""
        wanted = self.arrivals.total() + count
        await self._wait(lambda: self.arrivals.total() >= wanted, within)

    async def wait_for_all(self, wanted: set[str], *, within: float = 90.0) -> None:
        await self._wait(lambda: wanted <= self.arrivals.keys(), within)

    async def _wait(self, holds: Callable[[], bool], within: float) -> None:
        async with asyncio.timeout(within):
            while not holds():
                self._more.clear()
                await self._more.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._endpoint.serve(reader, writer)
        finally:
            self._writers.discard(writer)

    def _count(self, received: RecordedRequest) -> int:
        self._endpoint.received.clear()  # an hour's would not fit into memory
        self.arrivals[json.loads(received.body)["event_id"]] += 1
        self._more.set()
        return self._answer(received)


class Load:
    """Publishes batch after batch; what was accepted must arrive. Who is not there is asked again."""

    def __init__(self, rng: random.Random, *, most: int = 100) -> None:
        self._most = most  # events in a batch
        self.accepted: set[str] = set()
        self._rng = rng
        self._published = 0

    @asynccontextmanager
    async def on(self, client: httpx.AsyncClient, *, pause: float = 0.002) -> AsyncIterator[None]:
        """For as long as the block runs. `pause`: seconds between the batches of each of two callers."""
        going = asyncio.Event()
        tasks = [asyncio.create_task(self._publish(client, going, pause)) for _ in range(2)]
        try:
            yield
        finally:
            going.set()
            await asyncio.gather(*tasks)

    async def _publish(self, client: httpx.AsyncClient, end: asyncio.Event, pause: float) -> None:
        while not end.is_set():
            numbers = range(self._published, self._published + self._rng.randint(1, self._most))
            self._published = numbers.stop
            body = {"events": [event(number) for number in numbers]}
            try:
                answer = await client.post("/v1/platform/events/batch", json=body)
            except httpx.TransportError:
                answer = None  # killed under it: nobody was told that these are stored
            if answer is not None and answer.status_code == 202:
                for each in answer.json()["events"]:
                    self.accepted.add(each["events"][0]["event_id"])
            else:
                assert answer is None or answer.status_code == 503, answer.text
            await asyncio.sleep(pause)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all events. `unrecorded`: arrivals without an attempt on record, by event id."""

    accepted: int
    stored: int
    arrivals: int
    again: int  # arrivals beyond the first of each
    attempts: int
    failed: int  # of them
    succeeded_twice: int  # deliveries with more than one success on record
    unrecorded: Counter[str]

    def __str__(self) -> str:
        return (
            f"{self.accepted:,} events accepted, {self.stored:,} stored in all, "
            f"{self.arrivals:,} arrivals, {self.again:,} of them again; {self.attempts:,} attempts on "
            f"record, {self.failed:,} failed; {self.unrecorded.total():,} arrivals whose sender died before "
            f"it could record them, {max(self.unrecorded.values(), default=0)} of one event at most"
        )


_ATTEMPTS = """
    SELECT delivery.event_id::text, count(*), count(*) FILTER (WHERE attempt.http_status = 200)
    FROM delivery JOIN attempt ON attempt.delivery_id = delivery.id GROUP BY 1
"""


async def account(url: str, receiver: Receiver, load: Load) -> Account:
    """Wait until everything that is stored was delivered, and count."""
    await receiver.wait_for_all(load.accepted)
    unfinished = "SELECT count(*) FROM delivery WHERE state <> 'delivered'"
    async with asyncio.timeout(90):
        while await ask(url, unfinished) != [(0,)]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    rows = await ask(url, _ATTEMPTS)
    recorded = {event_id: count for event_id, count, _ in rows}
    arrivals = receiver.arrivals
    assert arrivals.keys() == recorded.keys()
    return Account(
        accepted=len(load.accepted),
        stored=len(rows),
        arrivals=arrivals.total(),
        again=arrivals.total() - len(arrivals),
        attempts=sum(recorded.values()),
        failed=sum(count - succeeded for _, count, succeeded in rows),
        succeeded_twice=sum(succeeded > 1 for _, _, succeeded in rows),
        unrecorded=Counter({each: count - recorded[each] for each, count in arrivals.items()})
        - Counter[str](),
    )

"""Kills at random moments, again and again, while events keep coming: `make soak`."""

import asyncio
import random
import signal

import httpx
import pytest
from tests.server.harness import Servers
from tests.server.test_survives_kills import (
    by_event,
    create_app,
    event,
    wait_until_all_arrived,
    wait_until_all_delivered,
)

from adjourn.testing import RecordedRequest, local_endpoint

_ROUNDS = 20
_SEED = 20261121


@pytest.mark.soak
def test_what_was_accepted_arrives_however_often_the_server_is_killed(servers: Servers) -> None:
    rng = random.Random(_SEED)
    accepted: dict[str, str] = {}
    published = 0
    refused: set[bytes] = set()

    def answer_some(received: RecordedRequest) -> int:
        """One in ten is refused, once."""
        if received.body in refused or rng.random() > 0.1:
            return 200
        refused.add(received.body)
        return 500

    async def keep_publishing(client: httpx.AsyncClient) -> None:
        nonlocal published
        while True:
            numbers = range(published, published + rng.randint(1, 50))
            published = numbers.stop
            try:
                answer = await client.post(
                    "/v1/platform/events/batch", json={"events": [event(number) for number in numbers]}
                )
            except httpx.TransportError:
                return  # killed under it: nobody was told that these are stored
            assert answer.status_code == 202, answer.text
            for number, each in zip(numbers, answer.json()["events"], strict=True):
                accepted[each["events"][0]["event_id"]] = f"ce-{number}"

    async def run() -> None:
        async with local_endpoint(answer_some) as endpoint:
            async with servers.start() as server:
                await create_app(server.client, endpoint.url)
            for _ in range(_ROUNDS):
                async with servers.start() as server:
                    publishing = [asyncio.create_task(keep_publishing(server.client)) for _ in range(4)]
                    await asyncio.sleep(rng.uniform(0.05, 1.5))
                    await server.end(signal.SIGKILL)
                    await asyncio.gather(*publishing)
            async with servers.start() as server:
                await wait_until_all_arrived(endpoint, set(accepted))
                page = await server.client.get("/v1/platform/deliveries", params={"limit": 1})
                stored = page.json()["total"]
                print(f"{len(accepted):,} events accepted, {stored:,} stored, in {_ROUNDS} kills")
                assert stored >= len(accepted)
                await wait_until_all_delivered(server.client, stored)
            arrived = by_event(endpoint.received)
            assert accepted.keys() <= arrived.keys()
            assert all(len({each.body for each in tries}) == 1 for tries in arrived.values())

    asyncio.run(run())

"""A 202 means delivered in the end: whatever happens to the server in between."""

import asyncio
import json
import signal
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.server.harness import Servers

from adjourn.signing import ContioVerifier
from adjourn.testing import LocalEndpoint, RecordedRequest, local_endpoint

_EVENTS = 2000
_BATCH = 500


async def create_app(client: httpx.AsyncClient, url: str) -> tuple[str, str]:
    """An app with one user, and its webhook secret."""
    body = {"name": "a", "company_name": "c", "primary_contact_email": "a@example.com", "webhook_url": url}
    created = (await client.post("/v1/platform/apps", json=body)).raise_for_status().json()
    path = f"/v1/platform/apps/{created['app']['id']}/connections/ana"
    (await client.put(path, json={"email": "ana@example.com"})).raise_for_status()
    return created["app"]["id"], created["credentials"]["webhook_secret"]


def event(number: int) -> dict[str, Any]:
    data = {"calendar_event_id": f"ce-{number}"}
    return {"event_type": "calendar_event.deleted", "data": data, "audience": {"user_ids": ["ana"]}}


async def publish(client: httpx.AsyncClient, count: int) -> dict[str, str]:
    """Publish so many; for each event id accepted, the calendar event it is about."""
    accepted: dict[str, str] = {}
    for start in range(0, count, _BATCH):
        numbers = range(start, start + _BATCH)
        answer = await client.post("/v1/platform/events/batch", json={"events": [event(n) for n in numbers]})
        assert answer.status_code == 202, answer.text
        for number, published in zip(numbers, answer.json()["events"], strict=True):
            accepted[published["events"][0]["event_id"]] = f"ce-{number}"
    return accepted


def by_event(received: list[RecordedRequest]) -> dict[str, list[RecordedRequest]]:
    found: dict[str, list[RecordedRequest]] = defaultdict(list)
    for each in received:
        found[json.loads(each.body)["event_id"]].append(each)
    return found


async def wait_until_all_arrived(endpoint: LocalEndpoint, expected: set[str]) -> None:
    missing, looked_at = set(expected), 0
    async with asyncio.timeout(60):
        while True:
            fresh = endpoint.received[looked_at:]
            looked_at += len(fresh)
            missing -= {json.loads(each.body)["event_id"] for each in fresh}
            if not missing:
                return
            await endpoint.wait_for(looked_at + 1, within=60)


async def wait_until_all_delivered(client: httpx.AsyncClient, count: int) -> None:
    async with asyncio.timeout(60):
        while True:
            answer = await client.get("/v1/platform/deliveries", params={"status": "delivered", "limit": 1})
            if answer.json()["total"] == count:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("any_servers", "answered_before"),
    [("sqlite", 0), ("sqlite", 300), ("postgres", 300)],
    indirect=["any_servers"],
)
def test_every_event_arrives_though_the_server_is_killed(any_servers: Servers, answered_before: int) -> None:
    async def run() -> None:
        async with local_endpoint() as endpoint:
            async with any_servers.start() as first:
                if not answered_before:
                    endpoint.pause()
                _, secret = await create_app(first.client, endpoint.url)
                accepted = await publish(first.client, _EVENTS)
                await endpoint.wait_for(max(answered_before, 1))
                await first.end(signal.SIGKILL)
            endpoint.resume()
            async with any_servers.start() as second:
                await wait_until_all_arrived(endpoint, set(accepted))
                await wait_until_all_delivered(second.client, _EVENTS)
        arrived = by_event(endpoint.received)
        assert arrived.keys() == accepted.keys()
        verifier = ContioVerifier(secret, strict=True)
        for event_id, tries in arrived.items():
            assert json.loads(tries[0].body)["data"]["calendar_event_id"] == accepted[event_id]
            assert len({each.body for each in tries}) == 1, "the same bytes on every attempt"
            verifier.verify(tries[0].headers, tries[0].body, now=datetime.now(UTC))

    asyncio.run(run())


@pytest.mark.parametrize("any_servers", ["sqlite", "postgres"], indirect=True)
def test_a_server_asked_to_stop_loses_nothing_and_sends_nothing_twice(any_servers: Servers) -> None:
    async def run() -> None:
        async with local_endpoint() as endpoint:
            async with any_servers.start() as first:
                await create_app(first.client, endpoint.url)
                accepted = await publish(first.client, _EVENTS)
                await endpoint.wait_for(200)
                assert await first.end(signal.SIGTERM) == 0
            async with any_servers.start() as second:
                await wait_until_all_arrived(endpoint, set(accepted))
                await wait_until_all_delivered(second.client, _EVENTS)
        tries = Counter({event_id: len(each) for event_id, each in by_event(endpoint.received).items()})
        assert tries.keys() == accepted.keys()
        assert tries.most_common(1)[0][1] == 1

    asyncio.run(run())


def test_what_failed_before_the_kill_is_retried_after_it(servers: Servers) -> None:
    refusing = True

    def answer(received: RecordedRequest) -> int:
        return 500 if refusing else 200

    async def run() -> None:
        nonlocal refusing
        async with local_endpoint(answer) as endpoint:
            async with servers.start() as first:
                await create_app(first.client, endpoint.url)
                accepted = await publish(first.client, _BATCH)
                await endpoint.wait_for(100)
                await first.end(signal.SIGKILL)
            refusing = False
            async with servers.start() as second:
                await wait_until_all_delivered(second.client, len(accepted))
            assert by_event(endpoint.received).keys() == accepted.keys()

    asyncio.run(run())

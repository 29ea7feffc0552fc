"""Nodes in the test's own process: each an engine on PostgreSQL with its HTTP surface."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import asyncpg
import httpx
from cryptography.fernet import Fernet

from adjourn.api.app import build_app
from adjourn.config import Secret, Settings
from adjourn.wiring import Engine, open_engine

__all__ = ["Node", "ask", "node", "settings_for"]

_KEY = "pk_test"
_SECRET_KEY = Fernet.generate_key().decode()


def settings_for(url: str, **settings: Any) -> Settings:
    """Retries wait for an hour."""
    given: dict[str, Any] = {
        "database_url": url,
        "secret_keys": (Secret(_SECRET_KEY),),
        "platform_key": Secret(_KEY),
        "allow_networks": (ip_network("127.0.0.0/8"),),
        "retry_delays": (timedelta(hours=1),) * 3,
        "lease_seconds": 10,
        "backlog_rate": 10_000,
        **settings,
    }
    return Settings(**given)


class Node:
    """Its engine, and the platform's client of it."""

    def __init__(self, engine: Engine, client: httpx.AsyncClient) -> None:
        self.engine = engine
        self.client = client

    async def create_app(self, url: str, *, user: str = "ana", **fields: Any) -> dict[str, Any]:
        """An app with one user; what was answered."""
        body = {
            "name": "a",
            "company_name": "c",
            "primary_contact_email": "a@example.com",
            "webhook_url": url,
        }
        answer = await self.client.post("/v1/platform/apps", json={**body, **fields})
        created: dict[str, Any] = answer.raise_for_status().json()
        path = f"/v1/platform/apps/{created['app']['id']}/connections/{user}"
        (await self.client.put(path, json={"email": f"{user}@example.com"})).raise_for_status()
        return created

    async def set(self, app_id: str, **fields: Any) -> None:
        (await self.client.patch(f"/v1/platform/apps/{app_id}", json=fields)).raise_for_status()

    async def publish(self, number: int = 1, *, count: int = 1, user: str = "ana") -> list[str]:
        """So many events about a user, from that number on; the ids of those that some app gets."""
        events = [
            {
                "event_type": "calendar_event.deleted",
                "data": {"calendar_event_id": f"ce-{each}"},
                "audience": {"user_ids": [user]},
            }
            for each in range(number, number + count)
        ]
        answer = await self.client.post("/v1/platform/events/batch", json={"events": events})
        assert answer.status_code == 202, answer.text
        return [event["event_id"] for each in answer.json()["events"] for event in each["events"]]


@asynccontextmanager
async def node(
    url: str, *, clock: Callable[[], datetime] | None = None, **settings: Any
) -> AsyncIterator[Node]:
    """`clock`: what it takes for the database's time."""
    engine = await open_engine(settings_for(url, **settings), clock=clock)
    try:
        await engine.start()
        transport = httpx.ASGITransport(app=build_app(engine), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {_KEY}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://node", headers=headers) as client:
            yield Node(engine, client)
    finally:
        await engine.stop()


async def ask(url: str, sql: str, *values: object) -> list[Any]:
    """What the database answers, asked directly."""
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql, *values)]
    finally:
        await connection.close()

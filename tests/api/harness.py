"""The whole HTTP surface in process, on a database of its own, with a real endpoint to deliver to."""

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx

from adjourn.api.app import build_app, build_framework
from adjourn.config import Secret, Settings
from adjourn.testing import LocalEndpoint, RecordedRequest, local_endpoint
from adjourn.wiring import open_engine

ADMIN = "/v1/partner/admin"
PLATFORM_KEY = "pk_test"
EXAMPLES = Path(__file__).parent.parent / "examples" / "contio"


def sample(event_type: str) -> dict[str, Any]:
    """The reference's sample of that type, as a publish request for ana."""
    event = json.loads((EXAMPLES / f"{event_type}.json").read_text("utf-8"))
    return {"event_type": event_type, "data": event["data"], "audience": {"user_ids": ["ana"]}}


class Api:
    """The platform's client, the endpoint, and what tests do again and again."""

    def __init__(self, transport: httpx.ASGITransport, endpoint: LocalEndpoint) -> None:
        self._transport = transport
        self.app: Any = transport.app
        self.endpoint = endpoint
        self.platform = self.client({"Authorization": f"Bearer {PLATFORM_KEY}"})

    def client(self, headers: Mapping[str, str | bytes]) -> httpx.AsyncClient:
        sent = {
            name.encode(): value if isinstance(value, bytes) else value.encode()
            for name, value in headers.items()
        }
        return httpx.AsyncClient(transport=self._transport, base_url="http://adjourn", headers=sent)

    async def create_app(self, **fields: Any) -> dict[str, Any]:
        body = {
            "name": "Acme",
            "company_name": "Acme Inc.",
            "primary_contact_email": "dev@example.com",
            "webhook_url": self.endpoint.url,
            **fields,
        }
        answer = await self.platform.post("/v1/platform/apps", json=body)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def partner(self, created: dict[str, Any]) -> httpx.AsyncClient:
        keys = created["credentials"]
        return self.client({"X-API-Key": keys["api_key"], "X-Client-ID": keys["client_id"]})

    async def connect(self, created: dict[str, Any], user_id: str = "ana") -> dict[str, Any]:
        path = f"/v1/platform/apps/{created['app']['id']}/connections/{user_id}"
        answer = await self.platform.put(path, json={"email": f"{user_id}@example.com"})
        assert answer.status_code in (200, 201), answer.text
        connection: dict[str, Any] = answer.json()
        return connection

    async def publish(self, body: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = await self.platform.post("/v1/platform/events", json=body, **more)
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json()
        return accepted

    async def outcomes(self, key: str) -> list[dict[str, Any]]:
        answer = await self.platform.get(f"/v1/platform/events/{key}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["outcomes"]
        return found


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.text}"
    assert answer.headers["content-type"] == "application/json"
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code
    assert problem["error"]
    assert problem["message"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Until it holds, which what runs beside the test will see to."""
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 - seen through the API alone: there is nothing to wait on
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_api(
    folder: Path,
    answer: Callable[[RecordedRequest], int],
    *,
    clock: Callable[[], float] = time.monotonic,
    **settings: Any,
) -> AsyncIterator[Api]:
    given = {
        "database_url": f"sqlite:///{folder}/adjourn.db",
        "platform_key": Secret(PLATFORM_KEY),
        "allow_networks": (ip_network("127.0.0.0/8"),),
        "retry_delays": (timedelta(hours=1),) * 3,
        **settings,
    }
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(local_endpoint(answer))
        engine = await open_engine(Settings(**given))
        await engine.start()
        stack.push_async_callback(engine.stop)
        stack.callback(endpoint.resume)  # else what it holds is waited for
        front = build_app(engine, clock=clock, framework=framework())
        yield Api(httpx.ASGITransport(app=front, raise_app_exceptions=False), endpoint)


# Half of what a test here costs, if each makes its own.
framework = functools.cache(build_framework)

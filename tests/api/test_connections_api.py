"""Connections as a partner sees and ends them: CONTRACTS 1.7."""

import json
from typing import Any

import msgspec
import pytest
from tests.api.harness import ADMIN, Api, check_problem

from adjourn import resources

pytestmark = pytest.mark.anyio


async def ids(api: Api, created: dict[str, Any], query: str = "") -> list[str]:
    answer = await api.partner(created).get(f"{ADMIN}/connections?{query}")
    page = msgspec.json.decode(answer.content, type=resources.Page[resources.Connection])
    return [each.id for each in page.items]


async def test_they_are_listed_filtered_and_shown(api: Api) -> None:
    created, other = await api.create_app(), await api.create_app()
    made = [(await api.connect(created, user)) for user in ("ana", "ben", "eve")]
    await api.connect(other)
    wanted = [each["id"] for each in made]
    assert await ids(api, created) == wanted
    assert await ids(api, created, "limit=1&offset=1") == wanted[1:2]
    assert await ids(api, created, "user_id=eve") == wanted[2:]
    assert await ids(api, created, "user_id=nobody") == []
    await api.partner(created).delete(f"{ADMIN}/connections/{wanted[0]}")
    assert await ids(api, created, "status=active") == wanted[1:]
    assert await ids(api, created, "status=revoked") == wanted[:1]
    assert await ids(api, created, "status=expired&user_id=ana") == []
    shown = await api.partner(created).get(f"{ADMIN}/connections/{wanted[1]}")
    assert shown.json() == made[1]
    lost = await api.partner(created).get(f"{ADMIN}/connections?status=lost")
    assert check_problem(lost, 400, "validation_error")["faults"][0]["path"] == "?status"


async def test_deleting_one_ends_it_and_sends_the_revocation_whatever_the_filter(api: Api) -> None:
    created = await api.create_app()
    connection = await api.connect(created)
    partner = api.partner(created)
    await partner.put(f"{ADMIN}/webhook-filter", json={"type": "include", "events": []})
    at = f"{ADMIN}/connections/{connection['id']}"
    answer = await partner.delete(at)
    assert (answer.status_code, answer.content) == (204, b"")
    (received,) = await api.endpoint.wait_for(1)
    event = json.loads(received.body)
    assert event["event_type"] == "user.connection.revoked"
    assert event["for_user"] == {"id": "ana", "email": "ana@example.com"}
    assert event["data"]["connection_id"] == connection["id"]
    assert (await partner.get(at)).json()["status"] == "revoked"
    problem = check_problem(await partner.delete(at), 404, "not_found")
    assert connection["id"] in problem["message"]
    assert len(api.endpoint.received) == 1


async def test_the_revocation_waits_while_webhooks_are_disabled(api: Api) -> None:
    created = await api.create_app()
    connection = await api.connect(created)
    partner = api.partner(created)
    await partner.put(f"{ADMIN}/webhook-status", json={"enabled": False})
    await partner.delete(f"{ADMIN}/connections/{connection['id']}")
    assert (await partner.get(f"{ADMIN}/webhook-status")).json()["backlog"]["pending"] == 1
    await partner.put(f"{ADMIN}/webhook-status", json={"enabled": True, "pending_disposition": "deliver"})
    await api.endpoint.wait_for(1)


async def test_another_apps_connection_is_not_found(api: Api) -> None:
    one, other = await api.create_app(), await api.create_app()
    at = f"{ADMIN}/connections/{(await api.connect(one))['id']}"
    for method in ("GET", "DELETE"):
        check_problem(await api.partner(other).request(method, at), 404, "not_found")
    assert await ids(api, one, "status=active")

"""Automations managed in both forms, and the events that reach their URLs: CONTRACTS 1.3, 1.7."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.api.harness import ADMIN, Api, check_problem, eventually, open_api, sample

from adjourn import resources
from adjourn.testing import RecordedRequest

pytestmark = pytest.mark.anyio


def newer(url: str, **more: Any) -> dict[str, Any]:
    actions = [{"type": "webhook", "config": {"url": url}}]
    return {"name": "CRM", "trigger_type": "action_item_created", "actions": actions, **more}


def older(url: str, *keywords: str) -> dict[str, Any]:
    return {"name": "CRM", "webhook_url": url, "matching_rules": {"keywords": [*keywords]}}


async def make(api: Api, created: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.partner(created).post(f"{ADMIN}/automations", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def assigned(automation: dict[str, Any]) -> dict[str, Any]:
    body = sample("automation.assignment.created")
    body["data"] |= {"automation_id": automation["id"], "automation_name": automation["name"]}
    return body


@pytest.mark.parametrize("path", ["automations", "automation", "workflows"])
async def test_every_path_serves_both_forms_of_the_same_rows(api: Api, path: str) -> None:
    created = await api.create_app()
    partner = api.partner(created)
    made = []
    for body in (newer("https://a.example/hook", description="text"), older("https://b.example/hook", "crm")):
        answer = await partner.post(f"{ADMIN}/{path}", json=body)
        assert answer.status_code == 201, answer.text
        msgspec.json.decode(answer.content, type=resources.Automation)
        made.append(answer.json())
    first, second = made
    assert first["partner_app_id"] == created["app"]["id"]
    assert (first["webhook_url"], first["is_active"]) == ("https://a.example/hook", True)
    assert (second["status"], second["trigger_type"]) == ("active", "action_item_created")
    assert second["actions"] == [{"type": "webhook", "config": {"url": "https://b.example/hook"}}]
    for other in ("automations", "automation", "workflows"):
        page = (await partner.get(f"{ADMIN}/{other}")).json()
        assert page == {"items": made, "total": 2, "limit": 50, "offset": 0}
        assert (await partner.get(f"{ADMIN}/{other}/{first['id']}")).json() == first
    page = (await partner.get(f"{ADMIN}/{path}?limit=1&offset=1")).json()
    assert page == {"items": [second], "total": 2, "limit": 1, "offset": 1}


@pytest.mark.parametrize("path", ["automations", "automation", "workflows"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_only_the_fields_given_change(api: Api, path: str, method: str) -> None:
    created = await api.create_app()
    partner = api.partner(created)
    made = await make(api, created, newer("https://a.example/hook", description="text"))
    at = f"{ADMIN}/{path}/{made['id']}"
    change = {"name": "New", "description": None, "is_active": False, "webhook_url": "https://b.example"}
    changed = (await partner.request(method, at, json=change)).json()
    assert changed.keys() == made.keys() - {"description"}
    assert (changed["name"], changed["status"]) == ("New", "inactive")
    assert changed["actions"] == [{"type": "webhook", "config": {"url": "https://b.example"}}]
    assert (await partner.get(at)).json() == changed
    nothing = await partner.request(method, at, json={})
    assert (nothing.status_code, nothing.json()) == (200, changed)
    app = (await partner.get(f"{ADMIN}/app")).json()
    assert (await partner.request(method, at, json={"name": "New"})).json() == changed
    assert (await partner.get(f"{ADMIN}/app")).json() == app


async def test_one_that_is_deleted_is_gone(api: Api) -> None:
    created = await api.create_app()
    partner = api.partner(created)
    at = f"{ADMIN}/automations/{(await make(api, created, newer('https://a.example')))['id']}"
    answer = await partner.delete(at)
    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        check_problem(await partner.request(method, at, json={}), 404, "not_found")
    assert (await partner.get(f"{ADMIN}/automations")).json()["total"] == 0


async def test_another_apps_automation_is_not_found(api: Api) -> None:
    one, other = await api.create_app(), await api.create_app()
    made = await make(api, one, newer("https://a.example"))
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = await api.partner(other).request(method, f"{ADMIN}/automations/{made['id']}", json={})
        check_problem(answer, 404, "not_found")
    path = f"/v1/platform/apps/{other['app']['id']}/automations/{made['id']}"
    check_problem(await api.platform.get(path), 404, "not_found")


async def test_the_platform_manages_them_too(api: Api) -> None:
    created = await api.create_app()
    path = f"/v1/platform/apps/{created['app']['id']}/automations"
    made = (await api.platform.post(path, json=older("https://a.example", "crm"))).json()
    at = f"{ADMIN}/automations/{made['id']}"
    assert (await api.partner(created).get(at)).json() == made
    changed = (await api.platform.patch(f"{path}/{made['id']}", json={"status": "inactive"})).json()
    assert (await api.platform.get(path)).json()["items"] == [changed]
    put = await api.platform.put(f"{path}/{made['id']}", json={})
    check_problem(put, 405, "method_not_allowed")
    assert set(put.headers["allow"].split(", ")) == {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}
    assert (await api.platform.delete(f"{path}/{made['id']}")).status_code == 204


async def test_a_repeated_create_answers_the_same_and_makes_one(api: Api) -> None:
    partner = api.partner(await api.create_app())
    headers = {"Idempotency-Key": "make"}
    first, again = [
        await partner.post(f"{ADMIN}/workflows", json=older("https://a.example"), headers=headers)
        for _ in range(2)
    ]
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await partner.get(f"{ADMIN}/workflows")).json()["total"] == 1
    other = await partner.post(f"{ADMIN}/workflows", json=older("https://b.example"), headers=headers)
    check_problem(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$.name"),
        ({"name": "a"}, "$.trigger_type"),
        ({"name": "a", "webhook_url": "ftp://a"}, "$.webhook_url"),
        ({"name": "a", "trigger_type": "none", "actions": []}, "$.trigger_type"),
        (newer("https://a.example", status="paused"), "$.status"),
        (newer("https://a.example", surplus=1), "$.surplus"),
        (newer("nowhere"), "$.actions[0].config.url"),
        ({**older("https://a.example"), "matching_rules": {"words": []}}, "$.matching_rules.words"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, body: dict[str, Any], path: str) -> None:
    partner = api.partner(await api.create_app())
    answer = await partner.post(f"{ADMIN}/automations", json=body)
    problem = check_problem(answer, 400, "validation_error")
    assert path in [fault["path"] for fault in problem["faults"]]
    assert (await partner.get(f"{ADMIN}/automations")).json()["total"] == 0


async def test_an_assignment_arrives_at_its_automations_url_alone(api: Api) -> None:
    created, other = await api.create_app(), await api.create_app()
    await api.connect(created)
    await api.connect(other)
    automation = await make(api, created, newer(f"{api.endpoint.url}/crm"))
    accepted = await api.publish(assigned(automation))
    (received,) = await api.endpoint.wait_for(1)
    event = json.loads(received.body)
    assert (received.path, event["event_type"]) == ("/crm", "automation.assignment.created")
    assert [each["partner_app_id"] for each in accepted["events"]] == [created["app"]["id"]]
    outcomes = {each["partner_app_id"]: each["outcome"] for each in await api.outcomes(accepted["id"])}
    assert outcomes[other["app"]["id"]] == "other_app"
    (delivery,) = (await api.partner(created).get(f"{ADMIN}/webhook-deliveries")).json()["deliveries"]
    assert delivery["automation_id"] == automation["id"]


async def test_an_action_item_finds_the_automations_that_match(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    automation = await make(api, created, older(f"{api.endpoint.url}/crm", "crm", "deal"))
    await make(api, created, older(f"{api.endpoint.url}/none", "invoice"))
    item = {**sample("action_item.created"), "match_automations": True}
    item["data"] = {**item["data"], "title": "Please update the CRM"}
    accepted = await api.publish(item)
    (assignment,) = accepted["assignments"]
    assert (assignment["automation_id"], assignment["confidence_score"]) == (automation["id"], 0.5)
    received = {each.path: json.loads(each.body) for each in await api.endpoint.wait_for(2)}
    assert received["/"]["event_type"] == "action_item.created"
    assert received["/crm"]["data"]["automation_id"] == automation["id"]


async def test_an_app_without_a_url_gets_events_at_its_automations_distinct_urls(api: Api) -> None:
    created = await api.create_app(webhook_url=None)
    await api.connect(created)
    accepted = await api.publish(sample("meeting.created"))
    assert (await api.outcomes(accepted["id"]))[0]["outcome"] == "no_url"
    for name in ("one", "two", "one"):
        await make(api, created, newer(f"{api.endpoint.url}/{name}"))
    off = await make(api, created, newer(f"{api.endpoint.url}/off", status="inactive"))
    accepted = await api.publish(sample("meeting.created"))
    received = await api.endpoint.wait_for(2)
    assert {each.path for each in received} == {"/one", "/two"}
    assert len({each.body for each in received}) == 1
    assert len(accepted["events"][0]["delivery_ids"]) == 2
    (outcome,) = await api.outcomes((await api.publish(assigned(off)))["id"])
    assert outcome["outcome"] == "app_inactive"


async def test_an_automation_whose_url_is_gone_becomes_inactive(tmp_path: Path) -> None:
    def answer(received: RecordedRequest) -> int:
        return 410 if received.path == "/gone" else 200

    async with open_api(tmp_path, answer) as api:
        created = await api.create_app()
        await api.connect(created)
        automation = await make(api, created, newer(f"{api.endpoint.url}/gone"))
        partner, at = api.partner(created), f"{ADMIN}/automations/{automation['id']}"
        await api.publish(assigned(automation))

        async def is_inactive() -> bool:
            return bool((await partner.get(at)).json()["status"] == "inactive")

        await eventually(is_inactive)
        status = (await partner.get(f"{ADMIN}/webhook-status")).json()
        assert status["webhook_enabled"] is True
        assert [each["kind"] for each in status["notices"]] == ["automation_gone"]
        await partner.patch(at, json={"webhook_url": f"{api.endpoint.url}/new", "is_active": True})
        await api.publish(assigned(automation))
        assert (await api.endpoint.wait_for(2))[1].path == "/new"


async def test_a_corrected_automation_url_serves_what_waits(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    automation = await make(api, created, newer(f"{api.endpoint.url}/old"))
    partner = api.partner(created)
    await partner.put(f"{ADMIN}/webhook-status", json={"enabled": False})
    await api.publish(assigned(automation))
    change = {"webhook_url": f"{api.endpoint.url}/new"}
    await partner.put(f"{ADMIN}/automations/{automation['id']}", json=change)
    await partner.put(f"{ADMIN}/webhook-status", json={"enabled": True, "pending_disposition": "deliver"})
    assert (await api.endpoint.wait_for(1))[0].path == "/new"


async def test_why_an_assignment_went_nowhere_is_told_as_far_as_it_is_known(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    automation = await make(api, created, newer(api.endpoint.url, status="inactive"))
    accepted = await api.publish(assigned(automation))

    async def reason() -> str:
        return str((await api.outcomes(accepted["id"]))[0]["reason"])

    then = "the app was suspended or inactive, or its automation inactive or deleted, when this was published"
    assert await reason() == f"{then}; now the app is active and its automation is inactive"
    partner, at = api.partner(created), f"{ADMIN}/automations/{automation['id']}"
    await partner.patch(at, json={"status": "active"})
    assert await reason() == f"{then}; now the app is active and its automation is active"
    await partner.delete(at)
    assert await reason() == f"{then}; now the app is active and it has no such automation"
    await api.platform.delete(f"/v1/platform/apps/{created['app']['id']}")
    assert await reason() == then


async def test_what_waits_for_a_deleted_automation_is_abandoned(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    automation = await make(api, created, newer(f"{api.endpoint.url}/crm"))
    partner = api.partner(created)
    await partner.put(f"{ADMIN}/webhook-status", json={"enabled": False})
    accepted = await api.publish(assigned(automation))
    await partner.delete(f"{ADMIN}/automations/{automation['id']}")

    async def is_abandoned() -> bool:
        return bool((await api.outcomes(accepted["id"]))[0]["outcome"] == "abandoned")

    await eventually(is_abandoned)
    (delivery_id,) = accepted["events"][0]["delivery_ids"]
    answer = await partner.post(f"{ADMIN}/webhook-deliveries/{delivery_id}/retry")
    check_problem(answer, 409, "conflict")


async def test_the_old_name_goes_in_and_out(api: Api) -> None:
    created = await api.create_app(legacy_event_names=True)
    await api.connect(created)
    automation = await make(api, created, newer(f"{api.endpoint.url}/crm"))
    body = assigned(automation)
    body["event_type"] = "workflow.assignment.created"
    for name in ("id", "name"):
        body["data"][f"workflow_{name}"] = body["data"].pop(f"automation_{name}")
    await api.publish(body)
    (received,) = await api.endpoint.wait_for(1)
    event = json.loads(received.body)
    assert event["event_type"] == "workflow.assignment.created"
    assert event["data"]["workflow_id"] == automation["id"]
    partner = api.partner(created)
    for name in ("workflow", "automation"):
        query = f"event_type={name}.assignment.created"
        page = (await partner.get(f"{ADMIN}/webhook-deliveries?{query}")).json()
        assert [each["event_type"] for each in page["deliveries"]] == ["automation.assignment.created"]


async def test_an_app_has_at_most_a_hundred(api: Api) -> None:
    created = await api.create_app()
    for number in range(100):
        await make(api, created, older("https://a.example", f"word{number}"))
    partner = api.partner(created)
    problem = check_problem(
        await partner.post(f"{ADMIN}/automations", json=older("https://a.example")), 409, "conflict"
    )
    assert problem["message"] == "an app has at most 100 automations"
    (first, *_) = (await partner.get(f"{ADMIN}/automations")).json()["items"]
    at = f"{ADMIN}/automations/{first['id']}"
    assert (await partner.patch(at, json={"name": "changed"})).status_code == 200
    await partner.delete(at)
    assert (await partner.post(f"{ADMIN}/automations", json=older("https://a.example"))).status_code == 201

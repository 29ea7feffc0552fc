"""Apps and connections, as the product manages them."""

import json
from typing import Any

import pytest
from tests.api.harness import Api, eventually, sample

pytestmark = pytest.mark.anyio

_SHOWN = {
    "id",
    "name",
    "company_name",
    "client_id",
    "primary_contact_email",
    "webhook_url",
    "webhook_enabled",
    "webhook_filter",
    "status",
    "created_at",
    "updated_at",
    "provider",
    "signature_profile",
    "auto_disable",
    "ordered",
    "legacy_event_names",
}


async def test_an_app_is_created_with_credentials_shown_once(api: Api) -> None:
    created = await api.create_app()
    app, keys = created["app"], created["credentials"]
    assert app.keys() == _SHOWN
    assert keys.keys() == {"client_id", "api_key", "client_secret", "webhook_secret"}
    assert keys["webhook_secret"].startswith("whsec_")
    answer = await api.platform.get(f"/v1/platform/apps/{app['id']}")
    assert answer.json() == app
    for path in (f"/v1/platform/apps/{app['id']}", "/v1/platform/apps"):
        text = (await api.platform.get(path)).text
        assert not any(keys[name] in text for name in ("api_key", "client_secret", "webhook_secret"))


async def test_a_product_brings_its_partners_along(api: Api) -> None:
    keys = {"client_id": "c-1", "api_key": "ключ", "client_secret": "s", "webhook_secret": "old secret"}
    created = await api.create_app(
        id="partner/7", created_at="2024-05-01T00:00:00+02:00", credentials=keys, slug="acme"
    )
    assert created["credentials"] == keys
    assert created["app"]["id"] == "partner/7"
    assert created["app"]["created_at"] == "2024-04-30T22:00:00.000Z"
    partner = api.client({"X-API-Key": "ключ".encode(), "X-Client-ID": "c-1"})
    assert (await partner.get("/v1/partner/admin/app")).json()["slug"] == "acme"


@pytest.mark.parametrize("taken", ["id", "client_id", "api_key"])
async def test_what_identifies_an_app_is_its_own(api: Api, taken: str) -> None:
    keys = {"client_id": "c-1", "api_key": "k-1"}
    await api.create_app(id="one", credentials=keys)
    other: dict[str, Any] = {"id": "two", "credentials": {"client_id": "c-2", "api_key": "k-2"}}
    if taken == "id":
        other["id"] = "one"
    else:
        other["credentials"][taken] = keys[taken]
    body = {"name": "b", "company_name": "b", "primary_contact_email": "b@example.com", **other}
    answer = await api.platform.post("/v1/platform/apps", json=body)
    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"
    (fault,) = answer.json()["faults"]
    assert fault["path"] == ("$.id" if taken == "id" else f"$.credentials.{taken}")


async def test_a_partner_keeps_its_status_and_filter_when_it_is_brought_along(api: Api) -> None:
    wanted = {"type": "exclude", "events": ["meeting.created"]}
    created = await api.create_app(webhook_filter=wanted, webhook_enabled=False, status="inactive")
    shown = (await api.partner(created).get("/v1/partner/admin/app")).json()
    assert (shown["webhook_filter"], shown["webhook_enabled"], shown["status"]) == (wanted, False, "inactive")


async def test_ids_with_a_slash_are_addressed_as_any_other(api: Api) -> None:
    created = await api.create_app(id="partner/7")
    path = "/v1/platform/apps/partner%2F7"
    assert (await api.platform.get(path)).json()["id"] == "partner/7"
    user = "https%3A%2F%2Fidp.example%2Fusers%2F1"
    answer = await api.platform.put(f"{path}/connections/{user}", json={"email": "ana@example.com"})
    assert (answer.status_code, answer.json()["user_id"]) == (201, "https://idp.example/users/1")
    body = {**sample("meeting.created"), "audience": {"user_ids": ["https://idp.example/users/1"]}}
    assert (await api.publish(body))["events"][0]["partner_app_id"] == created["app"]["id"]
    assert (await api.platform.delete(f"{path}/connections/{user}")).status_code == 204
    assert (await api.platform.get("/v1/platform/apps/a%2Fb%2Fc")).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", None),
        ("name", "x" * 256),
        ("company_name", 7),
        ("primary_contact_email", "nobody"),
        ("primary_contact_email", "a b@example.com"),
        ("webhook_url", ""),
        ("webhook_url", "example.com"),
        ("webhook_url", "ftp://example.com"),
        ("webhook_url", "https://user:pw@example.com"),
        ("webhook_url", "https://example.com/" + "x" * 2000),
        ("signature_profile", "none"),
        ("ordered", "yes"),
        ("provider", "zoom"),
        ("created_at", "yesterday"),
        ("credentials", {"api_key": ""}),
        ("credentials", {"password": "x"}),
        ("surplus", 1),
    ],
)
async def test_a_wrong_field_is_named(api: Api, field: str, value: object) -> None:
    body = {"name": "a", "company_name": "c", "primary_contact_email": "a@example.com", field: value}
    answer = await api.platform.post("/v1/platform/apps", json=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "validation_error"
    assert answer.json()["faults"][0]["path"].startswith(f"$.{field}")
    assert (await api.platform.get("/v1/platform/apps")).json()["total"] == 0


async def test_patch_changes_only_what_is_given_and_null_clears(api: Api) -> None:
    app = (await api.create_app(description="text", slug="s"))["app"]
    path = f"/v1/platform/apps/{app['id']}"
    change = {"name": "New", "description": None, "ordered": True, "signature_profile": "sdk"}
    patched = (await api.platform.patch(path, json=change)).json()
    expected = {**app, "name": "New", "ordered": True, "signature_profile": "sdk"}
    del expected["description"]
    assert {**patched, "updated_at": ""} == {**expected, "updated_at": ""}
    assert (await api.platform.patch(path, json={})).json() == patched
    assert (await api.platform.get(path)).json() == patched


async def test_a_new_app_replays_its_credentials_by_key(api: Api) -> None:
    body = {"name": "a", "company_name": "c", "primary_contact_email": "a@example.com"}
    headers = {"Idempotency-Key": "make"}
    first = await api.platform.post("/v1/platform/apps", json=body, headers=headers)
    again = await api.platform.post("/v1/platform/apps", json=body, headers=headers)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert (await api.platform.get("/v1/platform/apps")).json()["total"] == 1


async def test_apps_are_listed_in_pages(api: Api) -> None:
    ids = [(await api.create_app(name=f"a{n}"))["app"]["id"] for n in range(5)]
    await api.platform.patch(f"/v1/platform/apps/{ids[0]}", json={"status": "suspended"})
    page = (await api.platform.get("/v1/platform/apps?limit=2&offset=3")).json()
    assert [each["id"] for each in page["items"]] == ids[3:5]
    assert (page["total"], page["limit"], page["offset"]) == (5, 2, 3)
    suspended = (await api.platform.get("/v1/platform/apps?status=suspended")).json()
    assert [each["id"] for each in suspended["items"]] == ids[:1]


async def test_a_deleted_app_is_gone_and_gets_nothing(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    api.endpoint.pause()
    accepted = await api.publish(sample("meeting.created"))
    path = f"/v1/platform/apps/{created['app']['id']}"
    assert (await api.platform.delete(path)).status_code == 204
    assert (await api.platform.get(path)).status_code == 404
    assert (await api.platform.delete(path)).status_code == 404
    assert (await api.partner(created).get("/v1/partner/admin/app")).status_code == 401
    assert (await api.publish(sample("meeting.created")))["events"] == []
    outcome = (await api.outcomes(accepted["id"]))[0]
    assert outcome["partner_app_id"] == created["app"]["id"]
    (delivery_id,) = accepted["events"][0]["delivery_ids"]
    assert (await api.platform.post(f"/v1/platform/deliveries/{delivery_id}/retry")).status_code == 404


async def test_a_connection_is_made_changed_ended_and_made_anew(api: Api) -> None:
    created = await api.create_app()
    path = f"/v1/platform/apps/{created['app']['id']}/connections"
    first = await api.platform.put(f"{path}/ana", json={"email": "ana@example.com", "id": "conn-1"})
    assert (first.status_code, first.json()["id"], first.json()["status"]) == (201, "conn-1", "active")
    changed = await api.platform.put(f"{path}/ana", json={"email": "ana@new.example"})
    assert (changed.status_code, changed.json()["id"]) == (200, "conn-1")
    assert changed.json()["user_email"] == "ana@new.example"
    assert (await api.platform.delete(f"{path}/ana")).status_code == 204
    (revoked,) = await api.endpoint.wait_for(1)
    event = json.loads(revoked.body)
    assert event["event_type"] == "user.connection.revoked"
    assert event["for_user"] == {"id": "ana", "email": "ana@new.example"}
    assert event["data"]["connection_id"] == "conn-1"
    assert (await api.platform.delete(f"{path}/ana")).status_code == 404
    assert (await api.publish(sample("meeting.created")))["events"] == []
    anew = await api.platform.put(f"{path}/ana", json={"email": "ana@example.com"})
    assert anew.status_code == 201
    assert anew.json()["id"] != "conn-1"


async def test_the_end_of_a_connection_reaches_its_app_alone(api: Api) -> None:
    one, other = await api.create_app(), await api.create_app()
    await api.connect(one)
    await api.connect(other)
    await api.platform.delete(f"/v1/platform/apps/{one['app']['id']}/connections/ana")
    (revoked,) = await api.endpoint.wait_for(1)
    assert json.loads(revoked.body)["partner_app_id"] == one["app"]["id"]
    accepted = await api.publish(sample("meeting.created"))
    assert [each["partner_app_id"] for each in accepted["events"]] == [other["app"]["id"]]


async def test_many_connections_are_put_at_once(api: Api) -> None:
    path = f"/v1/platform/apps/{(await api.create_app())['app']['id']}/connections"
    many = [{"user_id": f"u{n}", "email": f"u{n}@example.com", "id": f"c{n}"} for n in range(10_000)]
    answer = await api.platform.put(path, json={"connections": many})
    assert answer.json() == {"created": 10_000, "updated": 0}
    answer = await api.platform.put(path, json={"connections": many[:3]})
    assert answer.json() == {"created": 0, "updated": 3}
    page = (await api.platform.get(f"{path}?limit=2&user_id=u7")).json()
    assert (page["total"], page["items"][0]["id"]) == (1, "c7")
    answer = await api.platform.put(path, json={"connections": [*many, many[0]]})
    assert answer.json()["faults"][0]["path"] == "$.connections"


async def test_one_bad_connection_stores_none(api: Api) -> None:
    path = f"/v1/platform/apps/{(await api.create_app())['app']['id']}/connections"
    many = [{"user_id": "ana", "email": "ana@example.com"}, {"user_id": "ben", "email": "nobody"}]
    answer = await api.platform.put(path, json={"connections": many})
    assert answer.status_code == 400
    assert answer.json()["faults"][0]["path"] == "$.connections[1].email"
    assert (await api.platform.get(path)).json()["total"] == 0


async def test_two_users_cannot_have_one_connection_id(api: Api) -> None:
    path = f"/v1/platform/apps/{(await api.create_app())['app']['id']}/connections"
    await api.platform.put(f"{path}/ana", json={"email": "ana@example.com", "id": "same"})
    answer = await api.platform.put(f"{path}/ben", json={"email": "ben@example.com", "id": "same"})
    assert answer.status_code == 409


async def test_the_catalog_is_told_with_schema_and_sample(api: Api) -> None:
    types = (await api.platform.get("/v1/platform/event-types")).json()
    assert types["total"] == len(types["items"]) == 35 + 10 + 1  # of Contio, Meeting BaaS and Quil
    shown = (await api.platform.get("/v1/platform/event-types/meeting.completed")).json()
    assert shown["since"] == "1.3"
    assert shown["schema"]["properties"]["title"]["description"] == "Meeting title"
    assert shown["sample"]["data"]["title"] == "Weekly Team Sync"
    old = (await api.platform.get("/v1/platform/event-types/workflow.assignment.created")).json()
    assert old["name"] == "automation.assignment.created"
    assert (await api.platform.get("/v1/platform/event-types/none")).status_code == 404


@pytest.mark.parametrize(
    ("query", "provider", "others"),
    [
        ("", "contio", ["quil"]),
        ("?provider=quil", "quil", ["contio"]),
        ("?provider=contio", "contio", ["quil"]),
    ],
)
async def test_a_type_that_two_providers_have_names_the_other(
    api: Api, query: str, provider: str, others: list[str]
) -> None:
    shown = (await api.platform.get(f"/v1/platform/event-types/meeting.completed{query}")).json()
    assert (shown["provider"], shown["other_providers"]) == (provider, others)
    of_bots = (await api.platform.get("/v1/platform/event-types/bot.completed")).json()
    assert (of_bots["provider"], of_bots["other_providers"]) == ("meetingbaas", [])


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"status": "suspended"}, "app_inactive"),
        ({"status": "inactive"}, "app_inactive"),
        ({"webhook_url": None}, "no_url"),
    ],
)
async def test_why_an_app_did_not_get_an_event(api: Api, change: dict[str, Any], outcome: str) -> None:
    created = await api.create_app()
    await api.connect(created)
    await api.platform.patch(f"/v1/platform/apps/{created['app']['id']}", json=change)
    accepted = await api.publish(sample("meeting.created"))
    assert accepted["events"] == []
    (found,) = await api.outcomes(accepted["id"])
    assert (found["outcome"], found["user_id"]) == (outcome, "ana")
    if "status" in change:
        before = "the app was suspended or inactive when this was published"
        assert found["reason"] == f"{before}; it is {change['status']} now"
        await api.platform.patch(f"/v1/platform/apps/{created['app']['id']}", json={"status": "active"})
        assert (await api.outcomes(accepted["id"]))[0]["reason"] == f"{before}; it is active now"
        await api.platform.delete(f"/v1/platform/apps/{created['app']['id']}")
        assert (await api.outcomes(accepted["id"]))[0]["reason"] == before


async def test_what_waited_for_a_suspended_app_goes_out_when_it_is_active(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    path = f"/v1/platform/apps/{created['app']['id']}"
    partner = api.partner(created)
    await partner.put("/v1/partner/admin/webhook-status", json={"enabled": False})
    accepted = await api.publish(sample("meeting.created"))
    await api.platform.patch(path, json={"status": "suspended"})
    await api.platform.put(f"{path}/webhook-status", json={"enabled": True, "pending_disposition": "deliver"})
    (held,) = await api.outcomes(accepted["events"][0]["event_id"])
    assert (held["outcome"], held["reason"]) == ("held", "it waits, because the app is suspended")
    assert api.endpoint.received == []
    await api.platform.patch(path, json={"status": "active"})
    await api.endpoint.wait_for(1)

    async def is_delivered() -> bool:
        return bool((await api.outcomes(accepted["id"]))[0]["outcome"] == "delivered")

    await eventually(is_delivered)

"""The app as its partner changes it, and what it may do while it is not active: CONTRACTS 1.7."""

from typing import Any

import pytest
from tests.api.harness import ADMIN, Api, check_problem, eventually, sample

pytestmark = pytest.mark.anyio

READS = [
    "app",
    "webhook-status",
    "webhook-deliveries",
    "webhook-deliveries/retry",
    "automations",
    "workflows",
    "connections",
    "credentials",
    "credentials/history",
]
CHANGES: list[tuple[str, str, Any]] = [
    ("PUT", "app", {"name": "New"}),
    ("PATCH", "app", {"name": "New"}),
    ("PUT", "webhook-status", {"enabled": False}),
    ("PUT", "app/webhook-status", {"enabled": False}),
    ("PUT", "webhook-filter", {"type": "include", "events": []}),
    ("DELETE", "app/webhook-filter", None),
    ("POST", "webhook-deliveries/x/retry", None),
    ("POST", "webhook-deliveries/retry", {}),
    ("POST", "webhook-deliveries/retry/x/cancel", None),
    ("POST", "automations", {"name": "a", "webhook_url": "https://example.com"}),
    ("PUT", "automation/x", {}),
    ("DELETE", "workflows/x", None),
    ("DELETE", "connections/x", None),
    ("POST", "credentials/api-key/rotate", {"confirmation_token": "yes"}),
    ("POST", "credentials/client-secret/rollback", {"rollback_token": "x"}),
]


async def make(api: Api, created: dict[str, Any], status: str) -> None:
    """The platform sets the app's status."""
    path = f"/v1/platform/apps/{created['app']['id']}"
    assert (await api.platform.patch(path, json={"status": status})).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_only_the_fields_given_change_and_null_clears(api: Api, method: str) -> None:
    created = await api.create_app(description="text", slug="acme")
    partner = api.partner(created)
    before = (await partner.get(f"{ADMIN}/app")).json()
    change = {"name": "New", "primary_contact_email": "new@example.com", "company_name": "New Inc."}
    after = (await partner.request(method, f"{ADMIN}/app", json=change)).json()
    assert {**after, "updated_at": ""} == {**before, **change, "updated_at": ""}
    clear = {"description": None, "webhook_url": None, "slug": None}
    cleared = (await partner.request(method, f"{ADMIN}/app", json=clear)).json()
    assert cleared.keys() == after.keys() - clear.keys()
    nothing = await partner.request(method, f"{ADMIN}/app", json={})
    assert (nothing.status_code, nothing.json()) == (200, cleared)
    assert (await partner.get(f"{ADMIN}/app")).json() == cleared


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("name", ""),
        ("name", "  "),
        ("name", "a\nb"),
        ("name", "a\x1b[2J"),
        ("name", "a\x85"),
        ("name", "a\u2028b"),
        ("company_name", None),
        ("company_name", "\t"),
        ("primary_contact_email", None),
        ("primary_contact_email", "nobody"),
        ("primary_contact_email", "@example.com"),
        ("primary_contact_email", "dev@"),
        ("primary_contact_email", "a@example.com,b@example.com"),
        ("primary_contact_email", "a,b@example.com"),
        ("primary_contact_email", "a@example.com;b"),
        ("primary_contact_email", "a@example.com b"),
        ("primary_contact_email", "a\u2003b@example.com"),
        ("primary_contact_email", "a\n@example.com"),
        ("primary_contact_email", "a@b@example.com"),
        ("primary_contact_email", "<a@example.com>"),
        ("primary_contact_email", "a@" + "x" * 250 + ".com"),
        ("webhook_url", ""),
        ("webhook_url", "example.com"),
        ("webhook_url", "https://user:pw@example.com"),
        ("slug", 7),
        ("description", "x" * 4001),
        ("status", "active"),
        ("webhook_enabled", True),
        ("signature_profile", "sdk"),
        ("client_id", "other"),
        ("surplus", 1),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_changes(api: Api, field: str, value: object) -> None:
    partner = api.partner(await api.create_app())
    before = (await partner.get(f"{ADMIN}/app")).json()
    answer = await partner.put(f"{ADMIN}/app", json={"name": "New", field: value})
    problem = check_problem(answer, 400, "validation_error")
    assert [fault["path"] for fault in problem["faults"]] == [f"$.{field}"]
    assert (await partner.get(f"{ADMIN}/app")).json() == before


@pytest.mark.parametrize("name", ["O'Neill & Søn, Ltd.", " spaced ", "会議", "👩\u200d💻", "x" * 255])
async def test_a_name_is_any_text_that_shows(api: Api, name: str) -> None:
    partner = api.partner(await api.create_app())
    answer = await partner.put(f"{ADMIN}/app", json={"name": name})
    assert (answer.status_code, answer.json().get("name")) == (200, name)


@pytest.mark.parametrize("field", ["description", "slug"])
async def test_a_text_without_a_form_has_no_nul(api: Api, field: str) -> None:
    partner = api.partner(await api.create_app())
    answer = await partner.put(f"{ADMIN}/app", json={field: "a\0b"})
    (fault,) = check_problem(answer, 400, "validation_error")["faults"]
    assert fault == {"path": f"$.{field}", "reason": "must have no NUL (U+0000)"}


@pytest.mark.parametrize(
    "email", ["o'neill+webhooks@sub.example.com", "a!#$%&*/=?^_`{|}~-.b@x", "dév@exämple.com"]
)
async def test_an_address_that_may_work_is_taken(api: Api, email: str) -> None:
    partner = api.partner(await api.create_app())
    answer = await partner.put(f"{ADMIN}/app", json={"primary_contact_email": email})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", [" ", "\u3000", "a\rb"])
async def test_an_automation_too_has_a_name_that_shows(api: Api, name: str) -> None:
    partner = api.partner(await api.create_app())
    answer = await partner.post(f"{ADMIN}/workflows", json={"name": name, "webhook_url": "https://a.example"})
    (fault,) = check_problem(answer, 400, "validation_error")["faults"]
    assert fault["reason"] == ("must have no control characters" if name.strip() else "must not be blank")


@pytest.mark.parametrize(
    ("field", "value", "call"),
    [
        ("status", "inactive", "PUT /app/status"),
        ("webhook_enabled", False, "PUT /webhook-status"),
        ("webhook_filter", None, "PUT /webhook-filter"),
    ],
)
async def test_what_another_call_sets_names_the_call(api: Api, field: str, value: object, call: str) -> None:
    created = await api.create_app()
    partner = api.partner(created)
    for method in ("PUT", "PATCH"):
        answer = await partner.request(method, f"{ADMIN}/app", json={field: value})
        (fault,) = check_problem(answer, 400, "validation_error")["faults"]
        assert fault == {"path": f"$.{field}", "reason": f"is set with {call}"}
    path = f"/v1/platform/apps/{created['app']['id']}"
    answer = await api.platform.patch(path, json={field: value})
    if field == "status":
        assert answer.status_code == 200
    else:
        (fault,) = check_problem(answer, 400, "validation_error")["faults"]
        assert fault["reason"].startswith("is set with PUT /v1/platform/apps/{id}/webhook-")


async def test_a_corrected_url_serves_what_waits(api: Api) -> None:
    created = await api.create_app(webhook_url=f"{api.endpoint.url}/old")
    await api.connect(created)
    partner = api.partner(created)
    await partner.put(f"{ADMIN}/webhook-status", json={"enabled": False})
    await api.publish(sample("meeting.created"))
    await partner.patch(f"{ADMIN}/app", json={"webhook_url": f"{api.endpoint.url}/new"})
    await partner.put(f"{ADMIN}/webhook-status", json={"enabled": True, "pending_disposition": "deliver"})
    (received,) = await api.endpoint.wait_for(1)
    assert received.path == "/new"


@pytest.mark.parametrize("status", ["suspended", "inactive"])
async def test_the_key_of_an_app_that_is_not_active_only_reads(api: Api, status: str) -> None:
    created = await api.create_app()
    await make(api, created, status)
    partner = api.partner(created)
    for path in READS:
        assert (await partner.get(f"{ADMIN}/{path}")).status_code == 200
    for method, path, body in CHANGES:
        refused = await partner.request(method, f"{ADMIN}/{path}", json=body)
        assert status in check_problem(refused, 403, "forbidden")["message"]
    shown = (await partner.get(f"{ADMIN}/app")).json()
    assert (shown["name"], shown["webhook_enabled"], shown["status"]) == ("Acme", True, status)


async def test_a_partner_makes_its_app_inactive_and_active_again(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    partner = api.partner(created)
    off = await partner.put(f"{ADMIN}/app/status", json={"status": "inactive"})
    assert (off.status_code, off.json()["status"]) == (200, "inactive")
    assert (await partner.put(f"{ADMIN}/app/status", json={"status": "inactive"})).json() == off.json()
    accepted = await api.publish(sample("meeting.created"))
    assert (await api.outcomes(accepted["id"]))[0]["outcome"] == "app_inactive"
    on = await partner.put(f"{ADMIN}/app/status", json={"status": "active"})
    assert (on.status_code, on.json()["status"]) == (200, "active")
    await api.publish(sample("meeting.completed"))
    await api.endpoint.wait_for(1)


async def test_what_is_open_freezes_while_the_app_is_inactive(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    partner = api.partner(created)
    await partner.put(f"{ADMIN}/webhook-status", json={"enabled": False})
    accepted = await api.publish(sample("meeting.created"))
    await partner.put(f"{ADMIN}/app/status", json={"status": "inactive"})
    path = f"/v1/platform/apps/{created['app']['id']}/webhook-status"
    await api.platform.put(path, json={"enabled": True, "pending_disposition": "deliver"})
    assert (await api.outcomes(accepted["id"]))[0]["outcome"] == "held"
    assert api.endpoint.received == []
    await partner.put(f"{ADMIN}/app/status", json={"status": "active"})
    await api.endpoint.wait_for(1)

    async def is_delivered() -> bool:
        return bool((await api.outcomes(accepted["id"]))[0]["outcome"] == "delivered")

    await eventually(is_delivered)


async def test_only_the_platform_suspends_and_lifts_a_suspension(api: Api) -> None:
    created = await api.create_app()
    partner = api.partner(created)
    for before in ("active", "inactive"):
        await make(api, created, before)
        answer = await partner.put(f"{ADMIN}/app/status", json={"status": "suspended"})
        check_problem(answer, 403, "forbidden")
        assert (await partner.get(f"{ADMIN}/app")).json()["status"] == before
    await make(api, created, "suspended")
    for wanted in ("active", "inactive", "suspended"):
        answer = await partner.put(f"{ADMIN}/app/status", json={"status": wanted})
        check_problem(answer, 403, "forbidden")
    await make(api, created, "active")
    assert (await partner.put(f"{ADMIN}/app", json={"name": "New"})).json()["name"] == "New"


@pytest.mark.parametrize("body", [{}, {"status": "deleted"}, {"status": None}, {"status": "active", "x": 1}])
async def test_a_status_is_one_of_three(api: Api, body: dict[str, Any]) -> None:
    partner = api.partner(await api.create_app())
    check_problem(await partner.put(f"{ADMIN}/app/status", json=body), 400, "validation_error")

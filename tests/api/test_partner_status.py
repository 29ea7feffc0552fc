"""Webhook status, backlog and auto-disable as both APIs show and switch them: CONTRACTS 1.6."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.api.harness import ADMIN, Api, check_problem, eventually, open_api, sample

from adjourn import resources
from adjourn.config import Smtp
from adjourn.models import NoticeState

pytestmark = pytest.mark.anyio

DELIVER = {"enabled": True, "pending_disposition": "deliver"}
ABANDON = {"enabled": True, "pending_disposition": "abandon"}
AT_ONCE = (timedelta(0),) * 3


async def status_of(api: Api, created: dict[str, Any]) -> resources.WebhookStatus:
    answer = await api.partner(created).get(f"{ADMIN}/webhook-status")
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=resources.WebhookStatus)


async def test_every_path_shows_the_same_status(api: Api) -> None:
    created = await api.create_app()
    partner = api.partner(created)
    own = (await partner.get(f"{ADMIN}/webhook-status")).json()
    assert own["webhook_enabled"] is True
    assert own["status"] == "active"
    assert own["backlog"] == {"total": 0, "pending": 0, "failed": 0, "by_event_type": []}
    assert own["notices"] == []
    assert "disabled" not in own
    assert (own["auto_disable"]["abandoned_limit"], own["auto_disable"]["hours_limit"]) == (50, 72)
    others = (
        await partner.get(f"{ADMIN}/app/webhook-status"),
        await api.platform.get(f"/v1/platform/apps/{created['app']['id']}/webhook-status"),
    )
    for other in (each.json() for each in others):
        other["auto_disable"]["hours_since_last_success"] = own["auto_disable"]["hours_since_last_success"]
        assert other == own


async def test_the_backlog_is_told_before_it_is_decided_about(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    partner = api.partner(created)
    await partner.put(f"{ADMIN}/webhook-status", json={"enabled": False})
    for event_type in ("meeting.created", "meeting.completed", "meeting.completed"):
        await api.publish(sample(event_type))
    backlog = (await status_of(api, created)).backlog
    assert (backlog.total, backlog.pending, backlog.failed) == (3, 3, 0)
    assert [(each.event_type, each.count) for each in backlog.by_event_type] == [
        ("meeting.completed", 2),
        ("meeting.created", 1),
    ]
    assert backlog.oldest_at == backlog.by_event_type[1].oldest_at
    await partner.put(f"{ADMIN}/webhook-status", json=ABANDON)
    assert (await status_of(api, created)).backlog.total == 0


async def test_frozen_retries_are_part_of_the_backlog_and_go_with_it(tmp_path: Path) -> None:
    statuses = [500, 200, 200]
    async with open_api(tmp_path, lambda received: statuses.pop(0)) as api:
        created = await api.create_app()
        await api.connect(created)
        partner = api.partner(created)
        await api.publish(sample("meeting.created"))

        async def has_failed() -> bool:
            return (await status_of(api, created)).backlog.failed == 1

        await eventually(has_failed)
        await partner.put(f"{ADMIN}/webhook-status", json={"enabled": False})
        await api.publish(sample("meeting.completed"))
        backlog = (await status_of(api, created)).backlog
        assert (backlog.total, backlog.pending, backlog.failed) == (2, 1, 1)
        await partner.put(f"{ADMIN}/webhook-status", json=DELIVER)
        await api.endpoint.wait_for(3)

        async def is_empty() -> bool:
            return (await status_of(api, created)).backlog.total == 0

        await eventually(is_empty)
        page = (await partner.get(f"{ADMIN}/webhook-deliveries?status=delivered")).json()
        assert [each["retry_count"] for each in page["deliveries"]] == [0, 1]


# contio-webhook-management, "Interaction Between Status and Filtering"
@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (None, True),
        ({"type": "include", "events": ["meeting.created"]}, True),
        ({"type": "include", "events": ["meeting.updated"]}, False),
        ({"type": "exclude", "events": ["meeting.updated"]}, True),
        ({"type": "exclude", "events": ["meeting.created"]}, False),
    ],
)
@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("form", ["", "/app"])
async def test_status_and_filter_together(
    api: Api, wanted: dict[str, Any] | None, form: str, *, enabled: bool, passes: bool
) -> None:
    created = await api.create_app()
    await api.connect(created)
    partner = api.partner(created)
    if wanted is not None:
        shown = await partner.put(f"{ADMIN}{form}/webhook-filter", json=wanted)
        assert shown.json()["webhook_filter"] == wanted
    if not enabled:
        await partner.put(f"{ADMIN}{form}/webhook-status", json={"enabled": False})
    accepted = await api.publish(sample("meeting.created"))
    if passes and enabled:
        await api.endpoint.wait_for(1)
        return
    (outcome,) = await api.outcomes(accepted["id"])
    assert outcome["outcome"] == ("held" if passes else "filtered")
    deliveries = (await partner.get(f"{ADMIN}/webhook-deliveries")).json()["deliveries"]
    assert [each["delivery_status"] for each in deliveries] == ["pending"] * passes
    assert api.endpoint.received == []


@pytest.mark.parametrize("side", ["partner", "platform"])
async def test_whoever_disables_is_named_and_must_decide_when_enabling(api: Api, side: str) -> None:
    created = await api.create_app()
    if side == "partner":
        client, path = api.partner(created), f"{ADMIN}/webhook-status"
    else:
        client, path = api.platform, f"/v1/platform/apps/{created['app']['id']}/webhook-status"
    off = await client.put(path, json={"enabled": False})
    assert (off.status_code, off.json()["webhook_enabled"]) == (200, False)
    assert ("provider" in off.json()) == (side == "platform")
    disabled = (await status_of(api, created)).disabled
    assert isinstance(disabled, resources.Disabled)
    assert (disabled.by, disabled.reason) == (side, f"the {side} switched them off")
    again = await client.put(path, json={"enabled": False, "pending_disposition": "deliver"})
    assert again.json() == off.json()
    problem = check_problem(await client.put(path, json={"enabled": True}), 400, "validation_error")
    assert problem["faults"][0]["path"] == "$.pending_disposition"
    on = await client.put(path, json=ABANDON)
    assert (on.status_code, on.json()["webhook_enabled"]) == (200, True)
    assert (await status_of(api, created)).disabled is msgspec.UNSET
    for body in ({"enabled": True}, DELIVER, ABANDON):
        same = await client.put(path, json=body)
        assert (same.status_code, same.json()) == (200, on.json())


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$.enabled"),
        ({"enabled": "yes"}, "$.enabled"),
        ({"enabled": True, "pending_disposition": "keep"}, "$.pending_disposition"),
        ({"enabled": True, "surplus": 1}, "$.surplus"),
    ],
)
async def test_a_wrong_status_is_named(api: Api, body: dict[str, Any], path: str) -> None:
    partner = api.partner(await api.create_app())
    problem = check_problem(await partner.put(f"{ADMIN}/webhook-status", json=body), 400, "validation_error")
    assert [fault["path"] for fault in problem["faults"]] == [path]


async def test_the_platform_filters_as_the_partner_does(api: Api) -> None:
    created = await api.create_app()
    path = f"/v1/platform/apps/{created['app']['id']}/webhook-filter"
    body = {"type": "include", "events": ["workflow.assignment.created", "user.connection.revoked"]}
    wanted = {"type": "include", "events": ["automation.assignment.created"]}
    assert (await api.platform.put(path, json=body)).json()["webhook_filter"] == wanted
    assert (await api.partner(created).get(f"{ADMIN}/app")).json()["webhook_filter"] == wanted
    assert (await api.platform.delete(path)).json()["webhook_filter"] is None


async def test_an_endpoint_that_keeps_failing_is_disabled_and_tells_why(tmp_path: Path) -> None:
    failing = True
    async with open_api(tmp_path, lambda received: 500 if failing else 200, retry_delays=AT_ONCE) as api:
        created = await api.create_app()
        await api.connect(created)
        events = {"events": [sample("meeting.created")] * 50}
        await api.platform.post("/v1/platform/events/batch", json=events)

        async def is_off() -> bool:
            return not (await status_of(api, created)).webhook_enabled

        await eventually(is_off)
        status = await status_of(api, created)
        assert isinstance(status.disabled, resources.Disabled)
        assert status.disabled.by == "auto_disable"
        assert "50 deliveries were abandoned" in status.disabled.reason
        assert (status.auto_disable.abandoned, status.auto_disable.enabled) == (50, True)
        assert status.notices[0].kind == "auto_disabled"
        assert status.notices[0].subject == "Webhooks of Acme were disabled"
        accepted = await api.publish(sample("meeting.completed"))
        assert (await api.outcomes(accepted["id"]))[0]["outcome"] == "held"
        partner = api.partner(created)
        check_problem(
            await partner.put(f"{ADMIN}/webhook-status", json={"enabled": True}), 400, "validation_error"
        )
        failing = False
        await partner.put(f"{ADMIN}/webhook-status", json=DELIVER)
        await api.endpoint.wait_for(201)

        async def is_well() -> bool:
            status = await status_of(api, created)
            return (
                status.auto_disable.abandoned == 0
                and status.auto_disable.last_success_at is not msgspec.UNSET
            )

        await eventually(is_well)
        assert (await status_of(api, created)).notices[0].kind == "enabled_again"


@pytest.mark.parametrize(("option", "rollout"), [(False, True), (True, False)])
async def test_an_app_may_be_spared(tmp_path: Path, *, option: bool, rollout: bool) -> None:
    async with open_api(tmp_path, lambda received: 500, retry_delays=AT_ONCE, auto_disable=rollout) as api:
        created = await api.create_app(auto_disable=option)
        await api.connect(created)
        events = {"events": [sample("meeting.created")] * 50}
        await api.platform.post("/v1/platform/events/batch", json=events)

        async def are_counted() -> bool:
            return (await status_of(api, created)).auto_disable.abandoned == 50

        await eventually(are_counted)
        status = await status_of(api, created)
        assert (status.webhook_enabled, status.auto_disable.enabled) == (True, False)
        assert status.auto_disable.strikes_at is msgspec.UNSET


async def test_a_url_that_is_gone_is_told(tmp_path: Path) -> None:
    async with open_api(tmp_path, lambda received: 410) as api:
        created = await api.create_app()
        await api.connect(created)
        await api.publish(sample("meeting.created"))

        async def is_off() -> bool:
            return not (await status_of(api, created)).webhook_enabled

        await eventually(is_off)
        status = await status_of(api, created)
        assert isinstance(status.disabled, resources.Disabled)
        assert status.disabled.by == "gone"
        assert [each.kind for each in status.notices] == ["url_gone"]


async def test_when_it_strikes_is_told_while_it_may(tmp_path: Path) -> None:
    async with open_api(tmp_path, lambda received: 500) as api:
        created = await api.create_app()
        await api.connect(created)
        assert (await status_of(api, created)).auto_disable.strikes_at is msgspec.UNSET  # nothing has failed
        await api.publish(sample("meeting.created"))

        async def has_failed() -> bool:
            return (await status_of(api, created)).backlog.failed == 1

        await eventually(has_failed)
        assert (await status_of(api, created)).auto_disable.strikes_at is not msgspec.UNSET
        await api.partner(created).put(f"{ADMIN}/webhook-status", json={"enabled": False})
        assert (await status_of(api, created)).auto_disable.strikes_at is msgspec.UNSET


async def test_what_the_mail_server_said_is_for_the_platform_alone(tmp_path: Path) -> None:
    smtp = Smtp(host="127.0.0.1", port=9, security="none")
    async with open_api(tmp_path, lambda received: 410, smtp=smtp) as api:
        created = await api.create_app()
        await api.connect(created)
        await api.publish(sample("meeting.created"))

        async def was_tried() -> bool:
            return any(each.error for each in (await status_of(api, created)).notices)

        await eventually(was_tried)
        path = f"/v1/platform/apps/{created['app']['id']}/webhook-status"
        (whole,) = (await api.platform.get(path)).json()["notices"]
        assert "127.0.0.1" in whole["error"]
        for form in ("", "/app"):
            answer = await api.partner(created).get(f"{ADMIN}{form}/webhook-status")
            (told,) = answer.json()["notices"]
            assert told == {**whole, "error": "the mail could not be delivered yet"}


@pytest.mark.parametrize(("state", "how"), [(NoticeState.WAITING, "yet"), (NoticeState.FAILED, "at all")])
async def test_a_mail_that_was_given_up_says_so(
    api: Api, state: NoticeState, how: str, tmp_path: Path
) -> None:
    created = await api.create_app()
    with closing(sqlite3.connect(tmp_path / "adjourn.db")) as connection, connection:
        connection.execute(
            "INSERT INTO notice (app_id, kind, facts, created_at, due, state, error) "
            "VALUES (?, 'enabled_again', '{}', 0, 9e15, ?, 'mx.example said no')",
            (created["app"]["id"], state),
        )
    (notice,) = (await status_of(api, created)).notices
    assert (notice.state, notice.error) == (state, f"the mail could not be delivered {how}")

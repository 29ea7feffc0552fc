"""Every call against the real server, in process."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.api.harness import PLATFORM_KEY, Api, eventually, open_api, sample

from adjourn.client import (
    AsyncPartnerAdmin,
    AsyncPlatform,
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Unauthorized,
)
from adjourn.resources import Action, CreatedApp, WebhookFilter

pytestmark = pytest.mark.anyio

URL = "http://adjourn.test"
COMPLETED = sample("meeting.completed")["data"]


@pytest.fixture
async def api(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, lambda received: 500) as opened:
        yield opened


@pytest.fixture
def platform(api: Api) -> AsyncPlatform:
    return AsyncPlatform(key=PLATFORM_KEY, base_url=URL, transport=api._transport)


def partner(api: Api, api_key: str, client_id: str | None = None) -> AsyncPartnerAdmin:
    return AsyncPartnerAdmin(api_key=api_key, client_id=client_id, base_url=URL, transport=api._transport)


@pytest.fixture
async def made(api: Api, platform: AsyncPlatform) -> CreatedApp:
    """An app with one user, ana."""
    made = await platform.create_app(
        name="Acme",
        company_name="Acme Inc.",
        primary_contact_email="dev@acme.example",
        webhook_url=api.endpoint.url,
    )
    await platform.connect(made.app.id, "ana", email="ana@example.com")
    return made


@pytest.fixture
def admin(api: Api, made: CreatedApp) -> AsyncPartnerAdmin:
    return partner(api, made.credentials.api_key, made.credentials.client_id)


@pytest.fixture
async def delivery_id(platform: AsyncPlatform, made: CreatedApp) -> str:
    """Of a delivery that failed once."""
    accepted = await platform.publish("meeting.completed", COMPLETED, user_ids=["ana"])
    (envelope,) = accepted.events
    (delivery_id,) = envelope.delivery_ids

    async def attempted() -> bool:
        return bool((await platform.get_delivery(delivery_id)).attempts)

    await eventually(attempted)
    return delivery_id


class TestPartner:
    async def test_the_app(self, admin: AsyncPartnerAdmin, made: CreatedApp) -> None:
        app = await admin.get_app()
        assert (app.id, app.name, app.webhook_filter) == (made.app.id, "Acme", None)
        assert app.created_at.tzinfo is not None
        assert (await admin.update_app(description="A CRM")).description == "A CRM"
        assert not (await admin.update_app(description=None)).description
        assert (await admin.update_app_status("inactive")).status == "inactive"
        with pytest.raises(Forbidden):
            await admin.update_app(name="Acme 2")
        assert (await admin.update_app_status("active")).status == "active"

    async def test_webhooks_off_and_on(self, admin: AsyncPartnerAdmin, platform: AsyncPlatform) -> None:
        assert not (await admin.update_webhook_status(enabled=False)).webhook_enabled
        await platform.publish("meeting.completed", COMPLETED, user_ids=["ana"])
        status = await admin.get_webhook_status()
        assert (status.backlog.total, status.backlog.pending) == (1, 1)
        assert status.disabled
        assert status.disabled.by == "partner"
        with pytest.raises(BadRequest) as caught:
            await admin.update_webhook_status(enabled=True)
        assert [fault.path for fault in caught.value.faults] == ["$.pending_disposition"]
        app = await admin.update_webhook_status(enabled=True, pending_disposition="abandon")
        assert app.webhook_enabled
        deliveries = (await admin.get_webhook_deliveries(status="abandoned")).deliveries
        assert len(deliveries) == 1

    async def test_the_filter(self, admin: AsyncPartnerAdmin) -> None:
        app = await admin.set_webhook_filter(type="exclude", events=["meeting.created"])
        assert app.webhook_filter == WebhookFilter(type="exclude", events=["meeting.created"])
        with pytest.raises(BadRequest, match=r"meeting\.ended") as caught:
            await admin.set_webhook_filter(type="include", events=["meeting.ended"])
        assert "meeting.completed" in caught.value.valid_event_types
        assert (await admin.remove_webhook_filter()).webhook_filter is None

    async def test_deliveries(self, admin: AsyncPartnerAdmin, delivery_id: str) -> None:
        page = await admin.get_webhook_deliveries(status="failed", event_type="meeting.completed", limit=1)
        assert ([each.id for each in page.deliveries], page.total) == ([delivery_id], 1)
        delivery = await admin.get_webhook_delivery(delivery_id)
        assert [each.http_status_code for each in delivery.attempts] == [500]
        retried = await admin.retry_webhook_delivery(delivery_id)
        assert (retried.delivery_id, retried.retry_scheduled) == (delivery_id, True)
        with pytest.raises(NotFound) as caught:
            await admin.get_webhook_delivery("nothing/../of that id?")
        assert (caught.value.status, caught.value.code) == (404, "not_found")
        assert caught.value.request_id

    async def test_many_deliveries(self, admin: AsyncPartnerAdmin, delivery_id: str) -> None:
        since = datetime.now(UTC) - timedelta(hours=1)
        replay = await admin.retry_webhook_deliveries(status="failed", since=since)
        assert replay.total == 1

        async def done() -> bool:
            return (await admin.get_replay(replay.id)).status == "done"

        await eventually(done)
        assert [each.id for each in (await admin.get_replays()).items] == [replay.id]
        assert (await admin.cancel_replay(replay.id)).status == "done"

    async def test_an_idempotency_key_does_a_thing_once(self, admin: AsyncPartnerAdmin) -> None:
        first, again = [
            await admin.create_workflow(name="W", webhook_url="https://w.example", idempotency_key="key-1")
            for _ in range(2)
        ]
        assert first == again
        assert (await admin.get_workflows()).total == 1
        with pytest.raises(BadRequest) as caught:
            await admin.create_workflow(name="V", webhook_url="https://w.example", idempotency_key="key-1")
        assert (caught.value.status, caught.value.code) == (422, "idempotency_key_reused")

    async def test_automations_in_both_forms(self, admin: AsyncPartnerAdmin) -> None:
        actions = [Action(type="webhook", config={"url": "https://a.example"})]
        made = await admin.create_automation(name="A", trigger_type="meeting_ended", actions=actions)
        assert (made.webhook_url, made.is_active) == ("https://a.example", True)
        changed = await admin.update_automation(made.id, status="inactive", description="Off")
        assert (changed.status, changed.is_active, changed.actions) == ("inactive", False, actions)
        older = await admin.create_workflow(
            name="W", webhook_url="https://w.example", matching_rules={"keywords": ["deal"]}
        )
        assert older.matching_rules.keywords == ["deal"]
        assert (await admin.update_workflow(older.id, is_active=False)).status == "inactive"
        assert {each.id async for each in admin.iter_automations(limit=1)} == {made.id, older.id}
        assert await admin.get_workflow(made.id) == await admin.get_automation(made.id)
        await admin.delete_automation(made.id)
        await admin.delete_workflow(older.id)
        with pytest.raises(NotFound):
            await admin.get_automation(made.id)

    async def test_connections(self, admin: AsyncPartnerAdmin) -> None:
        (connection,) = (await admin.get_user_connections(user_id="ana", status="active")).items
        assert (connection.user_id, connection.user_email) == ("ana", "ana@example.com")
        assert await admin.get_user_connection(connection.id) == connection
        await admin.revoke_user_connection(connection.id)
        assert [each async for each in admin.iter_user_connections(status="active")] == []

    async def test_credentials(self, api: Api, admin: AsyncPartnerAdmin) -> None:
        assert (await admin.get_credential_status()).api_key.status == "active"
        key = await admin.rotate_api_key(confirmation_token="yes", reason="a test", grace_period_hours=1)
        assert key.rollback_token
        assert (await partner(api, key.new_credential).get_app()).name == "Acme"
        assert (
            await admin.rotate_webhook_secret(confirmation_token="yes")
        ).credential_type == "webhook_secret"
        assert (await admin.rotate_client_secret(confirmation_token="yes")).rollback_expires_at
        await admin.rollback_credential("api_key", rollback_token=key.rollback_token)
        with pytest.raises(Unauthorized):
            await partner(api, key.new_credential).get_app()
        events = [each async for each in admin.iter_credential_history(limit=1)]
        assert [each.action for each in events] == ["rollback", "rotated", "rotated", "rotated"]
        page = await admin.get_credential_history(credential_type="api_key", action="rotated")
        assert [each.reason for each in page.events] == ["a test"]

    async def test_a_wrong_key(self, api: Api) -> None:
        with pytest.raises(Unauthorized) as caught:
            await partner(api, "ak_wrong").get_app()
        assert "ak_wrong" not in str(caught.value)


class TestPlatform:
    async def test_apps(self, platform: AsyncPlatform, made: CreatedApp) -> None:
        app = await platform.update_app(made.app.id, ordered=True, slug="acme", webhook_url=None)
        assert (app.ordered, app.slug, bool(app.webhook_url)) == (True, "acme", False)
        assert await platform.get_app(made.app.id) == app
        assert [each async for each in platform.iter_apps(status="active")] == [app]
        with pytest.raises(Conflict) as caught:
            await platform.import_app(
                {
                    "id": made.app.id,
                    "name": "B",
                    "company_name": "B",
                    "primary_contact_email": "b@example.com",
                }
            )
        assert [fault.path for fault in caught.value.faults] == ["$.id"]
        await platform.delete_app(made.app.id)
        assert (await platform.get_apps()).total == 0

    async def test_an_apps_webhooks(self, platform: AsyncPlatform, made: CreatedApp) -> None:
        key = made.app.id
        assert not (await platform.update_webhook_status(key, enabled=False)).webhook_enabled
        assert (await platform.get_webhook_status(key)).backlog.total == 0
        await platform.update_webhook_status(key, enabled=True, pending_disposition="deliver")
        app = await platform.set_webhook_filter(key, type="include", events=["meeting.created"])
        assert app.webhook_filter
        assert (await platform.remove_webhook_filter(key)).webhook_filter is None

    async def test_an_apps_credentials(self, platform: AsyncPlatform, made: CreatedApp) -> None:
        key = made.app.id
        rotated = await platform.rotate_credential(key, "client_secret", confirmation_token="yes")
        assert (await platform.get_credential_status(key)).client_secret.status == "transitioning"
        assert rotated.rollback_token
        await platform.rollback_credential(key, "client_secret", rollback_token=rotated.rollback_token)
        events = [each async for each in platform.iter_credential_history(key)]
        assert [(each.action, each.initiated_by) for each in events] == [
            ("rollback", "internal"),
            ("rotated", "internal"),
        ]

    async def test_an_apps_automations(self, platform: AsyncPlatform, made: CreatedApp) -> None:
        key = made.app.id
        automation = await platform.create_automation(
            key, name="A", webhook_url="https://a.example", matching_rules={"keywords": ["deal"]}
        )
        changed = await platform.update_automation(
            key, automation.id, matching_rules={"keywords": ["sale"]}, name="B"
        )
        assert (changed.name, changed.matching_rules.keywords) == ("B", ["sale"])
        assert [each async for each in platform.iter_automations(key)] == [changed]
        assert await platform.get_automation(key, automation.id) == changed
        await platform.delete_automation(key, automation.id)

    async def test_connections(self, platform: AsyncPlatform, made: CreatedApp) -> None:
        key = made.app.id
        users = [{"user_id": user, "email": f"{user}@example.com"} for user in ("ana", "ben")]
        counts = await platform.connect_many(key, users)
        assert (counts.created, counts.updated) == (1, 1)
        assert {each.user_id async for each in platform.iter_connections(key, limit=1)} == {"ana", "ben"}
        await platform.disconnect(key, "ben")
        assert (await platform.get_connections(key, user_id="ben", status="active")).total == 0

    async def test_publishing(self, platform: AsyncPlatform, made: CreatedApp) -> None:
        accepted = await platform.publish(
            "meeting.completed",
            COMPLETED,
            user_ids=["ana"],
            timestamp=datetime(2026, 1, 15, 10, 30, tzinfo=UTC),
            idempotency_key="key-1",
        )
        event = await platform.get_event(accepted.id, partner_app_id=made.app.id)
        assert event.timestamp.startswith("2026-01-15T10:30:00")
        assert [each.partner_app_id for each in event.outcomes] == [made.app.id]
        batch = await platform.publish_batch([sample("meeting.completed"), sample("meeting.created")])
        assert len(batch.events) == 2
        assert len((await platform.publish_request(sample("meeting.created"))).events) == 1
        types = [each.event_type async for each in platform.iter_events(limit=1)]
        assert sorted(types) == ["meeting.completed"] * 2 + ["meeting.created"] * 2

    async def test_faults_of_the_data_have_their_paths(self, platform: AsyncPlatform) -> None:
        with pytest.raises(BadRequest) as caught:
            await platform.publish("meeting.completed", {**COMPLETED, "title": 5}, user_ids=["ana"])
        assert [fault.path for fault in caught.value.faults] == ["$.data.title"]

    async def test_deliveries(self, platform: AsyncPlatform, made: CreatedApp, delivery_id: str) -> None:
        found = [each.id async for each in platform.iter_deliveries(app_id=made.app.id, status="failed")]
        assert found == [delivery_id]
        assert (await platform.retry_delivery(delivery_id)).retry_scheduled
        replay = await platform.retry_deliveries(made.app.id, event_type="meeting.completed")
        assert (await platform.get_replay(made.app.id, replay.id)).total == 1
        assert [each.id async for each in platform.iter_replays(made.app.id)] == [replay.id]
        assert (await platform.cancel_replay(made.app.id, replay.id)).status in ("done", "cancelled")

    async def test_the_catalog(self, platform: AsyncPlatform) -> None:
        types = await platform.get_event_types()
        assert types.total == len(types.items) > 30
        found = await platform.get_event_type("meeting.completed")
        assert found.sample["event_type"] == "meeting.completed"


async def test_too_many_requests_wait_as_the_server_asks(tmp_path: Path) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with open_api(tmp_path, lambda received: 200, clock=lambda: 0.0, platform_rate_limit=1) as api:
        platform = AsyncPlatform(
            key=PLATFORM_KEY, base_url=URL, transport=api._transport, sleep=sleep, retries=1
        )
        await platform.get_event_types()
        with pytest.raises(RateLimited) as caught:
            await platform.get_event_types()
    assert caught.value.retry_after == 60.0
    assert slept == [60.0]

"""What each call sends and gives, typed, blocking and async."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, assert_type, get_args

import httpx
import pytest
from tests.client.harness import APP, KEY, Server, ok

from adjourn.client import AsyncPartnerAdmin, AsyncPlatform, PartnerAdmin, Platform, values
from adjourn.models import AppStatus, AutomationStatus, ConnectionStatus, DeliveryState, SignatureProfile
from adjourn.resources import (
    App,
    Automation,
    CredentialHistoryEvent,
    Delivery,
    Page,
    PlatformApp,
    Replay,
    RotatedCredential,
)

DELIVERY = {
    "id": "d-1",
    "partner_app_id": "app-1",
    "event_type": "meeting.completed",
    "event_id": "e-1",
    "delivery_status": "failed",
    "retry_count": 1,
    "error_message": "",
    "created_at": "2026-01-15T10:30:00Z",
}


def blocking_is_typed(admin: PartnerAdmin, platform: Platform) -> None:
    """Checked by mypy, never run."""
    assert_type(admin.get_app(), App)
    assert_type(platform.get_app("app-1"), PlatformApp)
    assert_type(admin.get_automations(), Page[Automation])
    assert_type(admin.iter_webhook_deliveries(status="failed"), Iterator[Delivery])
    assert_type(admin.iter_credential_history(), Iterator[CredentialHistoryEvent])
    assert_type(admin.rotate_api_key(confirmation_token="c"), RotatedCredential)
    assert_type(platform.retry_deliveries("app-1"), Replay)
    admin.update_webhook_status(enabled="yes")  # type: ignore[arg-type]
    admin.update_webhook_status(enabled=True, pending_disposition="drop")  # type: ignore[arg-type]
    admin.rotate_api_key(confirmation="c")  # type: ignore[call-arg]
    admin.get_webhook_delivery()  # type: ignore[call-arg]
    platform.connect("app-1", "ana")  # type: ignore[call-arg]


async def async_is_typed(admin: AsyncPartnerAdmin, platform: AsyncPlatform) -> None:
    """Checked by mypy, never run."""
    assert_type(await admin.get_app(), App)
    assert_type(await platform.get_app("app-1"), PlatformApp)
    assert_type(admin.iter_webhook_deliveries(), AsyncIterator[Delivery])
    await admin.update_webhook_status(enabled="yes")  # type: ignore[arg-type]


def automation_with(admin: PartnerAdmin, **more: Any) -> Any:
    return admin.create_automation(name="A", trigger_type="meeting_ended", actions=[], **more)


SINCE = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
NONE = ""  # no body

# what is called, and the request that it makes
PARTNER: list[tuple[Callable[[PartnerAdmin], Any], str, str]] = [
    (lambda a: a.get_app(), "GET /app", NONE),
    (lambda a: a.update_app(name="A"), "PUT /app", '{"name":"A"}'),
    (lambda a: a.update_app(webhook_url=None), "PUT /app", '{"webhook_url":null}'),
    (lambda a: a.update_app_status("inactive"), "PUT /app/status", '{"status":"inactive"}'),
    (lambda a: a.get_webhook_status(), "GET /app/webhook-status", NONE),
    (lambda a: a.update_webhook_status(enabled=False), "PUT /app/webhook-status", '{"enabled":false}'),
    (
        lambda a: a.update_webhook_status(enabled=True, pending_disposition="deliver"),
        "PUT /app/webhook-status",
        '{"enabled":true,"pending_disposition":"deliver"}',
    ),
    (
        lambda a: a.set_webhook_filter(type="include", events=["meeting.created"]),
        "PUT /app/webhook-filter",
        '{"type":"include","events":["meeting.created"]}',
    ),
    (lambda a: a.remove_webhook_filter(), "DELETE /app/webhook-filter", NONE),
    (lambda a: a.get_webhook_deliveries(), "GET /webhook-deliveries?limit=50&offset=0", NONE),
    (
        lambda a: a.get_webhook_deliveries(status="failed", event_type="x", limit=1, offset=2),
        "GET /webhook-deliveries?status=failed&event_type=x&limit=1&offset=2",
        NONE,
    ),
    (lambda a: a.get_webhook_delivery("d 1"), "GET /webhook-deliveries/d%201", NONE),
    (lambda a: a.retry_webhook_delivery("d"), "POST /webhook-deliveries/d/retry", NONE),
    (lambda a: a.retry_webhook_deliveries(), "POST /webhook-deliveries/retry", "{}"),
    (
        lambda a: a.retry_webhook_deliveries(status="failed", since=SINCE),
        "POST /webhook-deliveries/retry",
        '{"status":"failed","since":"2026-01-15T10:30:00Z"}',
    ),
    (lambda a: a.get_replays(limit=9), "GET /webhook-deliveries/retry?limit=9&offset=0", NONE),
    (lambda a: a.get_replay("r"), "GET /webhook-deliveries/retry/r", NONE),
    (lambda a: a.cancel_replay("r"), "POST /webhook-deliveries/retry/r/cancel", NONE),
    (
        lambda a: automation_with(a, status="inactive"),
        "POST /automations",
        '{"name":"A","trigger_type":"meeting_ended","actions":[],"status":"inactive"}',
    ),
    (lambda a: a.get_automations(), "GET /automations?limit=50&offset=0", NONE),
    (lambda a: a.get_automation("x"), "GET /automations/x", NONE),
    (
        lambda a: a.update_automation("x", description=None),
        "PUT /automations/x",
        '{"description":null}',
    ),
    (lambda a: a.delete_automation("x"), "DELETE /automations/x", NONE),
    (
        lambda a: a.create_workflow(
            name="W", webhook_url="https://w.example", matching_rules={"keywords": ["deal"]}
        ),
        "POST /workflows",
        '{"name":"W","webhook_url":"https://w.example","matching_rules":{"keywords":["deal"]}}',
    ),
    (
        lambda a: a.update_workflow("w", matching_rules={"keywords": ["deal"]}),
        "PUT /workflows/w",
        '{"matching_rules":{"keywords":["deal"]}}',
    ),
    (lambda a: a.get_workflows(), "GET /workflows?limit=50&offset=0", NONE),
    (lambda a: a.get_workflow("w"), "GET /workflows/w", NONE),
    (lambda a: a.update_workflow("w", is_active=False), "PUT /workflows/w", '{"is_active":false}'),
    (lambda a: a.delete_workflow("w"), "DELETE /workflows/w", NONE),
    (
        lambda a: a.get_user_connections(user_id="ana", status="active"),
        "GET /connections?user_id=ana&status=active&limit=50&offset=0",
        NONE,
    ),
    (lambda a: a.get_user_connection("c"), "GET /connections/c", NONE),
    (lambda a: a.revoke_user_connection("c"), "DELETE /connections/c", NONE),
    (lambda a: a.get_credential_status(), "GET /credentials", NONE),
    (
        lambda a: a.get_credential_history(credential_type="api_key", action="rotated"),
        "GET /credentials/history?credential_type=api_key&action=rotated&limit=50&offset=0",
        NONE,
    ),
    (
        lambda a: a.rotate_api_key(confirmation_token="c", grace_period_hours=0),
        "POST /credentials/api-key/rotate",
        '{"confirmation_token":"c","grace_period_hours":0}',
    ),
    (
        lambda a: a.rotate_webhook_secret(confirmation_token="c", reason="leaked"),
        "POST /credentials/webhook-secret/rotate",
        '{"confirmation_token":"c","reason":"leaked"}',
    ),
    (
        lambda a: a.rotate_client_secret(confirmation_token="c"),
        "POST /credentials/client-secret/rotate",
        '{"confirmation_token":"c"}',
    ),
    (
        lambda a: a.rollback_credential("api_key", rollback_token="t"),
        "POST /credentials/api-key/rollback",
        '{"rollback_token":"t"}',
    ),
]


def test_each_call_makes_its_request() -> None:
    for call, line, body in PARTNER:
        server = Server(httpx.Response(404, json={"code": "not_found"}))
        with pytest.raises(Exception, match="not_found"):
            call(server.admin())
        (request,) = server.asked
        assert f"{request.method} {request.url.raw_path.decode()}" == line.replace(
            " /", " /v1/partner/admin/", 1
        )
        assert request.content.decode() == body
        assert request.headers.get("content-type") == ("application/json" if body else None)


def test_a_partner_is_known_by_key_and_client_id() -> None:
    server = Server(ok())
    server.admin().get_app()
    PartnerAdmin(api_key=KEY, transport=server.transport).get_app()
    ours, vendors = server.asked
    assert (ours.headers["x-api-key"], ours.headers["x-client-id"]) == (KEY, "cid-1")
    assert (str(vendors.url), vendors.headers.get("x-client-id")) == (
        "https://api.contio.ai/v1/partner/admin/app",
        None,
    )


def test_a_base_url_may_have_a_path() -> None:
    server = Server(ok({"items": [], "total": 0}))
    Platform(key=KEY, base_url="http://a.test/hooks/", transport=server.transport).get_event_types()
    (request,) = server.asked
    assert str(request.url) == "http://a.test/hooks/v1/platform/event-types"
    assert request.headers["authorization"] == f"Bearer {KEY}"


class TestReading:
    def test_unknown_fields_are_passed_over(self) -> None:
        assert Server(ok({**APP, "new": 1})).admin().get_app().name == "Acme"

    def test_a_null_may_stand_for_what_is_absent(self) -> None:
        app = Server(ok({**APP, "description": None, "slug": None})).admin().get_app()
        assert app.webhook_filter is None
        assert not app.description

    def test_a_null_may_stand_for_an_empty_list(self) -> None:
        counts = {"total": 0, "limit": 50, "offset": 0}
        assert Server(ok({"deliveries": None, **counts})).admin().get_webhook_deliveries().deliveries == []
        assert Server(ok({"items": None, **counts})).admin().get_automations().items == []
        moments = {"created_at": APP["created_at"], "updated_at": APP["updated_at"]}
        connection = {"id": "c", "user_id": "ana", "oauth_scopes": None, "status": "active", **moments}
        page = Server(ok({"items": [connection], **counts})).admin().get_user_connections()
        assert [each.oauth_scopes for each in page.items] == [[]]

    def test_a_vendors_answers_may_have_less(self) -> None:
        app = {name: value for name, value in APP.items() if name != "webhook_filter"}
        assert Server(ok(app)).admin().get_app().webhook_filter is None
        assert Server(ok(DELIVERY)).admin().get_webhook_delivery("d-1").attempts == []
        retried = Server(ok({"message": "m", "retry_scheduled": True})).admin().retry_webhook_delivery("d-1")
        assert retried.retry_scheduled
        moments = {"created_at": APP["created_at"], "updated_at": APP["updated_at"]}
        automation = {
            "id": "au-1",
            "partner_app_id": "app-1",
            "name": "A",
            "trigger_type": "meeting_ended",
            "actions": [{"type": "webhook", "config": {"url": "https://a.example"}}],
            "status": "inactive",
            **moments,
        }
        assert Server(ok(automation)).admin().get_automation("au-1").matching_rules.keywords == []
        connection = {"id": "c", "user_id": "ana", "oauth_scopes": [], "status": "active", **moments}
        assert Server(ok(connection)).admin().get_user_connection("c").user_email == ""

    def test_an_empty_answer_is_none(self) -> None:
        server = Server(httpx.Response(204))
        gone: Callable[[str], None] = server.admin().delete_automation
        assert gone("x") is None  # type: ignore[func-returns-value]

    def test_the_answer_as_it_came_can_be_had(self) -> None:
        bodies: list[bytes] = []
        answer = ok({**APP, "new": 1})
        Server(answer).admin(on_answer=bodies.append).get_app()
        assert bodies == [answer.content]


@pytest.mark.parametrize(
    ("words", "states"),
    [
        (values.AppStatus, AppStatus),
        (values.AutomationStatus, AutomationStatus),
        (values.ConnectionStatus, ConnectionStatus),
        (values.DeliveryStatus, DeliveryState),
        (values.SignatureProfile, SignatureProfile),
    ],
)
def test_the_words_are_the_servers(words: Any, states: type[StrEnum]) -> None:
    assert get_args(words) == tuple(states)


def page(*ids: str, total: int | None = 5) -> httpx.Response:
    deliveries = [{**DELIVERY, "id": each} for each in ids]
    return ok({"deliveries": deliveries, "total": total, "limit": 2, "offset": 0})


def history(*ids: str) -> httpx.Response:
    event = {
        "partner_app_id": "app-1",
        "credential_type": "api_key",
        "action": "rotated",
        "initiated_by": "partner",
        "created_at": "2026-01-15T10:30:00Z",
    }
    events = [{**event, "id": each} for each in ids]
    return ok({"events": events, "pagination": {"limit": 2, "offset": 0, "count": len(ids)}})


class TestPages:
    def test_every_item_of_every_page(self) -> None:
        server = Server(page("1", "2"), page("3", "4"), page("5"))
        found = server.admin().iter_webhook_deliveries(status="failed", limit=2)
        assert [each.id for each in found] == ["1", "2", "3", "4", "5"]
        asked = [dict(request.url.params) for request in server.asked]
        assert [each["offset"] for each in asked] == ["0", "2", "4"]
        assert {(each["status"], each["limit"]) for each in asked} == {("failed", "2")}

    @pytest.mark.anyio
    async def test_every_item_of_every_page_async(self) -> None:
        server = Server(page("1", "2"), page("3", "4"), page("5"))
        found = server.async_admin().iter_webhook_deliveries(limit=2)
        assert [each.id async for each in found] == ["1", "2", "3", "4", "5"]

    def test_all_pages_are_read_before_the_first_item_is_given(self) -> None:
        server = Server(page("1", "2"), page("3", "4"), page("5"))
        found = server.admin().iter_webhook_deliveries()
        assert server.asked == []
        assert next(found).id == "1"
        assert len(server.asked) == 3

    def test_the_loop_may_change_what_the_filter_lets_through(self) -> None:
        failed = ["1", "2", "3", "4", "5"]

        def answer(request: httpx.Request) -> httpx.Response:
            if request.method == "POST":
                failed.remove(request.url.path.split("/")[-2])
                return ok({"message": "m", "retry_scheduled": True})
            start = int(request.url.params["offset"])
            return page(*failed[start : start + 2], total=len(failed))

        admin = PartnerAdmin(api_key=KEY, transport=httpx.MockTransport(answer))
        for delivery in admin.iter_webhook_deliveries(status="failed", limit=2):
            admin.retry_webhook_delivery(delivery.id)
        assert failed == []

    def test_an_item_that_newer_ones_push_to_the_next_page_comes_once(self) -> None:
        server = Server(page("1", "2"), page("2", "3"), page("4"))
        found = server.admin().iter_webhook_deliveries(limit=2)
        assert [each.id for each in found] == ["1", "2", "3", "4"]

    def test_they_are_named_and_explained(self) -> None:
        each = PartnerAdmin(api_key=KEY).iter_webhook_deliveries
        assert each.__name__ == "iter_webhook_deliveries"
        assert "All pages are read before the first item" in str(each.__doc__)

    def test_a_list_that_shrinks_meanwhile_ends(self) -> None:
        server = Server(page("1", "2"), page())
        assert len([*server.admin().iter_webhook_deliveries()]) == 2

    def test_a_list_without_a_total_ends_with_a_shorter_page(self) -> None:
        for last in history("3"), history():
            server = Server(history("1", "2"), last)
            found = [each.id for each in server.admin().iter_credential_history(limit=2)]
            assert found == ["1", "2", "3"][: len(found)]
            assert [each.url.params["offset"] for each in server.asked] == ["0", "2"]


class TestClosing:
    def test_blocking(self) -> None:
        with Server(ok()).admin() as admin:
            admin.get_app()
        with pytest.raises(RuntimeError, match="closed"):
            admin.get_app()

    @pytest.mark.anyio
    async def test_async(self) -> None:
        async with Server(ok()).async_admin() as admin:
            await admin.get_app()
        with pytest.raises(RuntimeError, match="closed"):
            await admin.get_app()

"""Meeting BaaS end to end: webhooks, callbacks, and what its own clients call. CONTRACTS section 2."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api.harness import Api, check_problem, eventually, open_api

from adjourn.signing import StandardVerifier
from adjourn.testing import RecordedRequest, local_endpoint

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parent.parent / "examples" / "meetingbaas"
BOT = "2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21"  # of BotWebhookCompleted.json
NOBODY = "00000000-0000-4000-8000-000000000000"


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))
    return found


def publishing(created: dict[str, Any], name: str = "BotWebhookCompleted", **more: Any) -> dict[str, Any]:
    event = example(name)
    body = {
        "event_type": event["event"],
        "data": event["data"],
        "audience": {"partner_app_ids": [created["app"]["id"]]},
    }
    if "extra" in event:
        body["extra"] = event["extra"]
    return {**body, **more}


class Account:
    """An account with its webhook at /hook, and the client of its vendor."""

    def __init__(self, api: Api, created: dict[str, Any]) -> None:
        self.api = api
        self.created = created
        self.id: str = created["app"]["id"]
        self.secret: str = created["credentials"]["webhook_secret"]
        self.vendor = api.client({"x-meeting-baas-api-key": created["credentials"]["api_key"]})

    def callback(self, path: str = "/callback", **more: Any) -> dict[str, Any]:
        return {"url": f"{self.api.endpoint.url}{path}", **more}

    async def publish(self, name: str = "BotWebhookCompleted", **more: Any) -> dict[str, Any]:
        return await self.api.publish(publishing(self.created, name, **more))

    async def received(self, path: str, count: int) -> list[RecordedRequest]:
        """All that came to that path, once it is so many."""

        async def are_there() -> bool:
            return len([each for each in self.api.endpoint.received if each.path == path]) >= count

        await eventually(are_there)
        return [each for each in self.api.endpoint.received if each.path == path]

    async def resend(self, bot: str = BOT, **more: Any) -> httpx.Response:
        given = {"content": b"", "headers": {"content-type": "application/json"}} | more
        return await self.vendor.post(f"/v2/bots/{bot}/resend-webhook", **given)

    async def call_back(self, bot: str = BOT, **more: Any) -> httpx.Response:
        return await self.vendor.post(f"/v2/bots/{bot}/retry-callback", **({"json": None} | more))


@asynccontextmanager
async def account(api: Api, **fields: Any) -> AsyncIterator[Account]:
    fields = {"webhook_url": f"{api.endpoint.url}/hook", **fields}
    made = Account(api, await api.create_app(provider="meetingbaas", **fields))
    async with made.vendor:
        yield made


def check_error(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()
    assert (error["success"], error["code"], error["statusCode"]) == (False, code, status)
    assert error["error"]
    assert error["message"]
    assert "details" in error
    return error


# --- webhooks


async def test_an_account_webhook_has_svix_headers_and_the_vendors_envelope(api: Api) -> None:
    async with account(api) as acme:
        accepted = await acme.publish()
        (received,) = await acme.received("/hook", 1)
    assert json.loads(received.body) == example("BotWebhookCompleted")
    assert received.header("svix-id") == accepted["events"][0]["event_id"]
    assert received.header("webhook-id") is None
    verifier = StandardVerifier(acme.secret, prefix="svix-")
    verifier.verify(received.headers, received.body, now=datetime.now(UTC))


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*Webhook*.json")))
async def test_each_example_arrives_as_it_is(api: Api, name: str) -> None:
    async with account(api) as acme:
        await acme.publish(name)
        (received,) = await acme.received("/hook", 1)
    assert json.loads(received.body) == example(name)


async def test_extra_is_null_where_none_is_given_and_refused_for_calendars(api: Api) -> None:
    async with account(api) as acme:
        body = publishing(acme.created)
        del body["extra"]
        await api.publish(body)
        (received,) = await acme.received("/hook", 1)
        assert json.loads(received.body)["extra"] is None
        body = publishing(acme.created, "CalendarWebhookEventCreated", extra={"a": 1})
        problem = check_problem(
            await api.platform.post("/v1/platform/events", json=body), 400, "validation_error"
        )
    assert [each["path"] for each in problem["faults"]] == ["$.extra"]


async def test_names_are_sent_as_objects_or_as_documented(api: Api) -> None:
    data = example("BotWebhookCompleted")["data"] | {"participants": ["Ada", "Grace"], "speakers": None}
    async with account(api) as objects, account(api, participants="names") as names:
        for each in (objects, names):
            assert (await each.publish(data=data))["events"]
        bodies = [json.loads(each.body)["data"] for each in await objects.received("/hook", 2)]
    expected: list[tuple[Any, Any]] = [
        ([{"name": "Ada", "id": None}, {"name": "Grace", "id": None}], []),
        (["Ada", "Grace"], []),
    ]
    found = [(each["participants"], each["speakers"]) for each in bodies]
    assert sorted(found, key=str) == sorted(expected, key=str)


async def test_the_provider_is_that_of_the_apps_addressed(api: Api) -> None:
    contio = await api.create_app(webhook_url=f"{api.endpoint.url}/contio")
    async with account(api) as acme:
        mixed = publishing(acme.created) | {
            "audience": {"partner_app_ids": [acme.id, contio["app"]["id"]]},
        }
        problem = check_problem(
            await api.platform.post("/v1/platform/events", json=mixed), 400, "validation_error"
        )
        assert problem["faults"][0]["path"] == "$.audience.partner_app_ids"
        named = await api.publish({**mixed, "provider": "meetingbaas"})
        assert [each["partner_app_id"] for each in named["events"]] == [acme.id]
        batch = {"events": [publishing(acme.created), mixed | {"event_type": "?"}]}
        answer = await api.platform.post("/v1/platform/events/batch", json=batch)
        assert [each["path"] for each in check_problem(answer, 400, "validation_error")["faults"]] == [
            "$.events[1].audience.partner_app_ids"
        ]


# --- callbacks


async def test_a_callback_goes_out_beside_the_webhook_with_the_same_body(api: Api) -> None:
    async with account(api) as acme:
        await acme.publish(callback=acme.callback(secret="s3cret"))
        (webhook,) = await acme.received("/hook", 1)
        (called,) = await acme.received("/callback", 1)
    assert called.body == webhook.body
    assert (called.method, called.header("x-mb-secret")) == ("POST", "s3cret")
    assert called.header("content-type") == "application/json"
    assert called.header("svix-signature") is None


async def test_a_callback_may_be_put_without_a_secret(api: Api) -> None:
    async with account(api) as acme:
        await acme.publish("BotWebhookFailed", callback=acme.callback(method="PUT"))
        (called,) = await acme.received("/callback", 1)
    assert (called.method, called.header("x-mb-secret")) == ("PUT", None)


async def test_a_callback_needs_no_webhook_url_and_no_filter_stops_it(api: Api) -> None:
    no_url = account(api, webhook_url=None)
    filtered = account(api, webhook_filter={"type": "exclude", "events": ["bot.completed"]})
    async with no_url as first, filtered as second:
        accepted = await first.publish(callback=first.callback())
        outcomes = await api.outcomes(accepted["id"])
        await second.publish(callback=second.callback())
        assert len(await first.received("/callback", 2)) == 2
    assert outcomes[0]["outcome"] == "no_url"
    assert len(outcomes) == 2
    assert not [each for each in api.endpoint.received if each.path == "/hook"]


@pytest.mark.parametrize(
    ("name", "change", "path"),
    [
        ("BotWebhookStatusChange", {}, "$.callback"),
        ("CalendarWebhookEventCreated", {}, "$.callback"),
        ("BotWebhookCompleted", {"url": "ftp://a.example/"}, "$.callback.url"),
        ("BotWebhookCompleted", {"secret": "a\r\nb: c"}, "$.callback.secret"),
        ("BotWebhookCompleted", {"secret": "grün"}, "$.callback.secret"),
        ("BotWebhookCompleted", {"method": "GET"}, "$.callback.method"),
        ("BotWebhookCompleted", {"headers": {}}, "$.callback.headers"),
    ],
)
async def test_a_callback_that_cannot_be_is_refused(
    api: Api, name: str, change: dict[str, Any], path: str
) -> None:
    async with account(api) as acme:
        body = publishing(acme.created, name, callback=acme.callback() | change)
        answer = await api.platform.post("/v1/platform/events", json=body)
    assert [each["path"] for each in check_problem(answer, 400, "validation_error")["faults"]] == [path]


async def test_contio_has_no_callbacks_and_no_extra(api: Api) -> None:
    created = await api.create_app()
    body = {
        "event_type": "user.connection.revoked",
        "data": {"connection_id": "c", "revoked_at": "2025-01-15T10:30:00Z"},
        "audience": {"user_ids": ["ana"]},
        "extra": {},
        "callback": {"url": "https://a.example/"},
    }
    answer = await api.platform.post("/v1/platform/events", json=body)
    faults = check_problem(answer, 400, "validation_error")["faults"]
    assert [each["path"] for each in faults] == ["$.extra", "$.callback"]
    assert created


# --- resend-webhook


async def test_the_last_webhook_is_sent_again_in_the_same_bytes(api: Api) -> None:
    async with account(api) as acme:
        await acme.publish()
        (first,) = await acme.received("/hook", 1)
        answer = await acme.resend()
        assert answer.status_code == 200, answer.text
        assert answer.json()["success"] is True
        assert answer.json()["data"]["message"]
        first, again = await acme.received("/hook", 2)
    assert (again.body, again.header("svix-id")) == (first.body, first.header("svix-id"))


async def test_sending_again_at_once_is_429_with_retry_after(api: Api) -> None:
    async with account(api) as acme:
        await acme.publish()
        await acme.received("/hook", 1)
        assert (await acme.resend()).status_code == 200
        error = check_error(await acme.resend(), 429, "FST_ERR_RATE_LIMIT_EXCEEDED")
        assert 0 < error["retryAfter"] <= 10
        assert len(await acme.received("/hook", 2)) == 2


async def test_it_is_the_bots_final_event_that_is_sent_again(api: Api) -> None:
    async with account(api) as acme:
        status = example("BotWebhookStatusChange")["data"] | {"bot_id": BOT}
        await acme.publish("BotWebhookStatusChange", data=status)
        check_error(await acme.resend(), 409, "FST_ERR_BOT_STATUS")
        await acme.publish()
        await acme.publish("BotWebhookStatusChange", data=status)
        await acme.received("/hook", 3)
        assert (await acme.resend()).status_code == 200
        assert json.loads((await acme.received("/hook", 4))[-1].body)["event"] == "bot.completed"


async def test_a_bot_of_nobody_or_of_another_account_is_not_found(api: Api) -> None:
    async with account(api) as acme, account(api) as other:
        await acme.publish()
        for answer in (
            await acme.resend(NOBODY),
            await other.resend(),
            await other.call_back(),
            await acme.resend("not-a-uuid"),
        ):
            check_error(answer, 404, "FST_ERR_BOT_NOT_FOUND_BY_ID")


async def test_a_key_is_needed(api: Api) -> None:
    async with api.client({}) as nobody, api.client({"x-meeting-baas-api-key": "wrong"}) as wrong:
        for client in (nobody, wrong):
            answer = await client.post(f"/v2/bots/{BOT}/resend-webhook")
            check_error(answer, 401, "FST_ERR_UNAUTHORIZED")


# --- retry-callback


async def test_the_callback_is_sent_again_where_it_went(api: Api) -> None:
    async with account(api) as acme:
        await acme.publish(callback=acme.callback(secret="s3cret"))
        await acme.received("/callback", 1)
        assert (await acme.call_back()).json()["success"] is True
        first, again = await acme.received("/callback", 2)
    assert (again.body, again.header("x-mb-secret")) == (first.body, "s3cret")


@pytest.mark.parametrize("body", [b"null", b"", b" "])
async def test_no_callback_known_is_409_whatever_stands_for_none(api: Api, body: bytes) -> None:
    async with account(api) as acme:
        await acme.publish()
        headers = {"content-type": "application/json"}
        path = f"/v2/bots/{BOT}/retry-callback"
        answer = await acme.vendor.post(path, content=body, headers=headers)
        check_error(answer, 409, "FST_ERR_BOT_STATUS")


async def test_a_callback_given_later_gets_the_event_and_is_kept(api: Api) -> None:
    async with account(api) as acme:
        await acme.publish()
        (webhook,) = await acme.received("/hook", 1)
        answer = await acme.call_back(json=acme.callback("/late", secret="late", method="PUT"))
        assert answer.status_code == 200, answer.text
        (called,) = await acme.received("/late", 1)
        assert (called.method, called.body, called.header("x-mb-secret")) == ("PUT", webhook.body, "late")
        assert (await acme.call_back()).status_code == 200
        assert len(await acme.received("/late", 2)) == 2


async def test_another_callback_takes_the_place_of_the_first(api: Api) -> None:
    async with account(api) as acme:
        await acme.publish(callback=acme.callback("/first"))
        await acme.received("/first", 1)
        assert (await acme.call_back(json=acme.callback("/second"))).status_code == 200
        await acme.received("/second", 1)
        assert len(await acme.received("/first", 1)) == 1


async def test_faults_of_a_callback_are_named(api: Api) -> None:
    async with account(api) as acme:
        await acme.publish()
        error = check_error(await acme.call_back(json={"url": "x"}), 400, "FST_ERR_VALIDATION")
        assert [each["path"] for each in error["details"]] == ["$.url"]


async def test_a_failing_callback_disables_nothing_and_a_webhook_goes_on(tmp_path: Path) -> None:
    answers = {"/callback": 410}
    async with (
        open_api(tmp_path, lambda received: answers.get(received.path, 200)) as api,
        account(api, webhook_url=None) as acme,
    ):
        url = api.endpoint.url
        await api.platform.patch(
            f"/v1/platform/apps/{acme.id}", json={"webhook_url": f"{url}/callback"}
        )  # the same URL, as a callback alone
        await api.platform.patch(f"/v1/platform/apps/{acme.id}", json={"webhook_url": f"{url}/hook"})
        await acme.publish(callback=acme.callback())
        await acme.received("/callback", 1)
        await acme.received("/hook", 1)

        async def is_abandoned() -> bool:
            deliveries = (await api.platform.get("/v1/platform/deliveries")).json()["deliveries"]
            return sorted(each["delivery_status"] for each in deliveries) == ["abandoned", "delivered"]

        await eventually(is_abandoned)
        app = (await api.platform.get(f"/v1/platform/apps/{acme.id}")).json()
        assert app["webhook_enabled"] is True
        assert len(await acme.received("/callback", 1)) == 1


async def test_a_callback_is_held_while_webhooks_are_off(api: Api) -> None:
    async with account(api) as acme:
        path = f"/v1/platform/apps/{acme.id}/webhook-status"
        assert (await api.platform.put(path, json={"enabled": False})).status_code == 200
        await acme.publish(callback=acme.callback())
        await asyncio.sleep(0)
        assert not api.endpoint.received
        on = {"enabled": True, "pending_disposition": "deliver"}
        assert (await api.platform.put(path, json=on)).status_code == 200
        await acme.received("/callback", 1)
        await acme.received("/hook", 1)


async def test_a_backlog_tells_of_links_that_work_no_more(api: Api) -> None:
    async with account(api) as acme, account(api) as late:
        for each in (acme, late):
            path = f"/v1/platform/apps/{each.id}/webhook-status"
            await api.platform.put(path, json={"enabled": False})
        sent_at = f"{datetime.now(UTC) - timedelta(hours=3):%Y-%m-%dT%H:%M:%S}.000Z"
        await acme.publish(data=example("BotWebhookCompleted")["data"] | {"sent_at": sent_at})
        await acme.publish("BotWebhookFailed")
        await late.publish()
        by_type = [
            (await api.platform.get(f"/v1/platform/apps/{each.id}/webhook-status")).json()["backlog"][
                "by_event_type"
            ]
            for each in (acme, late)
        ]
    assert not any("links_expired_at" in each for each in by_type[0])
    # 4 hours after its sent_at: CONTRACTS 2
    assert by_type[1][0]["links_expired_at"] == "2026-01-20T14:33:02.118Z"


async def test_a_delivery_says_that_it_is_a_bots_callback(api: Api) -> None:
    async with account(api) as acme:
        await acme.publish(callback=acme.callback())
        await acme.received("/callback", 1)
        deliveries = (await api.platform.get("/v1/platform/deliveries")).json()["deliveries"]
    assert sorted(each.get("callback_of", "") for each in deliveries) == ["", BOT]
    assert not any("automation_id" in each for each in deliveries)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/v2/bots/{BOT}/resend-webhook", 405),
        ("POST", f"/v2/bots/{BOT}/nothing", 404),
        ("POST", "/v2/nothing", 404),
    ],
)
async def test_every_error_of_theirs_is_in_their_envelope(
    api: Api, method: str, path: str, status: int
) -> None:
    async with account(api) as acme:
        answer = await acme.vendor.request(method, path)
    error: dict[str, Any] = answer.json()
    assert (answer.status_code, error["statusCode"], error["success"]) == (status, status, False)
    assert error["code"].startswith("FST_ERR_")


async def test_a_resend_says_that_it_waits_where_there_is_no_url(api: Api) -> None:
    async with account(api) as acme:
        await acme.publish()
        await acme.received("/hook", 1)
        await api.platform.patch(f"/v1/platform/apps/{acme.id}", json={"webhook_url": None})
        assert "waits" in (await acme.resend()).json()["data"]["message"]


async def test_a_new_callback_elsewhere_does_not_wait_behind_the_old_ones_lane(api: Api) -> None:
    async with account(api) as acme, local_endpoint() as elsewhere:
        await acme.publish(callback=acme.callback())
        await acme.received("/callback", 1)
        await api.platform.get("/v1/platform/deliveries")
        assert (await acme.call_back(json={"url": f"{elsewhere.url}/fresh"})).status_code == 200
        (called,) = await elsewhere.wait_for(1)
        assert called.path == "/fresh"
        assert (await acme.call_back(json={"url": f"{elsewhere.url}/other"})).status_code == 429
        await asyncio.sleep(0)
        assert len(elsewhere.received) == 1


async def test_an_ask_while_an_attempt_is_under_way_is_told_so(api: Api) -> None:
    async with account(api) as acme:
        api.endpoint.pause()
        await acme.publish()
        await acme.received("/hook", 1)
        error = check_error(await acme.resend(), 429, "FST_ERR_RATE_LIMIT_EXCEEDED")
        assert error["retryAfter"] > 0
        api.endpoint.resume()
        assert len(await acme.received("/hook", 1)) == 1


async def test_an_app_that_does_not_exist_is_named(api: Api) -> None:
    body = {"event_type": "bot.completed", "data": {}, "audience": {"partner_app_ids": ["nobody"]}}
    answer = await api.platform.post("/v1/platform/events", json=body)
    (fault,) = check_problem(answer, 400, "validation_error")["faults"]
    assert fault["path"] == "$.audience.partner_app_ids[0]"


async def test_a_request_that_names_very_many_apps_is_refused_before_they_are_read(api: Api) -> None:
    ids = [f"app-{number}" for number in range(6_000)]
    events = [
        {
            "event_type": "bot.completed",
            "data": {},
            "audience": {"partner_app_ids": [f"{n}-{i}" for i in ids]},
        }
        for n in range(2)
    ]
    answer = await api.platform.post("/v1/platform/events/batch", json={"events": events})
    check_problem(answer, 413, "payload_too_large")

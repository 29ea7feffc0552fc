"""What an endpoint may be and say, from the request that names it to the log: issue 7, "Endpoints"."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from cryptography.fernet import Fernet
from tests.api.harness import ADMIN, Api, check_problem, eventually, open_api, sample
from tests.postgres import empty_database
from tests.sending.peers import says_once, serving

from adjourn.config import Secret
from adjourn.providers import PROVIDERS

pytestmark = pytest.mark.anyio

PLATFORM = "/v1/platform"
NEWER = {"name": "A", "trigger_type": "meeting_ended", "actions": [{"type": "webhook", "config": {}}]}
ENDED = PROVIDERS["meetingbaas"].event_types["bot.completed"]


class World(NamedTuple):
    api: Api
    app: dict[str, Any]
    bots: dict[str, Any]

    @property
    def of_app(self) -> str:
        return f"{PLATFORM}/apps/{self.app['app']['id']}"

    @property
    def ended(self) -> dict[str, Any]:
        return {
            "event_type": ENDED.name,
            "data": ENDED.sample_data,
            "audience": {"partner_app_ids": [self.bots["app"]["id"]]},
        }


Ask = Callable[[World, str], Awaitable[httpx.Response]]


async def world(api: Api) -> World:
    fields = {"webhook_url": None}
    return World(api, await api.create_app(**fields), await api.create_app(provider="meetingbaas", **fields))


def newer(url: str) -> dict[str, Any]:
    return {**NEWER, "actions": [{"type": "other"}, {"type": "webhook", "config": {"url": url}}]}


async def change_automation(w: World, url: str) -> httpx.Response:
    made = await w.api.partner(w.app).post(f"{ADMIN}/automations", json=newer("https://fine.example/"))
    assert made.status_code == 201, made.text
    return await w.api.partner(w.app).patch(
        f"{ADMIN}/automations/{made.json()['id']}", json={"webhook_url": url}
    )


# How each call takes a URL in, and the path of its field.
TAKEN: dict[str, tuple[Ask, str]] = {
    "create app": (
        lambda w, url: w.api.platform.post(
            f"{PLATFORM}/apps",
            json={
                "name": "A",
                "company_name": "A",
                "primary_contact_email": "dev@example.com",
                "webhook_url": url,
            },
        ),
        "$.webhook_url",
    ),
    "patch app": (lambda w, url: w.api.platform.patch(w.of_app, json={"webhook_url": url}), "$.webhook_url"),
    "own app": (
        lambda w, url: w.api.partner(w.app).put(f"{ADMIN}/app", json={"webhook_url": url}),
        "$.webhook_url",
    ),
    "automation": (
        lambda w, url: w.api.partner(w.app).post(f"{ADMIN}/automations", json=newer(url)),
        "$.actions[1].config.url",
    ),
    "platform's automation": (
        lambda w, url: w.api.platform.post(f"{w.of_app}/automations", json=newer(url)),
        "$.actions[1].config.url",
    ),
    "workflow": (
        lambda w, url: w.api.partner(w.app).post(
            f"{ADMIN}/workflows", json={"name": "A", "webhook_url": url}
        ),
        "$.webhook_url",
    ),
    "change automation": (change_automation, "$.webhook_url"),
    "callback": (
        lambda w, url: w.api.platform.post(f"{PLATFORM}/events", json={**w.ended, "callback": {"url": url}}),
        "$.callback.url",
    ),
    "callback in a batch": (
        lambda w, url: w.api.platform.post(
            f"{PLATFORM}/events/batch", json={"events": [w.ended, {**w.ended, "callback": {"url": url}}]}
        ),
        "$.events[1].callback.url",
    ),
}


def check_fault(answer: httpx.Response, path: str, reason: str) -> None:
    assert answer.status_code in (400, 422), answer.text
    faults = answer.json()["faults"]
    assert [each["path"] for each in faults] == [path]
    assert faults[0]["reason"].startswith(reason)
    check_problem(answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("how", TAKEN)
async def test_an_odd_spelling_is_refused_where_it_is_taken_in(api: Api, how: str) -> None:
    w = await world(api)
    ask, path = TAKEN[how]
    for url in (
        "http://127.1/",
        "https://2130706433",
        "http://0x7f.1/",
        "http://0177.0.0.1",
        "http://8.8.8.8.",
    ):
        check_fault(await ask(w, url), path, "cannot be connected to: write an IPv4 address as four numbers")
    for url in ("https://a..example/", f"https://{'x' * 64}.example/"):
        check_fault(await ask(w, url), path, "has a host name that is not a valid one")
    check_fault(await ask(w, "https://127。0。0。1/"), path, "must be printable ASCII")
    check_fault(await ask(w, "https://user@example.com/"), path, "must not carry a user name")
    check_fault(await ask(w, "https://example.com:25/"), path, "has port 25, which is not allowed (ADJOURN_")


@pytest.mark.parametrize("how", TAKEN)
async def test_the_settings_hold_where_a_url_is_taken_in(tmp_path: Path, how: str) -> None:
    ask, path = TAKEN[how]
    ports = (range(443, 444), range(8000, 9000))
    async with open_api(tmp_path, lambda received: 200, require_https=True, allow_ports=ports) as api:
        w = await world(api)
        check_fault(
            await ask(w, "http://example.com:8000/"), path, "must begin with https:// (ADJOURN_REQUIRE_"
        )
        check_fault(await ask(w, "https://example.com:9000/"), path, "has port 9000, which is not allowed")
        taken = await ask(w, "https://nowhere.invalid:8443/")
        assert taken.is_success, taken.text


async def test_the_settings_hold_for_a_callback_given_later(tmp_path: Path) -> None:
    async with open_api(tmp_path, lambda received: 200, require_https=True) as api:
        w = await world(api)
        await api.publish(w.ended)
        client = api.client({"x-meeting-baas-api-key": w.bots["credentials"]["api_key"]})
        path = f"/v2/bots/{ENDED.sample_data['bot_id']}/retry-callback"
        answer = await client.post(path, json={"url": "http://example.com/"})
        assert answer.status_code == 400
        (fault,) = answer.json()["details"]
        assert fault == {"path": "$.url", "reason": "must begin with https:// (ADJOURN_REQUIRE_HTTPS)"}


async def delivery(api: Api, created: dict[str, Any], *states: str) -> dict[str, Any]:
    """Of an event published now, once it has one of these states."""
    await api.connect(created)
    accepted = await api.publish(sample("meeting.created"))
    (delivery_id,) = accepted["events"][0]["delivery_ids"]
    shown: dict[str, Any] = {}

    async def has_ended() -> bool:
        shown.update((await api.platform.get(f"{PLATFORM}/deliveries/{delivery_id}")).json())
        return bool(shown["delivery_status"] in states)

    await eventually(has_ended)
    partner = await api.partner(created).get(f"{ADMIN}/webhook-deliveries/{delivery_id}")
    assert partner.json()["error_message"] == shown["error_message"]
    return shown


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ({"require_https": True}, "the URL must begin with https:// (ADJOURN_REQUIRE_HTTPS)"),
        (
            {"allow_ports": (range(443, 444),)},
            "the URL has port {}, which is not allowed (ADJOURN_ALLOW_PORTS)",
        ),
    ],
)
async def test_what_was_stored_before_a_setting_fails_in_words_and_is_retried(
    tmp_path: Path, setting: dict[str, Any], error: str
) -> None:
    async with open_api(tmp_path, lambda received: 200) as api:
        created = await api.create_app()
    async with open_api(tmp_path, lambda received: 200, **setting) as api:
        shown = await delivery(api, created, "failed")
        port = created["app"]["webhook_url"].rpartition(":")[2].strip("/")
        assert shown["error_message"] == error.format(port)
        assert "http_status_code" not in shown
        assert shown["next_retry_at"]
        renamed = await api.partner(created).patch(f"{ADMIN}/app", json={"name": "Other"})
        assert renamed.status_code == 200, "the URL that is there already is nobody's fault"
        assert api.endpoint.received == []


async def test_a_partner_is_not_told_what_a_name_of_ours_resolves_to(tmp_path: Path) -> None:
    async with open_api(tmp_path, lambda received: 200, allow_networks=()) as api:
        url = api.endpoint.url.replace("127.0.0.1", "localhost")
        shown = await delivery(api, await api.create_app(webhook_url=url), "failed")
        assert shown["error_message"] == (
            "the host name resolves to an address that is not public (ADJOURN_ALLOW_NETWORKS can allow it)"
        )
        assert api.endpoint.received == []


ANSWERS = {
    "text": b"0123456789abcdef" * 1000,
    "NUL": b"\0" * 10_000,
    "no UTF-8": bytes(range(128, 256)) * 100,
    "cut in a letter": b"x" + "é".encode() * 5000,
    "surrogates": b"\xed\xa0\x80\xed\xb0\x80" * 1000,
    "short": b"a\0\xff\xc3",
    "nothing": b"",
}


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.parametrize("status", [200, 500])
async def test_of_an_answer_the_first_4_kib_are_kept_whatever_they_are(
    tmp_path: Path, database: str, status: int
) -> None:
    settings: dict[str, Any] = {"allow_ports": (range(1, 65536),)}
    if database == "postgres":
        settings |= {
            "database_url": empty_database(),
            "secret_keys": (Secret(Fernet.generate_key().decode()),),
        }
    async with open_api(tmp_path, lambda received: 200, **settings) as api:
        for name, body in ANSWERS.items():
            head = f"HTTP/1.1 {status} a\0b\r\nX-Odd: caf\xe9\r\nContent-Length: {len(body)}\r\n".encode(
                "latin-1"
            )
            many = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 2000) for number in range(20))
            async with serving(says_once(head + many + b"\r\n" + body)) as server:
                created = await api.create_app(name=name, webhook_url=server.url)
                shown = await delivery(api, created, "delivered" if status == 200 else "failed")
                (attempt,) = shown["attempts"]
                kept = attempt.get("response_body", "")
                assert kept == body[:4096].decode("utf-8", "replace"), name
                assert len(kept) <= 4096
                headers = attempt["response_headers"]
                assert headers["x-odd"] == "caf\ufffd"
                assert sum(map(len, (*headers, *headers.values()))) <= 4096
            await api.platform.delete(f"{PLATFORM}/apps/{created['app']['id']}")

"""Auto-disable from end to end: an endpoint that fails, the mails, the status, and back again."""

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import aiosmtpd.smtp
import httpx
import pytest
from aiosmtpd.smtp import Envelope, Session
from tests.api.harness import Api, eventually, open_api, sample

from adjourn.config import Smtp

pytestmark = pytest.mark.anyio

STATUS = "/v1/partner/admin/webhook-status"


class Post:
    """Takes every mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: aiosmtpd.smtp.SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, EmailMessage, policy=SMTP))
        return "250 OK"

    @property
    def subjects(self) -> list[str]:
        return [str(each["Subject"]) for each in self.mails]


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
async def smtp(post: Post) -> AsyncIterator[Smtp]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: aiosmtpd.smtp.SMTP(post), "127.0.0.1", 0)
    yield Smtp(host="127.0.0.1", port=server.sockets[0].getsockname()[1], security="none")
    server.close()
    await server.wait_closed()


@pytest.fixture
async def failing(tmp_path: Path, smtp: Smtp) -> AsyncIterator[Api]:
    """An endpoint that answers 500, and no retries: each failure is the last."""
    async with open_api(tmp_path, lambda received: 500, retry_delays=(), smtp=smtp) as api:
        yield api


async def publish(api: Api, count: int) -> None:
    for _ in range(count):
        await api.publish(sample("meeting.completed"))


async def status(partner: httpx.AsyncClient) -> dict[str, Any]:
    answer = await partner.get(STATUS)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_endpoint_that_always_fails(failing: Api, post: Post) -> None:
    api, created = failing, await failing.create_app()
    await api.connect(created)
    partner = api.partner(created)

    async def abandoned(count: int) -> bool:
        return bool((await status(partner))["auto_disable"]["abandoned"] == count)

    async def mailed(count: int) -> bool:
        notices = (await status(partner))["notices"]
        return [each["state"] for each in notices] == ["sent"] * count

    await publish(api, 25)
    await eventually(lambda: abandoned(25))
    await eventually(lambda: mailed(1))
    assert str(post.mails[0]["To"]) == "dev@example.com"

    await publish(api, 24)
    await eventually(lambda: abandoned(49))
    assert (await status(partner))["webhook_enabled"] is True
    await publish(api, 1)
    await eventually(lambda: mailed(2))
    found = await status(partner)
    assert (found["webhook_enabled"], found["disabled"]["by"]) == (False, "auto_disable")
    assert "50 deliveries" in found["disabled"]["reason"]
    assert [each["kind"] for each in found["notices"]] == ["auto_disabled", "half_way"]
    assert (await partner.get("/v1/partner/admin/app")).json()["webhook_enabled"] is False

    await publish(api, 3)
    assert (await status(partner))["backlog"]["by_event_type"][0]["count"] == 3
    assert len(api.endpoint.received) == 50
    answer = await partner.put(STATUS, json={"enabled": True, "pending_disposition": "abandon"})
    assert answer.json()["webhook_enabled"] is True
    await eventually(lambda: mailed(3))
    assert (len(post.mails), len(set(post.subjects))) == (3, 3)
    found = await status(partner)
    assert (found["auto_disable"]["abandoned"], found["backlog"]["total"]) == (0, 0)
    assert "disabled" not in found


async def test_an_app_may_be_exempt(failing: Api, post: Post) -> None:
    created = await failing.create_app(auto_disable=False)
    await failing.connect(created)
    await publish(failing, 51)
    partner = failing.partner(created)

    async def all_failed() -> bool:
        return bool((await status(partner))["auto_disable"]["abandoned"] == 51)

    await eventually(all_failed)
    found = await status(partner)
    assert (found["webhook_enabled"], found["auto_disable"]["enabled"]) == (True, False)
    assert (found["notices"], post.mails) == ([], [])


async def test_without_a_rollout_nothing_is_disabled(tmp_path: Path) -> None:
    async with open_api(tmp_path, lambda received: 500, retry_delays=(), auto_disable=False) as api:
        created = await api.create_app()
        await api.connect(created)
        await publish(api, 51)
        partner = api.partner(created)

        async def all_failed() -> bool:
            return bool((await status(partner))["auto_disable"]["abandoned"] == 51)

        await eventually(all_failed)
        found = await status(partner)
        assert (found["webhook_enabled"], found["auto_disable"]["enabled"]) == (True, False)


async def test_without_a_mail_server_the_status_shows_what_would_have_been_sent(tmp_path: Path) -> None:
    async with open_api(tmp_path, lambda received: 410) as api:
        created = await api.create_app()
        await api.connect(created)
        await publish(api, 1)
        partner = api.partner(created)

        async def told() -> bool:
            return [each["state"] for each in (await status(partner))["notices"]] == ["not_configured"]

        await eventually(told)
        found = await status(partner)
        assert (found["webhook_enabled"], found["disabled"]["by"]) == (False, "gone")
        assert found["notices"][0]["kind"] == "url_gone"

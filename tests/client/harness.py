"""Clients against a server that answers from a list, without real sleeping."""

from random import Random
from typing import Any

import httpx

from adjourn.client import AsyncPartnerAdmin, PartnerAdmin

KEY = "ak_secret"
URL = "http://adjourn.test"

APP = {
    "id": "app-1",
    "name": "Acme",
    "company_name": "Acme Inc.",
    "client_id": "cid-1",
    "primary_contact_email": "dev@acme.example",
    "webhook_enabled": True,
    "webhook_filter": None,
    "status": "active",
    "created_at": "2026-01-15T10:30:00.000Z",
    "updated_at": "2026-01-15T10:30:00.000Z",
}

Step = httpx.Response | Exception


class Server:
    """Gives its answers in turn, the last again and again, and keeps what was asked and slept."""

    def __init__(self, *answers: Step) -> None:
        self.asked: list[httpx.Request] = []
        self.slept: list[float] = []
        self._answers = answers

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def admin(self, **options: Any) -> PartnerAdmin:
        given = {"transport": self.transport, "sleep": self.slept.append, "rng": Random(1), **options}
        return PartnerAdmin(api_key=KEY, client_id="cid-1", base_url=URL, **given)

    def async_admin(self, **options: Any) -> AsyncPartnerAdmin:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        given = {"transport": self.transport, "sleep": sleep, "rng": Random(1), **options}
        return AsyncPartnerAdmin(api_key=KEY, client_id="cid-1", base_url=URL, **given)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        step = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append(request)
        if isinstance(step, Exception):
            raise step
        return httpx.Response(step.status_code, headers=step.headers, content=step.content)


def ok(body: object = APP, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def problem(status: int, code: str = "x", *, retry_after: str | None = None, **more: Any) -> httpx.Response:
    body = {"code": code, "error": "no", "message": "no", "request_id": "r1", **more}
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(status, json=body, headers=headers)

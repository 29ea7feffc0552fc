"""What the routes work with, and how each of them answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency

from adjourn.api.idempotency import Idempotency, Keep
from adjourn.api.problems import Answer
from adjourn.ids import Uuid7
from adjourn.sending.apps import AppCache
from adjourn.sending.automations import Automations
from adjourn.sending.credentials import Credentials
from adjourn.sending.partners import Partners
from adjourn.sending.replays import Replays
from adjourn.sending.resends import Resends
from adjourn.sending.retries import Retries
from adjourn.storage.base import Store
from adjourn.urlrule import UrlRule

__all__ = ["AnyRequest", "Services", "Wired", "Work", "answer", "json_answer", "request_id"]

AnyRequest = Request[Any, Any, Any]

Work = Callable[[Keep], Awaitable[Answer]]
"""What a POST does once for each Idempotency-Key: it passes what `Keep` makes to the store."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """`auto_disable`: the rollout."""

    store: Store
    ids: Uuid7
    apps: AppCache
    partners: Partners
    automations: Automations
    credentials: Credentials
    retries: Retries
    replays: Replays
    resends: Resends
    idempotency: Idempotency
    auto_disable: bool
    urls: UrlRule


Wired = NamedDependency[Services]
"""How a route asks for the services: a parameter `services: Wired`."""


def json_answer(value: object, status: int = 200) -> Answer:
    return Answer(status, msgspec.json.encode(value))


def answer(reply: Answer) -> Response[bytes]:
    """As the framework sends it."""
    return Response(
        content=reply.body,
        status_code=reply.status,
        headers=dict(reply.headers),
        media_type="application/json",
    )


def request_id(request: AnyRequest) -> str:
    return str(request.scope["state"]["request_id"])

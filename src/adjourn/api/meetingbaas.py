"""What Meeting BaaS's own clients call: /v2/bots/{bot_id}/... with their header, in their envelope.

CONTRACTS section 2. The key is the app's API key; every answer says `success`, and every error its `code`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil

import msgspec
from litestar import Response, Router, post
from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.params import FromPath
from litestar.types import ASGIApp, Middleware

from adjourn.api.auth import PartnerAuth
from adjourn.api.callers import check_status
from adjourn.api.inputs import read_json
from adjourn.api.problems import Answer, Problem, as_problem
from adjourn.api.services import AnyRequest, Wired, answer, json_answer
from adjourn.errors import NotFound
from adjourn.models import App
from adjourn.sending.retries import QUIET
from adjourn.sending.submission import parse_callback
from adjourn.storage.base import RetryAsked

__all__ = ["VENDORS_PATHS", "bot_problem", "bot_routes"]

VENDORS_PATHS = "/v2/"

_KEY = "x-meeting-baas-api-key"
_SOON = 5  # seconds
_LONGEST_ID = 255  # characters: no subject has a longer one
# By the status that the same fault has in our own APIs.
_CODES: Mapping[int, str] = {
    400: "FST_ERR_VALIDATION",
    401: "FST_ERR_UNAUTHORIZED",
    403: "FST_ERR_FORBIDDEN",
    404: "FST_ERR_BOT_NOT_FOUND_BY_ID",
    409: "FST_ERR_BOT_STATUS",
    413: "FST_ERR_CTP_BODY_TOO_LARGE",
    415: "FST_ERR_CTP_INVALID_MEDIA_TYPE",
    429: "FST_ERR_RATE_LIMIT_EXCEEDED",
    503: "FST_ERR_SERVICE_UNAVAILABLE",
}


def bot_routes(count: Middleware) -> Router:
    """`count` counts requests of `request.user`, who is known by then."""
    return Router(
        path=f"{VENDORS_PATHS}bots/{{bot_id:str}}",
        route_handlers=[_resend_webhook, _retry_callback],
        guards=[check_status],
        middleware=[_KeyOnly, count],
    )


@post("/resend-webhook", status_code=200)
async def _resend_webhook(bot_id: FromPath[str], request: AnyRequest, services: Wired) -> Response[bytes]:
    app: App = request.user
    asked = await services.resends.webhook(app, _known_id(bot_id))
    _check_pace(asked)
    held = "" if app.takes_attempts() else "; it waits until the account takes webhooks again"
    return _done(f"The webhook is being sent again{held}")


@post("/retry-callback", status_code=200)
async def _retry_callback(bot_id: FromPath[str], request: AnyRequest, services: Wired) -> Response[bytes]:
    app: App = request.user
    body = await request.body()
    given = read_json(body, request.headers.get("content-type", "")) if body.strip() else None
    callback = None if given is None else parse_callback(given, urls=services.urls)
    _check_pace(await services.resends.callback(app, _known_id(bot_id), callback))
    held = "" if app.is_on else "; it waits until the account takes webhooks again"
    return _done(f"The callback is being sent again{held}")


def _known_id(bot_id: str) -> str:
    if len(bot_id) > _LONGEST_ID:
        raise NotFound("bot", f"{bot_id[:_LONGEST_ID]}...")
    return bot_id.lower()


def _check_pace(asked: RetryAsked | None) -> None:
    """Raises Problem (429) where nothing more is sent: one is under way, or was asked for a moment ago."""
    if asked is None or asked.scheduled:
        return
    seconds, message = _SOON, "an attempt is under way: ask again once it has ended"
    if asked.is_repeated:
        seconds = max(1, ceil((asked.at + QUIET - datetime.now(UTC)).total_seconds()))
        message = f"it was sent again just now; ask once more in {seconds} s"
    raise Problem(429, message, headers={"Retry-After": str(seconds)})


def _done(message: str) -> Response[bytes]:
    return answer(json_answer({"success": True, "data": {"message": message}}))


class _KeyOnly(AbstractAuthenticationMiddleware):
    """`request.user` is the App of the key."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, exclude_http_methods=())

    async def authenticate_request(self, connection: ASGIConnection) -> AuthenticationResult:  # type: ignore[type-arg]
        auth: PartnerAuth = connection.scope["state"]["partner_auth"]
        app = await auth.find_by_key(dict(connection.scope["headers"]).get(_KEY.encode(), b""), header=_KEY)
        return AuthenticationResult(user=app, auth=None)


def bot_problem(exc: Exception, request_id: str) -> Answer:
    """Any error of these paths as its clients read it."""
    problem = as_problem(exc)
    body: dict[str, object] = {
        "success": False,
        "error": str(problem),
        "code": _CODES.get(problem.status, "FST_ERR_INTERNAL"),
        "statusCode": problem.status,
        "message": str(problem),
        "details": problem.more.get("faults"),
    }
    if (wait := problem.headers.get("Retry-After")) is not None:
        body["retryAfter"] = int(wait)
    return Answer(problem.status, msgspec.json.encode(body), problem.headers)

"""A typed client of both HTTP APIs: `pip install 'adjourn[client]'`.

`PartnerAdmin` is for a partner's software, `Platform` for the meeting product; each has an async form. Calls
return the structs of `adjourn.resources`, or raise ClientError (errors.py shows the tree).
"""

try:
    import httpx  # noqa: F401
except ModuleNotFoundError as exc:
    raise ModuleNotFoundError(
        f"adjourn.client needs pip install 'adjourn[client]' ({exc.name} is missing)", name=exc.name
    ) from exc

from adjourn.client.call import Call
from adjourn.client.errors import (
    BadRequest,
    ClientError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    NotFound,
    RateLimited,
    TimedOut,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from adjourn.client.partner import AsyncPartnerAdmin, PartnerAdmin
from adjourn.client.platform import AsyncPlatform, Platform
from adjourn.client.transport import AsyncOptions, SyncOptions

__all__ = [
    "AsyncOptions",
    "AsyncPartnerAdmin",
    "AsyncPlatform",
    "BadRequest",
    "Call",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Forbidden",
    "NotFound",
    "PartnerAdmin",
    "Platform",
    "RateLimited",
    "SyncOptions",
    "TimedOut",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
]

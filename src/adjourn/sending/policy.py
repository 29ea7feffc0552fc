"""Decide what follows an attempt: done, retry, or abandon. Pure: time and chance are arguments."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

from adjourn.models import DeliveryState, Policy
from adjourn.storage.base import Claimed, Step

__all__ = ["Reply", "decide", "delivered"]

_GONE = 410
_ASKS_TO_WAIT = {429, 503}
_TOO_MANY = 429
_BROKEN = 500
_AT_FIRST = Step(state=DeliveryState.DELIVERED, retry_count=0)
_MAX_RETRY_AFTER = timedelta(hours=6)  # CONTRACTS 1.5


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt came to: a status, or no status and an error in words."""

    status: int | None = None
    error: str = ""
    timed_out: bool = False
    headers: dict[str, str] = {}
    start: bytes = b""  # of the body, at most 4 KiB

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def decide(
    policy: Policy, claimed: Claimed, reply: Reply, *, url: str, now: datetime, rng: random.Random
) -> Step:
    """The step that follows `reply`, which came from `url` and ended at `now`.

    A scheduled retry counts one up. A manual attempt that fails leaves the delivery as it was, unless
    the URL is gone.
    """
    if reply.succeeded:
        return delivered(claimed)
    count = _count(claimed)
    if reply.status == _GONE and policy.gone_switches_off:
        return Step(state=DeliveryState.ABANDONED, retry_count=count, gone_url=url)
    if claimed.manual:
        return Step(state=DeliveryState.PENDING, retry_count=count)
    if policy.only_broken and reply.status is not None and reply.status < _BROKEN:
        return Step(state=DeliveryState.ABANDONED, retry_count=count)
    scheduled = policy.delay(count, rng)
    if scheduled is None:
        return Step(state=DeliveryState.ABANDONED, retry_count=count, exhausted=True)
    delay = max(scheduled, _retry_after(reply, now))
    if reply.timed_out or reply.status == _TOO_MANY:
        delay = max(delay, policy.after_pressure)
    return Step(state=DeliveryState.FAILED, retry_count=count, retry_at=now + delay)


def delivered(claimed: Claimed) -> Step:
    """The step that follows a success."""
    count = _count(claimed)
    return Step(state=DeliveryState.DELIVERED, retry_count=count) if count else _AT_FIRST


def _count(claimed: Claimed) -> int:
    """Retries, this attempt among them."""
    is_retry = claimed.state is DeliveryState.FAILED and not claimed.manual
    return claimed.retry_count + is_retry


def _retry_after(reply: Reply, now: datetime) -> timedelta:
    """How long the endpoint asks to be left alone: seconds or an HTTP date (RFC 9110, 10.2.3)."""
    value = reply.headers.get("retry-after", "").strip()
    if reply.status not in _ASKS_TO_WAIT or not value:
        return timedelta(0)
    if value.isascii() and value.isdigit():
        digits = value.lstrip("0")
        seconds = int(digits or "0") if len(digits) < 9 else 10**9
        return min(timedelta(seconds=seconds), _MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(moment - now, _MAX_RETRY_AFTER)
    except (ArithmeticError, LookupError, TypeError, ValueError):  # the parser's guesses may end in any
        return timedelta(0)

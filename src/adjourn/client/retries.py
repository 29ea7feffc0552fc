"""Whether a call that failed is repeated, and when. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

from adjourn.client.errors import ClientError, Conflict, ConnectionFailed, RateLimited, Unavailable

__all__ = ["retry_after", "wait_before"]

_FIRST = 0.5  # seconds before the first retry; doubled for each more
_LONGEST = 8.0  # seconds between retries of our own choice
_LONGEST_ASKED = 60.0  # seconds that a Retry-After is waited for: a rate limit's window


def wait_before(retry_no: int, error: ClientError, rng: Random) -> float | None:
    """Seconds to wait before that retry (1-based), or None where it would not help.

    Never sooner than Retry-After asks; what asks for more than a minute is left to the caller.
    """
    in_progress = (
        isinstance(error, Conflict) and error.retry_after is not None
    )  # the call itself, tried before
    if not (in_progress or isinstance(error, RateLimited | Unavailable | ConnectionFailed)):
        return None
    backoff = min(_LONGEST, _FIRST * 2.0 ** (retry_no - 1)) * rng.uniform(0.5, 1.0)
    asked = error.retry_after or 0.0
    return None if asked > _LONGEST_ASKED else max(backoff, asked)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The header in seconds from now, given as such or as an HTTP date; None without one that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())

"""An endpoint's URL: what may be one, its origin, and the lane that its deliveries queue in."""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Endpoint", "lane_id", "parse_endpoint"]

_MAX_URL = 2000  # characters: CONTRACTS 1.7
# Without what one reader of URLs would skip and another would not: `http://a[::1]b/`, a zone, an escape.
_NETLOC = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]*)?")
_PORTS = {"http": 80, "https": 443}


class Endpoint(NamedTuple):
    """A checked URL and its origin, `scheme://host:port`, lower case, port always there."""

    url: str
    origin: str


@lru_cache(maxsize=4096)  # asked again for each delivery
def parse_endpoint(url: str) -> Endpoint:
    """Check a webhook URL. Raises ValueError with a reason fit for the person who wrote it."""
    if len(url) > _MAX_URL:
        raise ValueError(f"must be at most {_MAX_URL:,} characters")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError(
            "must be printable ASCII without spaces or backslashes; percent-encode other characters"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise ValueError(f"is not a URL: {exc}") from exc
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("must be an absolute http or https URL, like https://example.com/webhooks")
    if "@" in parts.netloc:
        raise ValueError("must not carry a user name or password")
    if not _NETLOC.fullmatch(parts.netloc):
        raise ValueError(
            "has a host that is neither a name of letters, digits, `-`, `_` and `.` nor an address"
        )
    if port == 0:
        raise ValueError("port 0 cannot be connected to")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Endpoint(url, f"{parts.scheme}://{host}:{port or _PORTS[parts.scheme]}")


def lane_id(app_id: str, origin: str, target: str | None = None) -> int:
    """The lane of (app, target, origin): the same on every node, so that none has to look it up.

    `target`: an automation's id. A lane has one target, so that all it holds waits for the same.
    """
    parts = (app_id, origin) if target is None else (app_id, origin, target)
    digest = blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> 1  # 63 bits: a positive INTEGER

"""An endpoint's URL: what may be one, its origin, and the lane that its deliveries queue in."""

import re
from functools import lru_cache
from hashlib import blake2b
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Endpoint", "check_endpoint", "lane_id", "parse_endpoint"]

_MAX_URL = 2000  # characters: CONTRACTS 1.7
# Without what one reader of URLs would skip and another would not: `http://a[::1]b/`, a zone, an escape.
_NETLOC = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]*)?")
_PORTS = {"http": 80, "https": 443}
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LONGEST_NAME, _LONGEST_LABEL = 253, 63  # characters: RFC 1035, 2.3.4, without the dot at the end


class Endpoint(NamedTuple):
    """A checked URL and its origin, `scheme://host:port`, lower case, port always there."""

    url: str
    origin: str


@lru_cache(maxsize=4096)  # asked again for each delivery
def parse_endpoint(url: str) -> Endpoint:
    """The origin of a URL that was once taken. Raises ValueError for what cannot have been."""
    if len(url) > _MAX_URL:
        raise ValueError(f"must be at most {_MAX_URL:,} characters")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError(
            "must be printable ASCII without spaces or backslashes; percent-encode other characters, "
            "and write a host name in its xn-- form"
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


@lru_cache(maxsize=4096)
def check_endpoint(url: str) -> Endpoint:
    """Check a webhook URL. Raises ValueError with a reason fit for the person who wrote it.

    Its host has one reading, which is connected to: a name that can be looked up as it stands, or an address
    in its usual spelling.
    """
    endpoint = parse_endpoint(url)
    _, _, netloc = endpoint.origin.partition("://")
    host = netloc.rpartition(":")[0]
    if host.startswith("["):
        _check_v6(host)
    elif _ends_in_a_number(host):
        _check_v4(host)
    else:
        _check_name(host)
    return endpoint


def _ends_in_a_number(host: str) -> bool:
    """Such a host is an IPv4 address, however it is spelled, and no name (WHATWG URL, "ends in a number")."""
    return _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) is not None


def _check_v4(host: str) -> None:
    try:
        IPv4Address(host)  # four decimal numbers without leading zeros
    except AddressValueError:
        raise ValueError("cannot be connected to: write an IPv4 address as four numbers") from None


def _check_v6(host: str) -> None:
    try:
        IPv6Address(host.strip("[]"))
    except AddressValueError:
        raise ValueError("has brackets around what is no IPv6 address") from None


def _check_name(host: str) -> None:
    """One dot may end it: then no search domain is tried."""
    name = host.removesuffix(".")
    labels = name.split(".")
    if not all(labels) or len(name) > _LONGEST_NAME or max(map(len, labels)) > _LONGEST_LABEL:
        raise ValueError(
            f"has a host name that is not a valid one: it has at most {_LONGEST_NAME} characters, "
            f"and 1 to {_LONGEST_LABEL} between dots"
        )


def lane_id(app_id: str, origin: str, target: str | None = None) -> int:
    """The lane of (app, target, origin): the same on every node, so that none has to look it up.

    `target`: an automation's id. A lane has one target, so that all it holds waits for the same.
    """
    parts = (app_id, origin) if target is None else (app_id, origin, target)
    digest = blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> 1  # 63 bits: a positive INTEGER

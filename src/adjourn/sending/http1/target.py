"""Where a URL leads, and the bytes of a request to it."""

import re
from functools import lru_cache
from typing import NamedTuple

from adjourn.endpoint import check_endpoint

__all__ = ["Target", "target_of"]

_URL = re.compile(r"[^:]+://([^/?#]*)([^#]*)")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """`origin` is what connections are kept by; `head` is the request line and the host."""

    origin: str
    host: str  # a name, or an address without brackets
    port: int
    is_tls: bool
    has_body: bool  # the answer may have one
    head: str

    def message(self, lines: str, body: bytes) -> bytes:
        """A whole request with these header lines."""
        return f"{self.head}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


@lru_cache(maxsize=4096)  # asked again for each delivery
def target_of(method: str, url: str) -> Target:
    """Raises ValueError with a reason fit for the partner."""
    try:
        origin = check_endpoint(url).origin
    except ValueError as exc:
        raise ValueError(f"the URL {exc}") from exc
    scheme, _, netloc = origin.partition("://")
    host, _, port = netloc.rpartition(":")
    matched = _URL.match(url)
    assert matched is not None, "a checked URL has a scheme"
    path = matched[2] if matched[2].startswith("/") else f"/{matched[2]}"
    shown = host if int(port) == _DEFAULT_PORTS[scheme] else netloc
    return Target(
        origin=origin,
        host=host.strip("[]"),
        port=int(port),
        is_tls=scheme == "https",
        has_body=method != "HEAD",
        head=f"{method} {path} HTTP/1.1\r\nHost: {shown}\r\n",
    )

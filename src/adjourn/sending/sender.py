"""The sender's contract: one HTTP request to one endpoint. It never raises: whatever happens is a Reply."""

import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec

from adjourn.sending.policy import Reply

__all__ = ["MOST_ADDRESSES", "NAME_KEPT", "RESOLVERS", "UNSENT_FOR", "LookUp", "Request", "Sender", "look_up"]

RESOLVERS = 32  # threads: a name server that hangs holds one for each host
NAME_KEPT = 10.0  # seconds that a resolved name is used for new connections
MOST_ADDRESSES = 8  # of a name that are tried: its owner may list thousands
UNSENT_FOR = 60_000  # milliseconds that bytes may wait for a peer that takes none, closed or not


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What goes out: `headers` name everything but the host and the length."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: timedelta
    method: str = "POST"


class Sender(Protocol):
    async def send(self, request: Request) -> Reply:
        """Make one attempt. Redirects are not followed. Never raises but when cancelled."""

    async def close(self) -> None: ...


LookUp = Callable[[str], Sequence[tuple[socket.AddressFamily, str]]]
"""The addresses of a host name. May block; raises OSError or UnicodeError."""


def look_up(host: str) -> Sequence[tuple[socket.AddressFamily, str]]:
    """As the system resolves it."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [(family, str(address[0])) for family, _, _, _, address in found]

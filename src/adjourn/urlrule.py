"""Which well-formed endpoint URLs this installation sends to: by their scheme and their port.

Asked where a URL is taken in, so that whoever writes it is told, and again at each attempt: what was stored
may be older than the setting.
"""

from typing import NamedTuple

from adjourn.endpoint import parse_endpoint

__all__ = ["USUAL", "UrlRule"]

# Ports of other protocols, whose servers might obey lines of a request: Fetch standard, "port blocking".
# No browser connects to an HTTP server there, either.
_OTHER_PROTOCOLS = frozenset(
    [
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95),
        *(101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179),
        *(389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601),
        *(636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566),
        *(6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
    ]
)


class UrlRule(NamedTuple):
    """`ports`: those that may be connected to; None: all but those of other protocols."""

    require_https: bool = False
    ports: tuple[range, ...] | None = None

    def find_fault(self, url: object) -> str | None:
        """Why nothing may be sent to a URL; None where it may, or where it is not even a URL."""
        try:
            origin = parse_endpoint(url).origin if isinstance(url, str) else None
        except ValueError:
            return None
        if origin is None:
            return None
        return self.find_fault_of(int(origin.rpartition(":")[2]), is_tls=origin.startswith("https:"))

    def find_fault_of(self, port: int, *, is_tls: bool) -> str | None:
        if self.require_https and not is_tls:
            return "must begin with https:// (ADJOURN_REQUIRE_HTTPS)"
        allowed = (
            port not in _OTHER_PROTOCOLS if self.ports is None else any(port in each for each in self.ports)
        )
        return None if allowed else f"has port {port}, which is not allowed (ADJOURN_ALLOW_PORTS)"


USUAL = UrlRule()
"""That of the settings as they are by default."""

"""Which addresses an endpoint may have: public ones, and the networks that a setting allows."""

import logging
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from adjourn.config import Network

__all__ = ["AddressRefused", "AddressRule"]

_log = logging.getLogger(__name__)

_MAPPED_BITS = 96  # of ::ffff:0:0/96, before the IPv4 address
_GLOBAL_V6 = IPv6Network("2000::/3")
# Python calls some of these global. None is an endpoint's, and relays pass packets on to any address inside.
_NOT_PUBLIC: tuple[Network, ...] = (
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments (RFC 6890)
    IPv4Network("192.88.99.0/24"),  # 6to4 relay anycast (RFC 7526)
    IPv6Network("2001::/23"),  # IETF protocol assignments, Teredo among them
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)
_HOW = "is not public (ADJOURN_ALLOW_NETWORKS can allow it)"


class AddressRefused(OSError):
    """The endpoint's address is not public, and no setting allows it."""


class AddressRule:
    """Checks the very address that is then connected to.

    Only an IPv4 address, or an IPv6 one of 2000::/3, can be public: none that holds an IPv4 address within
    (IPv4-mapped, IPv4-compatible, NAT64, 6to4, Teredo) and none with a zone is, whatever is inside. A network
    that is allowed covers the IPv4-mapped spelling of its addresses, which is the same host to the system,
    and no other.
    """

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(_unmapped(network) for network in allowed)

    def check(self, text: str) -> None:
        """Raises AddressRefused unless `text` is an IP address that may be connected to."""
        try:
            address = ip_address(text)
        except ValueError:
            raise AddressRefused(f"{text} is not an IP address") from None
        if _is_public(address):
            return
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None and not address.scope_id:
            address = address.ipv4_mapped
        if not any(address in network for network in self._allowed):
            raise AddressRefused(f"address {address} {_HOW}")

    def check_found(self, host: str, text: str) -> None:
        """As `check`, for an address that `host` has: unless that spells it, the refusal does not tell it.

        Whoever names a host of the network we are in is not to learn its address. The log has it.
        """
        try:
            self.check(text)
        except AddressRefused as exc:
            if host == text:
                raise
            _log.debug("%s is refused: %s", host, exc)
            raise AddressRefused(f"the host name resolves to an address that {_HOW}") from exc


def _unmapped(network: Network) -> Network:
    """A network of IPv4-mapped addresses as the IPv4 network it is: so are the addresses checked."""
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        inside = network.network_address.ipv4_mapped
        if inside is not None:
            return IPv4Network((inside, network.prefixlen - _MAPPED_BITS))
    return network


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv6Address) and (address not in _GLOBAL_V6 or address.scope_id is not None):
        return False
    return not any(address in network for network in _NOT_PUBLIC)

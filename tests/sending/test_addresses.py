"""Which addresses may be connected to: issue 7, "Endpoints".

What is expected comes from the RFCs and IANA's registries of special-purpose addresses, IPv4 and IPv6.
"""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjourn.sending.addresses import AddressRefused, AddressRule

REFUSED = [
    # this host
    "127.0.0.1",
    "127.0.0.0",
    "127.0.53.53",
    "127.255.255.254",
    "127.255.255.255",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "0.0.0.0",
    "0.1.2.3",
    "0.255.255.255",
    "::",
    "0:0:0:0:0:0:0:1",
    "::2",
    "::ffff:0:127.0.0.1",
    "::ffff:0.0.0.0",
    # private, shared and link-local
    "10.0.0.0",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.0",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.0",
    "192.168.1.1",
    "192.168.255.255",
    "::ffff:10.0.0.1",
    "::ffff:192.168.0.1",
    "100.64.0.0",
    "100.64.0.1",
    "100.100.100.200",  # a cloud's metadata
    "100.127.255.255",
    "::ffff:100.64.0.1",
    "169.254.0.0",
    "169.254.0.1",
    "169.254.169.254",  # most clouds' metadata
    "169.254.170.2",  # credentials of a container
    "169.254.255.255",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "fe80::1",
    "fe80::1%eth0",
    "fe80::1%1",
    "fe80::5efe:8.8.8.8",  # ISATAP
    "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fec0::1",
    "feff::1",
    "fc00::",
    "fc00::1",
    "fd00:ec2::254",  # a cloud's metadata
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    # with a zone, whatever it is
    "::1%lo",
    "::ffff:8.8.8.8%eth0",
    "2606:4700:4700::1111%eth0",
    # many, or all
    "224.0.0.0",
    "224.0.0.1",
    "224.0.1.1",
    "232.1.1.1",
    "233.252.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "240.0.0.0",
    "240.0.0.1",
    "255.255.255.254",
    "ff00::",
    "ff01::1",
    "ff02::1",
    "ff05::2",
    "ff0e::1",
    "ff0e::8.8.8.8",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "::ffff:224.0.0.1",
    # carried on to an IPv4 address inside
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::8.8.8.8",
    "64:ff9b::",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "64:ff9b:1:7f00:0:100::",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    "::ffff:8.8.8.8",
    "::ffff:808:808",
    "::8.8.8.8",
    "::808:808",
    "2002::",
    "2002:c0a8:101::c0a8:101",
    "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::",
    "2002:808:808::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:0:7f00:1::",
    "2001:0:ffff:ffff:ffff:ffff:80ff:fffe",
    "192.88.99.0",
    "192.88.99.1",
    "192.88.99.255",
    # documentation, benchmarks, protocols
    "192.0.2.0",
    "192.0.2.1",
    "192.0.2.255",
    "198.51.100.1",
    "203.0.113.1",
    "2001:db8::1",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "3fff::",
    "3fff::1",
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    "198.18.0.1",
    "198.19.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.9",
    "192.0.0.10",
    "192.0.0.170",
    "192.0.0.255",
    "100::1",
    "100:0:0:1::1",
    "2001:1::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "5f00::1",
    "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "4000::",
    "4000::1",
    "8000::1",
    "c000::1",
    "e000::1",
    "200::1",
    "400::1",
    # no addresses
    "",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.0.0.01",
    "8.8.8.8.",
    "8.8.8.8:80",
    "[::1]",
    "8.8.8.8/32",
    "8.8.8.8 ",
    " 8.8.8.8",
    "8.8.8",
    "8.8.8.8.8",
    "8.8.8.256",
    "8.8.8.-1",
    "٨.8.8.8",
    "8。8。8。8",
    "2606:4700:::1111",
    "::ffff:8.8.8",
    "1:2:3:4:5:6:7:8:9",
]
PUBLIC = [
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.1",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.1.1",
    "192.0.3.0",
    "192.31.196.1",  # AS112: IANA calls it globally reachable
    "192.52.193.1",  # AMT: the same
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::",
    "2001:200::",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2003::1",
    "2001:ffff::1",
    "2620:4f:8000::1",
    "3ffe:ffff::1",
    "3fff:1000::1",
    "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2a00:1450::1",
]


def test_the_table_is_as_long_as_promised() -> None:
    assert len({*REFUSED, *PUBLIC}) == len([*REFUSED, *PUBLIC]) >= 180


@pytest.mark.parametrize("address", REFUSED)
def test_refuses_what_is_not_public(address: str) -> None:
    with pytest.raises(AddressRefused):
        AddressRule().check(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_lets_public_addresses_through(address: str) -> None:
    AddressRule().check(address)


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("127.0.0.0/8", ["127.0.0.1", "::ffff:127.0.0.1", "127.9.9.9"], ["10.0.0.1", "::1", "::127.0.0.1"]),
        ("10.1.0.0/16", ["10.1.2.3", "::ffff:10.1.2.3"], ["10.2.0.1", "::ffff:10.2.0.1", "2002:a01:203::"]),
        ("169.254.169.254/32", ["169.254.169.254"], ["169.254.169.253", "64:ff9b::169.254.169.254"]),
        ("::1/128", ["::1"], ["127.0.0.1", "::2"]),
        ("fd00::/8", ["fd00:ec2::254"], ["fc00::1", "fe80::1"]),
        ("64:ff9b::/96", ["64:ff9b::8.8.8.8"], ["64:ff9b:1::1", "10.0.0.1"]),
        ("::ffff:10.0.0.0/104", ["10.2.3.4", "::ffff:10.2.3.4"], ["11.0.0.0%", "127.0.0.1", "192.168.0.1"]),
        ("::ffff:127.0.0.1/128", ["127.0.0.1", "::ffff:127.0.0.1"], ["127.0.0.2", "::ffff:127.0.0.2", "::1"]),
        ("10.0.0.0/8", ["::ffff:10.2.3.4"], ["::ffff:10.2.3.4%eth0", "::10.2.3.4", "64:ff9b::10.2.3.4"]),
        ("8.8.8.0/24", ["8.8.8.8", "::ffff:8.8.8.8"], ["::ffff:9.9.9.9", "::8.8.8.8", "2002:808:808::1"]),
        ("fe80::/10", ["fe80::1", "fe80::1%eth0"], ["fec0::1", "169.254.0.1"]),
        ("2002::/16", ["2002:7f00:1::1"], ["127.0.0.1", "2001::1"]),
        ("0.0.0.0/0", ["10.0.0.1", "127.0.0.1", "::ffff:192.168.0.1", "8.8.8.8"], ["::1", "fe80::1"]),
        ("::/0", ["::1", "fe80::1", "2002:7f00:1::1"], ["127.0.0.1", "10.0.0.1", "::ffff:127.0.0.1"]),
    ],
)
def test_a_setting_allows_a_network_and_nothing_beside_it(
    network: str, inside: list[str], outside: list[str]
) -> None:
    rule = AddressRule([ip_network(network)])
    for address in (*inside, *PUBLIC):
        rule.check(address)
    for address in outside:
        with pytest.raises(AddressRefused):
            rule.check(address)


def test_the_refusal_names_the_address_and_the_setting() -> None:
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1 is not public \(ADJOURN_ALLOW_NETWORKS"):
        AddressRule().check("::ffff:10.0.0.1")


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::1"])
def test_whoever_spelled_the_address_is_told_it(address: str) -> None:
    with pytest.raises(AddressRefused, match=r"^address .* is not public"):
        AddressRule().check_found(address, address)


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "fd00::17", "no address"])
def test_whoever_named_a_host_is_not_told_its_address(address: str) -> None:
    with pytest.raises(
        AddressRefused, match=r"^the host name resolves to an address that is not public"
    ) as said:
        AddressRule().check_found("db.internal", address)
    assert address not in str(said.value)


def test_an_address_of_a_name_that_is_fine_passes() -> None:
    AddressRule().check_found("example.com", "8.8.8.8")


# Any address, against the registries: IANA IPv4 and IPv6 Special-Purpose Address Registry, and multicast.
SPECIAL = [
    ip_network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2", "8000::/1"),
    )
]
EMBEDDINGS: dict[str, Callable[[int], int]] = {
    "mapped": lambda inside: 0xFFFF << 32 | inside,
    "compatible": lambda inside: inside,
    "translated": lambda inside: 0xFFFF << 48 | inside,
    "NAT64": lambda inside: 0x64FF9B << 96 | inside,
    "NAT64, local, /96": lambda inside: 0x64FF9B0001 << 80 | inside,
    # RFC 6052, 2.2: a prefix of 48 bits, 16 bits of the address, 8 of zero, the other 16
    "NAT64, local, /48": lambda inside: 0x64FF9B0001 << 80 | inside >> 16 << 64 | (inside & 0xFFFF) << 40,
    "6to4": lambda inside: 0x2002 << 112 | inside << 80 | 1,
    "Teredo, the server": lambda inside: 0x20010000 << 96 | inside << 64,
    "Teredo, the client": lambda inside: 0x20010000 << 96 | 0x08080808 << 64 | (inside ^ 0xFFFFFFFF),
    "ISATAP, link-local": lambda inside: 0xFE80 << 112 | 0x5EFE << 32 | inside,
}


def addresses_of(version: int) -> st.SearchStrategy[IPv4Address | IPv6Address]:
    """Any, and as often those in and just beside what is special."""
    nets = [each for each in SPECIAL if each.version == version]
    last = (1 << (32 if version == 4 else 128)) - 1
    make = IPv4Address if version == 4 else IPv6Address
    edges = [int(each.network_address) for each in nets] + [int(each.broadcast_address) for each in nets]
    near = st.builds(
        lambda edge, by: min(max(edge + by, 0), last), st.sampled_from(edges), st.integers(-2, 2)
    )
    return st.one_of(
        near, st.integers(0, last), *(st.ip_addresses(network=each).map(int) for each in nets)
    ).map(make)


def is_special(address: IPv4Address | IPv6Address) -> bool:
    return any(address in each for each in SPECIAL)


@given(st.one_of(addresses_of(4), addresses_of(6)))
def test_refused_is_what_the_registries_call_special_and_nothing_else(
    address: IPv4Address | IPv6Address,
) -> None:
    if is_special(address):
        with pytest.raises(AddressRefused):
            AddressRule().check(str(address))
    else:
        AddressRule().check(str(address))


@given(addresses_of(4), st.sampled_from(sorted(EMBEDDINGS)))
def test_an_ipv4_address_is_refused_in_every_embedding(inside: IPv4Address, how: str) -> None:
    outside = IPv6Address(EMBEDDINGS[how](int(inside)))
    for spelled in (str(outside), outside.exploded, outside.exploded.upper(), f"{outside}%eth0"):
        with pytest.raises(AddressRefused):
            AddressRule().check(spelled)


@given(addresses_of(6))
def test_no_spelling_of_an_address_changes_what_is_decided(address: IPv6Address) -> None:
    packed = socket.inet_ntop(socket.AF_INET6, address.packed)  # with dots, where the C library likes them
    for spelled in (packed, address.exploded, address.compressed.upper()):
        assert ip_address(spelled) == address
        if is_special(address):
            with pytest.raises(AddressRefused):
                AddressRule().check(spelled)
        else:
            AddressRule().check(spelled)


@given(st.text(max_size=40))
def test_any_text_is_refused_or_is_an_address(text: str) -> None:
    try:
        AddressRule().check(text)
    except AddressRefused:
        return
    assert not is_special(ip_address(text))


@given(addresses_of(4), addresses_of(4))
def test_an_allowed_address_lets_through_its_mapped_spelling_and_no_other(
    allowed: IPv4Address, other: IPv4Address
) -> None:
    rule = AddressRule([ip_network(allowed)])
    rule.check(str(allowed))
    rule.check(f"::ffff:{allowed}")
    for how, embed in EMBEDDINGS.items():
        if how != "mapped":
            with pytest.raises(AddressRefused):
                rule.check(str(IPv6Address(embed(int(allowed)))))
    if other != allowed and is_special(other):
        with pytest.raises(AddressRefused):
            rule.check(f"::ffff:{other}")

"""Which addresses may be connected to: DESIGN.md, "How it is trusted"."""

from ipaddress import ip_network

import pytest

from adjourn.sending.addresses import AddressRefused, AddressRule

REFUSED = [
    # this host
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "::ffff:0.0.0.0",
    # private, shared and link-local
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "::ffff:10.0.0.1",
    "::ffff:192.168.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "::ffff:100.64.0.1",
    "169.254.0.1",
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    # many, or all
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "240.0.0.1",
    "ff02::1",
    "ff0e::1",
    "::ffff:224.0.0.1",
    # carried on to an IPv4 address inside
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::",
    "2002:808:808::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "192.88.99.1",
    # documentation, benchmarks, protocols
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "2001:db8::1",
    "3fff::1",
    "198.18.0.1",
    "198.19.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.170",
    "100::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "5f00::1",
    "4000::1",
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
]
PUBLIC = [
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
    "192.0.1.1",
    "192.167.255.255",
    "192.169.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2003::1",
    "2a00:1450::1",
]


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

"""Which URLs the settings leave: ADJOURN_REQUIRE_HTTPS and ADJOURN_ALLOW_PORTS."""

import pytest

from adjourn.config import Settings
from adjourn.urlrule import USUAL, UrlRule

HTTPS = "must begin with https:// (ADJOURN_REQUIRE_HTTPS)"


def test_the_usual_rule_is_that_of_the_usual_settings() -> None:
    assert UrlRule(require_https=Settings().require_https, ports=Settings().allow_ports) == USUAL


@pytest.mark.parametrize("port", [80, 81, 443, 1024, 3000, 5000, 8000, 8080, 8443, 9000, 32768, 65535])
def test_usually_any_port_where_http_is_spoken_will_do(port: int) -> None:
    for scheme in ("http", "https"):
        assert USUAL.find_fault(f"{scheme}://example.com:{port}/") is None


@pytest.mark.parametrize(
    "port", [1, 21, 22, 23, 25, 53, 110, 143, 389, 465, 587, 636, 2049, 6000, 6667, 10080]
)
def test_ports_of_other_protocols_are_usually_refused(port: int) -> None:
    """Those that no browser connects to: the Fetch standard, "port blocking"."""
    for url in (f"http://example.com:{port}/", f"https://[2606:4700::1111]:{port:05}/x"):
        assert USUAL.find_fault(url) == f"has port {port}, which is not allowed (ADJOURN_ALLOW_PORTS)"


@pytest.mark.parametrize(
    ("setting", "allowed", "refused"),
    [
        ("443", [443], [80, 442, 444, 8443]),
        ("443,8000-8999", [443, 8000, 8500, 8999], [80, 7999, 9000]),
        ("1-65535", [1, 25, 80, 65535], []),
        (" 80 , 443 ", [80, 443], [8080]),
        ("25", [25], [443]),
    ],
)
def test_the_setting_names_all_ports_there_are(setting: str, allowed: list[int], refused: list[int]) -> None:
    rule = UrlRule(ports=Settings.from_environ({"ADJOURN_ALLOW_PORTS": setting}).allow_ports)
    for port in allowed:
        assert rule.find_fault(f"https://example.com:{port}/") is None
    for port in refused:
        assert rule.find_fault(f"https://example.com:{port}/") is not None


def test_a_url_without_a_port_has_that_of_its_scheme() -> None:
    only = UrlRule(ports=(range(443, 444),))
    assert only.find_fault("https://example.com") is None
    assert only.find_fault("http://example.com") == "has port 80, which is not allowed (ADJOURN_ALLOW_PORTS)"


@pytest.mark.parametrize("url", ["http://example.com/", "HTTP://example.com:443/", "http://127.0.0.1:8080"])
def test_https_can_be_required(url: str) -> None:
    assert UrlRule(require_https=True).find_fault(url) == HTTPS
    assert UrlRule().find_fault(url) is None


def test_https_is_https_however_it_is_spelled() -> None:
    assert UrlRule(require_https=True).find_fault("HTTPS://example.com/") is None


@pytest.mark.parametrize(
    "url", [None, 5, "", "nonsense", "http://", "http://example.com:0/", "ftp://example.com/"]
)
def test_what_is_no_url_is_not_its_business(url: object) -> None:
    assert UrlRule(require_https=True, ports=()).find_fault(url) is None

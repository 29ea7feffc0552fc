"""Which URLs may be an endpoint (CONTRACTS 1.7), and the lane that each gives."""

import pytest

from adjourn.endpoint import lane_id, parse_endpoint

LONGEST = "https://example.com/" + "a" * (2000 - len("https://example.com/"))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://example.com/webhooks", "https://example.com:443"),
        ("http://example.com", "http://example.com:80"),
        ("http://example.com/", "http://example.com:80"),
        ("HTTPS://EXAMPLE.com/Path", "https://example.com:443"),
        ("https://example.com:443/", "https://example.com:443"),
        ("https://example.com:8443/", "https://example.com:8443"),
        ("https://example.com:/", "https://example.com:443"),
        ("http://example.com:0080/", "http://example.com:80"),
        ("http://example.com:65535/", "http://example.com:65535"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080"),
        ("http://2130706433/", "http://2130706433:80"),
        ("http://[::1]/", "http://[::1]:80"),
        ("http://[2001:DB8::A]:8080/x", "http://[2001:db8::a]:8080"),
        ("http://[::ffff:127.0.0.1]/", "http://[::ffff:127.0.0.1]:80"),
        ("https://example.com?a=1", "https://example.com:443"),
        ("https://example.com/a@b:c", "https://example.com:443"),
        ("https://example.com/?to=a@b", "https://example.com:443"),
        ("https://example.com/p#fragment", "https://example.com:443"),
        ("https://a_b-c.example/%2F?x=%20", "https://a_b-c.example:443"),
        ("https://example.com./", "https://example.com.:443"),
        ("https://xn--mnchen-3ya.example/", "https://xn--mnchen-3ya.example:443"),
        ('https://example.com/"<>{}|^`', "https://example.com:443"),
        (LONGEST, "https://example.com:443"),
    ],
)
def test_takes_an_absolute_url_and_normalises_its_origin(url: str, origin: str) -> None:
    assert parse_endpoint(url) == (url, origin)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "absolute http or https"),
        (" ", "printable ASCII"),
        ("example.com/webhooks", "absolute http or https"),
        ("/webhooks", "absolute http or https"),
        ("//example.com/webhooks", "absolute http or https"),
        ("ftp://example.com/", "absolute http or https"),
        ("file:///etc/passwd", "absolute http or https"),
        ("javascript:alert(1)", "absolute http or https"),
        ("http:example.com", "absolute http or https"),
        ("http:/example.com", "absolute http or https"),
        ("http://", "absolute http or https"),
        ("http:///path", "absolute http or https"),
        ("http://:80/", "absolute http or https"),
        ("http://?a=1", "absolute http or https"),
        ("http://user:pass@example.com/", "user name"),
        ("http://user@example.com/", "user name"),
        ("http://@example.com/", "user name"),
        ("http://:@example.com/", "user name"),
        ("http://example.com@127.0.0.1/", "user name"),
        ("http://example.com:0/", "port 0"),
        ("http://example.com:65536/", "not a URL"),
        ("http://example.com:-1/", "not a URL"),
        ("http://example.com:+80/", "not a URL"),
        ("http://example.com:8o/", "not a URL"),
        ("http://example.com:80:80/", "not a URL"),
        ("http://[::1/", "not a URL"),
        ("http://::1/", "not a URL"),
        ("http://[example.com]/", "not a URL"),
        ("http://[::1]x/", "host"),
        ("http://example.com[::1]/", "host"),
        ("http://[fe80::1%25eth0]/", "host"),
        ("http://exa%6dple.com/", "host"),
        ("http://example.com,evil.example/", "host"),
        ("http://*.example.com/", "host"),
        ("http://exa mple.com/", "printable ASCII"),
        ("http://example.com/a b", "printable ASCII"),
        ("http://example.com/\tx", "printable ASCII"),
        ("http://example.com/\r\nX-Header: 1", "printable ASCII"),
        ("http://exa\nmple.com/", "printable ASCII"),
        ("\nhttp://example.com/", "printable ASCII"),
        ("http://example.com/\x00", "printable ASCII"),
        ("http://example.com/\x7f", "printable ASCII"),
        ("http://münchen.example/", "printable ASCII"),
        ("http://example.com/\u2028", "printable ASCII"),
        ("http://example.com\\@evil.example/", "printable ASCII"),
        (LONGEST + "a", "at most 2,000 characters"),
        ("http://" + "a" * 100_000, "at most 2,000 characters"),
    ],
)
def test_refuses_anything_else_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_endpoint(url)


def test_lane_is_the_same_for_every_spelling_of_an_origin() -> None:
    spellings = ["https://example.com/a", "HTTPS://EXAMPLE.COM:443/b?c", "https://Example.com:0443"]
    assert len({lane_id("app", parse_endpoint(url).origin) for url in spellings}) == 1


def test_lane_differs_by_app_and_by_origin() -> None:
    origins = [f"https://example.com:{port}" for port in range(1, 200)]
    lanes = {lane_id(app, origin) for app in ("a", "b", "", "\ud800") for origin in origins}
    assert len(lanes) == 4 * len(origins)


def test_lane_is_a_positive_integer_that_a_database_takes() -> None:
    lanes = [lane_id("app", str(number)) for number in range(2000)]
    assert all(0 <= each < 2**63 for each in lanes)
    assert max(lanes) > 2**62

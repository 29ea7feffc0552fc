"""Which URLs may be an endpoint (CONTRACTS 1.7 and issue 7), and the lane that each gives."""
# ruff: noqa: RUF001 - letters that look like others are the point

import re
import socket
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adjourn.endpoint import check_endpoint, lane_id, parse_endpoint
from adjourn.formats import FORMATS, PATTERNS

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


REFUSED = [
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
]


@pytest.mark.parametrize(("url", "reason"), REFUSED)
def test_refuses_anything_else_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_endpoint(url)


@pytest.mark.parametrize("url", [url for url, _ in REFUSED])
def test_what_is_refused_cannot_be_stored_either(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason: the table above has them
        check_endpoint(url)


ODD = "cannot be connected to: write an IPv4 address as four numbers"
NO_NAME = "has a host name that is not a valid one"
NOT_ASCII = "must be printable ASCII"
NO_HOST = "has a host that is neither a name"
# Spellings that one reader of URLs takes for another host than the next. WHATWG URL, "host parsing";
# RFC 3986, 3.2.2 and 7.4; RFC 1035, 2.3.4; UTS 46.
ODD_HOSTS = [
    # one number
    ("2130706433", ODD),
    ("0", ODD),
    ("1", ODD),
    ("134744072", ODD),
    ("017700000001", ODD),
    ("0x7f000001", ODD),
    ("0X7F000001", ODD),
    ("0x", ODD),
    ("4294967296", ODD),
    ("99999999999999999999", ODD),
    # fewer than four
    ("127.1", ODD),
    ("127.0.1", ODD),
    ("127.65530", ODD),
    ("10.1", ODD),
    ("8.8", ODD),
    ("0x7f.1", ODD),
    ("0177.1", ODD),
    # four, and not all decimal
    ("0177.0.0.1", ODD),
    ("0x7f.0.0.1", ODD),
    ("0x7f.0x0.0x0.0x1", ODD),
    ("127.0.0.01", ODD),
    ("127.0.0.0x1", ODD),
    ("00127.0.0.1", ODD),
    ("010.0.0.1", ODD),
    ("08.8.8.8", ODD),
    # four, and more than there is
    ("256.0.0.1", ODD),
    ("127.0.0.256", ODD),
    ("999.999.999.999", ODD),
    ("1.2.3.4.5", ODD),
    ("1.2.3.4.5.6.7.8", ODD),
    # with a dot at the end, or too many
    ("127.0.0.1.", ODD),
    ("8.8.8.8.", ODD),
    ("2130706433.", ODD),
    ("127.0.0.1..", ODD),
    ("127..1", ODD),
    ("127.0.0..1", ODD),
    (".127.0.0.1", ODD),
    # names that end in a number
    ("example.1", ODD),
    ("example.0x7f", ODD),
    ("example.com.0", ODD),
    ("localhost.127", ODD),
    # no names
    (".", NO_NAME),
    ("..", NO_NAME),
    ("example..com", NO_NAME),
    (".example.com", NO_NAME),
    ("example.com..", NO_NAME),
    ("x" * 64 + ".example.com", NO_NAME),
    ("example." + "x" * 64, NO_NAME),
    (".".join(["x" * 63] * 4), NO_NAME),  # 255
    (".".join(["x"] * 128), NO_NAME),  # 255
    # other letters, digits and dots
    ("127。0。0。1", NOT_ASCII),
    ("127．0．0．1", NOT_ASCII),
    ("127｡0｡0｡1", NOT_ASCII),
    ("１２７.0.0.1", NOT_ASCII),
    ("①②⑦.0.0.1", NOT_ASCII),
    ("٠x7f.1", NOT_ASCII),
    ("ⓛocalhost", NOT_ASCII),
    ("ｌｏｃａｌｈｏｓｔ", NOT_ASCII),
    ("localhost\u00ad", NOT_ASCII),
    ("local\u200bhost", NOT_ASCII),
    ("münchen.example", NOT_ASCII),
    ("example.com\u2044", NOT_ASCII),
    ("ex\u0430mple.com", NOT_ASCII),
    # escapes
    ("127.0.0.1%00", NO_HOST),
    ("%31%32%37.0.0.1", NO_HOST),
    ("127%2e0%2e0%2e1", NO_HOST),
    ("localhost%2e", NO_HOST),
    ("example.com%20", NO_HOST),
    ("%6c%6f%63%61%6c%68%6f%73%74", NO_HOST),
    ("example.com%2f@evil.example", "user name"),
    # someone before it
    ("user@127.0.0.1", "user name"),
    ("example.com:80@127.0.0.1", "user name"),
    ("example.com%40127.0.0.1", NO_HOST),
    ("a:b@[::1]", "user name"),
    ("@example.com", "user name"),
    # brackets
    ("[fe80::1%eth0]", NO_HOST),
    ("[fe80::1%25eth0]", NO_HOST),
    ("[::1%lo]", NO_HOST),
    ("[::1].", NO_HOST),
    ("[::1].example.com", NO_HOST),
    ("example.com[::1]", NO_HOST),
    ("[127.0.0.1]", "is not a URL"),
    ("[localhost]", "is not a URL"),
    ("[v1.example]", NO_HOST),
    ("[]", "is not a URL|absolute http or https"),
    ("[:]", "is not a URL|no IPv6 address"),
    ("[:::]", "is not a URL|no IPv6 address"),
    ("[1:2]", "is not a URL|no IPv6 address"),
    ("[1:2:3:4:5:6:7:8:9]", "is not a URL|no IPv6 address"),
    ("[::ffff:127.1]", "is not a URL|no IPv6 address"),
    ("[::ffff:0177.0.0.1]", "is not a URL|no IPv6 address"),
    ("[::1", "is not a URL"),
    ("::1]", "is not a URL"),
    ("[[::1]]", "is not a URL|" + NO_HOST),
    ("::1", "is not a URL"),
    # what one would skip
    ("example.com ", NOT_ASCII),
    (" example.com", NOT_ASCII),
    ("exam\tple.com", NOT_ASCII),
    ("exam\nple.com", NOT_ASCII),
    ("exam\rple.com", NOT_ASCII),
    ("example.com\0", NOT_ASCII),
    ("example.com\x7f", NOT_ASCII),
    ("example.com\x1b", NOT_ASCII),
    ("example.com\\@evil.example", NOT_ASCII),
    ("\\evil.example", NOT_ASCII),
    ("example.com\u2028", NOT_ASCII),
    ("\ufeffexample.com", NOT_ASCII),
    # letters that no name has
    ("exa!mple.com", NO_HOST),
    ("exa$mple.com", NO_HOST),
    ("example.com,evil.example", NO_HOST),
    ("example.com;evil.example", NO_HOST),
    ("exa<mple.com", NO_HOST),
    ("*.example.com", NO_HOST),
    ("${jndi}", NO_HOST),
    ("exa'mple.com", NO_HOST),
    # ports
    ("example.com:0", "port 0"),
    ("example.com:00000", "port 0"),
    ("example.com:65536", "is not a URL"),
    ("example.com:99999999999", "is not a URL"),
    ("example.com:-1", "is not a URL"),
    ("example.com:+80", "is not a URL"),
    ("example.com:0x50", "is not a URL"),
    ("example.com:8_0", "is not a URL"),
    ("example.com:80:80", "is not a URL"),
    ("example.com:８０", NOT_ASCII),
    ("example.com:http", "is not a URL"),
    (":80", "absolute http or https"),
    ("", "absolute http or https"),
]


@pytest.mark.parametrize(("host", "reason"), ODD_HOSTS)
@pytest.mark.parametrize("scheme", ["http", "HTTPS"])
def test_a_host_with_another_reading_is_refused_with_a_reason(scheme: str, host: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_endpoint(f"{scheme}://{host}/hook")
    said = FORMATS["http-url"](f"{scheme}://{host}/hook")
    assert said is not None
    assert re.search(reason, said)


def test_the_table_of_spellings_is_as_long_as_promised() -> None:
    assert len(dict(ODD_HOSTS)) == len(ODD_HOSTS) >= 120


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("example.com", "example.com:443"),
        ("EXAMPLE.Com", "example.com:443"),
        ("example.com.", "example.com.:443"),
        ("example.com:", "example.com:443"),
        ("example.com:0443", "example.com:443"),
        ("localhost", "localhost:443"),  # what it is shows when it is looked up
        ("intranet", "intranet:443"),
        ("a_b-c.example", "a_b-c.example:443"),
        ("-.example", "-.example:443"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example:443"),
        ("1.example", "1.example:443"),
        ("127.0.0.1.example.com", "127.0.0.1.example.com:443"),
        ("0x7f.example", "0x7f.example:443"),
        ("example.0x7g", "example.0x7g:443"),
        ("x" * 63 + ".example", "x" * 63 + ".example:443"),
        (".".join(["x" * 63] * 3 + ["x" * 61]), ".".join(["x" * 63] * 3 + ["x" * 61]) + ":443"),  # 253
        ("8.8.8.8", "8.8.8.8:443"),
        ("127.0.0.1", "127.0.0.1:443"),
        ("255.255.255.255", "255.255.255.255:443"),
        ("[::1]", "[::1]:443"),
        ("[2001:DB8::A]:8443", "[2001:db8::a]:8443"),
        ("[::FFFF:127.0.0.1]", "[::ffff:127.0.0.1]:443"),
        ("[0:0:0:0:0:0:0:1]", "[0:0:0:0:0:0:0:1]:443"),
    ],
)
def test_a_host_with_one_reading_is_taken(host: str, origin: str) -> None:
    assert check_endpoint(f"https://{host}/hook").origin == f"https://{origin}"


HOSTS = st.one_of(
    st.text("0123456789abcdefxX.", max_size=20),
    st.text("abz09-_.:[]%@/?#\\ ", max_size=30),
    st.lists(st.integers(0, 2**33), min_size=1, max_size=5).map(lambda parts: ".".join(map(str, parts))),
    st.lists(st.integers(0, 300).map(hex), min_size=1, max_size=4).map(".".join),
    st.lists(st.integers(0, 300).map(lambda each: f"0{each:o}"), min_size=1, max_size=4).map(".".join),
)


@given(HOSTS)
@example("127.1")
@example("0x7f.1")
@example("017700000001")
def test_what_the_c_library_reads_as_an_ipv4_address_is_spelled_so_or_refused(host: str) -> None:
    """inet_aton knows every odd spelling there is: a name that is taken has none."""
    try:
        origin = check_endpoint(f"http://{host}/").origin
    except ValueError:
        return
    taken = origin.removeprefix("http://").rpartition(":")[0]
    try:
        packed = socket.inet_aton(taken)
    except OSError:
        return
    assert taken == str(IPv4Address(packed))


@given(
    HOSTS, st.sampled_from(["", ":80", ":0", ":99999", ":8080", ":"]), st.sampled_from(["", "/", "?a", "#b"])
)
@example("x" * 64 + ".a", "", "")
@example(".".join(["x" * 63] * 4), "", "")
@example("a.127", "", "")
def test_the_quick_check_takes_nothing_that_the_whole_one_refuses(host: str, port: str, rest: str) -> None:
    url = f"http://{host}{port}{rest}"
    if re.search(PATTERNS["http-url"], url):
        check_endpoint(url)


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

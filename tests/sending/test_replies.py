"""What the words of an endpoint become before they are stored."""

import pytest

from adjourn.sending.replies import answered, failed


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("Gone fishing", "HTTP 500 Gone fishing"),
        ("", "HTTP 500"),
        ("a\0b", "HTTP 500 a\ufffdb"),  # httptools lets it through; PostgreSQL's text has none
        ("a\udcffb", "HTTP 500 a\ufffdb"),
        ("x" * 2000, "HTTP 500 " + "x" * 1015),
    ],
)
def test_an_error_is_short_text_that_any_store_takes(reason: str, error: str) -> None:
    assert answered(500, reason, [], b"").error == error


def test_so_are_our_own_words() -> None:
    assert failed("no\0 answer\udcff").error == "no\ufffd answer\ufffd"

"""A policy in words: CONTRACTS 1.5 and 2 as a reader of the documents gets them."""

from datetime import timedelta

import pytest

from adjourn.documents.promises import in_words, promises
from adjourn.models import Policy
from adjourn.providers import PROVIDERS


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.5, "0.5 s"), (1, "1 s"), (90, "90 s"), (60, "1 min"), (1800, "30 min"), (7200, "2 h")],
)
def test_a_span_in_the_largest_unit_without_a_fraction(seconds: float, text: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == text


def test_contio() -> None:
    text = " ".join(promises(PROVIDERS["contio"].policy))
    assert "Any 2xx within 30 s is success" in text
    assert (
        "retries 1 min, 5 min and 30 min after the failure before, each up to 10% later: 4 attempts" in text
    )
    assert "410 ends it at once" in text
    assert "repeated at once, signed with the old one" in text
    assert "Only network errors" not in text


def test_meeting_baas() -> None:
    provider = PROVIDERS["meetingbaas"]
    text = " ".join(promises(provider.policy))
    assert "5 s, 10 s, 5 min, 15 min, 30 min and 2 h" in text
    assert "each up to 20% earlier or 20% later: 7 attempts in all" in text
    assert "After a 429 or a timeout the next attempt waits 1 min at least" in text
    assert provider.callbacks is not None
    text = " ".join(promises(provider.callbacks.policy))
    assert "retries 1 s, 5 s and 15 s after the failure before: 4 attempts in all" in text
    assert "Only network errors and 5xx are tried again" in text


def test_one_attempt_or_two() -> None:
    assert "There is one attempt, and no retry." in promises(Policy(retry_delays=()))
    text = " ".join(promises(Policy(retry_delays=(timedelta(seconds=7),), later=0)))
    assert "The first attempt comes at once, retries 7 s after the failure before: 2 attempts in all." in text

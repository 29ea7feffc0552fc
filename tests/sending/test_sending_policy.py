"""The schedule of retries, and what an endpoint's answer makes of it: CONTRACTS 1.5."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adjourn.models import DeliveryState, Policy
from adjourn.providers import PROVIDERS
from adjourn.sending.policy import Reply, decide
from adjourn.storage.base import Claimed, Step

NOW = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)
URL = "https://example.com/webhooks"
MINUTES = (1, 5, 30)
SCHEDULE = Policy(retry_delays=tuple(timedelta(minutes=each) for each in MINUTES))
SIX_HOURS = timedelta(hours=6)
FIRST = DeliveryState.PENDING
AGAIN = DeliveryState.FAILED


class Chance(random.Random):
    """Always the same: 0.0 is the least there is, just below 1.0 the most."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def random(self) -> float:
        return self.value


def claimed(
    state: DeliveryState = FIRST, *, retry_count: int = 0, manual: bool = False, attempt_no: int = 0
) -> Claimed:
    return Claimed(
        id="delivery",
        app_id="app",
        lane_id=1,
        event_id="event",
        event_type="meeting.completed",
        body=b"{}",
        state=state,
        attempt_no=attempt_no,
        retry_count=retry_count,
        manual=manual,
    )


def step(which: Claimed, reply: Reply, *, chance: float = 0.0) -> Step:
    return decide(SCHEDULE, which, reply, url=URL, now=NOW, rng=Chance(chance))


def wait_after(reply: Reply, *, chance: float = 0.0) -> timedelta:
    """From a first failed attempt to its retry."""
    decided = step(claimed(), reply, chance=chance)
    assert decided.state is DeliveryState.FAILED
    assert decided.retry_at is not None
    return decided.retry_at - NOW


def answer(status: int, retry_after: str | None = None) -> Reply:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Reply(status=status, error=f"HTTP {status}", headers=headers)


NO_ANSWER = Reply(error="cannot connect: Connection refused")
TIMED_OUT = Reply(error="timed out after 30 s", timed_out=True)


def test_contio_retries_after_1_5_and_30_minutes() -> None:
    assert PROVIDERS["contio"].policy.retry_delays == SCHEDULE.retry_delays
    assert PROVIDERS["contio"].policy.timeout == timedelta(seconds=30)


@pytest.mark.parametrize("reply", [NO_ANSWER, TIMED_OUT, answer(500), answer(302), answer(404)])
@pytest.mark.parametrize(
    ("which", "minutes", "retry_count"),
    [
        (claimed(FIRST, attempt_no=0), 1, 0),
        (claimed(AGAIN, retry_count=0, attempt_no=1), 5, 1),
        (claimed(AGAIN, retry_count=1, attempt_no=2), 30, 2),
    ],
)
def test_each_failure_but_the_last_is_retried_on_schedule(
    which: Claimed, minutes: int, retry_count: int, reply: Reply
) -> None:
    assert step(which, reply) == Step(
        state=DeliveryState.FAILED, retry_count=retry_count, retry_at=NOW + timedelta(minutes=minutes)
    )


@pytest.mark.parametrize("reply", [NO_ANSWER, TIMED_OUT, answer(500), answer(429, "60"), answer(503)])
def test_failing_the_third_retry_abandons(reply: Reply) -> None:
    decided = step(claimed(AGAIN, retry_count=2, attempt_no=3), reply)
    assert decided == Step(state=DeliveryState.ABANDONED, retry_count=3, exhausted=True)


@given(chance=st.floats(0, 1, exclude_max=True), retries=st.integers(-1, 1))
def test_jitter_is_at_most_a_tenth_and_never_early(chance: float, retries: int) -> None:
    which = claimed() if retries < 0 else claimed(AGAIN, retry_count=retries)
    retry_at = step(which, NO_ANSWER, chance=chance).retry_at
    assert retry_at is not None
    delay = timedelta(minutes=MINUTES[retries + 1])
    assert delay <= retry_at - NOW <= delay * 1.1


def test_jitter_uses_the_whole_tenth() -> None:
    assert wait_after(NO_ANSWER, chance=0.999_999) > timedelta(seconds=65.9)


@pytest.mark.parametrize(
    ("status", "succeeds"),
    [
        (None, False),
        (100, False),
        (101, False),
        (199, False),
        (200, True),
        (201, True),
        (202, True),
        (204, True),
        (299, True),
        (300, False),
        (301, False),
        (302, False),
        (303, False),
        (304, False),
        (307, False),
        (308, False),
        (400, False),
        (401, False),
        (410, False),
        (500, False),
        (999, False),
    ],
)
def test_only_2xx_succeeds(status: int | None, succeeds: bool) -> None:
    assert Reply(status=status).succeeded is succeeds
    assert (step(claimed(), Reply(status=status)).state is DeliveryState.DELIVERED) is succeeds


@pytest.mark.parametrize(
    ("which", "retry_count"),
    [
        (claimed(FIRST), 0),
        (claimed(AGAIN, retry_count=0), 1),
        (claimed(AGAIN, retry_count=1), 2),
        (claimed(AGAIN, retry_count=2), 3),
        (claimed(FIRST, manual=True), 0),
        (claimed(AGAIN, retry_count=2, manual=True), 2),
        (claimed(DeliveryState.ABANDONED, retry_count=3, manual=True), 3),
        (claimed(DeliveryState.DELIVERED, retry_count=1, manual=True), 1),
    ],
)
def test_retry_count_is_that_of_scheduled_retries_alone(which: Claimed, retry_count: int) -> None:
    assert step(which, answer(200)) == Step(state=DeliveryState.DELIVERED, retry_count=retry_count)


@pytest.mark.parametrize(
    "which",
    [
        claimed(FIRST, manual=True),
        claimed(AGAIN, retry_count=0, manual=True),
        claimed(AGAIN, retry_count=2, manual=True),
        claimed(DeliveryState.ABANDONED, retry_count=3, manual=True),
        claimed(DeliveryState.DELIVERED, retry_count=1, manual=True),
    ],
)
@pytest.mark.parametrize("reply", [NO_ANSWER, TIMED_OUT, answer(500), answer(429, "60")])
def test_a_failed_manual_attempt_leaves_everything_as_it_was(which: Claimed, reply: Reply) -> None:
    assert step(which, reply) == Step(state=DeliveryState.PENDING, retry_count=which.retry_count)


@pytest.mark.parametrize(
    ("which", "retry_count"),
    [
        (claimed(FIRST), 0),
        (claimed(AGAIN, retry_count=1), 2),
        (claimed(AGAIN, retry_count=1, manual=True), 1),
    ],
)
def test_410_abandons_at_once_and_names_the_url(which: Claimed, retry_count: int) -> None:
    decided = step(which, answer(410, "60"))
    assert decided == Step(state=DeliveryState.ABANDONED, retry_count=retry_count, gone_url=URL)


def http_date(wait: timedelta) -> str:
    return format_datetime(NOW + wait, usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("120", timedelta(minutes=2)),
        (" 120 ", timedelta(minutes=2)),
        ("0000000000120", timedelta(minutes=2)),
        ("61", timedelta(seconds=61)),
        ("59", timedelta(minutes=1)),  # the later of the two: the schedule
        ("0", timedelta(minutes=1)),
        ("21600", SIX_HOURS),
        ("21601", SIX_HOURS),
        ("999999999", SIX_HOURS),
        ("9" * 5000, SIX_HOURS),
        ("-120", timedelta(minutes=1)),
        ("120.5", timedelta(minutes=1)),
        ("1e3", timedelta(minutes=1)),
        ("²", timedelta(minutes=1)),
        ("١٢٠", timedelta(minutes=1)),
        ("", timedelta(minutes=1)),
        ("soon", timedelta(minutes=1)),
        (http_date(timedelta(minutes=2)), timedelta(minutes=2)),
        (http_date(timedelta(seconds=30)), timedelta(minutes=1)),
        (http_date(timedelta(0)), timedelta(minutes=1)),
        (http_date(-timedelta(days=1)), timedelta(minutes=1)),
        (http_date(timedelta(hours=5)), timedelta(hours=5)),
        (http_date(timedelta(hours=7)), SIX_HOURS),
        ("Fri, 31 Dec 9999 23:59:59 GMT", SIX_HOURS),
        ("Wednesday, 15-Jan-25 10:32:00 GMT", timedelta(minutes=2)),  # RFC 850's form, RFC 9110 5.6.7
        ("Wed Jan 15 10:32:00 2025", timedelta(minutes=2)),  # asctime's form: no zone, so UTC
        ("Wed, 15 Jan 2025 10:32:00 -0000", timedelta(minutes=2)),
        ("Wed, 15 Jan 2025 12:32:00 +0200", timedelta(minutes=2)),
        ("Wed, 99 Jan 2025 10:32:00 GMT", timedelta(minutes=1)),
        ("Wed, 15 Jan 99999 10:32:00 GMT", timedelta(minutes=1)),
        ("Wed, 15 Jan 2025 10:32:00 +999999999999", timedelta(minutes=1)),
        (f"Wed, 15 Jan {'9' * 30} 10:32:00 GMT", timedelta(minutes=1)),
    ],
)
def test_retry_after_counts_where_it_is_later_up_to_6_hours(
    status: int, retry_after: str, wait: timedelta
) -> None:
    assert wait_after(answer(status, retry_after)) == wait


def test_retry_after_does_not_shorten_a_later_delay() -> None:
    decided = step(claimed(AGAIN, retry_count=1), answer(429, "60"), chance=0.5)
    assert decided.retry_at == NOW + timedelta(minutes=31.5)


@pytest.mark.parametrize("status", [None, 301, 400, 408, 413, 500, 502, 504])
def test_retry_after_of_any_other_status_is_ignored(status: int | None) -> None:
    assert wait_after(Reply(status=status, headers={"retry-after": "3600"})) == timedelta(minutes=1)


DATE_LIKE = st.from_regex(
    r"\A([A-Z][a-z]{2}, )?-?[0-9]{1,12}[ -][A-Z][a-z]{2}[ -]-?[0-9]{1,12} "
    r"[0-9]{1,12}:[0-9]{1,12}(:[0-9]{1,12})?( ([+-][0-9]{1,12}|[A-Z]{1,4}))?\Z"
)


@given(
    retry_after=st.one_of(st.text(), st.integers().map(str), DATE_LIKE, st.datetimes().map(format_datetime)),
    status=st.sampled_from([429, 503]),
    chance=st.floats(0, 1, exclude_max=True),
)
@example(retry_after="Mon, 01 Jan 0001 00:00:00 +2359", status=429, chance=0.0)
@example(retry_after="Mon, 31 Dec 9999 23:59:59 -2359", status=429, chance=0.0)
@example(retry_after="Mon, 01 Jan 2025 00:00:00 +99999999999999999999", status=503, chance=0.0)
@example(retry_after="0 Jan 99999999999999999999 0:0:0", status=503, chance=0.0)
def test_no_retry_after_raises_or_comes_early_or_too_late(
    retry_after: str, status: int, chance: float
) -> None:
    wait = wait_after(answer(status, retry_after), chance=chance)
    assert timedelta(minutes=1) <= wait <= SIX_HOURS

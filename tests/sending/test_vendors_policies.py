"""What follows a failed attempt where a vendor promises otherwise than Contio: CONTRACTS section 2."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.sending.test_sending_policy import NO_ANSWER, TIMED_OUT, Chance, answer, claimed

from adjourn.models import DeliveryState, Policy
from adjourn.providers import PROVIDERS
from adjourn.sending.policy import Reply, decide
from adjourn.storage.base import Claimed, Step

NOW = datetime(2026, 1, 20, 10, 33, tzinfo=UTC)
AGAIN = DeliveryState.FAILED


def step(policy: Policy, which: Claimed, reply: Reply, *, chance: float = 0.5) -> Step:
    """By chance 0.5 a delay is what the schedule says, where it may be as much shorter as longer."""
    return decide(policy, which, reply, url="https://a.example/", now=NOW, rng=Chance(chance))


def waits(policy: Policy, which: Claimed, reply: Reply, *, chance: float = 0.5) -> float:
    """Seconds."""
    decided = step(policy, which, reply, chance=chance)
    assert decided.state is DeliveryState.FAILED
    assert decided.retry_at is not None
    return round((decided.retry_at - NOW).total_seconds(), 3)


ACCOUNT = PROVIDERS["meetingbaas"].policy
SECONDS = (5, 10, 300, 900, 1800, 7200)


@pytest.mark.parametrize(("retries", "seconds"), [*enumerate(SECONDS, start=-1)])
@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_a_bots_webhook_is_tried_seven_times_a_fifth_earlier_or_later(
    retries: int, seconds: int, chance: float, share: float
) -> None:
    which = claimed() if retries < 0 else claimed(AGAIN, retry_count=retries, attempt_no=retries + 1)
    assert waits(ACCOUNT, which, answer(500), chance=chance) == pytest.approx(seconds * share)


def test_the_seventh_failure_abandons_it() -> None:
    decided = step(ACCOUNT, claimed(AGAIN, retry_count=5, attempt_no=6), answer(404))
    assert decided == Step(state=DeliveryState.ABANDONED, retry_count=6, exhausted=True)


@pytest.mark.parametrize("reply", [answer(429), TIMED_OUT])
@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_under_pressure_it_waits_a_minute_at_least(reply: Reply, chance: float) -> None:
    assert waits(ACCOUNT, claimed(), reply, chance=chance) == 60
    later = claimed(AGAIN, retry_count=1, attempt_no=2)
    assert waits(ACCOUNT, later, reply, chance=chance) >= 240


@pytest.mark.parametrize("reply", [answer(500), answer(503), answer(400), NO_ANSWER])
def test_else_it_waits_no_longer_than_the_schedule_says(reply: Reply) -> None:
    assert waits(ACCOUNT, claimed(), reply) == 5


def callbacks() -> Policy:
    callbacks = PROVIDERS["meetingbaas"].callbacks
    assert callbacks is not None
    return callbacks.policy


@pytest.mark.parametrize(("retries", "seconds"), [(-1, 1), (0, 5), (1, 15)])
@pytest.mark.parametrize("reply", [answer(500), answer(599), NO_ANSWER, TIMED_OUT])
@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_a_callback_is_tried_four_times_after_5xx_and_network_errors(
    retries: int, seconds: int, reply: Reply, chance: float
) -> None:
    which = claimed() if retries < 0 else claimed(AGAIN, retry_count=retries, attempt_no=retries + 1)
    assert waits(callbacks(), which, reply, chance=chance) == seconds


def test_its_fourth_failure_abandons_it() -> None:
    decided = step(callbacks(), claimed(AGAIN, retry_count=2, attempt_no=3), answer(500))
    assert decided.state is DeliveryState.ABANDONED


@pytest.mark.parametrize("status", [300, 301, 400, 401, 404, 408, 410, 429, 499])
def test_whatever_else_it_is_answered_is_final_and_switches_nothing_off(status: int) -> None:
    assert step(callbacks(), claimed(), answer(status)) == Step(state=DeliveryState.ABANDONED, retry_count=0)


def test_quil_retries_as_contio_does() -> None:
    assert PROVIDERS["quil"].policy.retry_delays == tuple(timedelta(minutes=each) for each in (1, 5, 30))
    assert PROVIDERS["quil"].policy.later == PROVIDERS["contio"].policy.later
    assert PROVIDERS["quil"].policy.earlier == 0

"""The two rules of auto-disable (CONTRACTS 1.6), exact at their bounds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import UNSET

from adjourn.models import Health
from adjourn.sending.health import judge, standing, strikes_at

ENABLED = datetime(2026, 3, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
FAILING = {"failed_first": ENABLED + HOUR, "failed_last": ENABLED + 2 * HOUR}
EXHAUSTED = {"exhausted_at": ENABLED + HOUR}


def health(**given: Any) -> Health:
    return Health(app_id="app", enabled_at=ENABLED, **given)


def verdict(given: dict[str, Any], after: timedelta) -> str | None:
    found = judge(health(**given), ENABLED + after)
    return None if found is None else "disable" if found.disable else "warn"


@pytest.mark.parametrize(
    ("abandoned", "expected"),
    [(0, None), (24, None), (25, "warn"), (49, "warn"), (50, "disable"), (51, "disable")],
)
def test_fifty_abandoned_deliveries_disable_and_half_as_many_warn(
    abandoned: int, expected: str | None
) -> None:
    assert verdict({"abandoned": abandoned}, HOUR) == expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (36 * HOUR, None),
        (36 * HOUR + MS, "warn"),
        (72 * HOUR, "warn"),
        (72 * HOUR + MS, "disable"),
        (5000 * HOUR, "disable"),
    ],
)
@pytest.mark.parametrize("evidence", [FAILING, EXHAUSTED, FAILING | EXHAUSTED])
def test_silence_disables_after_72_hours_and_warns_after_36(
    evidence: dict[str, Any], after: timedelta, expected: str | None
) -> None:
    assert verdict(evidence, after) == expected


@pytest.mark.parametrize(
    ("span", "expected"),
    [(timedelta(0), None), (HOUR - MS, None), (HOUR, "disable"), (100 * HOUR, "disable")],
)
def test_failures_count_once_they_span_an_hour(span: timedelta, expected: str | None) -> None:
    first = ENABLED + 70 * HOUR
    assert verdict({"failed_first": first, "failed_last": first + span}, 200 * HOUR) == expected


def test_a_weekend_without_events_disables_nothing() -> None:
    assert verdict({}, 500 * HOUR) is None
    assert verdict({"succeeded_at": ENABLED + HOUR}, 500 * HOUR) is None


@pytest.mark.parametrize(
    ("succeeded_after", "expected"),
    [
        (-1000 * HOUR, "disable"),
        (-HOUR, "disable"),
        (HOUR - MS, "disable"),
        (HOUR, "warn"),
        (50 * HOUR, None),
    ],
)
def test_silence_begins_with_the_last_success_or_enabling_whichever_was_later(
    succeeded_after: timedelta, expected: str | None
) -> None:
    given = FAILING | {"succeeded_at": ENABLED + succeeded_after}
    assert verdict(given, 73 * HOUR) == expected


def test_a_clock_set_back_disables_nothing() -> None:
    assert verdict(FAILING, -5 * HOUR) is None


@pytest.mark.parametrize(
    ("given", "after", "reason"),
    [
        (
            {"abandoned": 50},
            HOUR,
            "50 deliveries were abandoned after exhausting their retries since webhooks were last enabled "
            "(2026-03-01 00:00 UTC).",
        ),
        (
            FAILING,
            80 * HOUR,
            "No delivery has succeeded for more than 72 hours (since 2026-03-01 00:00 UTC), "
            "while attempts kept failing.",
        ),
        (
            {"abandoned": 31},
            HOUR,
            "31 deliveries were abandoned after exhausting their retries since webhooks were last enabled "
            "(2026-03-01 00:00 UTC); at 50 webhooks are disabled.",
        ),
        (
            EXHAUSTED | {"succeeded_at": ENABLED + timedelta(minutes=61)},
            40 * HOUR,
            "No delivery has succeeded for more than 36 hours (since 2026-03-01 01:01 UTC), "
            "while attempts kept failing; after 72 hours webhooks are disabled.",
        ),
    ],
)
def test_the_reason_is_a_sentence(given: dict[str, Any], after: timedelta, reason: str) -> None:
    found = judge(health(**given), ENABLED + after)
    assert found is not None
    assert found.reason == reason


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"abandoned": 49}, None),
        (FAILING, ENABLED + 72 * HOUR),
        (EXHAUSTED, ENABLED + 72 * HOUR),
        (FAILING | {"succeeded_at": ENABLED + HOUR}, ENABLED + 73 * HOUR),
        ({"failed_first": ENABLED + 71 * HOUR, "failed_last": ENABLED + 71 * HOUR}, ENABLED + 72 * HOUR),
        ({"failed_first": ENABLED + 90 * HOUR, "failed_last": ENABLED + 90 * HOUR}, ENABLED + 91 * HOUR),
    ],
)
def test_when_silence_strikes(given: dict[str, Any], expected: datetime | None) -> None:
    assert strikes_at(health(**given)) == expected


def test_the_standing_of_an_app_that_fails() -> None:
    its = health(abandoned=7, succeeded_at=ENABLED + HOUR, **FAILING)
    found = standing(its, ENABLED + timedelta(hours=3, minutes=20), enabled=True)
    assert found.enabled
    assert (found.abandoned, found.abandoned_limit) == (7, 50)
    assert (found.hours_since_last_success, found.hours_limit) == (2.33, 72.0)
    assert found.failing
    assert (found.last_enabled_at, found.last_success_at) == (ENABLED, ENABLED + HOUR)
    assert found.strikes_at == ENABLED + 73 * HOUR


def test_the_standing_of_an_app_that_is_well() -> None:
    found = standing(health(), ENABLED - HOUR, enabled=False)
    assert (found.enabled, found.failing, found.hours_since_last_success) == (False, False, 0.0)
    assert found.last_success_at is UNSET
    assert found.strikes_at is UNSET

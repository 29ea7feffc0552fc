"""Each refused request has its line in the log; the cause is looked for only so often."""

import asyncio
import logging
from pathlib import Path

import pytest

from adjourn import Inbox, Receiver, VerificationError, contio
from adjourn.receiving.answer import answer
from adjourn.receiving.refusals import Refusals


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class Costly(VerificationError):
    """Counts how often its hint is asked for."""

    asked = 0

    @property
    def hint(self) -> str:
        self.asked += 1
        return "a clock is wrong"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def error() -> Costly:
    return Costly("signature_mismatch", "does not fit")


def test_five_have_their_cause_and_the_others_are_counted(
    clock: Clock, error: Costly, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = Refusals(clock=clock)
    for _ in range(8):
        refusals.note(error)
    assert caplog.messages == 5 * ["webhook refused: does not fit (a clock is wrong)"] + [
        f"webhook refused: does not fit (too many to look for each one's cause: {count} left out)"
        for count in (1, 2, 3)
    ]
    assert error.asked == 5


def test_after_a_second_there_is_one_again_and_the_count_starts_anew(
    clock: Clock, error: Costly, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = Refusals(clock=clock)
    for _ in range(7):
        refusals.note(error)
    clock.seconds += 0.5
    refusals.note(error)
    clock.seconds += 0.5
    refusals.note(error)
    refusals.note(error)
    shown = [message.partition("(")[2] for message in caplog.messages[7:]]
    assert shown == [
        "too many to look for each one's cause: 3 left out)",
        "a clock is wrong)",
        "too many to look for each one's cause: 1 left out)",
    ]


def test_a_flood_of_a_minute_has_a_cause_a_second_looked_for(clock: Clock, error: Costly) -> None:
    refusals = Refusals(clock=clock)
    for _ in range(60 * 128):
        refusals.note(error)
        clock.seconds += 1 / 128
    assert error.asked == 5 + 59


def test_a_quiet_hour_saves_up_no_more_than_five(clock: Clock, error: Costly) -> None:
    refusals = Refusals(clock=clock)
    clock.seconds += 3_600
    for _ in range(20):
        refusals.note(error)
    assert error.asked == 5


def test_where_nobody_reads_it_nothing_is_looked_for(
    clock: Clock, error: Costly, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = Refusals(clock=clock)
    with caplog.at_level(logging.ERROR, logger="adjourn.receiving"):
        for _ in range(20):
            refusals.note(error)
    assert (error.asked, caplog.messages) == (0, [])
    refusals.note(error)
    assert error.asked == 1  # and none was counted


def test_every_answer_of_an_inbox_shares_the_limit(
    clock: Clock, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    inbox = Inbox(f"sqlite:///{tmp_path}/inbox.db")
    inbox.refusals = Refusals(clock=clock)

    async def main() -> list[int]:
        receivers = [Receiver(contio, f"whsec_{at}") for at in range(7)]
        return [(await answer(each, inbox, {}, b"{}")).status for each in receivers]

    assert asyncio.run(main()) == [401] * 7
    assert ["does not sign" in message for message in caplog.messages] == [True] * 5 + [False] * 2

"""What people get to see, without a server."""

from datetime import UTC, datetime

import pytest
from tests.cli.harness import Cli

from adjourn.cli.screen import Screen, moment

LONG_AGO = datetime(24, 1, 5, 6, 7, 8, 9_000, tzinfo=UTC)


def test_a_year_has_four_digits(capsys: pytest.CaptureFixture[str]) -> None:
    assert moment(LONG_AGO) == "0024-01-05 06:07:08"
    Screen().fields([("at", LONG_AGO)])
    assert capsys.readouterr().out == "at  0024-01-05T06:07:08.009Z\n"


def test_a_wrong_choice_is_told_without_the_librarys_prefix(cli: Cli) -> None:
    ran = cli("deliveries", "list", "--status", "lost")
    assert ran.code == 2
    assert "'lost' is not one of" in ran.err
    assert "Value error" not in ran.err


def test_control_characters_are_shown_and_never_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().fields([("name", "\x1b[31m[bold]Acme")])
    assert capsys.readouterr().out == "name  \\x1b[31m[bold]Acme\n"

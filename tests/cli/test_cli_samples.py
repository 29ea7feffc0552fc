"""`adjourn samples`: without a server, the same bytes for everybody."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.harness import Cli, Ran

from adjourn.providers import PROVIDERS, check_data


def events_of(ran: Ran) -> list[Any]:
    """By line feeds alone: texts have other ends of lines in them."""
    *lines, rest = ran.out.split("\n")
    assert (ran.code, ran.err, rest) == (0, "", "")
    return [json.loads(line) for line in lines]


def test_each_line_is_an_event(cli: Cli) -> None:
    events = events_of(cli("samples", "contio", "meeting.completed", "--count", "30"))
    assert len(events) == 30
    assert {event["event_type"] for event in events} == {"meeting.completed"}
    assert events[0].keys() >= {"event_id", "timestamp", "partner_app_id", "for_user", "data"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_a_type_there_are_so_many_of_every_one(cli: Cli, provider: str) -> None:
    data = events_of(cli("samples", provider, "--count", "2", "--data"))
    types = PROVIDERS[provider].event_types.values()
    assert len(data) == 2 * len(types)
    for each, first in zip(types, data[::2], strict=True):
        assert check_data(each, first) == []


def test_an_old_name_is_that_of_its_type(cli: Cli) -> None:
    (event,) = events_of(cli("samples", "contio", "workflow.assignment.created"))
    assert event["event_type"] == "automation.assignment.created"


def test_the_seed_decides(cli: Cli) -> None:
    argv = ("samples", "quil", "--count", "5")
    assert cli(*argv, "--seed", "3") == cli(*argv, "--seed", "3")
    assert cli(*argv) == cli(*argv, "--seed", "0")
    assert cli(*argv, "--seed", "3").out != cli(*argv, "--seed", "4").out


def test_pretty_is_the_same_indented(cli: Cli) -> None:
    argv = ("samples", "meetingbaas", "bot.failed")
    pretty = cli(*argv, "--pretty").out
    assert pretty.startswith('{\n  "event": "bot.failed",\n')
    assert [json.loads(pretty)] == events_of(cli(*argv))


def test_a_file_has_what_would_be_printed(cli: Cli, tmp_path: Path) -> None:
    argv = ("samples", "contio", "meeting.created", "--count", "25")
    file = tmp_path / "samples.jsonl"
    assert cli(*argv, "--output", str(file)) == (0, "", "")
    assert file.read_bytes() == cli(*argv).out.encode()


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("Contoi",), "there is no provider 'Contoi', did you mean `contio`?"),
        (("zoom",), f"there is no provider 'zoom'; there are {', '.join(PROVIDERS)}"),
        (
            ("contio", "meeting.complete"),
            "'meeting.complete' is no event type of Contio, did you mean `meeting.completed`?",
        ),
        (
            ("quil", "bot.x"),
            "'bot.x' is no event type of Quil\n  there are meeting.completed",
        ),
    ],
)
def test_a_name_that_nobody_has_is_exit_code_1(cli: Cli, argv: tuple[str, ...], error: str) -> None:
    assert cli("samples", *argv) == (1, "", f"error: {error}\n")


@pytest.mark.parametrize(
    "argv", [(), ("contio", "--count", "0"), ("contio", "--seed", "x"), ("contio", "--output", "/dev/null/x")]
)
def test_wrong_usage_is_exit_code_2(cli: Cli, argv: tuple[str, ...]) -> None:
    ran = cli("samples", *argv)
    assert (ran.code, ran.out) == (2, "")

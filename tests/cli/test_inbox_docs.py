"""docs/inbox.md: its commands and options are those there are."""

import re
from pathlib import Path

from typer.main import get_command

from adjourn.cli.inbox import inbox
from adjourn.receiving.inbox import RETRY_DELAYS

PAGE = (Path(__file__).parents[2] / "docs" / "inbox.md").read_text("utf-8")
COMMANDS = get_command(inbox).commands  # type: ignore[attr-defined]


def test_every_command_is_there() -> None:
    assert set(re.findall(r"^\| `adjourn inbox ([a-z]+)", PAGE, re.MULTILINE)) == COMMANDS.keys()


def test_every_option_is_one() -> None:
    for line in re.findall(r"^\| `adjourn inbox .*$", PAGE, re.MULTILINE):
        (name,) = re.findall(r"^\| `adjourn inbox ([a-z]+)", line)
        options = {option for each in COMMANDS[name].params for option in each.opts}
        assert set(re.findall(r"--[a-z-]+", line)) <= options
    shared = {option for each in COMMANDS["list"].params for option in each.opts}
    assert set(re.findall(r"--[a-z-]+", PAGE.partition("The filters are")[2].partition("\n\n")[0])) <= shared


def test_the_python_runs() -> None:
    for text in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        exec(text, {"__name__": "myapp"})


def test_the_delays_are_those_there_are() -> None:
    assert [each.total_seconds() for each in RETRY_DELAYS] == [10, 60, 300, 1800, 7200, 21600, 86400]
    assert "10 s after the first failure, then 1, 5 and 30 minutes, 2, 6 and 24 hours" in PAGE

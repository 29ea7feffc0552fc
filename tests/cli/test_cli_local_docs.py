"""docs/local.md: its commands run, and its tables say all there is."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.harness import Cli
from tests.cli.receivers import SECRET, Reply, served

import adjourn.cli.listen
from adjourn import contio
from adjourn.cli.simulate.author import Author
from adjourn.cli.simulate.findings import Check
from adjourn.cli.simulate.forgeries import forgeries
from adjourn.ids import Uuid7

PAGE = (Path(__file__).parents[2] / "docs" / "local.md").read_text("utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("adjourn simulate")])
def test_each_simulation_runs(cli: Cli, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADJOURN_WEBHOOK_SECRET", SECRET)
    with served(lambda came: Reply(200)) as url:
        argv = [
            url if part in ("URL", "http://localhost:3000/webhooks") else part for part in shlex.split(line)
        ]
        assert url in argv
        ran = cli(*argv[1:], "--json")
    assert (ran.code, ran.err) == (0 if ran.json["passed"] else 1, "")
    assert ran.json["counts"]["passed"] > 0


def test_every_check_has_a_row() -> None:
    table = PAGE.partition("| `--only` |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [*Check]


def test_the_number_of_forgeries_is_right() -> None:
    author = Author(contio.PROVIDER, SECRET, options={}, callback=False, new_id=Uuid7())
    event_type = contio.PROVIDER.event_types["meeting.completed"]
    event = author.write(event_type, event_type.sample)
    assert len(forgeries(author, event, now=datetime(2026, 1, 15, tzinfo=UTC))) == 15
    assert "| `forgeries` | fifteen," in PAGE


def test_every_option_of_listen_has_its_place() -> None:
    table = PAGE.partition("## What does come")[2]
    named = {name.replace("-", "_") for name in re.findall(r"--([a-z-]+)", table)}
    options = {*adjourn.cli.listen.listen.__annotations__} - {"return", "ctx", "as_json"} | {"json"}
    assert options <= named

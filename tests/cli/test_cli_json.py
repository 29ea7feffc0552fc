"""`--json` before a command that asks no server, and behind it: the same JSON, and errors as JSON."""

import json
import signal
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from tests.cli.harness import Cli
from tests.cli.receivers import SECRET, Good, served
from tests.cli.test_cli_program import started

from adjourn import Receiver, contio
from adjourn.testing import sample, sign

NOW = "2026-01-15T10:30:00Z"


@pytest.fixture(autouse=True)
def captured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADJOURN_WEBHOOK_SECRET", SECRET)
    body = sample(contio, "meeting.completed")
    Path("body").write_bytes(body)
    Path("headers").write_text(json.dumps(sign(contio, body, SECRET, at=datetime.fromisoformat(NOW))))


def placed(argv: Sequence[str], place: str) -> list[str]:
    return ["--json", *argv] if place == "before" else [*argv, "--json"]


VERIFY = ("verify", "--provider", "contio", "--headers", "headers", "--body", "body", "--now", NOW)
both_places = pytest.mark.parametrize("place", ["before", "behind"])


@both_places
def test_verify(cli: Cli, place: str) -> None:
    ran = cli(*placed(VERIFY, place))
    assert (ran.code, ran.err, ran.json["verified"]) == (0, "", True)
    ran = cli(*placed([*VERIFY, "--secret", "whsec_b3RoZXI="], place))
    assert (ran.code, ran.err, ran.json["verified"]) == (1, "", False)


@both_places
def test_simulate(cli: Cli, place: str) -> None:
    with served(Good(Receiver(contio, SECRET))) as url:
        ran = cli(*placed(["simulate", "--provider", "contio", "--to", url, "--only", "unknown"], place))
    assert (ran.code, ran.err, ran.json["passed"]) == (0, "", True)


@both_places
def test_listen(place: str) -> None:
    with started(*placed(["listen", "--port", "0"], place)) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["provider"] == "contio"
        process.send_signal(signal.SIGINT)
        assert [json.loads(line) for line in process.stdout] != []
        assert process.wait(60) == 0


@both_places
def test_asyncapi(cli: Cli, place: str) -> None:
    ran = cli(*placed(["asyncapi", "quil"], place))
    assert (ran.code, ran.err, ran.json["asyncapi"]) == (0, "", "3.0.0")


def test_a_file_that_asyncapi_writes_is_in_the_form_of_its_name(cli: Cli) -> None:
    assert cli("--json", "asyncapi", "quil", "--output", "quil.yaml").code == 0
    assert Path("quil.yaml").read_text("utf-8").startswith("asyncapi: ")


@both_places
@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["verify", *VERIFY[1:-1], "yesterday"], "'yesterday'"),
        (["verify", *VERIFY[1:], "--option", "nonsense=1"], "nonsense"),
        (["simulate", "--provider", "nobody", "--to", "http://127.0.0.1:1"], "there is no provider 'nobody'"),
        (["simulate", "--provider", "contio", "--to", "nowhere"], "--to "),
        (["listen", "--path", "nowhere"], "--path 'nowhere'"),
        (["asyncapi", "nobody"], "there is no provider 'nobody'"),
    ],
)
def test_errors_are_json_too(cli: Cli, argv: list[str], error: str, place: str) -> None:
    ran = cli(*placed(argv, place))
    assert ran.out == ""
    told = json.loads(ran.err)
    assert error in told["error"]
    assert ran.code == {"usage": 2, "refused": 1}[told["code"]]
    in_words = cli(*argv)
    assert in_words.code == ran.code
    assert in_words.err.startswith("error: ")


def test_samples_are_json_anyway_and_their_errors_where_it_is_asked_for(cli: Cli) -> None:
    assert json.loads(cli("--json", "samples", "quil").out)["eventType"] == "meeting.completed"
    assert json.loads(cli("--json", "samples", "nobody").err)["code"] == "refused"


def test_one_run_does_not_ask_for_the_next(cli: Cli) -> None:
    assert cli("--json", "asyncapi", "nobody").err.startswith("{")
    assert cli("asyncapi", "nobody").err.startswith("error: ")

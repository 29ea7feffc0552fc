"""The command's choices, what it sends, and what it reads of processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.__main__ import main
from bench.latency import check_numbers, percentile
from bench.machine import cpu_of, memory_of
from bench.parts import PARTS
from bench.processes import NotReady, running, wait_until
from bench.ways import WAYS

USERS = [f"user-{number}" for number in range(20)]


def test_list_names_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(PARTS)


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--only", "sqlite,oracle"])
    assert exit_.value.code == 2
    assert "no part oracle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("way", "requests", "events", "users"), [(0, 20, 1, 1), (1, 1, 100, 1), (2, 4, 1, 5)]
)
def test_requests_address_every_user_evenly(way: int, requests: int, events: int, users: int) -> None:
    bodies = [json.loads(body) for body in WAYS[way].bodies(USERS)]
    assert len(bodies) == requests
    made = [event for body in bodies for event in body.get("events", [body])]
    assert len(made) == requests * events
    addressed = [user for event in made for user in event["audience"]["user_ids"]]
    assert {addressed.count(user) for user in USERS} == {len(made) * users // len(USERS)}
    assert WAYS[way].deliveries == events * users


def test_a_numbered_request_holds_its_number_in_every_title() -> None:
    path, body = WAYS[1].numbered(USERS)(7)
    assert path == "/v1/platform/events/batch"
    assert {event["data"]["title"] for event in json.loads(body)["events"]} == {"7"}


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (51, 3), (99, 4), (100, 4), (1, 1)])
def test_percentile_is_a_value_that_so_many_do_not_exceed(percent: int, value: int) -> None:
    assert percentile([1, 2, 3, 4], percent) == value


@pytest.mark.parametrize(("numbers", "per_request"), [([0, 1, 2], 1), ([0, 0, 1, 1], 2), ([1, 2], 0.9)])
def test_arrivals_of_each_request_are_as_many_as_it_makes(numbers: list[int], per_request: float) -> None:
    check_numbers(numbers, per_request)


@pytest.mark.parametrize(("numbers", "per_request"), [([0, 1, 1], 1), ([0, 0, 0], 2), ([1, 1], 0.9)])
def test_an_arrival_under_the_number_of_another_is_no_latency(numbers: list[int], per_request: float) -> None:
    with pytest.raises(RuntimeError, match="arrivals of one request"):
        check_numbers(numbers, per_request)


def test_cpu_and_memory_are_those_of_a_tree_with_what_ended_in_it() -> None:
    """A parent whose first child used its CPU up and ended, and whose second one goes on."""
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    script = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {burn!r}])\n"
        "waits = 'import sys; print(1, flush=True); sys.stdin.read()'\n"
        "subprocess.Popen([sys.executable, '-c', waits], stdin=subprocess.PIPE).wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert cpu_of(parent.pid) >= 0.19
        memory = memory_of(parent.pid)
        assert 0 < memory.pss <= memory.rss
        parent.kill()


def test_what_runs_is_ended_also_after_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        running([sys.executable, "-c", "import time; time.sleep(600)"], log=tmp_path / "log") as process,
    ):
        raise ZeroDivisionError
    assert process.returncode is not None


def test_one_that_ends_early_says_why(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        running([sys.executable, "-c", "raise SystemExit('no luck')"], log=log) as process,
        pytest.raises(NotReady, match="no luck"),
    ):
        wait_until(lambda: False, what="it", within=60, process=process, log=log)

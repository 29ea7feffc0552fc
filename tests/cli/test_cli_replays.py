"""`adjourn deliveries retry` of many, and `adjourn replays`."""

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from tests.cli.harness import WITHIN, Cli, Endpoint
from tests.cli.test_cli_program import started

from adjourn.cli.failure import Failure
from adjourn.cli.times import read_time

_README = Path(__file__).parents[2] / "README.md"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("30s", "2026-01-15T10:29:30+00:00"),
            ("90m", "2026-01-15T09:00:00+00:00"),
            ("2h", "2026-01-15T08:30:00+00:00"),
            ("3d", "2026-01-12T10:30:00+00:00"),
            ("2026-01-15", "2026-01-15T00:00:00+00:00"),
            ("2026-01-15T10:00:00Z", "2026-01-15T10:00:00+00:00"),
            ("2026-01-15T10:00:00+02:00", "2026-01-15T08:00:00+00:00"),
        ],
    )
    def test_a_moment_or_how_long_ago(self, text: str, expected: str) -> None:
        assert read_time(text, now=NOW).isoformat() == expected

    @pytest.mark.parametrize(
        "text",
        ["", "soon", "2 h", "-2h", "2w", "999999d", "2026-02-30", "20260115", "2026-01-15T10:00:00", "٢h"],
    )
    def test_anything_else_is_wrong_usage(self, text: str) -> None:
        with pytest.raises(Failure, match="is no time"):
            read_time(text, now=NOW)


@pytest.mark.usefixtures("server")
class TestAgainstTheServer:
    @pytest.fixture
    def app_id(self, cli: Cli, server: str, endpoint: Endpoint) -> str:
        """With one delivery that failed."""
        app_id = cli.make_app("--webhook-url", endpoint.url)
        cli.json("connect", app_id, "ana", "ana@example.com")
        endpoint.status = 500
        (event,) = cli.json("publish", "--sample", "meeting.completed", "--user", "ana")["events"]
        deadline = time.monotonic() + WITHIN
        while not cli.json("deliveries", "show", event["delivery_ids"][0])["attempts"]:
            assert time.monotonic() < deadline
        return app_id

    def test_many_are_retried_and_waited_for(self, cli: Cli, app_id: str) -> None:
        argv = ("deliveries", "retry", "--app", app_id, "--status", "failed", "--since", "2h")
        ran = cli(*argv, "--type", "meeting.completed", "--wait")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("done: 1 of 1 scheduled\n")
        assert "failed deliveries of meeting.completed since " in ran.out

    def test_the_readmes_example(self, cli: Cli, app_id: str) -> None:
        (line,) = re.findall(r"^adjourn (deliveries retry .*)$", _README.read_text("utf-8"), re.MULTILINE)
        assert cli(*line.replace("<app id>", app_id).split()).code == 0

    def test_none_that_match(self, cli: Cli, app_id: str) -> None:
        ran = cli("deliveries", "retry", "--app", app_id, "--until", "2h", "--wait", "--json")
        assert {name: ran.json[name] for name in ("status", "total")} == {"status": "done", "total": 0}

    def test_they_are_listed_shown_and_cancelling_one_that_is_done_changes_nothing(
        self, cli: Cli, app_id: str
    ) -> None:
        assert f"--app {app_id} --status failed" in cli("replays", "list", app_id).out
        replay = cli("deliveries", "retry", "--app", app_id, "--wait", "--json").json
        out = cli("replays", "list", app_id).out
        assert f"{replay['id']}  done" in out
        assert cli.json("replays", "list", app_id)["total"] == 1
        assert cli.json("replays", "show", app_id, replay["id"]) == replay
        assert cli.json("replays", "cancel", app_id, replay["id"]) == replay
        ran = cli("replays", "cancel", app_id, replay["id"])
        assert (ran.code, ran.out.splitlines()[0]) == (0, "nothing was cancelled: it had ended already")

    def test_one_that_is_not_there(self, cli: Cli, app_id: str) -> None:
        for command in ("show", "cancel"):
            assert cli("replays", command, app_id, "nothing").code == 1

    @pytest.mark.parametrize(
        "argv",
        [
            (),
            ("d-1", "--app", "a"),
            ("d-1", "--wait"),
            ("d-1", "--status", "failed"),
            ("--status", "failed"),
            ("--app", "a", "--since", "soon"),
            ("--app", "a", "--status", "lost"),
        ],
    )
    def test_wrong_usage_is_exit_code_2(self, cli: Cli, argv: tuple[str, ...]) -> None:
        assert cli("deliveries", "retry", *argv).code == 2


def replay(status: str, scheduled: int) -> dict[str, Any]:
    counts = {"total": 300, "scheduled": scheduled, "skipped": 0}
    base = {"id": "r-1", "partner_app_id": "acme", "created_at": "2026-01-15T10:30:00Z"}
    return {**base, "status": status, **counts}


@contextmanager
def answering_in_turn(*answers: dict[str, Any]) -> Iterator[tuple[str, list[str], Event]]:
    """A server's URL, what it was asked, and whether the last answer was given; that is given for ever."""
    asked: list[str] = []
    through = Event()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(answers[min(len(asked), len(answers) - 1)]).encode()
            asked.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if len(asked) >= len(answers):
                through.set()

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *_args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked, through
        finally:
            server.shutdown()
            thread.join(WITHIN)


_PATH = "/v1/platform/apps/acme/deliveries/retry"


class TestWaiting:
    def test_it_is_followed_to_its_end(self, cli: Cli) -> None:
        steps = [replay("running", 0), replay("running", 100), replay("done", 300)]
        with answering_in_turn(*steps) as (url, asked, _):
            ran = cli("deliveries", "retry", "--app", "acme", "--wait", "--url", url, "--platform-key", "pk")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("done: 300 of 300 scheduled\n")
        assert asked == [f"POST {_PATH}", f"GET {_PATH}/r-1", f"GET {_PATH}/r-1"]

    def test_one_that_is_cancelled_meanwhile_is_exit_code_1(self, cli: Cli) -> None:
        with answering_in_turn(replay("running", 0), replay("cancelled", 100)) as (url, *_):
            ran = cli("replays", "show", "acme", "r-1", "--wait", "--url", url, "--platform-key", "pk")
        assert (ran.code, ran.out.splitlines()[0]) == (1, "cancelled: 100 of 300 scheduled")

    def test_with_json_it_is_the_last_answer(self, cli: Cli) -> None:
        last = replay("done", 300)
        with answering_in_turn(replay("running", 0), last) as (url, *_):
            ran = cli(
                "replays", "show", "acme", "r-1", "--wait", "--url", url, "--platform-key", "pk", "--json"
            )
        assert (ran.code, ran.json, ran.err) == (0, last, "")

    def test_on_a_terminal_there_is_a_bar(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        with answering_in_turn(replay("running", 150), replay("done", 300)) as (url, *_):
            ran = cli("replays", "show", "acme", "r-1", "--wait", "--url", url, "--platform-key", "pk")
        assert ran.code == 0
        assert "scheduling" in ran.err
        assert "50%" in ran.err

    def test_without_waiting_it_says_how_to_follow_and_stop_it(self, cli: Cli) -> None:
        with answering_in_turn(replay("running", 0)) as (url, *_):
            ran = cli("deliveries", "retry", "--app", "acme", "--url", url, "--platform-key", "pk")
        assert "adjourn replays show acme r-1 --wait" in ran.out
        assert "adjourn replays cancel acme r-1" in ran.out

    def test_ctrl_c_leaves_it_running(self) -> None:
        with answering_in_turn(replay("running", 0), replay("running", 1)) as (url, asked, through):
            argv = ("deliveries", "retry", "--app", "acme", "--wait", "--url", url, "--platform-key", "pk")
            with started(*argv) as process:
                assert through.wait(WITHIN)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=WITHIN)
        assert (process.returncode, out) == (130, "")
        assert "the replay goes on; to stop it: adjourn replays cancel acme r-1" in err
        assert not any("cancel" in each for each in asked)

    def test_cancelling(self, cli: Cli) -> None:
        with answering_in_turn(replay("cancelled", 100)) as (url, asked, _):
            ran = cli("replays", "cancel", "acme", "r-1", "--url", url, "--platform-key", "pk")
        assert (ran.code, ran.out.splitlines()[0]) == (0, "cancelled: 100 of 300 scheduled")
        assert asked == [f"POST {_PATH}/r-1/cancel"]

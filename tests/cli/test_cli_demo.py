"""The demo, as `make run` runs it; and that it does not say all is well when it is not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console
from tests.cli.harness import Cli

from adjourn.cli.demo.arrivals import CALLBACK_PATH, Arrivals
from adjourn.cli.demo.cast import cast_of, events_of
from adjourn.cli.demo.screen import summary
from adjourn.providers import PROVIDERS
from adjourn.signing import StandardSigner
from adjourn.testing import RecordedRequest

_PROGRAM = (sys.executable, "-m", "adjourn")


def shown_by_the_demo(*argv: str) -> tuple[str, dict[str, str]]:
    """What it printed, and the rows of its table."""
    command = [*_PROGRAM, "demo", "--exit", "--port", "0", *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("│")]
    cells = [row.strip("│").split("│") for row in rows]
    return done.stdout, {cell[0].strip(): cell[1].strip() for cell in cells}


def test_the_demo_ends_well_once_everything_arrived_verified() -> None:
    out, shown = shown_by_the_demo()
    assert shown["events published"] == "31"
    assert shown["envelopes, one for each (app, user)"] == shown["delivered"] == "124"
    assert shown["signatures that did not verify"] == "0"
    assert int(shown["refused at first, then retried"]) > 0
    assert "Everything arrived, verified." in out


def test_the_demo_of_meetingbaas_has_ten_types_and_a_callback() -> None:
    out, shown = shown_by_the_demo("--provider", "meetingbaas")
    assert shown["events published"] == "31"  # thrice each type, and one that goes to a callback, too
    assert shown["envelopes, one for each app"] == "61"
    assert shown["callbacks beside them"] == "1"
    assert shown["delivered"] == "62"
    assert shown["signatures that did not verify"] == "0"
    assert int(shown["refused at first, then retried"]) > 0
    assert "x-mb-secret" in out
    assert "Everything arrived, verified." in out


def test_the_demo_of_quil_has_its_one_type_in_many_forms() -> None:
    out, shown = shown_by_the_demo("--provider", "quil")
    assert shown["events published"] == "30"
    assert shown["envelopes, one for each app"] == shown["delivered"] == "60"
    assert shown["signatures that did not verify"] == "0"
    assert int(shown["refused at first, then retried"]) > 0
    assert "Everything arrived, verified." in out


def test_a_provider_that_is_none_is_named(cli: Cli) -> None:
    ran = cli("demo", "--exit", "--port", "0", "--provider", "quill")
    assert ran == (1, "", "error: there is no provider 'quill', did you mean `quil`?\n")


@pytest.mark.parametrize("name", ["contio", "quil"])  # events for users, events for apps
def test_the_event_that_it_invites_to_publish_reaches_somebody(name: str) -> None:
    with serving(name) as commands:
        (publish,) = [command for command in commands if " publish " in command]
        done = subprocess.run(f"{publish} --json", shell=True, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["events"]


@contextmanager
def serving(provider: str) -> Iterator[list[str]]:
    """The demo once it serves on, and what it invites to: each command with the environment it needs."""
    command = [*_PROGRAM, "demo", "--port", "0", "--provider", provider]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where `adjourn` is
    environ = {**os.environ, "PATH": path}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        try:
            lines: list[str] = []
            for line in process.stdout:
                if line.startswith("  export") or lines:
                    lines.append(line.strip())
                if "types list" in line:
                    break
            export, *commands = lines
            yield [f"export PATH={path}; {export}; {each}" for each in commands]
        finally:
            process.kill()


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def request(event_id: str, *, path: str, key: str = SECRET, at: float = 1.0) -> RecordedRequest:
    body = json.dumps({"event": "bot.completed", "extra": None, "data": {"bot_id": "b"}}).encode()
    headers = StandardSigner(key, prefix="svix-").sign(body, event_id=event_id, timestamp=0)
    return RecordedRequest(method="POST", path=path, headers=tuple(headers.items()), body=body, at=at)


class TestArrivals:
    @pytest.fixture
    def arrivals(self) -> Arrivals:
        provider = PROVIDERS["meetingbaas"]
        return Arrivals(provider, cast_of(provider))

    def verdict(self, arrivals: Arrivals) -> bool:
        with Path(os.devnull).open("w") as nowhere:
            console = Console(file=nowhere)
            return summary(console, cast_of(PROVIDERS["meetingbaas"]), arrivals, published=1)

    def test_everything_has_to_arrive(self, arrivals: Arrivals) -> None:
        arrivals.trust("/acme", ())
        arrivals.expect(["e1", "e2"], at=0.0)
        assert arrivals.answer(request("e1", path="/acme")) == 200
        assert (arrivals.complete, self.verdict(arrivals)) == (False, False)
        assert arrivals.answer(request("e2", path="/acme", at=2.0)) == 200
        assert (arrivals.complete, self.verdict(arrivals)) == (True, True)
        assert arrivals.waits() == [1000.0, 2000.0]

    def test_a_callback_is_expected_beside_its_event(self, arrivals: Arrivals) -> None:
        arrivals.trust("/acme", ())
        arrivals.trust(CALLBACK_PATH, ())
        arrivals.expect(["e1"], callback_of="b", at=0.0)
        arrivals.answer(request("e1", path="/acme"))
        assert not arrivals.complete
        arrivals.answer(request("e1", path=CALLBACK_PATH))
        assert self.verdict(arrivals)

    def test_what_nobody_published_is_told(self, arrivals: Arrivals) -> None:
        arrivals.trust("/acme", ())
        arrivals.expect(["e1"], at=0.0)
        for event_id in ("e1", "e2"):
            arrivals.answer(request(event_id, path="/acme"))
        assert not self.verdict(arrivals)

    def test_a_forged_one_is_told(self, arrivals: Arrivals) -> None:
        player, _ = cast_of(PROVIDERS["meetingbaas"]).apps
        arrivals.trust("/acme", player.verifiers(SECRET))
        arrivals.expect(["e1"], at=0.0)
        arrivals.answer(request("e1", path="/acme"))  # signed in 1970
        (line,) = arrivals.forged
        assert line.startswith("bot.completed at /acme: ")
        assert not self.verdict(arrivals)

    def test_a_callback_without_its_secret_is_told(self, arrivals: Arrivals) -> None:
        arrivals.trust_callbacks("s3cret")
        arrivals.expect([], callback_of="b", at=0.0)
        arrivals.answer(request("e1", path=CALLBACK_PATH))
        assert len(arrivals.forged) == 1

    def test_every_seventh_is_refused_at_first(self, arrivals: Arrivals) -> None:
        arrivals.trust("/acme", ())
        statuses = [arrivals.answer(request(f"e{number}", path="/acme")) for number in range(14)]
        assert [number for number, status in enumerate(statuses) if status == 503] == [6, 13]
        assert arrivals.answer(request("e6", path="/acme")) == 200
        assert arrivals.retried == 1


@pytest.mark.parametrize(
    ("name", "count", "types"), [("contio", 31, 31), ("meetingbaas", 30, 10), ("quil", 30, 1)]
)
def test_every_type_that_the_vendor_documents_is_published(name: str, count: int, types: int) -> None:
    provider = PROVIDERS[name]
    events = events_of(provider)
    assert len(events) == count
    assert len({event_type.name for event_type, _ in events}) == types
    assert [data for _, data in events[:types]] == [each.sample_data for each, _ in events[:types]]

"""`adjourn inbox work`: it handles what others keep, and ends well."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Queue
from typing import IO

import pytest
from tests.cli.harness import WITHIN, Cli
from tests.cli.inboxes import new
from tests.cli.test_cli_program import without

from adjourn.storage.inbox import open_receipts

_PROGRAM = (sys.executable, "-c", "import sys; from adjourn.cli import main; sys.exit(main())")

_APP = """
import asyncio, sys
from adjourn import Inbox, contio

inbox = Inbox("sqlite:///{file}", work={work})

def say(text):
    sys.stdout.write(str(text) + "\\n")  # at once: several threads say something
    sys.stdout.flush()

@inbox.on(contio.MeetingCompleted)
"""
_HANDLES = "def handle(event, receipt): say(receipt.seq)\n"
_WAITS_FOR_INPUT = "def handle(event): say('began'); sys.stdin.readline(); say('ended')\n"
_WAITS = "async def handle(event): say('began'); await asyncio.Event().wait()\n"
_FAILS = "def handle(event): raise ValueError('\\x1b[31mno')\n"


class App:
    """A user's module `myapp` in a folder of its own, and its inbox's file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "inbox.db"
        self.url = f"sqlite:///{self.file}"

    def write(self, handler: str, *, work: bool = False) -> None:
        (self.folder / "myapp.py").write_text(_APP.format(file=self.file, work=work) + handler)

    def keep(self, *event_ids: str) -> None:
        async def keep() -> None:
            receipts = await open_receipts(self.url)
            await receipts.keep([new(each) for each in event_ids])
            await receipts.close()

        asyncio.run(keep())

    def states(self) -> list[tuple[str, bool]]:
        """Of each receipt, and whether a worker has it in its hands."""
        with closing(sqlite3.connect(self.file)) as database:
            found = database.execute("SELECT state, owner IS NOT NULL FROM adjourn_receipt ORDER BY seq")
            return [(state, bool(owned)) for state, owned in found]

    @contextmanager
    def working(self, *argv: str) -> Iterator["Working"]:
        pipe = subprocess.PIPE
        command = [*_PROGRAM, "inbox", "work", "myapp", "--app-dir", str(self.folder), *argv]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
            try:
                yield Working(process)
            finally:
                process.kill()


class Working:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr

    def wait_for(self, text: str, *, on: IO[str]) -> None:
        for line in on:
            if text in line:
                return
        raise AssertionError(f"{text!r} did not come")

    def ask(self, number: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=WITHIN)
        return self.process.returncode, out, err


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


@pytest.fixture(autouse=True)
def without_traces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What commands in this process import is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("work", [False, True])
def test_it_handles_what_comes_until_it_is_asked_to_stop(
    app: App, number: signal.Signals, work: bool
) -> None:
    app.write(_HANDLES, work=work)
    with app.working() as working:
        assert working.stderr.readline() == f"myapp: 1 handler at work on {app.url} (Ctrl-C stops it)\n"
        app.keep("evt-1")
        working.wait_for("1", on=working.stdout)
        working.ask(number)
        code, out, err = working.end()
    assert (code, out) == (0, "")
    assert err == "myapp: handlers may end, within 25 s; once more: at once\nmyapp: stopped\n"
    assert app.states() == [("handled", False)]


def test_a_handler_under_way_may_end(app: App) -> None:
    app.write(_WAITS_FOR_INPUT)
    app.keep("evt-1")
    with app.working() as working:
        working.wait_for("began", on=working.stdout)
        working.ask(signal.SIGTERM)
        working.wait_for("handlers may end", on=working.stderr)
        working.stdin.write("\n")
        assert working.end() == (0, "ended\n", "myapp: stopped\n")
    assert app.states() == [("handled", False)]


def test_asked_again_it_stops_at_once_and_what_was_begun_waits_for_others(app: App) -> None:
    app.write(_WAITS)
    app.keep("evt-1")
    with app.working() as working:
        working.wait_for("began", on=working.stdout)
        working.ask()
        working.wait_for("handlers may end", on=working.stderr)
        working.ask()
        assert working.end() == (130, "", "myapp: stopped\n")
    assert app.states() == [("new", False)]


def test_after_the_grace_handlers_are_cancelled(app: App) -> None:
    app.write(_WAITS)
    app.keep("evt-1")
    with app.working("--grace", "0") as working:
        working.wait_for("began", on=working.stdout)
        working.ask(signal.SIGTERM)
        code, out, err = working.end()
    assert (code, out, err.splitlines()[-1]) == (0, "", "myapp: stopped")
    assert app.states() == [("new", False)]


def test_a_thread_that_does_not_end_does_not_keep_the_process(app: App) -> None:
    app.write(_WAITS_FOR_INPUT)
    app.keep("evt-1")
    with app.working("--grace", "0") as working:
        working.wait_for("began", on=working.stdout)
        working.ask(signal.SIGTERM)
        assert working.process.wait(WITHIN) == 0  # and its standard input is still open
        code, out, err = working.end()
    assert (code, out) == (0, "")
    assert err.endswith("handlers that did not end are stopped with the process; they run again\n")
    assert app.states() == [("new", True)]  # until the lease of the worker is over


def test_several_share_the_work(app: App) -> None:
    app.write(_HANDLES)
    handled: Queue[str] = Queue()

    def read(lines: IO[str]) -> None:
        for line in lines:
            handled.put(line.strip())

    with app.working() as first, app.working() as second:
        readers = [threading.Thread(target=read, args=[each.stdout]) for each in (first, second)]
        for each in (first, second):
            each.wait_for("at work", on=each.stderr)
        for reader in readers:
            reader.start()
        for start in range(0, 100, 10):
            app.keep(*(f"evt-{start + n}" for n in range(10)))
        found = [handled.get(timeout=WITHIN) for _ in range(100)]
        for each in (first, second):
            each.ask()
            assert each.process.wait(WITHIN) == 0
        for reader in readers:
            reader.join(WITHIN)
    assert sorted(map(int, found)) == [*range(1, 101)]
    assert handled.empty()
    assert app.states() == [("handled", False)] * 100


def test_once_handles_what_is_due_and_ends(app: App, cli: Cli) -> None:
    app.write(_HANDLES)
    app.keep("evt-1", "evt-2")
    ran = cli("inbox", "work", "myapp:inbox", "--once")
    assert ran.code == 0
    assert sorted(ran.out.split()) == ["1", "2"]
    assert ran.err == "myapp:inbox: done all that was due; 0 waiting for a retry, 0 dead\n"
    assert app.states() == [("handled", False)] * 2


@pytest.mark.parametrize(("level", "logs"), [((), True), (("--log-level", "error"), False)])
def test_what_fails_is_logged_made_harmless(app: App, level: tuple[str, ...], logs: bool) -> None:
    app.write(_FAILS)
    app.keep("evt-1")
    with app.working("--once", *level) as working:
        code, out, err = working.end()
    assert (code, out) == (0, "")
    assert err.endswith("myapp: done all that was due; 1 waiting for a retry, 0 dead\n")
    assert ("WARNING adjourn.receiving.handling: myapp.handle failed for Receipt(seq=1" in err) == logs
    assert ("ValueError: \\x1b[31mno\n" in err) == logs
    assert "\x1b" not in err


class TestNames:
    def test_it_may_be_named_as_for_the_other_commands(self, app: App, cli: Cli) -> None:
        app.write(_HANDLES)
        assert cli("inbox", "--inbox", "myapp:inbox", "work", "--once").code == 0
        assert cli("inbox", "work", "--inbox", "myapp:inbox", "--once").code == 0
        ran = cli("inbox", "work")
        assert (ran.code, "which inbox? Give MODULE:INBOX" in ran.err) == (2, True)

    @pytest.mark.parametrize("named", ["myshop.web", "myshop.web:inbox", "myshop.web:state.inbox"])
    def test_forms(self, app: App, cli: Cli, named: str) -> None:
        (app.folder / "myshop").mkdir()
        app.write(_HANDLES + "class state: inbox = inbox\n")
        (app.folder / "myapp.py").rename(app.folder / "myshop" / "web.py")
        assert cli("inbox", "work", named, "--once").code == 0

    @pytest.mark.parametrize(
        ("code", "named", "says"),
        [
            ("", "mything", "there is no module 'mything' in "),
            ("", "myapp.web", "there is no module 'myapp.web' in "),
            ("", "myapp", "myapp has no 'inbox'\n"),
            ("", "myapp:box", "myapp has no 'box'\n"),
            ("", ":inbox", "':inbox' names no inbox: give MODULE:INBOX, like myapp:inbox"),
            ("", ".myapp", "'.myapp' names no inbox"),
            ("inbox = 1", "myapp", "myapp:inbox is no Inbox (its type is int)\n"),
            ("from adjourn import Inbox\nbox = Inbox()", "myapp", "did you mean myapp:box?"),
            ("from adjourn import Inbox\nbox = Inbox()", "myapp:Inbox", "did you mean myapp:box?"),
            ("from adjourn import Inbox\ninbox = Inbox()", "myapp", "myapp has no handlers: "),
            ("import nothing_like_it", "myapp", "myapp cannot be imported: ModuleNotFoundError: "),
            ("raise SystemExit('no')", "myapp", "myapp cannot be imported: SystemExit: no"),
            ("def", "myapp", "myapp cannot be imported: SyntaxError: "),
            ("from adjourn import Inbox\ninbox = Inbox(concurrency=0)", "myapp", "ConfigError: "),
        ],
    )
    def test_what_is_wrong_is_said(self, app: App, cli: Cli, code: str, named: str, says: str) -> None:
        (app.folder / "myapp.py").write_text(code)
        ran = cli("inbox", "work", named, "--once")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("error: ")
        assert says in ran.err
        assert not app.file.exists()

    def test_where_a_module_fails_is_shown(self, app: App, cli: Cli) -> None:
        code = "import json\n\ndef load():\n    return json.loads('{')\n\nload()\n"
        (app.folder / "myapp.py").write_text(code)
        first, *lines = cli("inbox", "work", "myapp").err.splitlines()
        assert first.startswith("error: myapp cannot be imported: json.decoder.JSONDecodeError: ")
        assert len(lines) == 3
        (app.folder / "myapp.py").write_text("import os\nos.environ['NO_SUCH_NAME']\n")
        _, line, _ = cli("inbox", "work", "myapp").err.splitlines()
        assert line == f"  {app.folder}/myapp.py, line 2, in <module>: os.environ['NO_SUCH_NAME']"


def test_a_database_that_cannot_be_opened_is_told(app: App, cli: Cli) -> None:
    app.file = app.folder / "myapp.py" / "inbox.db"  # no folder
    app.write(_HANDLES)
    ran = cli("inbox", "work", "myapp")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")


def test_without_its_driver_postgresql_names_the_extra() -> None:
    ran = without("asyncpg", "inbox", "status", "--url", "postgresql://me:hidden@127.0.0.1/a")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "needs pip install 'adjourn[postgres]'" in ran.stderr
    assert "hidden" not in ran.stderr


@pytest.mark.parametrize("missing", ["litestar", "asyncpg"])
def test_it_needs_the_extra_cli_alone(app: App, missing: str) -> None:
    app.write(_HANDLES)
    app.keep("evt-1")
    ran = without(missing, "inbox", "work", "myapp", "--once", "--app-dir", str(app.folder))
    assert (ran.returncode, ran.stdout) == (0, "1\n")

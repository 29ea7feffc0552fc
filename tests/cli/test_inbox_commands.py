"""`adjourn inbox status`, `list`, `dead`, `show`, `retry`, `replay`, `bury` and `forget`."""

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from tests.cli.harness import Cli
from tests.cli.inboxes import BODY, ERROR, fill, new
from tests.postgres import new_database

from adjourn.cli import main
from adjourn.storage.inbox import open_receipts


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whose inbox.db has four receipts: 1 handled, 2 failed, 3 (of Quil) dead, 4 new."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ADJOURN_INBOX_URL", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    asyncio.run(fill("sqlite:///inbox.db"))
    yield
    for name in {*sys.modules} - before:
        if name.startswith("myapp"):
            del sys.modules[name]


def states(cli: Cli) -> dict[int, str]:
    found = cli.json("inbox", "list")["receipts"]
    return {each["seq"]: each["state"] for each in found}


def seqs(cli: Cli, *argv: str) -> list[int]:
    return [each["seq"] for each in cli.json("inbox", *argv)["receipts"]]


class TestStatus:
    def test_it_counts_what_there_is_and_says_what_is_dead(self, cli: Cli) -> None:
        ran = cli("inbox", "status")
        assert (ran.code, ran.err) == (0, "")
        lines = ran.out.splitlines()
        assert lines[:5] == [
            "inbox           sqlite:///inbox.db",
            "new             1",
            "failed          1",
            "handled         1",
            "dead            1",
        ]
        assert lines[5].startswith("oldest waiting  ")
        assert lines[5].endswith(" d, since 2026-01-15 10:31:00 (UTC)")
        assert (
            "3    meeting.completed  2026-01-15 10:32:00  1      myapp.save: ValueError: \\x1b[31mno"
            in ran.out
        )
        assert lines[-1] == "`adjourn inbox retry --dead` tries them again"

    def test_as_json(self, cli: Cli) -> None:
        shown = cli.json("inbox", "status")
        assert shown["inbox"] == "sqlite:///inbox.db"
        assert shown["counts"] == {"new": 1, "failed": 1, "handled": 1, "dead": 1}
        assert shown["oldest_waiting"] == "2026-01-15T10:31:00Z"
        assert shown["oldest_waiting_seconds"] > 0
        assert [each["seq"] for each in shown["dead"]] == [3]

    def test_where_nothing_waits(self, cli: Cli) -> None:
        assert cli("inbox", "bury", "--all", "--yes").code == 0
        assert "oldest waiting  nothing waits\n" in cli("inbox", "status").out
        assert cli.json("inbox", "status")["oldest_waiting_seconds"] is None

    def test_many_dead_are_not_all_shown(self, cli: Cli) -> None:
        async def more() -> None:
            receipts = await open_receipts("sqlite:///inbox.db")
            await receipts.keep([new(f"more-{n}") for n in range(6)])
            await receipts.close()

        asyncio.run(more())
        assert cli("inbox", "bury", "--state", "new", "--yes").code == 0
        assert "`adjourn inbox dead` shows 3 more" in cli("inbox", "status").out


class TestList:
    @pytest.mark.parametrize(
        ("argv", "expected"),
        [
            ((), [4, 3, 2, 1]),
            (("--state", "failed"), [2]),
            (("--provider", "quil"), [3]),
            (("--type", "meeting.completed", "--provider", "contio"), [4, 2, 1]),
            (("--type", "meeting.created"), []),
            (("--since", "2026-01-15T10:32:00Z"), [4, 3]),
            (("--until", "2026-01-15T11:32:00+01:00"), [2, 1]),
            (("--since", "2026-01-15", "--until", "2026-01-16"), [4, 3, 2, 1]),
            (("--since", "1m"), []),
            (("--limit", "2"), [4, 3]),
            (("--limit", "2", "--below", "3"), [2, 1]),
            (("--limit", "1", "--all"), [4, 3, 2, 1]),
            (("--below", "3", "--all"), [2, 1]),
        ],
    )
    def test_filters(self, cli: Cli, argv: tuple[str, ...], expected: list[int]) -> None:
        assert seqs(cli, "list", *argv) == expected

    def test_a_page_says_how_to_get_the_next(self, cli: Cli) -> None:
        assert cli("inbox", "list", "--limit", "3").out.endswith("--below 2 shows more\n")
        assert cli.json("inbox", "list", "--limit", "3")["next_below"] == 2
        assert "shows more" not in cli("inbox", "list", "--limit", "4").out
        assert cli.json("inbox", "list", "--limit", "4")["next_below"] is None

    def test_no_list_has_what_was_said_in_a_meeting(self, cli: Cli) -> None:
        for argv in (("list",), ("dead",), ("status",), ("list", "--json"), ("status", "--json")):
            ran = cli("inbox", *argv)
            assert ran.code == 0
            assert "Top secret" not in ran.out
        assert "body" not in cli.json("inbox", "list")["receipts"][0]

    def test_an_empty_list_is_told(self, cli: Cli) -> None:
        assert cli("inbox", "list", "--since", "1m").out == "no receipts here\n"

    def test_on_a_terminal_of_80_columns_it_fits(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        for command in ("list", "dead", "status"):
            assert max(map(len, cli("inbox", command).out.splitlines())) <= 80

    def test_the_dead_have_their_error_made_harmless(self, cli: Cli) -> None:
        ran = cli("inbox", "dead")
        assert ERROR.replace("\x1b", "\\x1b") in ran.out
        assert "\x1b" not in ran.out
        (only,) = cli.json("inbox", "dead")["receipts"]
        assert (only["seq"], only["error"]) == (3, ERROR)

    @pytest.mark.parametrize(
        "argv",
        [
            ("--since", "soon"),
            ("--state", "asleep"),
            ("--limit", "0"),
            ("--limit", "1001"),
        ],
    )
    def test_wrong_usage(self, cli: Cli, argv: tuple[str, ...]) -> None:
        assert cli("inbox", "list", *argv).code == 2

    def test_a_provider_that_is_none_is_told(self, cli: Cli) -> None:
        ran = cli("inbox", "list", "--provider", "contoi")
        assert ran.code != 0
        assert "did you mean `contio`?" in ran.err


class TestShow:
    def test_by_number_it_has_everything(self, cli: Cli) -> None:
        out = cli("inbox", "show", "2").out
        for text in (
            "seq          2\n",
            "id           evt-2\n",
            "state        failed\n",
            "received_at  2026-01-15T10:31:00.000Z\n",
            "1   2026-01-15 10:35:00  12  myapp.save: ValueError: \\x1b[31mno title",
            '"title": "Top secret"',
        ):
            assert text in out
        assert "\x1b" not in out

    def test_by_the_events_id_of_any_provider(self, cli: Cli) -> None:
        assert cli.json("inbox", "show", "q-1")["seq"] == 3
        assert cli.json("inbox", "show", "evt-4", "--provider", "contio")["seq"] == 4
        assert cli("inbox", "show", "evt-4", "--provider", "quil").code == 1

    def test_as_json(self, cli: Cli) -> None:
        shown = cli.json("inbox", "show", "1")
        assert shown["attempts"] == [{"no": 1, "at": "2026-01-15T10:35:00Z", "duration_ms": 12, "error": ""}]
        assert shown["event"] == json.loads(BODY)
        assert (shown["done"], "body" in shown) == (["myapp.save"], False)

    def test_an_id_that_two_have_needs_the_provider(self, cli: Cli) -> None:
        async def more() -> None:
            receipts = await open_receipts("sqlite:///inbox.db")
            await receipts.keep([new("evt-1", provider="quil")])
            await receipts.close()

        asyncio.run(more())
        ran = cli("inbox", "show", "evt-1")
        assert (ran.code, "give --provider" in ran.err) == (2, True)
        assert cli.json("inbox", "show", "evt-1", "--provider", "quil")["seq"] == 5

    def test_the_body_comes_byte_for_byte(self, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
        assert main(["inbox", "show", "1", "--body"]) == 0
        assert capsysbinary.readouterr() == (BODY, b"")

    def test_on_a_terminal_the_body_is_for_people(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert '    "title": "Top secret"' in cli("inbox", "show", "1", "--body").out

    @pytest.mark.parametrize("which", ["9", "evt-9", "99999999999999999999", "٣"])
    def test_what_is_not_there_is_exit_code_1(self, cli: Cli, which: str) -> None:
        ran = cli("inbox", "show", which)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("error: ")
        assert json.loads(cli("inbox", "show", which, "--json").err)["code"] == "refused"

    def test_what_was_forgotten_is_told(self, cli: Cli) -> None:
        assert cli("inbox", "forget", "--before", "0s", "--yes").out == "1 receipt forgotten\n"
        out = cli("inbox", "show", "1").out
        assert "its attempts were forgotten" in out
        assert "its body was forgotten" in out
        assert cli.json("inbox", "show", "1")["event"] is None
        assert cli("inbox", "show", "1", "--body").code == 1

    def test_bytes_are_no_json(self, cli: Cli) -> None:
        assert cli("inbox", "show", "1", "--body", "--json").code == 2


class TestRetry:
    def test_by_number(self, cli: Cli) -> None:
        assert cli("inbox", "retry", "2", "3").out == "2 receipts due now\n"
        assert states(cli) == {1: "handled", 2: "new", 3: "new", 4: "new"}

    @pytest.mark.parametrize(
        ("argv", "moved"),
        [
            (("--dead",), [3]),
            (("--failed",), [2]),
            (("--dead", "--failed"), [2, 3]),
            (("--dead", "--failed", "--provider", "contio"), [2]),
            (("--dead", "--provider", "contio"), []),
        ],
    )
    def test_all_that_fit(self, cli: Cli, argv: tuple[str, ...], moved: list[int]) -> None:
        assert cli.json("inbox", "retry", *argv) == {"retried": len(moved)}
        before = {1: "handled", 2: "failed", 3: "dead", 4: "new"}
        assert states(cli) == before | dict.fromkeys(moved, "new")

    def test_where_there_are_none(self, cli: Cli) -> None:
        ran = cli("inbox", "retry", "--dead", "--since", "1m")
        assert ran == (0, "there is nothing to be retried\n", "")

    @pytest.mark.parametrize(
        ("argv", "says"),
        [
            (("2", "1"), "the receipt 1 is handled: `adjourn inbox replay` has it handled anew"),
            (("2", "9"), "there is no receipt 9 here that fits"),
        ],
    )
    def test_of_those_named_all_or_none(self, cli: Cli, argv: tuple[str, ...], says: str) -> None:
        ran = cli("inbox", "retry", *argv)
        assert (ran.code, ran.out, ran.err) == (1, "", f"error: {says}\n")
        assert states(cli)[2] == "failed"

    @pytest.mark.parametrize(
        "argv", [(), ("2", "--dead"), ("2", "--provider", "contio"), ("0",), ("x",), ("--provider", "contio")]
    )
    def test_wrong_usage(self, cli: Cli, argv: tuple[str, ...]) -> None:
        assert cli("inbox", "retry", *argv).code == 2
        assert states(cli)[2] == "failed"


class TestReplay:
    @pytest.mark.parametrize(
        ("argv", "count"),
        [
            (("1",), 1),
            (("--all", "--yes"), 4),
            (("--state", "handled", "--yes"), 1),
            (("--since", "2026-01-15T10:31:00Z", "--until", "2026-01-15T10:33:00Z", "--yes"), 2),
            (("--provider", "quil", "--yes"), 1),
        ],
    )
    def test_what_fits_is_new_again(self, cli: Cli, argv: tuple[str, ...], count: int) -> None:
        assert cli.json("inbox", "replay", *argv) == {"replayed": count, "passed_over": 0}
        with closing(sqlite3.connect("inbox.db")) as database:
            assert database.execute("SELECT sum(replays) FROM adjourn_receipt").fetchone() == (count,)

    def test_a_dry_run_changes_nothing(self, cli: Cli) -> None:
        assert cli("inbox", "replay", "--all", "--dry-run").out == "4 would be handled anew\n"
        assert cli.json("inbox", "replay", "--all", "--dry-run") == {"would_replay": 4}
        assert states(cli) == {1: "handled", 2: "failed", 3: "dead", 4: "new"}

    def test_what_was_forgotten_is_passed_over(self, cli: Cli) -> None:
        cli("inbox", "forget", "--before", "0s", "--yes")
        assert cli("inbox", "replay", "--all", "--yes").out == (
            "3 receipts to be handled anew; 1 passed over (being handled, or their bodies were forgotten)\n"
        )

    def test_it_goes_in_steps_and_none_is_left_out(self, cli: Cli) -> None:
        async def more() -> None:
            receipts = await open_receipts("sqlite:///inbox.db")
            await receipts.keep([new(f"more-{n}") for n in range(2500)])
            await receipts.close()

        asyncio.run(more())
        shown = cli.json("inbox", "replay", "--state", "new", "--yes")
        assert shown == {"replayed": 2501, "passed_over": 0}
        with closing(sqlite3.connect("inbox.db")) as database:
            counts = database.execute("SELECT replays, count(*) FROM adjourn_receipt GROUP BY 1").fetchall()
        assert counts == [(0, 3), (1, 2501)]
        assert len(seqs(cli, "list", "--all")) == 2504

    @pytest.mark.parametrize("argv", [(), ("--all", "--provider", "quil"), ("--all", "1")])
    def test_everything_only_when_it_is_said(self, cli: Cli, argv: tuple[str, ...]) -> None:
        assert cli("inbox", "replay", *argv, "--yes").code == 2

    def test_without_a_terminal_it_asks_for_yes(self, cli: Cli) -> None:
        ran = cli("inbox", "replay", "--all", stdin="y\n")
        assert ran.code == 2
        assert "has 4 receipts handled anew, and there is no terminal to ask at: give --yes" in ran.err
        assert states(cli)[1] == "handled"

    @pytest.mark.parametrize(("answer", "code", "state"), [("y\n", 0, "new"), ("n\n", 1, "handled")])
    def test_at_a_terminal_it_asks_with_the_count(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, state: str
    ) -> None:
        monkeypatch.setattr(sys, "stdin", _Terminal(answer))
        ran = cli("inbox", "replay", "--state", "handled")
        assert ran.code == code
        assert "this has 1 receipt handled anew" in ran.err
        assert states(cli)[1] == state

    def test_on_a_terminal_there_is_a_bar(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert "replaying" in cli("inbox", "replay", "--all", "--yes").err


class TestBury:
    def test_by_number_and_by_filters(self, cli: Cli) -> None:
        assert cli("inbox", "bury", "2").out == "1 receipt dead now\n"
        assert states(cli) == {1: "handled", 2: "dead", 3: "dead", 4: "new"}
        assert cli.json("inbox", "bury", "--provider", "contio", "--yes") == {"buried": 1, "passed_over": 0}
        assert states(cli)[4] == "dead"
        assert cli("inbox", "bury", "--all", "--yes").out == "there is nothing to be given up on\n"

    @pytest.mark.parametrize(
        ("argv", "code"), [(("1",), 1), (("9",), 1), (("--state", "handled", "--yes"), 2), ((), 2)]
    )
    def test_what_cannot_be(self, cli: Cli, argv: tuple[str, ...], code: int) -> None:
        assert cli("inbox", "bury", *argv).code == code
        assert states(cli) == {1: "handled", 2: "failed", 3: "dead", 4: "new"}

    @pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
    def test_it_asks(self, cli: Cli, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
        assert cli("inbox", "bury", "--all", stdin="y\n").code == 2
        monkeypatch.setattr(sys, "stdin", _Terminal(answer))
        ran = cli("inbox", "bury", "--all")
        assert (ran.code, "gives up on 2 receipts" in ran.err) == (code, True)


class TestForget:
    def test_only_what_was_handled_before(self, cli: Cli) -> None:
        assert cli.json("inbox", "forget", "--before", "2026-01-15T10:35:00Z", "--yes") == {"forgotten": 0}
        assert cli.json("inbox", "forget", "--before", "2026-01-15T10:35:01Z", "--yes") == {"forgotten": 1}
        assert cli.json("inbox", "show", "1")["event"] is None
        assert cli.json("inbox", "show", "3")["event"] is not None

    def test_it_asks(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        assert cli("inbox", "forget").code == 2
        assert cli("inbox", "forget", "--before", "0s").code == 2
        monkeypatch.setattr(sys, "stdin", _Terminal("n\n"))
        assert cli("inbox", "forget", "--before", "0s").code == 1
        assert cli.json("inbox", "show", "1")["event"] is not None


class TestWhichInbox:
    def test_the_option_wins_over_the_environment_and_that_over_the_folder(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asyncio.run(_make("sqlite:///other.db", 1))
        asyncio.run(_make("sqlite:///third.db", 2))
        assert len(states(cli)) == 4
        monkeypatch.setenv("ADJOURN_INBOX_URL", "sqlite:///other.db")
        assert len(states(cli)) == 1
        for argv in (
            ("inbox", "list", "--url", "sqlite:///third.db"),
            ("inbox", "--url", "sqlite:///third.db", "list"),
            ("--url", "sqlite:///third.db", "inbox", "list"),
        ):
            assert len(cli.json(*argv)["receipts"]) == 2

    def test_it_may_be_named_by_the_code_that_has_it(self, cli: Cli, tmp_path: Path) -> None:
        asyncio.run(_make("sqlite:///other.db", 1))
        (tmp_path / "code").mkdir()
        code = "from adjourn import Inbox\ninbox = Inbox('sqlite:///other.db')\n"
        (tmp_path / "code" / "myapp.py").write_text(code)
        found = cli.json("inbox", "list", "--inbox", "myapp:inbox", "--app-dir", "code")
        assert len(found["receipts"]) == 1

    @pytest.mark.parametrize("argv", [("status",), ("list",), ("replay", "--all", "--yes")])
    def test_looking_makes_no_database(
        self, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
    ) -> None:
        (tmp_path / "empty").mkdir()
        monkeypatch.chdir(tmp_path / "empty")
        ran = cli("inbox", *argv)
        assert (ran.code, ran.out) == (2, "")
        assert "--inbox MODULE:INBOX" in ran.err
        for url in ("sqlite:///nothing.db", "sqlite:///no%20thing.db"):
            ran = cli("inbox", *argv, "--url", url)
            assert (ran.code, ran.out) == (2, "")
            assert "there is no inbox yet" in ran.err
        assert json.loads(cli("inbox", *argv, "--json").err)["code"] == "usage"
        assert os.listdir() == []

    @pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "mysql://me:hidden@host/db", "sqlite:///"])
    def test_a_url_of_no_database_is_wrong(self, cli: Cli, url: str) -> None:
        ran = cli("inbox", "status", "--url", url)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("error: ")
        assert "hidden" not in ran.err

    def test_both_are_one_too_many(self, cli: Cli) -> None:
        ran = cli("inbox", "status", "--url", "sqlite:///inbox.db", "--inbox", "myapp:inbox")
        assert (ran.code, ran.err) == (2, "error: which inbox? Give --inbox or --url, not both\n")

    def test_one_that_cannot_answer_is_exit_code_3(self, cli: Cli) -> None:
        with closing(sqlite3.connect("inbox.db")) as database:
            database.execute("DROP TABLE adjourn_receipt_attempt")
        ran = cli("inbox", "show", "1", "--json")
        assert (ran.code, ran.out) == (3, "")
        assert json.loads(ran.err)["code"] == "unreachable"

    def test_postgresql(self, cli: Cli) -> None:
        url = new_database(f"cli_inbox_{os.getpid()}")
        asyncio.run(fill(url))
        assert cli.json("inbox", "status", "--url", url)["counts"]["new"] == 1
        assert cli("inbox", "retry", "--dead", "--url", url).out == "1 receipt due now\n"
        assert cli.json("inbox", "replay", "--all", "--yes", "--url", url)["replayed"] == 4
        assert cli.json("inbox", "show", "q-1", "--url", url)["replays"] == 2

    def test_a_database_without_an_inbox_stays_so(self, cli: Cli) -> None:
        url = new_database(f"cli_no_inbox_{os.getpid()}")
        for _ in range(2):
            ran = cli("inbox", "status", "--url", url)
            assert (ran.code, ran.out) == (2, "")
            assert "there is no inbox in this database" in ran.err

    def test_a_database_that_cannot_be_reached_tells_no_password(self, cli: Cli) -> None:
        ran = cli("inbox", "status", "--url", "postgresql://me:hidden@127.0.0.1:1/a")
        assert (ran.code, ran.out) == (2, "")
        assert "hidden" not in ran.err


async def _make(url: str, count: int) -> None:
    receipts = await open_receipts(url)
    await receipts.keep([new(f"e-{n}") for n in range(count)])
    await receipts.close()

"""docs/receiving.md: its code runs, and does what it says."""

import asyncio
import inspect
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

import adjourn.cli.verify
from adjourn import Inbox, Receipt, Received, Receiver, contio
from adjourn.receiving import Cause
from adjourn.receiving.answer import MAX_BODY_BYTES
from adjourn.receiving.inbox import RETRY_DELAYS
from adjourn.testing import encode, sample, sign

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "receiving.md").read_text("utf-8")
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = [path.read_text("utf-8") for path in ROOT.glob("examples/*.py")]  # see adapters/test_examples.py
OWN = [block for block in BLOCKS if not any(example.endswith(block) for example in EXAMPLES)]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = encode(contio.PROVIDER.event_types["meeting.completed"].sample)


def block(part: str) -> str:
    (found,) = [text for text in OWN if part in text]
    return found


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "webhooks"}
    exec(text, names)
    return names


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the code makes its files."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("text", OWN)
def test_python_runs(text: str) -> None:
    assert run(text)


def test_python_is_typed(tmp_path: Path) -> None:
    for number, text in enumerate(BLOCKS):
        if "csrf_exempt" not in text:  # Django has no types, and so no typed decorators
            (tmp_path / f"block_{number}.py").write_text(text, "utf-8")
    config = f"--config-file={ROOT / 'pyproject.toml'}"
    command = [sys.executable, "-m", "mypy", config, f"--cache-dir={tmp_path}/.cache", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stdout.startswith("Success: "), ran.stdout + ran.stderr


def test_the_handler_answers_as_it_says(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    handle = run(block("logging.error"))["handle"]
    headers = sign(contio, BODY, SECRET)
    assert handle(headers, BODY) == 200
    assert capsys.readouterr().out == (
        "evt-550e8400-e29b-41d4-a716-446655440000 mtg-550e8400-e29b-41d4-a716-446655440000 Weekly Team Sync\n"
    )
    assert handle({}, BODY) == 401
    assert "missing x-contio-signature" in caplog.text
    assert "the request's headers are: none" in caplog.text
    assert handle(sign(contio, b"[]", SECRET), b"[]") == 400


def test_what_is_shown_of_a_refusal_is_what_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    handle = run(block("logging.error"))["handle"]
    spaced = BODY.replace(b'":', b'": ')
    assert handle(sign(contio, BODY, SECRET), spaced) == 401
    shown = re.findall(r"^```text\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    assert [" ".join(text.split()) for text in shown] == [caplog.messages[-1]]


def test_the_table_has_every_cause() -> None:
    table = PAGE.partition("| `exc.diagnosis.cause`")[2].partition("\n\n")[0]
    first = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert sorted(re.findall(r"`(\w+)`", " ".join(first))) == sorted(get_args(Cause))


def test_the_options_of_the_command_are_its_own() -> None:
    command = re.findall(r"^adjourn verify (.*)$", PAGE, re.MULTILINE)
    options = {name.replace("-", "_") for line in command for name in re.findall(r"--([a-z-]+)", line)}
    assert options
    assert options <= set(adjourn.cli.verify.verify.__annotations__)


def test_flask() -> None:
    client = run(block("from flask"))["app"].test_client()
    answers = [
        client.post("/webhooks/contio", data=body, headers=sign(contio, BODY, SECRET)).status_code
        for body in (BODY, BODY + b" ")
    ]
    assert answers == [200, 401]


def test_fastapi() -> None:
    app = run(block("from fastapi import FastAPI, Request"))["app"]

    async def ask(body: bytes) -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            headers = sign(contio, BODY, SECRET)
            return (await client.post("/webhooks/contio", content=body, headers=headers)).status_code

    assert [asyncio.run(ask(body)) for body in (BODY, BODY + b" ")] == [200, 401]


def test_django() -> None:
    from django.conf import settings
    from django.test import RequestFactory

    if not settings.configured:
        settings.configure(DEBUG=True)
    webhook = run(block("from django"))["webhook"]
    answers = [
        webhook(
            RequestFactory().post(
                "/", body, content_type="application/json", headers=sign(contio, BODY, SECRET)
            )
        ).status_code
        for body in (BODY, BODY + b" ")
    ]
    assert answers == [200, 401]


# with an inbox


def received(event_type: str = "meeting.completed", **changes: Any) -> Received:
    body = sample(contio, event_type, **changes).replace(b'"evt-', f'"evt-{event_type}'.encode())
    return Receiver(contio, SECRET).receive(sign(contio, body, SECRET), body)


def handle_all(inbox: Inbox, *events: Received) -> list[Receipt]:
    """What became of each."""

    async def main() -> list[Receipt]:
        async with inbox:
            seqs = [(await inbox.keep(event)).seq for event in events]
            await inbox.settle()
            return [await inbox.receipts.get(seq) for seq in seqs]

    return asyncio.run(main())


def test_its_handlers_do_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    inbox = run(block("DeadLetter, Inbox"))["inbox"]
    receipts = handle_all(
        inbox,
        received(title="Retro"),
        received("action_item.created", title="Call Ana"),
        received("action_item.completed", title=""),
    )
    assert [receipt.state for receipt in receipts] == ["handled", "handled", "dead"]
    assert "an action item without a title" in receipts[2].error
    lines = sorted(capsys.readouterr().out.splitlines())
    assert lines == ["contio Retro", f"{receipts[1].id} 0 Call Ana"]


def test_what_it_retries_and_how_long_it_keeps_is_so() -> None:
    (told,) = re.findall(r"tried again: (.*?) \(", PAGE)
    units = {"s": 1, "min": 60, "h": 3600}
    told_delays = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", told)]
    assert told_delays == [delay.total_seconds() for delay in RETRY_DELAYS]
    defaults = {name: each.default for name, each in inspect.signature(Inbox).parameters.items()}
    assert (defaults["concurrency"], defaults["timeout"], defaults["keep"]) == (
        20,
        timedelta(minutes=10),
        timedelta(days=30),
    )
    assert MAX_BODY_BYTES == 4 * 1024 * 1024


def test_all_that_an_inbox_may_be_told_is_there() -> None:
    text = block("ordered=False")
    assert run(text)["inbox"].url == "sqlite:///inbox.db"
    options = set(re.findall(r"^    (\w+)=", text, re.MULTILINE))
    assert options == inspect.signature(Inbox).parameters.keys() - {"url", "rng"}


def test_the_cause_has_a_name(caplog: pytest.LogCaptureFixture) -> None:
    check = run(block("except Refused"))["check"]
    assert check(sign(contio, BODY, SECRET), BODY)
    assert not check(sign(contio, BODY, SECRET), BODY.replace(b'":', b'": '))
    misfit = "webhook refused: x-contio-signature fits neither the body nor any known secret"
    assert caplog.messages == [f"{misfit}, certainly body_rewritten"]
    assert not check(sign(contio, BODY, f"{SECRET}A"), BODY)
    assert caplog.messages[1] == f"{misfit}, perhaps unknown"


def test_what_ran_before_does_no_harm_when_it_runs_again() -> None:
    names = run(block("notes.execute"))
    (receipt,) = handle_all(names["inbox"], came := received(title="Retro"))
    names["save"](came.event, receipt)
    with closing(sqlite3.connect("notes.db")) as notes:
        assert notes.execute("SELECT id, title FROM note").fetchall() == [(receipt.id, "Retro")]


def test_a_receipt_commits_with_what_is_written() -> None:
    names = run(block("inbox.accept"))
    with closing(sqlite3.connect("shop.db")) as shop:
        handle_all(names["inbox"])
        with pytest.raises(sqlite3.OperationalError):  # there is no such table: then there is no receipt
            names["handle"](sign(contio, BODY, SECRET), BODY)
        shop.execute("CREATE TABLE meeting (title TEXT)")
        assert [names["handle"](sign(contio, BODY, SECRET), BODY) for _ in range(2)] == [200, 200]
        assert shop.execute("SELECT * FROM meeting").fetchall() == [("Weekly Team Sync",)]
        assert shop.execute("SELECT count(*) FROM adjourn_receipt").fetchall() == [(1,)]


def test_without_any_framework() -> None:
    names = run(block("async def take"))

    async def main() -> list[int]:
        async with names["inbox"]:
            headers = sign(contio, BODY, SECRET)
            return [await names["take"](headers, body) for body in (BODY, BODY, BODY + b" ")]

    assert asyncio.run(main()) == [200, 200, 401]


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        path, _, anchor = target.partition("#")
        if path:
            assert (ROOT / "docs" / path).exists(), target
        else:
            assert anchor in headings, target

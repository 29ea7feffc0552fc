"""Servers that fork their workers, and processes that end: with Flask and Django, which have no lifespan."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from tests.postgres import new_database

from adjourn import Inbox
from adjourn.models import Receipt
from adjourn.storage.base import ReceiptFilter

ROOT = Path(__file__).parents[3]


def run(framework: str, url: str, *steps: str) -> list[str]:
    """The ids of what it said it handled, and the lines of what it logged."""
    module = "tests.receiving.adapters.process"
    command = [sys.executable, "-W", "error", "-m", module, framework, url, *steps]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.removeprefix("handled ") for line in done.stdout.splitlines()]


def receipts(url: str) -> list[Receipt]:
    async def ask() -> list[Receipt]:
        async with Inbox(url, work=False) as inbox:
            return await inbox.receipts.list_receipts(ReceiptFilter(), limit=10)

    return asyncio.run(ask())


def url_of(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/inbox.db"


@pytest.mark.parametrize("framework", ["flask", "django"])
@pytest.mark.parametrize("forks", [1, 2])
def test_each_forked_worker_has_an_event_loop_of_its_own(framework: str, forks: int, tmp_path: Path) -> None:
    said = run(framework, url_of(tmp_path), *["fork"] * forks, "take")
    kept = receipts(url_of(tmp_path))
    assert len(kept) == len(set(said)) == 2**forks
    assert sorted(said) == sorted(receipt.id for receipt in kept)  # each once
    assert {(receipt.state, receipt.attempt_no) for receipt in kept} == {("handled", 1)}


def test_postgres_may_be_open_when_a_worker_is_forked() -> None:
    url = new_database("adjourn_forked_inbox")
    said = run("flask", url, "take", "fork", "take")
    assert len(set(said)) == 3
    assert sorted(said) == sorted(receipt.id for receipt in receipts(url))


def test_sqlite_may_not_be_open_when_a_worker_is_forked(tmp_path: Path) -> None:
    assert len(run("flask", url_of(tmp_path), "take", "be_refused", "take")) == 2


@pytest.mark.parametrize("framework", ["flask", "django"])
@pytest.mark.parametrize("steps", [("leave",), ("leave", "sigterm"), ("fork", "leave")])
def test_a_process_that_ends_leaves_nothing_half_done(
    framework: str, steps: tuple[str, ...], tmp_path: Path
) -> None:
    said = run(framework, url_of(tmp_path), *steps)
    kept = {receipt.id: receipt for receipt in receipts(url_of(tmp_path))}
    processes = 2 ** steps.count("fork")
    assert len(kept) == 2 * processes
    assert len(said) == len(set(said)) >= processes  # what one leaves another may have handled
    for event_id, receipt in kept.items():
        handled = event_id in said
        assert (receipt.state, receipt.attempt_no) == (("handled", 1) if handled else ("new", 0))
        assert receipt.error == ""

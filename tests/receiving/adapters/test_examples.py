"""examples/: each serves, verifies, drops duplicates and handles, and the docs show the same code."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.receiving.adapters.harness import ask

from adjourn import contio
from adjourn.testing import sample, sign

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted(ROOT.glob("examples/*.py"))
PAGE = (ROOT / "docs" / "receiving.md").read_text("utf-8")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "/webhooks/contio"


def test_there_is_one_for_each_framework() -> None:
    frameworks = ["aiohttp", "asgi", "django", "fastapi", "flask", "litestar", "starlette"]
    assert [path.stem for path in EXAMPLES] == [f"{name}_app" for name in frameworks]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "CONTIO_WEBHOOK_SECRET": SECRET,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "tests.receiving.adapters.servers", f"examples.{path.stem}"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        task = sample(contio, "action_item.created", title="Send the minutes")
        ended = sample(contio, "meeting.completed", title="Retro").replace(b'"evt-550e', b'"evt-660e')
        assert ask(port, URL, task, sign(contio, task, SECRET)).status == 200
        assert process.stdout.readline() == "to do: Send the minutes\n"
        replies = [ask(port, URL, ended, sign(contio, ended, SECRET)) for _ in range(2)]
        assert [reply.headers["adjourn-receipt"] for reply in replies] == ["new", "duplicate"]
        assert ask(port, URL, ended, sign(contio, ended + b" ", SECRET)).status == 401
        elsewhere = {"asgi_app": 200}.get(path.stem, 404)  # it answers at any path
        assert ask(port, "/elsewhere", ended, sign(contio, ended, SECRET)).status == elsewhere
        if path.stem == "django_app":
            assert ask(port, f"{URL}/", ended, sign(contio, ended, SECRET)).status == 404
        process.stdin.close()
        assert process.stdout.read() == "a meeting ended: Retro\n"
    assert process.returncode == 0
    assert (tmp_path / "inbox.db").exists()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_docs_show_it(path: Path) -> None:
    text = path.read_text("utf-8")
    first = ast.parse(text).body[0]
    code = "".join(text.splitlines(keepends=True)[first.end_lineno :]).lstrip("\n")
    assert f"```python\n{code}```\n" in PAGE

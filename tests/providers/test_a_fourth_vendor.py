"""A vendor is one file: a copy of the package with one more has it everywhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import adjourn

FILE = Path(__file__).parent / "fourth_vendor.py"


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(adjourn.__file__).parent, folder / "adjourn", ignore=ignored)
    shutil.copy(FILE, folder / "adjourn" / "providers" / "fourth.py")
    return folder


def run(copied: Path, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "adjourn", *argv],
        env={**os.environ, "PYTHONPATH": str(copied), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_events_are_published_delivered_and_verified(copied: Path) -> None:
    shown = run(copied, "demo", "--provider", "fourth", "--exit", "--port", "0")
    assert "Everything arrived, verified." in shown


def test_it_is_described_and_has_samples(copied: Path) -> None:
    document = json.loads(run(copied, "asyncapi", "fourth", "--json"))
    assert document["asyncapi"] == "3.0.0"
    assert "call.ended" in json.dumps(document)
    for line in run(copied, "samples", "fourth", "--count", "3").split("\n")[:-1]:
        assert json.loads(line)["kind"] == "call.ended"

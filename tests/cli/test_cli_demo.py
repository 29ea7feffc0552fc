"""The demo, as `make run` runs it."""

import subprocess
import sys


def test_the_demo_ends_well_once_everything_arrived_verified() -> None:
    command = [sys.executable, "-m", "adjourn", "demo", "--exit", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("│")]
    cells = [row.strip("│").split("│") for row in rows]
    shown = {cell[0].strip(): cell[1].strip() for cell in cells}
    assert shown["events published"] == "31"
    assert shown["envelopes, one for each (app, user)"] == shown["delivered"] == "124"
    assert shown["signatures that did not verify"] == "0"
    assert int(shown["refused at first, then retried"]) > 0
    assert "Everything arrived, verified." in done.stdout

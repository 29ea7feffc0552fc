"""Memory of requests in flight, to endpoints that never answer: what bench.sending measures."""

import json
import subprocess
import sys
from collections.abc import Iterator

from bench.bench import Bench
from bench.row import Row

__all__ = ["measure_memory"]


def measure_memory(bench: Bench) -> Iterator[Row]:
    """Rows `plain` and `tls`, above idle; and the same of aiohttp's sender."""
    if not bench.scale.stuck:
        return
    bench.say(f"memory of {bench.scale.stuck:,} requests in flight")
    command = [
        sys.executable,
        "-m",
        "bench.sending",
        "--rounds",
        "0",
        "--stuck",
        str(bench.scale.stuck),
        "--json",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        said, _ = process.communicate(timeout=300)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode:
        raise RuntimeError("bench.sending failed")
    for row in json.loads(said):
        name = row["wire"] if row["sender"] == "own" else f"{row['wire']}, {row['sender']}"
        yield Row(part="memory", name=name, app_mb=row["mb"])

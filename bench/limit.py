"""(a) and (b): what the receiver can take, and what our sender alone sends, each delivery signed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from bench.bench import Bench
from bench.row import Row
from bench.wrk import run_wrk

__all__ = ["measure_limit", "measure_sender"]

_CONNECTIONS = 64
# As large as a delivery: its head and its signature's headers, and the body.
_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "Adjourn/0.1.0",
    "webhook-id": "0198f1f6-7c3e-7000-8000-000000000001",
    "webhook-timestamp": "1768473000",
    "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
}
_BODY = b'{"event_id":"0198f1f6-7c3e-7000-8000-000000000001","data":{"title":"' + b"x" * 400 + b'"}}'


def measure_limit(bench: Bench) -> Iterator[Row]:
    load = run_wrk(
        bench.nginx.url(0),
        "/webhooks/adjourn",
        [_BODY],
        headers=_HEADERS,
        connections=_CONNECTIONS,
        seconds=bench.scale.load,
        folder=bench.folder,
    )
    load.check()
    yield Row(
        part="limit",
        name="wrk",
        per_s=load.requests / load.seconds,
        app_us=load.cpu / load.requests * 1e6,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
    )


def measure_sender(bench: Bench) -> Iterator[Row]:
    """Each process is one of bench.sending's, so that both measure the same."""
    port = urlsplit(bench.nginx.url(0)).port
    part = {
        "name": "own",
        "wire": "plain",
        "hosts": 20,
        "port": port,
        "pem": "",
        "count": bench.scale.requests,
    }
    command = [sys.executable, "-m", "bench.sending", "--part", json.dumps(part)]
    for count in (1, 2):
        bench.say(f"sender alone, {count} processes")
        processes = [
            subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) for _ in range(count)
        ]
        try:
            said = [process.communicate()[0] for process in processes]
        finally:
            for process in processes:
                process.kill()
        if any(process.returncode for process in processes):
            raise RuntimeError("bench.sending failed")
        rows = [json.loads(each) for each in said]
        yield Row(
            part="sender",
            name=f"{count} process{'es' if count > 1 else ''}",
            per_s=sum(row["per_s"] for row in rows),
            app_us=sum(row["cpu_us"] for row in rows) / count,
        )

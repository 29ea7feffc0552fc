"""What one server process does: events published over HTTP, delivered to a receiver on loopback, recorded.

    python -m bench.throughput [--events 20000] [--json]

Three ways side by side, each on a fresh database: one event a request, batches of 100, and one event a
request for an audience of 5 users. The load and the receiver are processes of their own on the same machine,
so on two cores the three share them: read the CPU per event first. The CPU is the server's own
(user + system, from /proc); the receiver counts what arrived.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

_KEY = "pk_bench"
_CONNECTIONS = 64
_TICKS = os.sysconf("SC_CLK_TCK")
_GIVE_UP = 120  # seconds


class _Way(msgspec.Struct, frozen=True):
    name: str
    batch: int
    users: int


_WAYS = (_Way("one a request", 1, 1), _Way("batches of 100", 100, 1), _Way("fan-out 5", 1, 5))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    rows = [_measure(way, options.events) for way in _WAYS]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    print(
        f"{'':16}{'accepted/s':>12}{'delivered/s':>13}"
        f"{'CPU us/event':>14}{'CPU us/delivery':>17}{'RSS MB':>8}"
    )
    for row in rows:
        print(
            f"{row['way']:16}{row['accepted_per_s']:>12,.0f}{row['delivered_per_s']:>13,.0f}"
            f"{row['cpu_us_per_event']:>14,.0f}{row['cpu_us_per_delivery']:>17,.0f}{row['rss_mb']:>8,.0f}"
        )
    return 0


def _measure(way: _Way, events: int) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="adjourn-bench-") as folder,
        _sink() as sink,
        _server(folder) as server,
    ):
        url, pid = server
        _prepare(url, sink, way)
        deliveries = events * way.users
        before, began = _cpu(pid), time.perf_counter()
        asyncio.run(_load(url, way, events))
        accepted = time.perf_counter() - began
        _wait_for(url, sink, deliveries)
        delivered = time.perf_counter() - began
        cpu = _cpu(pid) - before
        return {
            "way": way.name,
            "events": events,
            "accepted_per_s": events / accepted,
            "delivered_per_s": deliveries / delivered,
            "cpu_us_per_event": cpu / events * 1e6,
            "cpu_us_per_delivery": cpu / deliveries * 1e6,
            "rss_mb": _rss(pid),
        }


@contextmanager
def _sink() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "bench.sink"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _server(folder: str) -> Iterator[tuple[str, int]]:
    environ = {
        **os.environ,
        "ADJOURN_DATABASE_URL": f"sqlite:///{folder}/bench.db",
        "ADJOURN_PLATFORM_KEY": _KEY,
        "ADJOURN_PORT": "0",
        "ADJOURN_ALLOW_NETWORKS": "127.0.0.0/8",
    }
    command = [sys.executable, "-m", "adjourn", "serve"]
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        yield next(word for word in line.split() if word.startswith("http://")), process.pid
    finally:
        process.terminate()
        process.communicate()


def _prepare(url: str, sink: str, way: _Way) -> None:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {_KEY}"}, trust_env=False) as client:
        app = {
            "name": "b",
            "company_name": "b",
            "primary_contact_email": "b@example.com",
            "webhook_url": sink,
        }
        app_id = client.post("/v1/platform/apps", json=app).raise_for_status().json()["app"]["id"]
        users = [{"user_id": f"user-{n}", "email": f"user-{n}@example.com"} for n in range(way.users)]
        client.put(f"/v1/platform/apps/{app_id}/connections", json={"connections": users}).raise_for_status()


async def _load(url: str, way: _Way, events: int) -> None:
    """Keep every connection busy with one request after the other until all events are accepted."""
    host, port = url.removeprefix("http://").rsplit(":", 1)
    event = {
        "event_type": "meeting.completed",
        "data": {
            "meeting_id": "mtg-550e8400-e29b-41d4-a716-446655440000",
            "workspace_id": "ws-550e8400-e29b-41d4-a716-446655440001",
            "title": "Weekly Team Sync",
            "completed_at": "2025-01-15T10:30:00Z",
        },
        "audience": {"user_ids": [f"user-{n}" for n in range(way.users)]},
    }
    body = json.dumps(event if way.batch == 1 else {"events": [event] * way.batch}).encode()
    path = "/v1/platform/events" if way.batch == 1 else "/v1/platform/events/batch"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {_KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    left = iter(range(events // way.batch))

    async def keep_busy() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in left:
            writer.write(head + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 202"), answer
            length = next(line for line in answer.split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
        writer.close()

    await asyncio.gather(*(keep_busy() for _ in range(_CONNECTIONS)))


def _wait_for(url: str, sink: str, deliveries: int) -> None:
    """Until the receiver has them all, and the server has recorded them."""
    deadline = time.monotonic() + _GIVE_UP
    with httpx.Client(headers={"Authorization": f"Bearer {_KEY}"}, trust_env=False) as client:
        while time.monotonic() < deadline:
            arrived = int(client.get(f"{sink}/count", headers={"Content-Length": "0"}).text)
            if arrived >= deliveries:
                path = "/v1/platform/deliveries?status=delivered&limit=1"
                if client.get(url + path).json()["total"] >= deliveries:
                    return
            time.sleep(0.02)
    raise SystemExit(f"not everything arrived within {_GIVE_UP} s")


def _cpu(pid: int) -> float:
    """Seconds of CPU so far, user and system."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _rss(pid: int) -> float:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    sys.exit(main())

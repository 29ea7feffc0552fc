"""What a durable inbox costs, beside the same server that only answers 200.

    python -m bench.inbox [--seconds 5] [--rounds 3] [--connections 64 256] [--json]

One uvicorn process (uvloop, httptools), asked by wrk over 64 connections, and over 256: the ASGI adapter with
a SQLite inbox, each event committed before its 200, handled elsewhere and handled in the same process; an
application that reads the body and answers 200; and one that answers without reading it. They take turns:
each round has a fresh server and a fresh database, and the median of the rounds counts. The requests are
Contio's meeting.completed, signed beforehand, each with an id of its own: none is a duplicate, which is
checked.
"""

import argparse
import itertools
import json
import re
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median_low

import msgspec

from adjourn import contio
from adjourn.ids import Uuid7
from adjourn.signing import new_secret
from adjourn.testing import sample, sign
from bench.bench import Bench
from bench.machine import cpu_of
from bench.processes import running, wait_until
from bench.row import Row
from bench.serve_inbox import KINDS
from bench.wrk import Load, run_wrk_with

__all__ = ["NAMES", "measure_inbox"]

NAMES: Mapping[str, str] = {
    "unread": "200, the body not read",
    "bare": "200, the body read",
    "inbox": "inbox",
    "handler": "inbox, handled in the same process",
}
_CONNECTIONS = (64, 256)  # the more there are, the more events share a commit
_MOST_PER_S = 40_000  # requests made beforehand; wrk begins again after the last
_WARM = 1.0  # seconds
_START_WITHIN = 30  # seconds


class Measured(msgspec.Struct, frozen=True):
    """`cpu_us`: of the server, for a request."""

    per_s: float
    cpu_us: float
    p50_ms: float
    p99_ms: float


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5, help="of each, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=_CONNECTIONS, help="one table for each")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    found = {count: _measured_over(count, options.seconds, options.rounds) for count in options.connections}
    if options.json:
        print(json.dumps({str(count): _named(each) for count, each in found.items()}))
        return 0
    for count, each in found.items():
        _show(count, each)
    return 0


def _measured_over(connections: int, seconds: float, rounds: int) -> Mapping[str, Measured]:
    with tempfile.TemporaryDirectory(prefix="adjourn-bench-") as folder:
        return _measure(Path(folder), seconds=seconds, rounds=rounds, connections=connections)


def _named(found: Mapping[str, Measured]) -> Mapping[str, object]:
    return {NAMES[kind]: msgspec.to_builtins(each) for kind, each in found.items()}


def _show(connections: int, found: Mapping[str, Measured]) -> None:
    bare = found["bare"]
    title = f"{connections} connections"
    print(f"{title:38}{'per s':>9}{'of bare':>9}{'CPU us':>9}{'of bare':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for kind, each in found.items():
        print(
            f"{NAMES[kind]:38}{each.per_s:9,.0f}{each.per_s / bare.per_s:9.2f}"
            f"{each.cpu_us:9.1f}{each.cpu_us / bare.cpu_us:9.2f}{each.p50_ms:9.1f}{each.p99_ms:9.1f}"
        )


def measure_inbox(bench: Bench) -> Iterator[Row]:
    """A row for each application, over the larger number of connections."""
    most = max(_CONNECTIONS)
    found = _measure(bench.folder, seconds=bench.scale.load / 2, rounds=bench.scale.rounds, connections=most)
    for kind, each in found.items():
        yield Row(
            part="inbox",
            name=NAMES[kind],
            per_s=each.per_s,
            app_us=each.cpu_us,
            p50_ms=each.p50_ms,
            p99_ms=each.p99_ms,
        )


def _measure(folder: Path, *, seconds: float, rounds: int, connections: int) -> Mapping[str, Measured]:
    """The median of the rounds, by requests a second."""
    found: dict[str, list[Measured]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            found[kind].append(_round(kind, folder, seconds, connections))
    return {
        kind: next(one for one in each if one.per_s == median_low([other.per_s for other in each]))
        for kind, each in found.items()
    }


def _round(kind: str, folder: Path, seconds: float, connections: int) -> Measured:
    """Raises RuntimeError unless each request was kept, and none was a duplicate."""
    secret = new_secret().reveal()
    events = _signed(secret)
    with _serving(kind, folder, secret) as (url, pid):
        warm = _load(url, events, folder, seconds=_WARM, connections=connections)
        before = cpu_of(pid)
        load = _load(url, events, folder, seconds=seconds, connections=connections)
        cpu = cpu_of(pid) - before
    if kind in ("inbox", "handler"):
        _check(folder / "inbox.db", least=warm.requests + load.requests)
    return Measured(load.requests / load.seconds, cpu / load.requests * 1e6, load.p50_ms, load.p99_ms)


def _load(url: str, events: Iterator[bytes], folder: Path, *, seconds: float, connections: int) -> Load:
    some = itertools.islice(events, int(seconds * _MOST_PER_S))
    load = run_wrk_with(url, some, connections=connections, seconds=seconds, folder=folder)
    load.check()
    return load


def _signed(secret: str) -> Iterator[bytes]:
    """Requests as Adjourn's sender makes them, each of an event of its own."""
    event = msgspec.json.decode(sample(contio, "meeting.completed"))
    make_id = Uuid7()
    while True:
        event["event_id"] = f"evt-{make_id()}"
        body = msgspec.json.encode(event)
        headers = {
            "Host": "127.0.0.1",
            "User-Agent": "Adjourn",
            "Content-Length": len(body),
            **sign(contio, body, secret),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        yield f"POST /webhooks/contio HTTP/1.1\r\n{lines}\r\n".encode() + body


@contextmanager
def _serving(kind: str, folder: Path, secret: str) -> Iterator[tuple[str, int]]:
    """Its URL and process. With a fresh database, which stays until the next."""
    for old in folder.glob("inbox.db*"):
        old.unlink()
    log = folder / "inbox.log"
    log.write_text("")
    database = f"sqlite:///{folder}/inbox.db"
    options = ["--database", database, "--secret", secret]
    with running([sys.executable, "-m", "bench.serve_inbox", kind, *options], log=log) as process:
        wait_until(lambda: _answers(log), what=kind, within=_START_WITHIN, process=process, log=log)
        yield _url(log), process.pid


def _url(log: Path) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text("utf-8", "replace"))
    return found[0] if found else ""


def _answers(log: Path) -> bool:
    _, _, port = _url(log).rpartition(":")
    if not port:
        return False
    with closing(socket.socket()) as tried:
        return tried.connect_ex(("127.0.0.1", int(port))) == 0


def _check(path: Path, *, least: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        kept, again = connection.execute(
            "SELECT count(*), coalesce(sum(duplicates), 0) FROM adjourn_receipt"
        ).fetchone()
    if kept < least or again:
        raise RuntimeError(f"{kept} of {least} events were kept, {again} were duplicates")


if __name__ == "__main__":
    raise SystemExit(main())

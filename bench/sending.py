"""What sending costs: our own sender beside aiohttp's, each request signed as a delivery is.

    python -m bench.sending [--requests 20000] [--rounds 3] [--stuck 5000] [--json]

Kept connections to one host and to 50, in plain HTTP and in TLS; each sender is a process of its own, and the
two take turns, so that the ratio holds on a noisy machine. CPU is the sender's alone (user + system), the
least of the rounds. Then the memory of requests to an endpoint that never answers.
"""

import argparse
import asyncio
import datetime
import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adjourn.config import Secret
from adjourn.models import App, AppOptions, AppStatus, Policy
from adjourn.sending.addresses import AddressRule
from adjourn.sending.http1 import Http1Sender
from adjourn.sending.policy import Reply
from adjourn.sending.request import RequestBuilder
from adjourn.sending.sender import Request, Sender
from adjourn.storage.base import Claimed
from bench.aiohttp_sender import AiohttpSender

_SENDERS = {"own": Http1Sender, "aiohttp": AiohttpSender}
_AT_A_TIME = 64
_HOSTS = 50
BODY = b'{"event_id":"0198f1f6-7c3e-7000-8000-000000000001","data":{"title":"' + b"x" * 540 + b'"}}'
_FILES = 20_000
_SECRET = Secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stuck", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", help=argparse.SUPPRESS)  # one measurement, in a process of its own
    options = parser.parse_args(argv)
    if options.part:
        print(json.dumps(uvloop.run(_part(**json.loads(options.part)))))
        return 0
    with tempfile.TemporaryDirectory(prefix="adjourn-bench-") as folder:
        pem = Path(folder, "server.pem")
        pem.write_bytes(_certificate())
        rows = [*_speeds(str(pem), options.requests, options.rounds), *_memory(str(pem), options.stuck)]
    print(json.dumps(rows, indent=2) if options.json else "\n".join(map(_line, rows)))
    return 0


def _line(row: dict[str, Any]) -> str:
    if "stuck" in row:
        return (
            f"{row['sender']:9}{row['stuck']:,} stuck, {row['wire']:7}"
            f"{row['mb']:10.0f} MB more {row['kb_each']:8.1f} KB each"
        )
    return (
        f"{row['sender']:9}{row['hosts']:2} hosts, {row['wire']:7}"
        f"{row['per_s']:10,.0f} requests/s {row['cpu_us']:8.1f} us CPU a request"
    )


def _speeds(pem: str, requests: int, rounds: int) -> Iterator[dict[str, Any]]:
    for wire in ("plain", "tls"):
        with receiver(pem if wire == "tls" else None) as port:
            for hosts in (1, _HOSTS):
                best: dict[str, dict[str, Any]] = {}
                for _ in range(rounds):
                    for name in _SENDERS:
                        row = _run(name=name, wire=wire, hosts=hosts, port=port, pem=pem, count=requests)
                        best[name] = min(best.get(name, row), row, key=lambda each: float(each["cpu_us"]))
                yield from best.values()


def _memory(pem: str, stuck: int) -> Iterator[dict[str, Any]]:
    for wire in ("plain", "tls"):
        with receiver(pem if wire == "tls" else None, "--stuck") as port:
            for name in _SENDERS:
                yield _run(name=name, wire=wire, hosts=_HOSTS, port=port, pem=pem, count=stuck, stuck=True)


def _run(**part: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.sending", "--part", json.dumps(part)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@contextmanager
def receiver(pem: str | None = None, *more: str) -> Iterator[int]:
    command = [sys.executable, "-m", "bench.endpoint", *(["--tls", pem] if pem else []), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


# one measurement


async def _part(
    *, name: str, wire: str, hosts: int, port: int, pem: str, count: int, stuck: bool = False
) -> dict[str, Any]:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    sender = _SENDERS[name](
        AddressRule([ip_network("127.0.0.0/8")]), tls=ssl.create_default_context(cafile=pem)
    )
    scheme = "https" if wire == "tls" else "http"
    urls = [f"{scheme}://127.0.1.{number + 1}:{port}/webhooks/adjourn" for number in range(hosts)]
    requests = _Requests(sender, urls)
    row = {"sender": name, "wire": wire, "hosts": hosts}
    try:
        if stuck:
            return row | await _held(requests, count)
        await requests.send(_AT_A_TIME * hosts)  # opens the connections
        began, cpu = time.perf_counter(), time.process_time()
        await requests.send(count)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        return row | {"per_s": count / seconds, "cpu_us": cpu / count * 1e6}
    finally:
        await sender.close()


async def _held(requests: "_Requests", count: int) -> dict[str, Any]:
    before = _rss()
    tasks = [asyncio.create_task(requests.send_one()) for _ in range(count)]
    while (rss := _rss()) != before or not requests.started:
        await asyncio.sleep(2)  # until nothing grows any more: all handshakes are done
        if _rss() == rss:
            break
    grown = _rss() - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {"stuck": count, "mb": grown / 1e6, "kb_each": grown / count / 1e3}


class _Requests:
    """Signed deliveries, to one URL after the other."""

    def __init__(self, sender: Sender, urls: Sequence[str]) -> None:
        self.started = 0
        self._sender = sender
        self._urls = urls
        self._builder = RequestBuilder()
        self._policy = Policy(retry_delays=(), timeout=datetime.timedelta(seconds=120))
        self._app = bench_app()
        self._claimed = Claimed(
            id="dlv_1",
            app_id="app_1",
            lane_id=1,
            event_id="0198f1f6-7c3e-7000-8000-000000000001",
            event_type="meeting.completed",
            body=BODY,
        )

    async def send(self, count: int) -> None:
        """As many at a time as a busy lane has in flight. Raises RuntimeError unless all succeed."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        left = count

        def hear(reply: Reply) -> None:
            nonlocal left
            left -= 1
            if not reply.succeeded and not ended.done():
                ended.set_exception(RuntimeError(reply.error))
            elif left >= _AT_A_TIME:
                self._sender.start(self._next(), hear)
            elif left == 0 and not ended.done():
                ended.set_result(None)

        for _ in range(min(_AT_A_TIME, count)):
            self._sender.start(self._next(), hear)
        await ended

    async def send_one(self) -> None:
        reply = await self._sender.send(self._next())
        if not reply.succeeded:
            raise RuntimeError(reply.error)

    def _next(self) -> Request:
        url = self._urls[self.started % len(self._urls)]
        self.started += 1
        now = datetime.datetime.now(datetime.UTC)
        return self._builder.build(self._app, self._claimed, self._policy, url=url, now=now)


def bench_app() -> App:
    now = datetime.datetime.now(datetime.UTC)
    return App(
        id="app_1",
        version=1,
        provider="contio",
        name="Bench",
        description=None,
        company_name="Bench",
        client_id="client_1",
        primary_contact_email="b@example.com",
        webhook_url=None,
        webhook_enabled=True,
        webhook_filter=None,
        status=AppStatus.ACTIVE,
        slug=None,
        options=AppOptions(),
        webhook_secret=_SECRET,
        created_at=now,
        updated_at=now,
    )


def _rss() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _certificate() -> bytes:
    """For every host that is sent to, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.IPAddress(ip_address(f"127.0.1.{number + 1}")) for number in range(_HOSTS)]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + signed.public_bytes(serialization.Encoding.PEM)


if __name__ == "__main__":
    sys.exit(main())

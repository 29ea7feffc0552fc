"""The receivers: nginx, the fastest there is, and an endpoint of ours that notes when what arrived."""

import re
import socket
import sys
import urllib.request
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import running, wait_until
from bench.tools import find_tool

__all__ = ["HOSTS", "Endpoint", "Nginx", "endpoint", "free_port", "nginx"]

HOSTS = 20  # loopback addresses that each receiver answers on
_NGINX = """\
daemon off; worker_processes 1; pid nginx.pid; error_log stderr error;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{ {listen} location / {{ return 200; }} location = /status {{ stub_status; }} }}
}}
"""


class Nginx:
    """One worker process that answers 200 to everything."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._asked = 0

    def url(self, number: int) -> str:
        """The receiver by its `number`th address."""
        return f"http://127.0.1.{number % HOSTS + 1}:{self._port}"

    def count(self) -> int:
        """Requests since it started, without those that asked for the count."""
        self._asked += 1
        said = _get(f"{self.url(0)}/status").decode()
        return int(said.splitlines()[2].split()[2]) - self._asked


@contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    folder.mkdir()
    port = free_port()
    listen = " ".join(f"listen 127.0.1.{number + 1}:{port} backlog=8192;" for number in range(HOSTS))
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(listen=listen))
    log = folder / "nginx.log"
    with running(
        [find_tool("nginx"), "-p", str(folder), "-c", str(config), "-e", "stderr"], log=log
    ) as process:
        wait_until(lambda: _listens(port), what="nginx", within=10, process=process, log=log)
        yield Nginx(port)


class Endpoint:
    """bench.endpoint in a process of its own."""

    def __init__(self, port: int) -> None:
        self._port = port

    def url(self, number: int) -> str:
        """By its `number`th address, of as many as there are in 127.1.0.0/16."""
        return f"http://127.1.{number // 250}.{number % 250 + 1}:{self._port}"

    def count(self) -> int:
        """Requests that arrived and were not read yet."""
        return int(_get(f"{self.url(0)}/count"))

    def arrivals(self) -> list[tuple[int, int]]:
        """(the number in its title, CLOCK_MONOTONIC in ns) of each that came since they were last read."""
        values = array("q", _get(f"{self.url(0)}/arrivals"))
        return list(zip(values[::2], values[1::2], strict=True))


@contextmanager
def endpoint(folder: Path, *options: str) -> Iterator[Endpoint]:
    """With the options of bench.endpoint."""
    log = folder / f"endpoint{''.join(options)}.log"
    log.write_text("")
    with running([sys.executable, "-m", "bench.endpoint", *options], log=log) as process:
        wait_until(lambda: bool(_port(log)), what="the endpoint", within=10, process=process, log=log)
        yield Endpoint(_port(log))


def _port(log: Path) -> int:
    found = re.match(r"(\d+)\n", log.read_text())
    return int(found[1]) if found else 0


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.1.1", port)) == 0


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        content: bytes = answer.read()
        return content

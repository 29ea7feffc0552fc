"""The server under test: `adjourn serve` in processes of its own, with apps made over its API."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from cryptography.fernet import Fernet

from bench.processes import running, wait_until
from bench.ways import KEY

__all__ = ["SECRET_KEY", "STORES", "Server", "Setup", "serving"]

_COMMANDS = {"own": ["adjourn", "serve"], "aiohttp": ["bench.serve_aiohttp"]}
_START_WITHIN = 60  # seconds
_BATCH = 200  # events

Json = dict[str, Any]

STORES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
SECRET_KEY = Fernet.generate_key().decode()


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What is run: on which database, in how many processes, with which sender."""

    store: str  # "sqlite" or "postgres"
    workers: int = 1
    sender: str = "own"

    @property
    def name(self) -> str:
        workers = f", {self.workers} workers" if self.workers > 1 else ""
        return f"{STORES[self.store]}{workers}{'' if self.sender == 'own' else f', {self.sender}'}"


class Server:
    """A running one. `pid` is the top of its processes."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60)

    def add_apps(self, users: Sequence[str], url_of: Callable[[int], str]) -> None:
        """An app for each user, connected to it, whose endpoint is `url_of` its number."""
        with self.client() as client:
            for number, user in enumerate(users):
                app = {
                    "name": user,
                    "company_name": "Bench",
                    "primary_contact_email": "bench@example.com",
                    "webhook_url": f"{url_of(number)}/webhooks/adjourn",
                }
                made = client.post("/v1/platform/apps", json=app).raise_for_status().json()["app"]["id"]
                connections = {"connections": [{"user_id": user, "email": f"{user}@example.com"}]}
                client.put(f"/v1/platform/apps/{made}/connections", json=connections).raise_for_status()

    def publish(self, events: Sequence[Json]) -> None:
        """In batches, one after the other."""
        with self.client() as client:
            for first in range(0, len(events), _BATCH):
                batch = {"events": events[first : first + _BATCH]}
                client.post("/v1/platform/events/batch", json=batch).raise_for_status()


@contextmanager
def serving(
    setup: Setup, database_url: str, folder: Path, *, name: str = "adjourn", kill: bool = False
) -> Iterator[Server]:
    """`kill`: do not let it wait at the end for attempts that hang. Raises NotReady."""
    environ = {
        "ADJOURN_DATABASE_URL": database_url,
        "ADJOURN_SECRET_KEY": SECRET_KEY,
        "ADJOURN_PLATFORM_KEY": KEY,
        "ADJOURN_PORT": "0",
        "ADJOURN_WORKERS": str(setup.workers),
        "ADJOURN_ALLOW_NETWORKS": "127.0.0.0/8",
    }
    command = [sys.executable, "-m", *_COMMANDS[setup.sender]]
    log = folder / f"{name}.log"
    log.write_text("")
    with running(command, log=log, environ=environ) as process:
        wait_until(
            lambda: _url(log) != "", what="adjourn serve", within=_START_WITHIN, process=process, log=log
        )
        yield Server(_url(log), process.pid)
        if kill:
            process.kill()


def _url(log: Path) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text("utf-8", "replace"))
    return found[0] if found else ""

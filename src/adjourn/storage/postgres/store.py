"""The store of many nodes: one PostgreSQL database."""

from collections.abc import Callable
from datetime import datetime, timedelta

from adjourn.errors import ConfigError, StorageError
from adjourn.storage.migrate import Tables
from adjourn.storage.postgres.database import PostgresDatabase
from adjourn.storage.postgres.news import PostgresNews
from adjourn.storage.postgres.partitions import make_days
from adjourn.storage.postgres.queue import PostgresQueue
from adjourn.storage.sql.directory import SqlDirectory
from adjourn.storage.sql.infirmary import SqlInfirmary
from adjourn.storage.sql.keyring import SqlKeyring
from adjourn.storage.sql.log import SqlLog
from adjourn.storage.sql.replays import SqlReplays
from adjourn.storage.sql.resealing import check_seal, reseal
from adjourn.storage.sql.subjects import SqlSubjects
from adjourn.vault import Vault

__all__ = ["PostgresStore"]

_TABLES = Tables("adjourn.storage.postgres", "adjourn_schema")
_LEASE = timedelta(seconds=30)


def _ignore(step: str) -> None:
    pass


class PostgresStore:
    """`storage.base.Store` on one database. Open it with `open`, on as many nodes as there are.

    `clock` tells the database's time.
    """

    def __init__(
        self, database: PostgresDatabase, vault: Vault, *, retention: timedelta | None, lease: timedelta
    ) -> None:
        self.clock = clock = database.clock
        self._database = database
        self.queue = PostgresQueue(database, vault, lease=lease, retention=retention)
        self.directory = SqlDirectory(database, vault, clock=clock)
        self.keyring = SqlKeyring(database, vault, clock=clock, load_apps=self.directory.load_apps)
        self.infirmary = SqlInfirmary(database, clock=clock)
        self.replays = SqlReplays(database, clock=clock)
        self.subjects = SqlSubjects(database, vault, clock=clock)
        self.log = SqlLog(database, vault)
        self.news = PostgresNews(database)

    @classmethod
    async def open(
        cls,
        url: str,
        vault: Vault,
        *,
        clock: Callable[[], datetime] | None = None,
        retention: timedelta | None = None,
        lease: timedelta = _LEASE,
        on_step: Callable[[str], None] = _ignore,
    ) -> "PostgresStore":
        """Connect, and bring the tables up to date. What dead workers held is reaped as they all do.

        `clock`: a test's, instead of the database's. `lease`: the workers'. `retention`: None keeps all.
        Raises ConfigError when the database cannot be used, or was sealed with other keys.
        """
        database = await PostgresDatabase.open(url, _TABLES, clock=clock, on_step=on_step)
        store = cls(database, vault, retention=retention, lease=lease)
        try:
            await make_days(database, database.clock())
            async with database.alone():
                await check_seal(store.directory, vault)
                await reseal(database, vault)
        except StorageError as exc:
            await store.close()
            raise ConfigError(f"the database cannot be used: {exc}") from exc
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        await self.news.close()
        await self._database.close()

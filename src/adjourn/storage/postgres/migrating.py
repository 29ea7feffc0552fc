"""Bringing the tables up to date, by whichever of the nodes that start comes first."""

from typing import Any

from adjourn.errors import ConfigError
from adjourn.storage.migrate import Tables, migrations

__all__ = ["migrate"]

_OLDEST_SERVER = 150000  # PostgreSQL 15
_LOCK = 4_027_001  # of this program, while it makes tables


async def migrate(raw: Any, tables: Tables) -> None:
    """Raises ConfigError where the server is too old, texts lose characters, or Adjourn was newer before, and
    where no tables are there and none are to be made.
    """
    server = int(await raw.fetchval("SHOW server_version_num"))
    if server < _OLDEST_SERVER:
        raise ConfigError(f"PostgreSQL {server // 10000} is too old: Adjourn needs 15 or newer")
    encoding = await raw.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise ConfigError(f"the database keeps its texts in {encoding}: make one with ENCODING 'UTF8'")
    known = migrations(tables.package)
    version = await _version(raw, tables)
    if version == known[-1].number:
        return
    if version == 0 and tables.missing is not None:
        raise ConfigError(tables.missing)
    await raw.execute(f"SELECT pg_advisory_lock({_LOCK})")
    try:
        version = await _version(raw, tables)
        if version > known[-1].number:
            raise ConfigError(
                f"the database was written by a newer Adjourn: its tables have version {version}, this one "
                f"knows {known[-1].number}; upgrade Adjourn, or restore a backup made before"
            )
        for migration in known:
            if migration.number > version:
                done = f"INSERT INTO {tables.schema} VALUES ({migration.number})"  # noqa: S608
                await raw.execute(f"BEGIN; {migration.sql}; {done}; COMMIT")
    finally:
        if not raw.is_closed():
            if raw.is_in_transaction():
                await raw.execute("ROLLBACK")
            await raw.execute(f"SELECT pg_advisory_unlock({_LOCK})")


async def _version(raw: Any, tables: Tables) -> int:
    if await raw.fetchval("SELECT to_regclass($1)", tables.schema) is None:
        return 0
    return int(await raw.fetchval(f"SELECT max(version) FROM {tables.schema}") or 0)  # noqa: S608

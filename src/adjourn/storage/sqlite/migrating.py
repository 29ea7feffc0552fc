"""Bringing the tables of a file up to date, by whichever of its processes comes first."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from adjourn.errors import ConfigError
from adjourn.storage.migrate import Tables, migrations
from adjourn.storage.sqlite.connection import Connection

__all__ = ["migrate"]


def migrate(writer: Connection, path: Path, tables: Tables) -> None:
    """All of it or nothing. Raises ConfigError where Adjourn was newer before, and sqlite3.Error."""
    known = migrations(tables.package)
    newest = known[-1].number
    if _version(writer, tables) == newest:
        return
    writer.execute("BEGIN IMMEDIATE")
    try:
        version = _version(writer, tables)
        if version > newest:
            raise ConfigError(
                f"{path} was written by a newer Adjourn: its tables have version {version}, this one knows "
                f"{newest}; upgrade Adjourn, or restore a backup made before"
            )
        for migration in known:
            if migration.number > version:
                for statement in _statements(migration.sql):
                    writer.execute(statement)
        _set_version(writer, tables, newest)
        writer.execute("COMMIT")
    except BaseException:
        if writer.in_transaction:
            writer.execute("ROLLBACK")
        raise


def _version(writer: Connection, tables: Tables) -> int:
    if tables.schema is None:
        return int(writer.execute("PRAGMA user_version").fetchone()[0])
    if not writer.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (tables.schema,)).fetchone():
        return 0
    return int(writer.execute(f"SELECT max(version) FROM {tables.schema}").fetchone()[0] or 0)  # noqa: S608


def _set_version(writer: Connection, tables: Tables, version: int) -> None:
    if tables.schema is None:
        writer.execute(f"PRAGMA user_version = {version}")
    else:
        writer.execute(f"INSERT INTO {tables.schema} VALUES (?) ON CONFLICT DO NOTHING", (version,))  # noqa: S608


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

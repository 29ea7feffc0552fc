"""The directory on SQLite: apps, connections, settings, kept answers."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from adjourn.errors import Conflict, Fault, NotFound
from adjourn.models import App, AppStatus, Connection, ConnectionStatus
from adjourn.storage.base import AnswerExists, Credentials, KeptAnswer, StaleApps
from adjourn.storage.sqlite.database import Database
from adjourn.storage.sqlite.publishing import insert_answer
from adjourn.storage.sqlite.rows import (
    APP_COLUMNS,
    CONNECTION_COLUMNS,
    NEVER,
    read_app,
    read_connection,
    text,
    time,
    to_ms,
)
from adjourn.vault import Vault

__all__ = ["SqliteDirectory"]

# A deleted app may be added again under its id; what it discarded stays discarded.
_ADD_APP = f"""
    INSERT INTO app ({APP_COLUMNS}, api_key_hash, client_secret_hash)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        (version, provider, name, description, company_name, client_id, primary_contact_email, webhook_url,
         webhook_enabled, webhook_filter, status, slug, options, webhook_secret, created_at, updated_at,
         api_key_hash, client_secret_hash, discard_seq) =
        (app.version + 1, excluded.provider, excluded.name, excluded.description, excluded.company_name,
         excluded.client_id, excluded.primary_contact_email, excluded.webhook_url, excluded.webhook_enabled,
         excluded.webhook_filter, excluded.status, excluded.slug, excluded.options, excluded.webhook_secret,
         excluded.created_at, excluded.updated_at, excluded.api_key_hash, excluded.client_secret_hash,
         (SELECT coalesce(max(seq), 0) FROM job))
"""  # noqa: S608
_IS_THERE = "SELECT 1 FROM app WHERE id = ? AND status <> 'deleted'"
_SAVE_APP = """
    UPDATE app SET version = version + 1, name = ?, description = ?, company_name = ?,
           primary_contact_email = ?, webhook_url = ?, webhook_enabled = ?, webhook_filter = ?, status = ?,
           slug = ?, options = ?, updated_at = ?
    WHERE id = ? AND version = ? AND status <> 'deleted'
"""
# What a worker has held since it was published gets the job it would wait in, so that its seq is discarded
# too: an attempt under way may end well; if not, that was the last.
_COVER_HELD = """
    INSERT INTO job (delivery_id, app_id, lane_id, due, owner)
    SELECT id, app_id, lane_id, created_at, owner FROM delivery
    WHERE app_id = ? AND id >= (SELECT min(floor) FROM worker) AND owner IS NOT NULL
    ON CONFLICT DO NOTHING
"""
_DISCARD = "UPDATE app SET discard_seq = (SELECT coalesce(max(seq), 0) FROM job) WHERE id = ?"
_DELETE_APP = f"""
    UPDATE app SET version = version + 1, status = 'deleted', client_id = NULL, api_key_hash = NULL,
           client_secret_hash = NULL, discard_seq = {NEVER}, updated_at = ?
    WHERE id = ? AND status <> 'deleted'
"""  # noqa: S608
_PUT_CONNECTION = f"""
    INSERT INTO connection ({CONNECTION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (user_id, app_id) DO UPDATE SET
        (id, user_email, oauth_scopes, status, created_at, updated_at) =
        (excluded.id, excluded.user_email, excluded.oauth_scopes, excluded.status, excluded.created_at,
         excluded.updated_at)
"""  # noqa: S608


class SqliteDirectory:
    """`storage.base.Directory` on one file. Webhook secrets are sealed by `vault`."""

    def __init__(self, database: Database, vault: Vault, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    # apps

    async def add_app(self, app: App, credentials: Credentials, *, answer: KeptAnswer | None) -> None:
        row = (
            app.id,
            app.version,
            app.provider,
            app.name,
            app.description,
            app.company_name,
            app.client_id,
            app.primary_contact_email,
            app.webhook_url,
            app.webhook_enabled,
            None if app.webhook_filter is None else text(app.webhook_filter),
            app.status,
            app.slug,
            text(app.options),
            self._vault.seal(app.webhook_secret.reveal().encode("utf-8", "surrogatepass")),
            to_ms(app.created_at),
            to_ms(app.updated_at),
            credentials.api_key_hash,
            credentials.client_secret_hash,
        )

        def run(connection: sqlite3.Connection) -> None:
            if connection.execute(_IS_THERE, (app.id,)).fetchone():
                raise _taken("$.id")
            for column, value in (("client_id", app.client_id), ("api_key_hash", credentials.api_key_hash)):
                if connection.execute(f"SELECT 1 FROM app WHERE {column} = ?", (value,)).fetchone():  # noqa: S608
                    raise _taken(f"$.credentials.{column.removesuffix('_hash')}")
            connection.execute(_ADD_APP, row)
            if answer is not None:
                insert_answer(connection, answer)

        await self._database.write("add_app", run)

    async def save_app(self, app: App, *, discard: bool = False) -> App:
        now = to_ms(self._clock())

        def run(connection: sqlite3.Connection) -> App:
            saved = connection.execute(
                _SAVE_APP,
                (
                    app.name,
                    app.description,
                    app.company_name,
                    app.primary_contact_email,
                    app.webhook_url,
                    app.webhook_enabled,
                    None if app.webhook_filter is None else text(app.webhook_filter),
                    app.status,
                    app.slug,
                    text(app.options),
                    now,
                    app.id,
                    app.version,
                ),
            ).rowcount
            if not saved:
                raise StaleApps([app.id])
            if discard:
                connection.execute(_COVER_HELD, (app.id,))
                connection.execute(_DISCARD, (app.id,))
            if app.takes_attempts:
                connection.execute("UPDATE lane SET wake_at = ? WHERE app_id = ?", (now, app.id))
            return msgspec.structs.replace(app, version=app.version + 1, updated_at=time(now))

        return await self._database.write("save_app", run)

    async def delete_app(self, app_id: str) -> None:
        now = to_ms(self._clock())

        def run(connection: sqlite3.Connection) -> None:
            if not connection.execute(_DELETE_APP, (now, app_id)).rowcount:
                raise NotFound("app", app_id)
            connection.execute("DELETE FROM connection WHERE app_id = ?", (app_id,))

        await self._database.write("delete_app", run)

    async def get_app(self, app_id: str) -> App:
        for app in await self.load_apps([app_id]):
            return app
        raise NotFound("app", app_id)

    async def find_app_by_key(self, api_key_hash: bytes) -> App | None:
        rows = self._database.look(f"SELECT {APP_COLUMNS} FROM app WHERE api_key_hash = ?", (api_key_hash,))  # noqa: S608
        return read_app(rows[0], self._vault) if rows else None

    async def load_apps(self, app_ids: Sequence[str]) -> list[App]:
        sql = f"SELECT {APP_COLUMNS} FROM app WHERE id = ? AND status <> 'deleted'"  # noqa: S608
        rows = [row for app_id in app_ids for row in self._database.look(sql, (app_id,))]
        return [read_app(row, self._vault) for row in rows]

    async def list_apps(self, *, status: AppStatus | None, limit: int, offset: int) -> tuple[list[App], int]:
        where = "status <> 'deleted'" if status is None else "status = ?"
        values = () if status is None else (status,)
        rows, total = await self._page(APP_COLUMNS, f"app WHERE {where}", values, (limit, offset))
        return [read_app(row, self._vault) for row in rows], total

    # connections

    async def put_connections(
        self, connections: Sequence[Connection], *, new_id: Callable[[], str]
    ) -> list[bool]:
        def run(connection: sqlite3.Connection) -> list[bool]:
            return [_put_connection(connection, each, new_id) for each in connections]

        return await self._database.write("put_connections", run)

    async def find_connection(self, app_id: str, user_id: str) -> Connection | None:
        rows = self._database.look(
            f"SELECT {CONNECTION_COLUMNS} FROM connection WHERE user_id = ? AND app_id = ?",  # noqa: S608
            (user_id, app_id),
        )
        return read_connection(rows[0]) if rows else None

    async def list_connections(
        self,
        app_id: str,
        *,
        user_id: str | None,
        status: ConnectionStatus | None,
        limit: int,
        offset: int,
    ) -> tuple[list[Connection], int]:
        where, values = "connection WHERE app_id = ?", [app_id]
        if user_id is not None:
            where, values = f"{where} AND user_id = ?", [*values, user_id]
        if status is not None:
            where, values = f"{where} AND status = ?", [*values, status]
        rows, total = await self._page(CONNECTION_COLUMNS, where, tuple(values), (limit, offset))
        return [read_connection(row) for row in rows], total

    async def connections_of(self, user_ids: Sequence[str]) -> list[Connection]:
        sql = f"SELECT {CONNECTION_COLUMNS} FROM connection WHERE user_id = ?"  # noqa: S608
        return [read_connection(row) for user_id in user_ids for row in self._database.look(sql, (user_id,))]

    # answers and settings

    async def find_answer(self, scope: str, key: str) -> KeptAnswer | None:
        rows = self._database.look("SELECT * FROM idempotency WHERE scope = ? AND key = ?", (scope, key))
        for row in rows:
            return KeptAnswer(
                scope=row[0],
                key=row[1],
                body_hash=row[2],
                status=row[3],
                body=row[4],
                sealed=bool(row[5]),
                at=time(row[6]),
            )
        return None

    async def keep_answer(self, answer: KeptAnswer) -> None:
        with suppress(AnswerExists):
            await self._database.write("keep_answer", lambda connection: insert_answer(connection, answer))

    async def find_setting(self, name: str) -> bytes | None:
        rows = self._database.look("SELECT value FROM setting WHERE name = ?", (name,))
        return bytes(rows[0][0]) if rows else None

    async def add_setting(self, name: str, value: bytes) -> bool:
        def run(connection: sqlite3.Connection) -> bool:
            sql = "INSERT INTO setting VALUES (?, ?) ON CONFLICT DO NOTHING"
            return connection.execute(sql, (name, value)).rowcount > 0

        return await self._database.write("add_setting", run)

    async def _page(
        self, columns: str, source: str, values: tuple[str, ...], bounds: tuple[int, int]
    ) -> tuple[list[tuple[Any, ...]], int]:
        def run(connection: sqlite3.Connection) -> tuple[list[tuple[Any, ...]], int]:
            (total,) = connection.execute(f"SELECT count(*) FROM {source}", values).fetchone()  # noqa: S608
            sql = f"SELECT {columns} FROM {source} ORDER BY created_at, id LIMIT ? OFFSET ?"  # noqa: S608
            return connection.execute(sql, (*values, *bounds)).fetchall(), total

        return await self._database.read(run)


def _taken(path: str) -> Conflict:
    return Conflict(f"{path}: is another app's", faults=[Fault(path, "is another app's")])


def _put_connection(connection: sqlite3.Connection, new: Connection, new_id: Callable[[], str]) -> bool:
    """Whether it is new: there was none, or it had ended."""
    old = connection.execute(
        "SELECT id, created_at FROM connection WHERE user_id = ? AND app_id = ? AND status = 'active'",
        (new.user_id, new.app_id),
    ).fetchone()
    others = connection.execute(
        "SELECT user_id FROM connection WHERE app_id = ? AND id = ? AND user_id <> ?",
        (new.app_id, new.id, new.user_id),
    ).fetchone()
    if others is not None:
        raise Conflict(f"the connection id {new.id!r} is that of user {others[0]!r}")
    if old is not None:
        new = msgspec.structs.replace(new, id=new.id or old[0], created_at=time(old[1]))
    elif not new.id:
        new = msgspec.structs.replace(new, id=new_id())
    connection.execute(
        _PUT_CONNECTION,
        (
            new.id,
            new.app_id,
            new.user_id,
            new.user_email,
            text(new.oauth_scopes),
            new.status,
            to_ms(new.created_at),
            to_ms(new.updated_at),
        ),
    )
    return old is None

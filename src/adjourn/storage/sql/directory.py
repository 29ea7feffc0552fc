"""The directory: apps, connections, settings, kept answers."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec

from adjourn.errors import Conflict, Fault, NotFound
from adjourn.models import App, AppStatus, Connection, ConnectionStatus, Disabled, DisabledBy, NoticeKind
from adjourn.storage.base import AnswerExists, Backlog, KeptAnswer, KeyHashes, StaleApps
from adjourn.storage.sql.answers import insert_answer
from adjourn.storage.sql.apps import (
    CLEAR_AUTOMATION,
    AppReader,
    app_values,
    save_automations,
)
from adjourn.storage.sql.backlog import CANCEL_REPLAYS, cover_held, settle_backlog, wake_lanes
from adjourn.storage.sql.connection import Connection as Transaction
from adjourn.storage.sql.connection import Database, Row, look_up
from adjourn.storage.sql.connections import connections_of, put_connections
from adjourn.storage.sql.keyring import key_is_taken
from adjourn.storage.sql.notices import insert_notice
from adjourn.storage.sql.rows import (
    CONNECTION_COLUMNS,
    NEVER,
    read_connection,
    time,
    to_ms,
)
from adjourn.vault import Vault

__all__ = ["SqlDirectory"]

_IS_THERE = "SELECT 1 FROM app WHERE id = ? AND status <> 'deleted'"
# A deleted app may be added again under its id; what it discarded stays discarded.
_REVIVE = """
    UPDATE app SET discard_seq = (SELECT coalesce(max(seq), 0) FROM job WHERE app_id = app.id), drain_seq = 0
    WHERE id = ?
"""
_CLIENT_ID_TAKEN = "SELECT 1 FROM app WHERE client_id = ?"
_ADD_CREDENTIAL = "INSERT INTO credential (app_id, type, hash, sealed, created_at) VALUES (?, ?, ?, ?, ?)"
_BEFORE = "SELECT webhook_enabled, disabled FROM app WHERE id = ? AND version = ? AND status <> 'deleted'"
_ENABLED = """
    UPDATE health SET enabled_at = ?, abandoned = 0, failed_first = NULL, failed_last = NULL,
           exhausted_at = NULL, warned_at = NULL
    WHERE app_id = ?
"""
_DELETE_APP = f"""
    UPDATE app SET version = version + 1, status = 'deleted', client_id = NULL, discard_seq = {NEVER},
           updated_at = ?
    WHERE id = ? AND status <> 'deleted'
"""  # noqa: S608
_DELETE_ITS = (
    "DELETE FROM connection WHERE app_id = ?",
    "DELETE FROM credential WHERE app_id = ?",
    "DELETE FROM health WHERE app_id = ?",
    "DELETE FROM subject WHERE app_id = ?",
    f"{CLEAR_AUTOMATION} WHERE app_id = ? AND status <> 'deleted'",
)
_ANSWER = """
    SELECT scope, key, body_hash, status, body, sealed, at FROM idempotency WHERE scope = ? AND key = ?
"""


class SqlDirectory:
    """`storage.base.Directory`. Webhook secrets are sealed by `vault`.

    What changes an app names it to the database, which lets one change it at a time, and holds its row: so
    does the recording of an attempt that switches it off.
    """

    def __init__(self, database: Database, vault: Vault, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._reader = AppReader(vault)
        self._clock = clock

    # apps

    async def add_app(self, app: App, credentials: KeyHashes, *, answer: KeptAnswer | None) -> None:
        sealed = self._vault.seal(app.webhook_secret.reveal().encode("utf-8", "surrogatepass"))
        now = to_ms(self._clock())

        def run(connection: Transaction) -> None:
            if connection.execute(_IS_THERE, (app.id,)).fetchone():
                raise _taken("$.id")
            connection.lock(f"client id {app.client_id}")
            if connection.execute(_CLIENT_ID_TAKEN, (app.client_id,)).fetchone():
                raise _taken("$.credentials.client_id")
            if key_is_taken(connection, credentials.api_key_hash):
                raise _taken("$.credentials.api_key")
            _insert_app(connection, app)
            created_at = to_ms(app.created_at)
            connection.executemany(
                _ADD_CREDENTIAL,
                [
                    (app.id, "api_key", credentials.api_key_hash, None, created_at),
                    (app.id, "client_secret", credentials.client_secret_hash, None, created_at),
                    (app.id, "webhook_secret", None, sealed, created_at),
                ],
            )
            connection.execute("INSERT INTO health (app_id, enabled_at) VALUES (?, ?)", (app.id, now))
            if answer is not None:
                insert_answer(connection, answer)

        await self._database.write("add_app", run, app_id=app.id)

    async def save_app(
        self, app: App, *, backlog: Backlog | None = None, answer: KeptAnswer | None = None
    ) -> App:
        now = to_ms(self._clock())

        def run(connection: Transaction) -> App:
            before = connection.hold(_BEFORE, (app.id, app.version)).fetchone()
            if before is None:
                raise StaleApps([app.id])
            _update_app(connection, app, now)
            save_automations(connection, app)
            settle_backlog(connection, app.id, backlog, now)
            if app.is_on:
                wake_lanes(connection, app.id)
            if app.webhook_enabled and not before[0]:
                _begin_anew(connection, app.id, before[1], now)
            if answer is not None:
                insert_answer(connection, answer)
            return msgspec.structs.replace(app, version=app.version + 1, updated_at=time(now))

        return await self._database.write("save_app", run, app_id=app.id)

    async def delete_app(self, app_id: str) -> None:
        now = to_ms(self._clock())

        def run(connection: Transaction) -> None:
            if not connection.execute(_DELETE_APP, (now, app_id)).rowcount:
                raise NotFound("app", app_id)
            cover_held(connection, app_id)
            for statement in _DELETE_ITS:
                connection.execute(statement, (app_id,))
            connection.execute(CANCEL_REPLAYS, (now, app_id))

        await self._database.write("delete_app", run, app_id=app_id)

    async def get_app(self, app_id: str) -> App:
        for app in await self.load_apps([app_id]):
            return app
        raise NotFound("app", app_id)

    async def load_apps(self, app_ids: Sequence[str]) -> list[App]:
        return await self._database.look(lambda connection: self._reader.load(connection, app_ids))

    async def list_apps(self, *, status: AppStatus | None, limit: int, offset: int) -> tuple[list[App], int]:
        where = "status <> 'deleted'" if status is None else "status = ?"
        values = () if status is None else (status,)

        def run(connection: Transaction) -> tuple[list[App], int]:
            (total,) = connection.execute(f"SELECT count(*) FROM app WHERE {where}", values).fetchone()  # noqa: S608
            page = f"{where} ORDER BY created_at, id LIMIT ? OFFSET ?"
            apps = self._reader.read(connection, page, (*values, limit, offset), automations=False)
            return apps, total

        return await self._database.read(run, turn="apps")

    async def find_owner(self, automation_id: str) -> str | None:
        rows = await look_up(self._database, "SELECT app_id FROM automation WHERE id = ?", automation_id)
        return rows[0][0] if rows else None

    # connections

    async def put_connections(
        self, connections: Sequence[Connection], *, new_id: Callable[[], str]
    ) -> list[bool]:
        return await self._database.write(
            "put_connections", lambda connection: put_connections(connection, connections, new_id)
        )

    async def find_connection(self, app_id: str, user_id: str) -> Connection | None:
        rows = await look_up(
            self._database,
            f"SELECT {CONNECTION_COLUMNS} FROM connection WHERE user_id = ? AND app_id = ?",  # noqa: S608
            user_id,
            app_id,
        )
        return read_connection(rows[0]) if rows else None

    async def get_connection(self, app_id: str, connection_id: str) -> Connection:
        rows = await look_up(
            self._database,
            f"SELECT {CONNECTION_COLUMNS} FROM connection WHERE app_id = ? AND id = ?",  # noqa: S608
            app_id,
            connection_id,
        )
        for row in rows:
            return read_connection(row)
        raise NotFound("connection", connection_id)

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
        return await self._database.look(lambda connection: connections_of(connection, user_ids))

    # answers and settings

    async def find_answer(self, scope: str, key: str) -> KeptAnswer | None:
        rows = await look_up(self._database, _ANSWER, scope, key)
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
        rows = await look_up(self._database, "SELECT value FROM setting WHERE name = ?", name)
        return bytes(rows[0][0]) if rows else None

    async def add_setting(self, name: str, value: bytes) -> bool:
        def run(connection: Transaction) -> bool:
            sql = "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
            return connection.execute(sql, (name, value)).rowcount > 0

        return await self._database.write("add_setting", run)

    async def _page(
        self, columns: str, source: str, values: tuple[str, ...], bounds: tuple[int, int]
    ) -> tuple[list[Row], int]:
        def run(connection: Transaction) -> tuple[list[Row], int]:
            (total,) = connection.execute(f"SELECT count(*) FROM {source}", values).fetchone()  # noqa: S608
            sql = f"SELECT {columns} FROM {source} ORDER BY created_at, id LIMIT ? OFFSET ?"  # noqa: S608
            return connection.execute(sql, (*values, *bounds)).fetchall(), total

        return await self._database.read(run, turn=values[0])


def _insert_app(connection: Transaction, app: App) -> None:
    """Into the row that a deleted app has left, where there is one."""
    fixed = {
        "provider": app.provider,
        "client_id": app.client_id,
        "created_at": to_ms(app.created_at),
        "updated_at": to_ms(app.updated_at),
    }
    values = {**fixed, **app_values(app)}
    if connection.execute(_REVIVE, (app.id,)).rowcount:
        changes = ", ".join(f"{name} = ?" for name in values)
        sql = f"UPDATE app SET version = version + 1, {changes} WHERE id = ?"  # noqa: S608
    else:
        names, marks = ", ".join(values), ", ".join("?" for _ in values)
        sql = f"INSERT INTO app ({names}, id, version) VALUES ({marks}, ?, 1)"  # noqa: S608
    connection.execute(sql, (*values.values(), app.id))


def _update_app(connection: Transaction, app: App, now: int) -> None:
    values = app_values(app)
    changes = ", ".join(f"{name} = ?" for name in values)
    connection.execute(
        f"UPDATE app SET version = version + 1, updated_at = ?, {changes} WHERE id = ?",  # noqa: S608
        (now, *values.values(), app.id),
    )


def _begin_anew(connection: Transaction, app_id: str, disabled: str | None, now: int) -> None:
    """Webhooks are on again: what is counted begins anew, and a contact who did not do it hears of it."""
    connection.execute(_ENABLED, (now, app_id))
    before = None if disabled is None else msgspec.json.decode(disabled, type=Disabled)
    if before is not None and before.by in (DisabledBy.AUTO_DISABLE, DisabledBy.GONE):
        insert_notice(connection, app_id, NoticeKind.ENABLED_AGAIN, {}, now)


def _taken(path: str) -> Conflict:
    return Conflict(f"{path}: is another app's", faults=[Fault(path, "is another app's")])

"""The keyring: current credentials, those before in their grace period, and the history."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from adjourn.config import Secret
from adjourn.errors import Conflict, Fault, NotFound
from adjourn.ids import Uuid7
from adjourn.models import App
from adjourn.storage.base import (
    Credential,
    CredentialAction,
    CredentialEvent,
    CredentialType,
    KeptAnswer,
    Rotation,
    Who,
)
from adjourn.storage.sql.answers import insert_answer
from adjourn.storage.sql.apps import APP_CHANGED
from adjourn.storage.sql.connection import Connection, Database, look_up
from adjourn.storage.sql.rows import maybe, text, time, to_ms
from adjourn.vault import Vault, digest_key

__all__ = ["SqlKeyring", "key_is_taken"]

_OWNER = "SELECT app_id FROM credential WHERE type = 'api_key' AND hash = ? AND (until IS NULL OR until > ?)"
_USED = """
    UPDATE credential SET used_at = ? WHERE type = 'api_key' AND hash = ? AND (used_at IS NULL OR used_at < ?)
"""
# A webhook secret was last used when the last attempt that it signed ended: a success clears `failed_last`.
_CREDENTIALS = """
    SELECT live.type, live.created_at, live.rotated_at,
           (SELECT max(former.until) FROM credential AS former
            WHERE former.app_id = live.app_id AND former.type = live.type AND former.until > ?),
           CASE live.type WHEN 'webhook_secret' THEN
               (SELECT coalesce(failed_last, succeeded_at) FROM health WHERE health.app_id = live.app_id)
           ELSE live.used_at END
    FROM credential AS live
    WHERE live.app_id = ? AND live.until IS NULL
    ORDER BY live.type
"""
_CURRENT = "SELECT id, created_at FROM credential WHERE app_id = ? AND type = ? AND until IS NULL"
_BEFORE = """
    SELECT id FROM credential WHERE app_id = ? AND type = ? AND rollback_hash = ? AND until > ?
"""
_END_ALL = "DELETE FROM credential WHERE app_id = ? AND type = ?"
_IN_GRACE = "SELECT count(*), min(until) FROM credential WHERE app_id = ? AND type = ? AND until IS NOT NULL"
_MOST_IN_GRACE = 5
_END_CURRENT = "DELETE FROM credential WHERE app_id = ? AND type = ? AND until IS NULL"
_BEGIN_GRACE = "UPDATE credential SET until = ?, rollback_hash = ? WHERE id = ?"
_END_GRACE = "UPDATE credential SET until = NULL, rollback_hash = NULL WHERE id = ?"
_INSERT = """
    INSERT INTO credential (app_id, type, hash, sealed, created_at, rotated_at) VALUES (?, ?, ?, ?, ?, ?)
"""
_ENDED = "DELETE FROM credential WHERE until <= ? RETURNING app_id, type, until"
_REMEMBER = """
    INSERT INTO credential_event (app_id, type, action, who, reason, at) VALUES (?, ?, ?, ?, ?, ?)
"""
_HISTORY = "SELECT id, app_id, type, action, who, reason, at FROM credential_event WHERE app_id = ?"
_TAKEN = "SELECT 1 FROM credential WHERE type = 'api_key' AND hash = ?"
_SYSTEM = Who(kind="system")


class SqlKeyring:
    """`storage.base.Keyring`. `load_apps` is the Directory's.

    What changes an app's credentials names the app to the database, which lets one change it at a time. Grace
    periods end beside that: who wants a credential that is in its own holds it.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        clock: Callable[[], datetime],
        load_apps: Callable[[Sequence[str]], Awaitable[list[App]]],
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._load_apps = load_apps

    async def find_app_by_key(self, api_key_hash: bytes) -> App | None:
        rows = await look_up(self._database, _OWNER, api_key_hash, to_ms(self._clock()))
        apps = await self._load_apps([app_id for (app_id,) in rows])
        return apps[0] if apps else None

    async def note_used(self, api_key_hash: bytes, at: datetime) -> None:
        values = (to_ms(at), api_key_hash, to_ms(at))
        await self._database.write("note_used", lambda connection: connection.execute(_USED, values))

    async def list_credentials(self, app_id: str) -> list[Credential]:
        rows = await look_up(self._database, _CREDENTIALS, to_ms(self._clock()), app_id)
        return [_read_credential(row) for row in rows]

    async def rotate(self, rotation: Rotation, *, answer: KeptAnswer | None) -> None:
        kind = rotation.type
        hashed, sealed = self._stored(kind, rotation.secret)
        at = to_ms(rotation.at)

        def run(connection: Connection) -> None:
            _end_grace(connection, at)
            current = connection.execute(_CURRENT, (rotation.app_id, kind)).fetchone()
            if current is None:
                raise NotFound("app", rotation.app_id)
            if rotation.grace_ends_at is None:
                connection.execute(_END_ALL, (rotation.app_id, kind))
            else:
                _check_room(connection, rotation.app_id, kind)
                grace = (to_ms(rotation.grace_ends_at), rotation.rollback_hash)
                connection.execute(_BEGIN_GRACE, (*grace, current[0]))
            if hashed is not None and kind is CredentialType.API_KEY and key_is_taken(connection, hashed):
                raise Conflict("the API key is taken", faults=[Fault("$.secret", "is taken")])
            connection.execute(_INSERT, (rotation.app_id, kind, hashed, sealed, current[1], at))
            who, reason = rotation.who, rotation.reason
            _changed(
                connection, _Line(rotation.app_id, kind, CredentialAction.ROTATED, who, reason, at), answer
            )

        await self._database.write("rotate", run, app_id=rotation.app_id)

    async def roll_back(
        self,
        app_id: str,
        kind: CredentialType,
        *,
        rollback_hash: bytes,
        who: Who,
        reason: str | None,
        answer: KeptAnswer | None,
    ) -> bool:
        now = to_ms(self._clock())

        def run(connection: Connection) -> bool:
            before = connection.hold(_BEFORE, (app_id, kind, rollback_hash, now)).fetchone()
            if before is None:
                return False
            connection.execute(_END_CURRENT, (app_id, kind))
            connection.execute(_END_GRACE, (before[0],))
            _changed(connection, _Line(app_id, kind, CredentialAction.ROLLBACK, who, reason, now), answer)
            return True

        return await self._database.write("roll_back", run, app_id=app_id)

    async def list_history(
        self,
        app_id: str,
        *,
        kind: CredentialType | None,
        action: CredentialAction | None,
        limit: int,
        offset: int,
    ) -> list[CredentialEvent]:
        given = {"type": kind, "action": action}
        bounds = {name: value for name, value in given.items() if value is not None}
        where = "".join(f" AND {name} = ?" for name in bounds)
        sql = f"{_HISTORY}{where} ORDER BY id DESC LIMIT ? OFFSET ?"
        values = (app_id, *bounds.values(), limit, offset)
        rows = await self._database.read(
            lambda connection: connection.execute(sql, values).fetchall(), turn=app_id
        )
        return [_read_event(row) for row in rows]

    async def end_grace(self) -> int:
        now = to_ms(self._clock())
        if not await look_up(self._database, "SELECT 1 FROM credential WHERE until <= ? LIMIT 1", now):
            return 0
        return await self._database.write("end_grace", lambda connection: _end_grace(connection, now))

    def _stored(self, kind: CredentialType, secret: Secret) -> tuple[bytes | None, bytes | None]:
        """As hash, or sealed: a webhook secret is needed again."""
        plain = secret.reveal().encode("utf-8", "surrogatepass")
        if kind is CredentialType.WEBHOOK_SECRET:
            return None, self._vault.seal(plain)
        return digest_key(plain), None


def key_is_taken(connection: Connection, api_key_hash: bytes) -> bool:
    """Whether an app has that API key; nobody else asks for it until the transaction ends."""
    connection.lock(f"api key {api_key_hash.hex()}")
    return connection.execute(_TAKEN, (api_key_hash,)).fetchone() is not None


def _check_room(connection: Connection, app_id: str, kind: CredentialType) -> None:
    count, until = connection.execute(_IN_GRACE, (app_id, kind)).fetchone()
    if count >= _MOST_IN_GRACE:
        raise Conflict(
            f"{count} earlier ones are in their grace periods, the first until "
            f"{time(until):%Y-%m-%dT%H:%M:%SZ}: wait, or rotate without a grace period, which ends them all"
        )


class _Line(NamedTuple):
    """A line of the history."""

    app_id: str
    type: CredentialType
    action: CredentialAction
    who: Who
    reason: str | None
    at: int


def _changed(connection: Connection, line: _Line, answer: KeptAnswer | None) -> None:
    """What follows a change of the current credential, in its commit."""
    if line.type is CredentialType.WEBHOOK_SECRET:
        connection.execute(APP_CHANGED, (line.at, line.app_id))
    _remember(connection, line)
    if answer is not None:
        insert_answer(connection, answer)


def _remember(connection: Connection, line: _Line) -> None:
    values = (line.app_id, line.type, line.action, text(line.who), line.reason, line.at)
    connection.execute(_REMEMBER, values)


def _end_grace(connection: Connection, now: int) -> int:
    """Each line of the history is written by whoever deleted the credential: once."""
    ended = connection.execute(_ENDED, (now,)).fetchall()
    for app_id, kind, until in ended:
        _remember(connection, _Line(app_id, kind, CredentialAction.DISABLED, _SYSTEM, None, until))
    return len(ended)


def _read_credential(row: tuple[Any, ...]) -> Credential:
    kind, created_at, rotated_at, grace_ends_at, used_at = row
    if used_at is not None and used_at < (rotated_at or 0):
        used_at = None  # that was the one before
    return Credential(
        type=CredentialType(kind),
        created_at=time(created_at),
        rotated_at=maybe(rotated_at),
        used_at=maybe(used_at),
        grace_ends_at=maybe(grace_ends_at),
    )


def _read_event(row: tuple[Any, ...]) -> CredentialEvent:
    return CredentialEvent(
        id=Uuid7.of(row[6], f"{row[1]} {row[0]}"),
        app_id=row[1],
        type=CredentialType(row[2]),
        action=CredentialAction(row[3]),
        who=msgspec.json.decode(row[4], type=Who),
        reason=row[5],
        at=time(row[6]),
    )

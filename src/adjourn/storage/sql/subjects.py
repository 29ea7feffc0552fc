"""Subjects as they lie in the table, and the deliveries that their callbacks get afterwards."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from adjourn.config import Secret
from adjourn.endpoint import lane_id, parse_endpoint
from adjourn.errors import ConfigError, Conflict, NotFound, StorageError
from adjourn.models import CALLBACK_LANE, Callback, Subject, lane_target
from adjourn.storage.base import Entry, NewDelivery, SubjectKey
from adjourn.storage.sql.connection import Connection, Database, Row, any_of, look_up
from adjourn.storage.sql.rows import to_ms
from adjourn.storage.sql.waiting import ADD_LANE, wait, wake
from adjourn.vault import Vault

__all__ = ["SqlSubjects", "forget_subjects", "note_subjects"]

_CALLBACK = "callback_url, callback_secret, callback_method"
_COLUMNS = f"app_id, id, event_id, delivery_id, callback_delivery_id, {_CALLBACK}"
_GET = f"SELECT {_COLUMNS} FROM subject WHERE app_id = ? AND id = ?"  # noqa: S608
# What is not told stays: an event with its deliveries, a callback with its secret.
_NOTE = f"""
    INSERT INTO subject ({_COLUMNS}, heard_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (app_id, id) DO UPDATE SET
        event_id = coalesce(excluded.event_id, subject.event_id),
        delivery_id = CASE WHEN excluded.event_id IS NULL THEN subject.delivery_id
                           ELSE excluded.delivery_id END,
        callback_delivery_id = CASE WHEN excluded.event_id IS NULL THEN subject.callback_delivery_id
                                    ELSE excluded.callback_delivery_id END,
        callback_url = coalesce(excluded.callback_url, subject.callback_url),
        callback_secret = CASE WHEN excluded.callback_url IS NULL THEN subject.callback_secret
                               ELSE excluded.callback_secret END,
        callback_method = coalesce(excluded.callback_method, subject.callback_method),
        heard_at = excluded.heard_at
"""  # noqa: S608
_SET_CALLBACK = f"""
    UPDATE subject SET callback_url = ?, callback_secret = ?, callback_method = ?, heard_at = ?
    WHERE app_id = ? AND id = ? RETURNING {_COLUMNS}
"""  # noqa: S608
_CALLED_BACK = "UPDATE subject SET callback_delivery_id = ?, heard_at = ? WHERE app_id = ? AND id = ?"
_EVENT = "SELECT 1 FROM event WHERE id = ?"  # on PostgreSQL its day may have been dropped
_PLACE = "SELECT lane_id, owner FROM delivery WHERE id = ?"
_JOB = "SELECT due FROM job WHERE delivery_id = ?"
_MOVE_JOB = "UPDATE job SET lane_id = ? WHERE delivery_id = ? AND owner IS NULL"
_MOVE = "UPDATE delivery SET lane_id = ? WHERE id = ?"
_DELIVERY = """
    INSERT INTO delivery (id, app_id, event_id, event_type, lane_id, target, created_at, state)
    VALUES (?, ?, ?, ?, ?, ?, ?, 'pending')
"""
# CROSS JOIN: first what is given. Else SQLite would look at every subject.
_CALLBACKS = f"""
    SELECT subject.app_id, subject.id, {_CALLBACK} FROM given CROSS JOIN subject
    WHERE subject.app_id = given.app_id AND subject.id = given.id AND callback_url IS NOT NULL
"""  # noqa: S608
# What still waits to go to a callback needs it: while anything of an app does, all its subjects stay.
_OLD = f"""
    SELECT app_id, id FROM subject
    WHERE heard_at < ? AND NOT EXISTS (
        SELECT 1 FROM lane JOIN job ON job.lane_id = lane.id
        WHERE lane.app_id = subject.app_id AND lane.target = '{CALLBACK_LANE}')
    ORDER BY heard_at LIMIT ?
"""  # noqa: S608
_FORGET = "DELETE FROM subject WHERE app_id = ? AND id = ?"
_AT_ONCE = 256  # subjects in one statement


class SqlSubjects:
    """`storage.base.Subjects`. Secrets are sealed by `vault`."""

    def __init__(self, database: Database, vault: Vault, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def find(self, app_id: str, subject_id: str) -> Subject | None:
        rows = await look_up(self._database, _GET, app_id, subject_id)
        return _read(rows[0], self._vault) if rows else None

    async def callbacks_of(self, keys: Sequence[SubjectKey]) -> Mapping[SubjectKey, Callback]:
        if not keys:
            return {}
        rows = await self._database.look(lambda connection: _callbacks(connection, keys))
        its = ((row[0], row[1], _callback(row[2:], self._vault)) for row in rows)
        return {
            (app_id, subject_id): callback for app_id, subject_id, callback in its if callback is not None
        }

    async def set_callback(self, app_id: str, subject_id: str, callback: Callback) -> Subject:
        values = (*_sealed(callback, self._vault), to_ms(self._clock()), app_id, subject_id)

        def run(connection: Connection) -> Row:
            row: Row | None = connection.execute(_SET_CALLBACK, values).fetchone()
            if row is None:
                raise NotFound("subject", subject_id)
            _move(connection, row[4], app_id, callback)
            return row

        return _read(await self._database.write("set_callback", run), self._vault)

    async def call_back(self, app_id: str, subject_id: str, delivery: NewDelivery) -> bool:
        now = to_ms(self._clock())

        def run(connection: Connection) -> bool:
            row = connection.hold(_GET, (app_id, subject_id)).fetchone()
            if row is None or row[2] != delivery.event_id or row[4] is not None:
                return False
            if connection.execute(_EVENT, (delivery.event_id,)).fetchone() is None:
                raise Conflict(f"{subject_id!r} cannot be called back: its event is older than what is kept")
            connection.execute(_CALLED_BACK, (delivery.id, now, app_id, subject_id))
            _let_wait(connection, delivery, now)
            return True

        return await self._database.write("call_back", run)

    async def sweep(self, *, before: datetime, limit: int = 1000) -> int:
        return await forget_subjects(self._database, before, limit)


async def forget_subjects(database: Database, before: datetime, limit: int) -> int:
    """`Subjects.sweep`; it writes nothing where there is nothing to forget."""
    moment = to_ms(before)
    if not await look_up(database, _OLD, moment, 1):
        return 0

    def run(connection: Connection) -> int:
        keys = connection.hold(_OLD, (moment, limit)).fetchall()
        connection.executemany(_FORGET, keys)
        return len(keys)

    return await database.write("forget_subjects", run)


def note_subjects(connection: Connection, entries: Iterable[Entry], vault: Vault, now: int) -> None:
    """Make known what a batch tells of subjects, each once and in the order of their keys.

    Whoever holds several of them takes them in that order, and before any lane.
    """
    told: dict[SubjectKey, Subject] = {}
    for entry in entries:
        for each in entry.subjects:
            before = told.get((each.app_id, each.id))
            told[each.app_id, each.id] = each if before is None else _told_after(before, each)
    if told:
        connection.executemany(_NOTE, [_row(told[key], vault, now) for key in sorted(told)])


def _told_after(before: Subject, later: Subject) -> Subject:
    """What both tell together, as the table would have it after one and then the other."""
    event = before if later.event_id is None else later
    return msgspec.structs.replace(
        event, callback=before.callback if later.callback is None else later.callback
    )


def _let_wait(connection: Connection, delivery: NewDelivery, now: int) -> None:
    values = (
        delivery.id,
        delivery.app_id,
        delivery.event_id,
        delivery.event_type,
        delivery.lane_id,
        delivery.target,
        now,
    )
    connection.execute(_DELIVERY, values)
    lane = (delivery.lane_id, delivery.app_id, delivery.origin, lane_target(delivery.target))
    connection.execute(ADD_LANE, lane)
    wait(connection, delivery.id, delivery.app_id, delivery.lane_id, due=now)


def _move(connection: Connection, delivery_id: str | None, app_id: str, callback: Callback) -> None:
    """What waits to go to a callback, or may be asked for again, goes by the lane of its URL.

    One whose attempt is under way stays in its lane: its job is to be where its delivery says.
    """
    origin = parse_endpoint(callback.url).origin
    lane = lane_id(app_id, origin, CALLBACK_LANE)
    row = None if delivery_id is None else connection.hold(_PLACE, (delivery_id,)).fetchone()
    if row is None or row[0] == lane or row[1] is not None:
        return
    connection.execute(ADD_LANE, (lane, app_id, origin, CALLBACK_LANE))
    job = connection.execute(_JOB, (delivery_id,)).fetchone()
    if job is not None:
        wake(connection, lane, job[0])
        if not connection.execute(_MOVE_JOB, (lane, delivery_id)).rowcount:
            return  # claimed just now
    connection.execute(_MOVE, (lane, delivery_id))


def _callbacks(connection: Connection, keys: Sequence[SubjectKey]) -> list[Row]:
    found: list[Row] = []
    for start in range(0, len(keys), _AT_ONCE):
        _, some = any_of(keys[start : start + _AT_ONCE])
        marks = ", ".join(["(?, ?)"] * len(some))
        sql = f"WITH given (app_id, id) AS (VALUES {marks}) {_CALLBACKS}"
        found += connection.execute(sql, [value for key in some for value in key]).fetchall()
    return found


def _row(subject: Subject, vault: Vault, now: int) -> Row:
    return (
        subject.app_id,
        subject.id,
        subject.event_id,
        subject.delivery_id,
        subject.callback_delivery_id,
        *_sealed(subject.callback, vault),
        now,
    )


def _sealed(callback: Callback | None, vault: Vault) -> Row:
    """The columns `_CALLBACK`."""
    if callback is None:
        return (None, None, None)
    secret = callback.secret
    sealed = None if secret is None else vault.seal(secret.reveal().encode("utf-8", "surrogatepass"))
    return (callback.url, sealed, callback.method)


def _callback(row: Row, vault: Vault) -> Callback | None:
    url, sealed, method = row
    if url is None:
        return None
    try:
        secret = None if sealed is None else Secret(vault.open(sealed).decode("utf-8", "surrogatepass"))
    except ConfigError as exc:  # another node seals with a key that this one was not given
        raise StorageError(str(exc)) from exc
    return Callback(url=url, secret=secret, method=method)


def _read(row: Row, vault: Vault) -> Subject:
    return Subject(
        app_id=row[0],
        id=row[1],
        event_id=row[2],
        delivery_id=row[3],
        callback_delivery_id=row[4],
        callback=_callback(row[5:], vault),
    )

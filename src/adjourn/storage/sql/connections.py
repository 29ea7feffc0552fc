"""Connections as they lie in the table: users connected to apps."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from adjourn import models
from adjourn.errors import Conflict
from adjourn.storage.sql.connection import Connection, Row, any_of
from adjourn.storage.sql.rows import CONNECTION_COLUMNS, read_connection, text, to_ms

__all__ = ["connections_of", "put_connections"]

_PUT = f"""
    INSERT INTO connection ({CONNECTION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (user_id, app_id) DO UPDATE SET
        id = excluded.id, user_email = excluded.user_email, oauth_scopes = excluded.oauth_scopes,
        status = excluded.status, created_at = excluded.created_at, updated_at = excluded.updated_at
"""  # noqa: S608
_AT_ONCE = 256  # users in one statement


def connections_of(connection: Connection, user_ids: Sequence[str]) -> list[models.Connection]:
    found: list[Row] = []
    for some in _slices(user_ids):
        marks, values = any_of(some)
        sql = f"SELECT {CONNECTION_COLUMNS} FROM connection WHERE user_id IN {marks}"  # noqa: S608
        found += connection.execute(sql, values).fetchall()
    return [read_connection(row) for row in found]


def put_connections(
    connection: Connection, new: Sequence[models.Connection], new_id: Callable[[], str]
) -> list[bool]:
    """For each, whether it is new: there was none, or it had ended. Raises Conflict.

    One puts connections of an app at a time, and what is there is held: it does not end meanwhile.
    """
    stored = _Stored()
    for app_id in sorted({each.app_id for each in new}):
        connection.lock(f"connections of {app_id}")
        stored.load(connection, app_id, [each for each in new if each.app_id == app_id])
    news = []
    for each in new:
        before = stored.of_user.get((each.app_id, each.user_id))
        is_new = before is None or before.status is not models.ConnectionStatus.ACTIVE
        if before is not None and not is_new:
            each = msgspec.structs.replace(each, id=each.id or before.id, created_at=before.created_at)
        stored.put(each if each.id else msgspec.structs.replace(each, id=new_id()))
        news.append(is_new)
    connection.executemany(_PUT, stored.rows)
    return news


class _Stored:
    """What is stored, and becomes so: by app and user, and by app and id."""

    def __init__(self) -> None:
        self.of_user: dict[tuple[str, str], models.Connection] = {}
        self._user_of: dict[tuple[str, str], str] = {}
        self.rows: list[Row] = []

    def load(self, connection: Connection, app_id: str, new: Sequence[models.Connection]) -> None:
        """Those of the same users, and those with the same ids."""
        for column, given in (("user_id", (each.user_id for each in new)), ("id", (each.id for each in new))):
            for some in _slices([value for value in given if value]):
                marks, values = any_of(some)
                sql = f"SELECT {CONNECTION_COLUMNS} FROM connection WHERE app_id = ? AND {column} IN {marks}"  # noqa: S608
                rows = connection.hold(sql, (app_id, *values)).fetchall()
                self._note(read_connection(row) for row in rows)

    def put(self, new: models.Connection) -> None:
        other = self._user_of.get((new.app_id, new.id), new.user_id)
        if other != new.user_id:
            raise Conflict(f"the connection id {new.id!r} is that of user {other!r}")
        before = self.of_user.get((new.app_id, new.user_id))
        if before is not None:
            self._user_of.pop((new.app_id, before.id), None)
        self._note([new])
        self.rows.append(_row(new))

    def _note(self, connections: Iterable[models.Connection]) -> None:
        for each in connections:
            self.of_user[each.app_id, each.user_id] = each
            self._user_of[each.app_id, each.id] = each.user_id


def _slices(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


def _row(each: models.Connection) -> Row:
    return (
        each.id,
        each.app_id,
        each.user_id,
        each.user_email,
        text(each.oauth_scopes),
        each.status,
        to_ms(each.created_at),
        to_ms(each.updated_at),
    )

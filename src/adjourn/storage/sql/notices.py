"""Notices as they lie in the table: mails, written in the transaction that causes them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from adjourn.models import Notice, NoticeKind, NoticeState
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.rows import maybe, text, time

__all__ = ["NOTICE_COLUMNS", "insert_notice", "read_notice"]

NOTICE_COLUMNS = "id, app_id, kind, facts, created_at, state, tries, sent_at, error"
_WINDOW = 60 * 60 * 1000  # ms
_MOST = 10  # of one app within the window
# An app's notices are made in the order of time: of its latest, older ones need no look.
_LATEST = "SELECT kind, facts, created_at FROM notice WHERE app_id = ? ORDER BY id DESC LIMIT ?"
_INSERT = "INSERT INTO notice (app_id, kind, facts, created_at, due, state) VALUES (?, ?, ?, ?, ?, 'waiting')"


def insert_notice(
    connection: Connection, app_id: str, kind: NoticeKind, facts: Mapping[str, str], now: int
) -> None:
    """Let the app's contact be told: the notice is due at once. `facts`: see models.Notice.

    Whoever can switch webhooks on and off can make notices, and the address is the app's word: so within an
    hour the contact is told a thing once, and of no more than ten in all. The caller has changed the app's
    row, or locked it: nobody else makes one of its notices meanwhile.
    """
    its_facts = text(facts)
    latest = connection.execute(_LATEST, (app_id, _MOST)).fetchall()
    recent = [(row[0], row[1]) for row in latest if row[2] > now - _WINDOW]
    if len(recent) < _MOST and (kind, its_facts) not in recent:
        connection.execute(_INSERT, (app_id, kind, its_facts, now, now))


def read_notice(row: tuple[Any, ...]) -> Notice:
    return Notice(
        id=row[0],
        app_id=row[1],
        kind=NoticeKind(row[2]),
        facts=msgspec.json.decode(row[3], type=dict[str, str]),
        created_at=time(row[4]),
        state=NoticeState(row[5]),
        tries=row[6],
        sent_at=maybe(row[7]),
        error=row[8],
    )

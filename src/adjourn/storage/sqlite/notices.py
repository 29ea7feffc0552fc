"""Notices as they lie in the table: mails, written in the transaction that causes them."""

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from adjourn.models import Notice, NoticeKind, NoticeState
from adjourn.storage.sqlite.rows import maybe, text, time

__all__ = ["NOTICE_COLUMNS", "insert_notice", "read_notice"]

NOTICE_COLUMNS = "id, app_id, kind, facts, created_at, state, tries, sent_at, error"
_INSERT = "INSERT INTO notice (app_id, kind, facts, created_at, due, state) VALUES (?, ?, ?, ?, ?, 'waiting')"


def insert_notice(
    connection: sqlite3.Connection, app_id: str, kind: NoticeKind, facts: Mapping[str, str], now: int
) -> None:
    """Let the app's contact be told: the notice is due at once. `facts`: see models.Notice."""
    connection.execute(_INSERT, (app_id, kind, text(facts), now, now))


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

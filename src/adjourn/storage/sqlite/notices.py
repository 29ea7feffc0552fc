"""Notices as they lie in the table: mails, written in the transaction that causes them."""

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from adjourn.models import Notice, NoticeKind, NoticeState
from adjourn.storage.sqlite.rows import maybe, text, time

__all__ = ["NOTICE_COLUMNS", "insert_notice", "read_notice"]

NOTICE_COLUMNS = "id, app_id, kind, facts, created_at, state, tries, sent_at, error"
_WINDOW = 60 * 60 * 1000  # ms
_MOST = 10  # of one app within the window
# An app's notices are made in the order of time: of its latest, older ones need no look.
_INSERT = """
    WITH latest AS (
        SELECT kind, facts, created_at FROM notice WHERE app_id = :app_id ORDER BY id DESC LIMIT :most
    ),
    recent AS (SELECT kind, facts FROM latest WHERE created_at > :now - :window)
    INSERT INTO notice (app_id, kind, facts, created_at, due, state)
    SELECT :app_id, :kind, :facts, :now, :now, 'waiting'
    WHERE (SELECT count(*) FROM recent) < :most
      AND NOT EXISTS (SELECT 1 FROM recent WHERE kind = :kind AND facts = :facts)
"""


def insert_notice(
    connection: sqlite3.Connection, app_id: str, kind: NoticeKind, facts: Mapping[str, str], now: int
) -> None:
    """Let the app's contact be told: the notice is due at once. `facts`: see models.Notice.

    Whoever can switch webhooks on and off can make notices, and the address is the app's word: so within an
    hour the contact is told a thing once, and of no more than ten in all.
    """
    values = {"app_id": app_id, "kind": kind, "facts": text(facts), "now": now}
    connection.execute(_INSERT, {**values, "window": _WINDOW, "most": _MOST})


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

"""The infirmary: which apps are disabled or warned, and the notices of it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from adjourn.models import AppOptions, Disabled, DisabledBy, Health, Notice, NoticeKind, NoticeState
from adjourn.storage.base import Verdict
from adjourn.storage.sql.connection import Connection, Database, any_of, look_up
from adjourn.storage.sql.notices import NOTICE_COLUMNS, insert_notice, read_notice
from adjourn.storage.sql.rows import maybe, text, time, to_ms

__all__ = ["SqlInfirmary"]

Decide = Callable[[Health, datetime], Verdict | None]

_HEALTH_COLUMNS = (
    "app_id, enabled_at, abandoned, succeeded_at, failed_first, failed_last, exhausted_at, warned_at"
)
_APP = "SELECT id FROM app WHERE id = ?"
_HEALTH = f"SELECT {_HEALTH_COLUMNS} FROM health WHERE app_id = ?"  # noqa: S608
# CROSS JOIN: health first, by its index of those that ail.
_WATCHED = f"""
    SELECT {_HEALTH_COLUMNS}, app.options FROM health CROSS JOIN app
    WHERE app.id = health.app_id AND app.webhook_enabled AND app.status = 'active'
"""  # noqa: S608
_THIS = f"{_WATCHED} AND health.app_id = ?"
_AILING = f"{_WATCHED} AND (health.abandoned > 0 OR health.failed_first IS NOT NULL)"
_DISABLE = """
    UPDATE app SET webhook_enabled = FALSE, disabled = ?, version = version + 1, updated_at = ? WHERE id = ?
"""
_DUE = f"""
    SELECT {NOTICE_COLUMNS} FROM notice WHERE state = 'waiting' AND due <= ? ORDER BY due, id LIMIT ?
"""  # noqa: S608
# A notice that was sent stays so, whatever a try says that was given up for lost.
_SETTLE = """
    UPDATE notice SET state = ?, error = ?, due = coalesce(?, due), sent_at = ?
    WHERE id = ? AND state <> 'sent'
"""
_OF_APP = f"SELECT {NOTICE_COLUMNS} FROM notice WHERE app_id = ? ORDER BY id DESC LIMIT ?"  # noqa: S608
_AT_ONCE = 256  # apps in one statement


class SqlInfirmary:
    """`storage.base.Infirmary`."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def find_health(self, app_id: str) -> Health | None:
        rows = await look_up(self._database, _HEALTH, app_id)
        return _read_health(rows[0]) if rows else None

    async def judge(self, app_ids: Sequence[str] | None, decide: Decide) -> list[str]:
        now = self._clock()
        # however many fail, only those it moves cost a write
        found = await self._database.read(lambda connection: _find(connection, app_ids, decide, now))
        moves = [self._judge(app_id, decide, now) for app_id in found]
        ends = await asyncio.gather(*moves, return_exceptions=True)
        went_off = [app_id for app_id, end in zip(found, ends, strict=True) if end is True]
        faults = [end for end in ends if isinstance(end, BaseException)]
        if faults and not went_off:
            raise faults[0]
        return went_off  # one that could not be moved still ails: the next look finds it

    async def _judge(self, app_id: str, decide: Decide, now: datetime) -> bool:
        """Whether it went off. The app's row is held, then its health: nobody moves either meanwhile."""

        def run(connection: Connection) -> bool:
            connection.hold(_APP, (app_id,))
            connection.hold(_HEALTH, (app_id,))
            for _, verdict in _verdicts(connection, _THIS, (app_id,), decide, now):
                (_disable if verdict.disable else _warn)(connection, app_id, verdict.reason, now)
                return verdict.disable
            return False

        return await self._database.write("judge", run, app_id=app_id)

    async def claim_notices(self, *, limit: int, lease: timedelta) -> list[Notice]:
        now = self._clock()
        hidden_until = to_ms(now + lease)

        def run(connection: Connection) -> list[Notice]:
            # held: another node that claims waits, and finds them hidden
            due = [read_notice(row) for row in connection.hold(_DUE, (to_ms(now), limit)).fetchall()]
            connection.executemany(
                "UPDATE notice SET due = ?, tries = tries + 1 WHERE id = ?",
                [(hidden_until, each.id) for each in due],
            )
            return [msgspec.structs.replace(each, tries=each.tries + 1) for each in due]

        there_are = await look_up(self._database, _DUE, to_ms(now), 1)
        return await self._database.write("claim_notices", run) if there_are else []

    async def settle_notice(
        self, notice_id: int, *, state: NoticeState, error: str = "", retry_in: timedelta | None = None
    ) -> None:
        now = self._clock()
        due = None if retry_in is None else to_ms(now + retry_in)
        sent_at = to_ms(now) if state is NoticeState.SENT else None
        await self._database.write(
            "settle_notice",
            lambda connection: connection.execute(_SETTLE, (state, error, due, sent_at, notice_id)),
        )

    async def list_notices(self, app_id: str, *, limit: int) -> list[Notice]:
        return [read_notice(row) for row in await look_up(self._database, _OF_APP, app_id, limit)]


def _find(connection: Connection, app_ids: Sequence[str] | None, decide: Decide, now: datetime) -> list[str]:
    """Those for which there is something to do."""
    if app_ids is None:
        return [app_id for app_id, _ in _verdicts(connection, _AILING, (), decide, now)]
    found = []
    for start in range(0, len(app_ids), _AT_ONCE):
        marks, values = any_of(app_ids[start : start + _AT_ONCE])
        query = f"{_WATCHED} AND health.app_id IN {marks}"
        found += [app_id for app_id, _ in _verdicts(connection, query, values, decide, now)]
    return found


def _verdicts(
    connection: Connection, query: str, values: Sequence[str], decide: Decide, now: datetime
) -> Iterator[tuple[str, Verdict]]:
    """What there is to do for those that may be disabled automatically: an app is warned once."""
    for *row, options in connection.execute(query, values).fetchall():
        if not msgspec.json.decode(options, type=AppOptions).auto_disable:
            continue
        health = _read_health(row)
        verdict = decide(health, now)
        if verdict is not None and (verdict.disable or health.warned_at is None):
            yield health.app_id, verdict


def _disable(connection: Connection, app_id: str, reason: str, now: datetime) -> None:
    disabled = Disabled(by=DisabledBy.AUTO_DISABLE, at=now, reason=reason)
    connection.execute(_DISABLE, (text(disabled), to_ms(now), app_id))
    insert_notice(connection, app_id, NoticeKind.AUTO_DISABLED, {"reason": reason}, to_ms(now))


def _warn(connection: Connection, app_id: str, reason: str, now: datetime) -> None:
    connection.execute("UPDATE health SET warned_at = ? WHERE app_id = ?", (to_ms(now), app_id))
    insert_notice(connection, app_id, NoticeKind.HALF_WAY, {"reason": reason}, to_ms(now))


def _read_health(row: Sequence[Any]) -> Health:
    return Health(
        app_id=row[0],
        enabled_at=time(row[1]),
        abandoned=row[2],
        succeeded_at=maybe(row[3]),
        failed_first=maybe(row[4]),
        failed_last=maybe(row[5]),
        exhausted_at=maybe(row[6]),
        warned_at=maybe(row[7]),
    )

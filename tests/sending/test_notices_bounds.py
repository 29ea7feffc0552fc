"""How many notices an app's contact may get: whoever can make them chose the address, too."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adjourn.models import NoticeKind
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.notices import insert_notice
from adjourn.storage.sqlite.store import open_database

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENT = timedelta(milliseconds=1)
GONE = NoticeKind.AUTOMATION_GONE

Line = tuple[str, NoticeKind, dict[str, str], timedelta]


async def kept(folder: Path, lines: list[Line]) -> list[int]:
    """Which of them were made: app, kind, facts, and how long after noon."""
    database = open_database(folder / "adjourn.db")
    try:
        found = []
        for number, (app_id, kind, facts, after) in enumerate(lines):
            at = int((NOON + after).timestamp() * 1000)
            before = database.glance("SELECT count(*) FROM notice")
            await database.write("notice", _insert(app_id, kind, facts, at))
            if database.glance("SELECT count(*) FROM notice") != before:
                found.append(number)
        return found
    finally:
        await database.close()


def _insert(*line: Any) -> Callable[[Connection], None]:
    return lambda writer: insert_notice(writer, *line)


async def test_the_same_is_told_once_an_hour(tmp_path: Path) -> None:
    gone = {"url": "https://a.example", "name": "CRM"}
    lines: list[Line] = [
        ("a", GONE, gone, 0 * HOUR),
        ("a", GONE, gone, 0 * HOUR),
        ("a", GONE, gone, HOUR - MOMENT),
        ("a", GONE, {**gone, "name": "Mail"}, HOUR - MOMENT),
        ("a", NoticeKind.URL_GONE, gone, HOUR - MOMENT),
        ("b", GONE, gone, HOUR - MOMENT),
        ("a", GONE, gone, HOUR),
        ("a", GONE, gone, HOUR),
    ]
    assert await kept(tmp_path, lines) == [0, 3, 4, 5, 6]


async def test_an_app_has_at_most_ten_an_hour_and_another_its_own(tmp_path: Path) -> None:
    lines: list[Line] = [("a", GONE, {"name": str(number)}, number * MOMENT) for number in range(30)]
    lines += [("b", GONE, {"name": "0"}, 30 * MOMENT)]
    lines += [("a", GONE, {"name": str(number)}, HOUR + 2 * MOMENT) for number in range(30, 40)]
    assert await kept(tmp_path, lines) == [*range(10), 30, 31, 32, 33]

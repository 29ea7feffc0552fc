"""What other nodes change: a follower hears of it at once, and says when it has taken it up.

Each change of an app is told by a trigger of the table. Whoever changed one asks all who follow, and returns
once each has answered, or is not current any more: a follower says each second that it is alive, and takes up
first what it did not hear; one that could not for three seconds sends nothing.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from adjourn.boot import boot_seconds
from adjourn.errors import AdjournError
from adjourn.storage.postgres.bridge import Link
from adjourn.storage.postgres.database import PostgresDatabase
from adjourn.storage.postgres.faults import FOREIGN, translated
from adjourn.storage.postgres.links import connect
from adjourn.storage.sql.rows import to_ms

__all__ = ["PostgresNews"]

_log = logging.getLogger(__name__)

Take = Callable[[Collection[str]], Awaitable[None]]

_EVERY = 1.0  # seconds between two polls
_CURRENT = 3.0  # seconds after a poll began: then a follower that heard nothing sends nothing
_ANSWER = 2.0  # seconds until a poll counts as lost
_BACK = 10_000  # milliseconds: changes so old are looked for again with each poll
_REMEMBERED = 1000  # apps with the version that was taken

_CHANNELS = ("adjourn_app", "adjourn_ask", "adjourn_seen")
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_POLL = f"""
    WITH beat AS (INSERT INTO follower VALUES ($1, {_NOW})
                  ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at)
    SELECT extract(epoch FROM clock_timestamp())::float8, ids, versions
    FROM (SELECT array_agg(id) AS ids, array_agg(version) AS versions
          FROM app WHERE updated_at >= $2) AS changed
"""  # noqa: S608
_LEAVE = "DELETE FROM follower WHERE id = $1"
_FORGET = f"DELETE FROM follower WHERE seen_at < {_NOW} - 3600000"  # noqa: S608
# With the milliseconds for which each of them is current, if it does not take up the news by then.
_ALIVE = f"""
    SELECT id, left_ms
    FROM (SELECT id, seen_at + {int(_CURRENT * 1000)} - {_NOW} AS left_ms FROM follower) AS those
    WHERE left_ms > 0
"""  # noqa: S608
_TELL = "SELECT pg_notify($1, $2)"


class PostgresNews:
    """`storage.base.News` on PostgreSQL; also what `PostgresDatabase.write` waits for."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.id = secrets.token_hex(8)
        self._database = database
        self._take: Take | None = None
        self._link: Link | None = None
        self._heard: dict[str, None] = {}  # apps to take
        self._asked: list[str] = []  # by whom, since
        self._versions: dict[str, int] = {}
        self._awaited: dict[str, _Answers] = {}  # to questions of ours
        self._woken = asyncio.Event()
        self._current_until = 0.0
        self._polled_at = 0.0
        self._since = 0  # changes before are known
        self._task: asyncio.Task[None] | None = None
        database.spread_by(self._spread)

    # the port

    async def follow(self, take: Take) -> None:
        """As the port says; returns once other nodes wait for this one. Raises StorageError."""
        self._take = take
        self._since = to_ms(self._database.clock())
        async with self._database.guarded("cannot follow the news"):
            link = await self._listening()
            await link.raw.execute(_FORGET)
            await self._poll(link)
        self._task = asyncio.create_task(self._go_on())

    def is_current(self) -> bool:
        return boot_seconds() < self._current_until

    async def close(self) -> None:
        """Nobody waits for this node any more."""
        self._current_until = 0.0
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        link, self._link = self._link, None
        if link is not None:
            with contextlib.suppress(*FOREIGN):
                await link.raw.execute(_LEAVE, self.id)
                await link.raw.close(timeout=1.0)
            link.raw.terminate()

    # following

    async def _go_on(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(self._polled_at + _EVERY - boot_seconds(), 0)):
                    await self._woken.wait()
            try:
                if boot_seconds() >= self._polled_at + _EVERY:
                    await self._poll(await self._listening())
                else:
                    await self._take_up()
            except FOREIGN as exc:
                _log.warning("%s", translated("the news of other nodes are interrupted", exc))
                self._drop()
                await asyncio.sleep(_EVERY / 4)
            except AdjournError as exc:
                _log.warning("apps that changed cannot be read, trying again: %s", exc)
                await asyncio.sleep(_EVERY / 4)
            except Exception:  # a fault of ours: without this loop nothing is sent any more
                _log.exception("the news of other nodes are interrupted")
                await asyncio.sleep(_EVERY)

    async def _poll(self, link: Link) -> None:
        """Say that this node is alive, take what was heard or missed until now: then it is current."""
        began = boot_seconds()
        if self._polled_at and began - self._polled_at > 5 * _EVERY:
            self._database.broke()  # this process slept, or the server did
        now = to_ms(self._database.clock())
        row = await link.raw.fetchrow(_POLL, self.id, self._since - _BACK)
        self._polled_at = began
        assert row is not None
        self._database.heard_time(began, row[0])
        for app_id, version in zip(row[1] or (), row[2] or (), strict=True):
            if self._versions.get(app_id) != version:
                self._heard[app_id] = None
        # what was committed before the poll began was heard before its answer, in the loop's next pass
        await asyncio.sleep(0)
        await self._take_up()
        if len(self._versions) > _REMEMBERED:
            self._versions.clear()
        self._versions.update(zip(row[1] or (), row[2] or (), strict=True))
        self._since = now
        self._current_until = began + _CURRENT

    async def _take_up(self) -> None:
        """Take what was heard, and answer who asked."""
        self._woken.clear()
        heard, self._heard = self._heard, {}
        asked, self._asked = self._asked, []
        try:
            if heard and self._take is not None:
                await self._take(list(heard))
            for question in asked:
                await (await self._listening()).raw.execute(_TELL, "adjourn_seen", f"{question} {self.id}")
        except BaseException:
            self._heard = heard | self._heard
            self._asked = asked + self._asked
            self._woken.set()
            raise

    async def _listening(self) -> Link:
        if self._link is not None and not self._link.raw.is_closed():
            return self._link
        self._drop()
        link = await connect(
            self._database.url, "news", patience=_ANSWER, settings={"synchronous_commit": "off"}
        )
        try:
            for channel in _CHANNELS:
                await link.raw.add_listener(channel, self._hear)
        except BaseException:
            link.raw.terminate()
            raise
        self._link = link
        return link

    def _drop(self) -> None:
        if self._link is not None:
            self._link.raw.terminate()
            self._link = None
            self._database.broke()

    def _hear(self, raw: Any, pid: int, channel: str, payload: object) -> None:
        if channel == "adjourn_seen":
            question, _, who = str(payload).partition(" ")
            if question in self._awaited:
                self._awaited[question].add(who)
            return
        if channel == "adjourn_ask":
            self._asked.append(str(payload))
        elif self._take is not None:
            self._heard[str(payload)] = None
        self._woken.set()

    # changing: `PostgresDatabase.spread_by`

    async def _spread(self) -> None:
        """Wait until everybody who follows knows what has been committed, or is not current any more.

        Where that cannot be asked it is as long to wait: a follower's poll finds what it did not hear.
        """
        began = boot_seconds()
        question = secrets.token_hex(8)
        try:
            async with self._database.looking.one() as link:
                found = await link.raw.fetch(_ALIVE)
            told = boot_seconds()
            current_until = {row[0]: told + row[1] / 1000 for row in found}
            if not current_until:
                return
            link = await self._listening()
            answers = self._awaited[question] = _Answers()
            async with self._database.looking.one() as link:
                await link.raw.execute(_TELL, "adjourn_ask", question)
            await answers.wait_for(current_until)
        except FOREIGN as exc:
            _log.warning("%s", translated("other nodes cannot be asked whether they know of a change", exc))
            await asyncio.sleep(max(began + _CURRENT - boot_seconds(), 0))
        finally:
            self._awaited.pop(question, None)


class _Answers:
    """Who answered a question."""

    def __init__(self) -> None:
        self._of: set[str] = set()
        self._changed = asyncio.Event()

    def add(self, who: str) -> None:
        self._of.add(who)
        self._changed.set()

    async def wait_for(self, current_until: Mapping[str, float]) -> None:
        """Until each has answered, or is not current any more, in boot seconds."""
        while True:
            self._changed.clear()
            silent = [until for who, until in current_until.items() if who not in self._of]
            left = max(silent, default=0.0) - boot_seconds()
            if left <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()

"""The queue's moves that need no haste: each database adds its own publishing, claiming and recording."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from adjourn.storage.base import Claimed, KeptAnswer, RetryAsked
from adjourn.storage.sql.answers import insert_answer
from adjourn.storage.sql.connection import Connection, Database, look_up
from adjourn.storage.sql.discarding import any_to_discard, discard
from adjourn.storage.sql.releasing import give_back, reap
from adjourn.storage.sql.retrying import ask_retry
from adjourn.storage.sql.rows import LOWEST_ID, to_ms

__all__ = ["SqlQueue"]

_ENLIST = """
    INSERT INTO worker (id, expires_at, floor) VALUES (?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, floor = excluded.floor
"""
_END = "UPDATE worker SET expires_at = 0 WHERE id = ?"
_DEAD = "SELECT 1 FROM worker WHERE expires_at < ? LIMIT 1"
_OLD_ANSWER = "SELECT 1 FROM idempotency WHERE at < ? LIMIT 1"
_FORGET = """
    DELETE FROM idempotency
    WHERE (scope, key) IN (SELECT scope, key FROM idempotency WHERE at < ? LIMIT ?)
"""
_SWEPT_AT_ONCE = 1000  # answers in one commit


class SqlQueue:
    """Of `storage.base.Queue`. `clock` rules due times and leases."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._cold = database
        self._clock = clock

    async def now(self) -> datetime:
        return self._clock()

    async def enlist(self, worker: str, *, lease: timedelta, floor: str = "") -> None:
        values = (worker, to_ms(self._clock() + lease), floor or LOWEST_ID)
        await self._cold.write("enlist", lambda connection: connection.execute(_ENLIST, values))

    async def give_back(self, worker: str, deliveries: Sequence[Claimed]) -> None:
        now = to_ms(self._clock())
        await self._cold.write("give_back", lambda connection: give_back(connection, worker, deliveries, now))

    async def ask_retry(
        self,
        app_id: str,
        delivery_id: str,
        *,
        quiet: timedelta,
        keep: Callable[[RetryAsked], KeptAnswer | None],
    ) -> RetryAsked:
        now = self._clock()

        def run(connection: Connection) -> RetryAsked:
            asked = ask_retry(connection, app_id, delivery_id, now=to_ms(now), quiet_since=to_ms(now - quiet))
            if (answer := keep(asked)) is not None:
                insert_answer(connection, answer)
            return asked

        return await self._cold.write("ask_retry", run)

    async def reap(self) -> int:
        now = to_ms(self._clock())
        if not await look_up(self._cold, _DEAD, now):
            return 0
        return await self._cold.write("reap", lambda connection: reap(connection, now))

    async def end(self, worker: str) -> int:
        await self._expire(worker)
        return await self.reap()

    async def _expire(self, worker: str | int) -> None:
        """`worker`: as the table has it."""
        await self._cold.write("end", lambda connection: connection.execute(_END, (worker,)))

    async def discard(self, *, limit: int) -> int:
        if not await self._cold.look(any_to_discard):
            return 0
        now = to_ms(self._clock())
        return await self._cold.write("discard", lambda connection: discard(connection, limit, now))

    async def sweep(self, *, answers_before: datetime) -> None:
        before = to_ms(answers_before)
        while await look_up(self._cold, _OLD_ANSWER, before):
            await self._cold.write(
                "sweep", lambda connection: connection.execute(_FORGET, (before, _SWEPT_AT_ONCE))
            )

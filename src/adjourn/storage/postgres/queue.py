"""The queue on PostgreSQL: the moves of ENGINE.md, in batches, from many nodes at once."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from adjourn.boot import boot_seconds
from adjourn.errors import InDoubt, StorageError
from adjourn.storage.base import Claim, Claimed, Entry, Recorded, Result
from adjourn.storage.postgres.bridge import Link
from adjourn.storage.postgres.claiming import Asked, Lane, Taken, find_lanes, groups, has_more, take
from adjourn.storage.postgres.database import PostgresDatabase
from adjourn.storage.postgres.doubts import Doubts
from adjourn.storage.postgres.faults import FOREIGN, is_lost
from adjourn.storage.postgres.links import Links
from adjourn.storage.postgres.partitions import drop_old, make_days
from adjourn.storage.postgres.plain import is_plain, record_plain
from adjourn.storage.postgres.publishing import (
    Batch,
    add_lanes,
    is_stored,
    publish_at_once,
    publish_in_steps,
)
from adjourn.storage.postgres.recording import record
from adjourn.storage.postgres.releasing import forget_claims, give_back, reap
from adjourn.storage.postgres.workers import number_of
from adjourn.storage.sql.queue import SqlQueue
from adjourn.storage.sql.rows import time, to_ms
from adjourn.storage.sql.subjects import forget_subjects
from adjourn.vault import Vault

__all__ = ["PostgresQueue"]

T = TypeVar("T")

# One that comes late shortens no lease; one that ends it does.
_ENLIST = """
    INSERT INTO worker VALUES (?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET floor = excluded.floor,
        expires_at = CASE WHEN ? THEN excluded.expires_at
                     ELSE greatest(worker.expires_at, excluded.expires_at) END
"""
_LEASES = "SELECT id, expires_at FROM worker"
_SOON = 20  # milliseconds: when a lane that somebody else had is looked at again
_TENDED_EVERY = 3600.0  # seconds: partitions
_LANES_KNOWN = 200_000  # ids in memory
_FORGOTTEN_AT_ONCE = 1000  # subjects in one commit


class PostgresQueue(SqlQueue):
    """`storage.base.Queue` on one database. `lease`: nobody reaps who has not been connected for so long.

    `retention`: days of history that ended longer ago are dropped, and subjects that nothing was heard of
    since are forgotten; None: never. `vault` seals the secrets of callbacks.
    """

    def __init__(
        self, database: PostgresDatabase, vault: Vault, *, lease: timedelta, retention: timedelta | None
    ) -> None:
        super().__init__(database, clock=database.clock)
        self._database = database
        self._vault = vault
        self._lease = lease
        self._retention = retention
        self._lanes: set[int] = set()  # known to be there
        self._doubts: Doubts[int, Claimed] = Doubts()
        self._claimed: set[int] = set()  # workers with claims that may have ended
        self._leases: dict[int, tuple[int, float]] = {}  # of workers: until when, and since when that is so
        self._tended_at: float | None = None

    async def enlist(self, worker: str, *, lease: timedelta, floor: str = "") -> None:
        values = (number_of(worker), to_ms(self._clock() + lease), floor, not lease)
        async with self._database.guarded("cannot renew the lease"), self._database.looking.one() as link:
            await link.run(_ENLIST, values)

    # publishing

    async def publish(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        batch = Batch.of(entries)
        self._database.on_step("publish.begun")
        await self._database.again("publishing failed", lambda: self._publish(batch), waits=False)
        self._database.on_step("publish.committed")

    async def _publish(self, batch: Batch) -> None:
        """Where the answer to the commit is lost, find out what became of it; store it if it was not.

        Raises InDoubt where neither can be done.
        """
        used: list[str] = []
        try:
            await self._publish_once(batch, used)
        except FOREIGN as exc:
            if not is_lost(exc):
                raise
            in_doubt = bool(used)
            try:
                if in_doubt and await self._was_stored(batch, used[-1]):
                    return
                in_doubt = False
                await self._publish_once(batch, used)
            except (*FOREIGN, StorageError) as again:
                if not (in_doubt or (used and is_lost(again))):
                    raise
                self._doubts.note_session(used[-1])
                raise InDoubt(f"nobody knows whether it was stored: {again}") from again

    async def _was_stored(self, batch: Batch, session: str) -> bool:
        self._doubts.note_session(session)
        async with self._database.publishing.one() as link:
            await self._doubts.end_sessions(link)
            return await is_stored(link, batch)

    async def _publish_once(self, batch: Batch, used: list[str]) -> None:
        now = to_ms(self._clock())
        if new := batch.new_lanes(self._lanes):
            async with self._database.publishing.one() as link:
                await add_lanes(link, new.values())
            if len(self._lanes) > _LANES_KNOWN:
                self._lanes.clear()
            self._lanes.update(new)
        if batch.is_plain:
            async with self._database.publishing.one() as link:
                used.append(link.name)
                if await publish_at_once(link, batch, now):
                    return
        async with self._database.publishing.transaction() as link:
            used.append(link.name)
            await publish_in_steps(link, batch, self._vault, now)
            self._database.on_step("publish.written")

    # claiming

    async def claim(
        self,
        worker: str,
        *,
        room: Callable[[int, str], int],
        limit: int,
        pace: Callable[[str], int] | None = None,
    ) -> Claim:
        async def act() -> Claim:
            await self._settle_doubts()
            deliveries: list[Claimed] = []
            try:
                return await self._claim(number_of(worker), deliveries, room, limit, pace)
            except BaseException:  # what was committed before it is nobody's else
                self._doubts.note_claimed(number_of(worker), deliveries)
                raise

        return await self._again("claiming failed", act)

    async def _claim(
        self,
        worker: int,
        deliveries: list[Claimed],
        room: Callable[[int, str], int],
        limit: int,
        pace: Callable[[str], int] | None,
    ) -> Claim:
        now = to_ms(self._clock())
        versions: dict[str, int] = {}
        paced: Counter[str] = Counter()
        last: Lane | None = None
        skipped = asked_any = False
        while True:
            async with self._database.claiming.one() as link:
                lanes, next_wake, workers = await find_lanes(link, now, last)
            for group in groups(lanes, lambda lane: room(lane.id, lane.app_id), limit - len(deliveries)):
                asked_any = True
                taken = await self._take(worker, Asked(group, limit - len(deliveries), pace, paced), now)
                deliveries += taken.deliveries
                versions |= taken.versions
                skipped = skipped or taken.skipped
                if len(deliveries) >= limit:
                    break
            if not has_more(lanes) or len(deliveries) >= limit:
                break
            last = lanes[-1]
        if last is not None or asked_any:
            async with self._database.claiming.one() as link:
                next_wake = (await find_lanes(link, now, Lane(now, 2**63 - 1, "")))[1]
        if skipped and len(deliveries) < limit:
            next_wake = min(now + _SOON, next_wake or now + _SOON)
        return Claim(deliveries, None if next_wake is None else time(next_wake), versions, max(workers, 1))

    async def _take(self, worker: int, asked: Asked, now: int) -> Taken:
        self._database.on_step("claim.begun")
        self._claimed.add(worker)
        taken: Taken | None = None
        session = ""
        try:
            async with self._database.claiming.transaction() as link:
                session = link.name
                taken = await take(link, worker, asked, now)
                self._database.on_step("claim.written")
        except BaseException as exc:
            if taken is not None and is_lost(exc):
                self._doubts.note_session(session)
                self._doubts.note_claimed(worker, taken.deliveries)
            raise
        self._database.on_step("claim.committed")
        return taken

    async def _settle_doubts(self) -> None:
        """Put back what may have been claimed by a transaction whose end nobody knows."""
        while (doubtful := self._doubts.next_claimed()) is not None:
            worker, its = doubtful
            async with self._database.claiming.one() as link:
                await self._doubts.end_sessions(link)
            async with self._database.claiming.transaction() as link:
                await give_back(link, worker, its, to_ms(self._clock()))
            self._doubts.settled(worker, len(its))

    # recording

    async def record(self, worker: str, results: Sequence[Result]) -> Recorded:
        """First attempts that went well, of apps with nothing else, commit apart from the rest."""
        now = to_ms(self._clock())
        mixed = {each.claimed.app_id for each in results if not is_plain(each)}
        plain = [each for each in results if each.claimed.app_id not in mixed]
        others = [each for each in results if each.claimed.app_id in mixed]
        number = number_of(worker)
        self._database.on_step("record.begun")
        if plain and not await self._again(
            "recording failed", lambda: self._record_plain(number, plain, now)
        ):
            others = list(results)
        changed: list[str] = []
        if others:
            changed = await self._transaction(
                "record", self._database.recording, lambda link: record(link, number, others, now)
            )
        else:
            self._database.on_step("record.committed")
        return Recorded(changed)

    async def _record_plain(self, worker: int, results: Sequence[Result], now: int) -> bool:
        async with self._database.recording.one() as link:
            return await record_plain(link, worker, results, now)

    # releasing

    async def give_back(self, worker: str, deliveries: Sequence[Claimed]) -> None:
        now = to_ms(self._clock())
        if deliveries:
            async with self._database.guarded("giving back failed"), self._database.writing.one() as link:
                await self._doubts.end_sessions(link)  # some may be of a publishing in doubt
            await self._transaction(
                "give_back",
                self._database.writing,
                lambda link: give_back(link, number_of(worker), deliveries, now),
            )

    async def reap(self) -> int:
        """Those whose lease is over by the database's clock, and was not renewed for as long by ours."""
        since = self._database.whole_since()
        elapsed = self._database.elapsed()
        now = to_ms(self._clock())
        async with self._database.guarded("reaping failed"), self._database.looking.one() as link:
            rows = await link.raw.fetch(_LEASES)
        known, self._leases = self._leases, {}
        for worker, expires_at in rows:
            before = known.get(worker)
            if before is None:  # met just now: renewed when nobody knows
                before = (expires_at, since)
            self._leases[worker] = before if before[0] == expires_at else (expires_at, elapsed)
        # after a break the others, too, may not have been able to renew theirs
        dead = [
            worker
            for worker, (expires_at, unchanged) in self._leases.items()
            if expires_at < now and elapsed - max(unchanged, since) >= self._lease.total_seconds()
        ]
        await self._forget_claims()
        return sum([await self._reap(worker, now) for worker in dead])

    async def _forget_claims(self) -> None:
        workers, self._claimed = self._claimed, set()
        try:
            if workers:
                async with (
                    self._database.guarded("cannot forget claims"),
                    self._database.claiming.one() as link,
                ):
                    workers = await forget_claims(link, workers)
        finally:
            self._claimed |= workers

    async def end(self, worker: str) -> int:
        number = number_of(worker)
        await self._expire(number)
        return await self._reap(number, to_ms(self._clock()))

    async def _reap(self, worker: int, now: int) -> int:
        return await self._transaction("reap", self._database.writing, lambda link: reap(link, worker, now))

    async def sweep(self, *, answers_before: datetime) -> None:
        """Also the days: made ahead, and dropped when they are old."""
        await super().sweep(answers_before=answers_before)
        began = boot_seconds()
        if self._tended_at is None or began - self._tended_at >= _TENDED_EVERY:
            await self.tend()
            self._tended_at = began

    async def tend(self) -> None:
        """See to the partitions, and forget subjects. Raises StorageError."""
        now = self._clock()
        await make_days(self._database, now)
        if self._retention is not None:
            await drop_old(self._database, now, self._retention)
            before = now - self._retention
            while await forget_subjects(self._database, before, _FORGOTTEN_AT_ONCE):
                pass

    # transactions

    async def _transaction(self, name: str, links: Links, act: Callable[[Link], Awaitable[T]]) -> T:
        async def run() -> T:
            async with links.transaction() as link:
                self._database.on_step(f"{name}.begun")
                result = await act(link)
                self._database.on_step(f"{name}.written")
            self._database.on_step(f"{name}.committed")
            return result

        return await self._again(f"{name} failed", run)

    async def _again(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        return await self._database.again(what, act)

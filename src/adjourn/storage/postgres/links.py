"""Connections to the server: a few of each kind, made when first needed, and anew when they are lost."""

import asyncio
import itertools
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

from adjourn.storage.postgres.arrays import register
from adjourn.storage.postgres.bridge import Link
from adjourn.storage.postgres.faults import FOREIGN, is_lost

__all__ = ["HOT", "PATIENT", "QUICK", "READ_ONLY", "Links", "connect"]

_CONNECT = 5.0  # seconds
# A node that vanished lets go of its locks: the server notices by these.
_SETTINGS = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "idle_in_transaction_session_timeout": "60000",
    "timezone": "UTC",
    "client_min_messages": "error",
    "jit": "off",
}
# Others wait for what it holds: so a process that is paused amid a transaction loses that, and nobody waits
# for a lock for long before trying again. Milliseconds.
QUICK = {"idle_in_transaction_session_timeout": "5000", "lock_timeout": "2000"}
PATIENT = {"idle_in_transaction_session_timeout": "0"}
# Batches of any size run one plan, made when the tables may have been all but empty: it must be the one by
# index still, so what counts is how many rows are looked at.
HOT = {
    **QUICK,
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "seq_page_cost": "0",
    "random_page_cost": "0",
    "cpu_tuple_cost": "1",
    "cpu_index_tuple_cost": "1",
}
READ_ONLY = {"default_transaction_read_only": "on"}

_numbers = itertools.count(1)
_process = f"{os.getpid()}-{secrets.token_hex(3)}"


async def connect(url: str, kind: str, *, patience: float, settings: dict[str, str] | None = None) -> Link:
    """`kind` is seen in pg_stat_activity. `patience`: seconds until a statement counts as lost.

    With the settings `HOT` it takes lists by `arrays.py`.
    """
    name = f"adjourn {kind} {_process}-{next(_numbers)}"
    raw = await asyncpg.connect(
        url,
        timeout=_CONNECT,
        command_timeout=patience,
        max_cached_statement_lifetime=0,
        server_settings={**_SETTINGS, **(settings or {}), "application_name": name},
    )
    if settings is HOT:
        register(raw)
    return Link(raw, name)


class Links:
    """At most `most` connections of one kind; whoever needs one waits its turn.

    `lost` is told when one breaks, or cannot be made.
    """

    def __init__(
        self,
        url: str,
        kind: str,
        *,
        most: int,
        patience: float,
        settings: dict[str, str] | None = None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._url = url
        self._kind = kind
        self._patience = patience
        self._settings = settings
        self._lost = lost
        self._free = asyncio.Semaphore(most)
        self._idle: list[Link] = []
        self._used: set[Link] = set()

    @asynccontextmanager
    async def one(self, begin: str | None = None) -> AsyncIterator[Link]:
        """A connection in no transaction, or after `begin`; thrown away if it breaks, else in no transaction.

        One that broke while it was idle is noticed by `begin`: then there is another.
        """
        async with self._free:
            link = await self._take() if begin is None else await self._begun(begin)
            self._used.add(link)
            try:
                yield link
            except BaseException as exc:
                if is_lost(exc) or link.raw.is_closed():
                    self._throw_away(link, exc)
                elif link.raw.is_in_transaction():
                    await self._undo(link)
                raise
            finally:
                self._used.discard(link)
                if not link.raw.is_closed():
                    link.used = True
                    self._idle.append(link)

    @asynccontextmanager
    async def transaction(self, begin: str = "BEGIN") -> AsyncIterator[Link]:
        """The same, in a transaction that is committed at the end, and undone by an exception."""
        async with self.one(begin) as link:
            yield link
            await link.raw.execute("COMMIT")

    async def close(self) -> None:
        for link in self._used:
            link.raw.terminate()
        while self._idle:
            await close(self._idle.pop())

    async def _take(self) -> Link:
        while self._idle:
            link = self._idle.pop()
            if not link.raw.is_closed():
                return link
            self._lost()
        try:
            return await connect(self._url, self._kind, patience=self._patience, settings=self._settings)
        except BaseException:
            self._lost()
            raise

    async def _begun(self, begin: str) -> Link:
        while True:
            link = await self._take()
            try:
                await link.raw.execute(begin)
            except BaseException as exc:
                was_idle = link.used
                self._throw_away(link, exc)
                if not (was_idle and is_lost(exc) and isinstance(exc, FOREIGN)):
                    raise
            else:
                return link

    def _throw_away(self, link: Link, cause: BaseException) -> None:
        link.raw.terminate()
        if not isinstance(cause, asyncio.CancelledError):
            self._lost()

    async def _undo(self, link: Link) -> None:
        try:
            await link.raw.execute("ROLLBACK")
        except BaseException as exc:
            self._throw_away(link, exc)


async def close(link: Link) -> None:
    """In an orderly way, if it answers at once."""
    try:
        await link.raw.close(timeout=1.0)
    except FOREIGN:
        link.raw.terminate()

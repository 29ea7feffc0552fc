"""Open a connection: resolve, check, connect to the very address that was checked."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import NamedTuple

from adjourn.sending.addresses import AddressRule
from adjourn.sending.http1.answer import KnownAnswers
from adjourn.sending.http1.connection import Connection
from adjourn.sending.http1.names import Address, Names
from adjourn.sending.http1.pool import Pool
from adjourn.sending.http1.target import Target
from adjourn.sending.http1.tls import Sessions, Tls, client_context
from adjourn.sending.policy import Reply
from adjourn.sending.sender import LookUp

__all__ = ["Dialler"]

_STAGGER = 0.25  # seconds that an address is tried before the next is tried beside it (RFC 8305, 5)


class Dialled(NamedTuple):
    """A new connection, and what comes of the request that it was opened for."""

    connection: Connection
    answer: "asyncio.Future[Reply | None]"

    def hear(self, reply: Reply | None) -> None:
        if not self.answer.done():
            self.answer.set_result(reply)


class Dialler:
    """Opens connections; the rule is asked again for the address of each."""

    def __init__(self, rule: AddressRule, look_up: LookUp, tls: ssl.SSLContext | None) -> None:
        self._rule = rule
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._names = Names(rule, look_up)
        self._sessions = Sessions(self._loop.time)
        self._known = KnownAnswers()

    async def dial(self, target: Target, message: bytes, pool: Pool) -> Dialled:
        """A connection that is asked `message` as soon as it stands; the handshake of TLS may yet fail.

        Raises OSError or ValueError.
        """
        addresses = await self._names.addresses(target.host)
        race = _Race(pool)
        if len(addresses) == 1:
            return await self._connect(addresses[0], target, message, race=race)
        return await self._first(addresses, target, message, race=race)

    def close(self) -> None:
        self._names.close()

    async def _connect(self, address: Address, target: Target, message: bytes, *, race: "_Race") -> Dialled:
        """The connection may have lost the race; then it is over."""
        family, ip = address
        self._rule.check_found(target.host, ip)
        connection = Connection(target.origin, race, self._known)
        dialled = Dialled(connection, self._loop.create_future())
        connection.ask(message, dialled.hear, has_body=target.has_body)
        protocol = self._secured(connection, target) if target.is_tls else connection
        try:
            await self._loop.create_connection(lambda: protocol, ip, target.port, family=family)
        except BaseException:
            connection.abort()
            race.lost(connection)
            raise
        return dialled

    def _secured(self, connection: Connection, target: Target) -> Tls:
        if self._tls is None:
            self._tls = client_context()
        return Tls(connection, self._tls, target.host, self._sessions)

    async def _first(
        self, addresses: Sequence[Address], target: Target, message: bytes, *, race: "_Race"
    ) -> Dialled:
        """The first that stands; each address has a head start before the next."""
        left = list(reversed(addresses))
        tasks: set[asyncio.Task[Dialled]] = set()
        fault: BaseException = OSError("the host name has no address")
        try:
            while left or tasks:
                if left and race.winner is None:
                    connecting = self._connect(left.pop(), target, message, race=race)
                    tasks.add(self._loop.create_task(connecting))
                wait = _STAGGER if left and race.winner is None else None
                done, tasks = await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if (raised := task.exception()) is not None:
                        fault = raised
                    elif task.result().connection is race.winner:
                        return task.result()
            raise fault
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Race:
    """Of connections to the addresses of one name: only the first that stands is asked."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.winner: Connection | None = None

    def opened(self, connection: Connection) -> bool:
        if self.winner is not None:
            return False
        self.winner = connection
        return self._pool.opened(connection)

    def lost(self, connection: Connection) -> None:
        self._pool.lost(connection)

"""Open a connection: resolve, check, connect to the very address that was checked."""

import asyncio
import socket
import ssl
from collections.abc import Sequence

from adjourn.sending.addresses import AddressRule
from adjourn.sending.http1.connection import Connection
from adjourn.sending.http1.names import Address, Names
from adjourn.sending.http1.pool import Pool
from adjourn.sending.http1.target import Target
from adjourn.sending.http1.tls import Sessions, Tls, client_context
from adjourn.sending.sender import UNSENT_FOR, LookUp

__all__ = ["Dialler"]

_STAGGER = 0.25  # seconds that an address is tried before the next is tried beside it (RFC 8305, 5)


class Dialler:
    """Opens connections; the rule is asked again for the address of each socket."""

    def __init__(self, rule: AddressRule, look_up: LookUp, tls: ssl.SSLContext | None) -> None:
        self._rule = rule
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._names = Names(rule, look_up)
        self._sessions = Sessions(self._loop.time)

    async def dial(self, target: Target, message: bytes, pool: Pool) -> Connection:
        """A connection that is asked `message` as soon as it stands; the handshake of TLS may yet fail.

        Raises OSError or ValueError.
        """
        addresses = await self._names.addresses(target.host)
        if len(addresses) == 1:
            sock = await self._connect(addresses[0], target.port)
        else:
            sock = await self._first(addresses, target.port)
        connection = Connection(target.origin, sock, pool)
        try:
            connection.ask(message, has_body=target.has_body)
            protocol = self._secured(connection, target) if target.is_tls else connection
            pool.opened(connection)
            await self._loop.create_connection(lambda: protocol, sock=sock)
        except BaseException:
            connection.abort()
            sock.close()
            pool.lost(connection)
            raise
        return connection

    def close(self) -> None:
        self._names.close()

    def _secured(self, connection: Connection, target: Target) -> Tls:
        if self._tls is None:
            self._tls = client_context()
        return Tls(connection, self._tls, target.host, self._sessions)

    async def _connect(self, address: Address, port: int) -> socket.socket:
        family, ip = address
        self._rule.check(ip)
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_FOR)
            await self._loop.sock_connect(sock, (ip, port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _first(self, addresses: Sequence[Address], port: int) -> socket.socket:
        """The first that connects; each has a head start before the next."""
        left = list(reversed(addresses))
        tasks: set[asyncio.Task[socket.socket]] = set()
        fault: BaseException = OSError("the host name has no address")
        try:
            while left or tasks:
                if left:
                    tasks.add(self._loop.create_task(self._connect(left.pop(), port)))
                wait = _STAGGER if left else None
                done, _ = await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if (raised := task.exception()) is None:
                        tasks.discard(task)
                        return task.result()
                    tasks.discard(task)
                    fault = raised
            raise fault
        finally:
            await _let_go(tasks)


async def _let_go(tasks: set[asyncio.Task[socket.socket]]) -> None:
    """Also of those that connected in the very moment that another one did."""
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, socket.socket):
            ended.close()

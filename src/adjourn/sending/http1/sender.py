"""One attempt: over a kept connection where there is one, over a new one else, and within its time."""

import asyncio
import ssl

from adjourn.sending.addresses import AddressRule
from adjourn.sending.http1.connection import Connection, Overdue
from adjourn.sending.http1.deadlines import Deadlines
from adjourn.sending.http1.dial import Dialler
from adjourn.sending.http1.pool import Pool
from adjourn.sending.http1.target import Target, target_of
from adjourn.sending.policy import Reply
from adjourn.sending.replies import NO_ANSWER, broke, failed, in_words, of_os_error, timed_out
from adjourn.sending.sender import LookUp, Request, look_up

__all__ = ["Http1Sender"]

_SWEEP = 0.05  # seconds between two sweeps of deadlines
_IDLE = 15.0  # seconds that a connection is kept without a request


class Http1Sender:
    """`Sender` over our own HTTP/1.1. Closed, it opens again with the next attempt."""

    def __init__(
        self,
        rule: AddressRule,
        *,
        look_up: LookUp = look_up,
        tls: ssl.SSLContext | None = None,
        sweep: float = _SWEEP,
        idle: float = _IDLE,
    ) -> None:
        """`tls`: else the system's authorities, once they are needed. `sweep`, `idle`: seconds."""
        self._rule = rule
        self._look_up = look_up
        self._tls = tls
        self._sweep = sweep
        self._idle = idle
        self._open: _Open | None = None

    async def send(self, request: Request) -> Reply:
        opened = self._open or self._start()
        ends_at = opened.loop.time() + request.timeout.total_seconds()
        try:
            target = target_of(request.method, request.url)
            message = target.message(request.headers, request.body)
        except ValueError as exc:
            return failed(str(exc))
        connection = opened.pool.take(target.origin)
        if connection is not None:
            connection.ask(message, has_body=target.has_body)
            reply = await opened.reply_of(connection, ends_at)
            if reply is not None:
                return reply
            if not connection.was_stale:
                return _unanswered(connection, request)
            # The endpoint had closed the kept connection: no attempt was made yet.
        return await _send_anew(opened, request, target, message, ends_at=ends_at)

    async def close(self) -> None:
        if self._open is not None:
            opened, self._open = self._open, None
            await opened.close()

    def _start(self) -> "_Open":
        dialler = Dialler(self._rule, self._look_up, self._tls)
        self._open = _Open(
            dialler, Pool(idle=self._idle), Deadlines(asyncio.get_running_loop(), every=self._sweep)
        )
        return self._open


class _Open:
    """What a sender has from an attempt until it is closed."""

    def __init__(self, dialler: Dialler, pool: Pool, deadlines: Deadlines) -> None:
        self.loop = asyncio.get_running_loop()
        self.dialler = dialler
        self.pool = pool
        self.deadlines = deadlines

    async def reply_of(self, connection: Connection, ends_at: float) -> Reply | None:
        """To what it was asked. Afterwards it is free for the next, or over."""
        slot = self.deadlines.add(connection, ends_at)
        try:
            reply = await connection.asked
        except asyncio.CancelledError:
            connection.abort()
            raise
        finally:
            self.deadlines.remove(connection, slot)
        self.pool.keep(connection)
        return reply

    async def close(self) -> None:
        self.dialler.close()
        await self.pool.close()
        self.deadlines.close()


async def _send_anew(
    opened: _Open, request: Request, target: Target, message: bytes, *, ends_at: float
) -> Reply:
    limit = asyncio.timeout_at(ends_at)
    try:
        async with limit:
            connection = await opened.dialler.dial(target, message, opened.pool)
    except (OSError, ValueError) as exc:
        if limit.expired():
            return timed_out(request.timeout)
        return failed(in_words(exc) or f"cannot connect: {_named(exc)}")
    reply = await opened.reply_of(connection, ends_at)
    return _unanswered(connection, request) if reply is None else reply


def _unanswered(connection: Connection, request: Request) -> Reply:
    match connection.fault:
        case None:
            return failed(NO_ANSWER)
        case Overdue():
            return timed_out(request.timeout)
        case OSError() as fault:
            return failed(in_words(fault) or broke(fault))
        case fault:
            return failed(_named(fault))


def _named(exc: BaseException) -> str:
    return of_os_error(exc) if isinstance(exc, OSError) else f"{type(exc).__name__}: {exc}"

"""One attempt: over a kept connection where there is one, over a new one else, and within its time."""

import asyncio
import logging
import ssl
from collections.abc import Callable

from adjourn.sending.addresses import AddressRule
from adjourn.sending.http1.connection import Connection, Overdue
from adjourn.sending.http1.deadlines import Deadlines
from adjourn.sending.http1.dial import Dialler
from adjourn.sending.http1.pool import Pool
from adjourn.sending.http1.target import Target, target_of
from adjourn.sending.policy import Reply
from adjourn.sending.replies import (
    NO_ANSWER,
    NOT_MADE,
    broke,
    failed,
    in_words,
    of_os_error,
    timed_out,
)
from adjourn.sending.sender import LookUp, Request, Sender, UnderWay, look_up
from adjourn.urlrule import USUAL, UrlRule

__all__ = ["Http1Sender"]

_log = logging.getLogger(__name__)

_SWEEP = 0.05  # seconds between two sweeps of deadlines
_IDLE = 15.0  # seconds that a connection is kept without a request
_LIFETIME = 60.0  # seconds that it is kept at all: a name that leads elsewhere is followed by then


class Http1Sender(Sender):
    """`Sender` over our own HTTP/1.1. Closed, it opens again with the next attempt."""

    def __init__(
        self,
        rule: AddressRule,
        *,
        urls: UrlRule = USUAL,
        look_up: LookUp = look_up,
        tls: ssl.SSLContext | None = None,
        sweep: float = _SWEEP,
        idle: float = _IDLE,
        lifetime: float = _LIFETIME,
    ) -> None:
        """`tls`: else the system's authorities, once they are needed. `sweep` and below: seconds."""
        self._rule = rule
        self._urls = urls
        self._look_up = look_up
        self._tls = tls
        self._sweep = sweep
        self._idle = idle
        self._lifetime = lifetime
        self._open: _Open | None = None

    def start(self, request: Request, done: Callable[[Reply], None]) -> UnderWay:
        opened = self._open or self._start_up()
        try:
            target = target_of(request.method, request.url)
        except ValueError as exc:
            done(failed(str(exc)))
            return _ENDED
        if (fault := self._urls.find_fault_of(target.port, is_tls=target.is_tls)) is not None:
            done(failed(f"the URL {fault}"))
            return _ENDED
        return _Attempt(opened, request, target, done)

    async def close(self) -> None:
        if self._open is not None:
            opened, self._open = self._open, None
            await opened.close()

    def _start_up(self) -> "_Open":
        dialler = Dialler(self._rule, self._look_up, self._tls)
        self._open = _Open(
            dialler,
            Pool(idle=self._idle, lifetime=self._lifetime),
            Deadlines(asyncio.get_running_loop(), every=self._sweep),
        )
        return self._open


class _Open:
    """What a sender has from an attempt until it is closed."""

    def __init__(self, dialler: Dialler, pool: Pool, deadlines: Deadlines) -> None:
        self.loop = asyncio.get_running_loop()
        self.dialler = dialler
        self.pool = pool
        self.deadlines = deadlines

    async def close(self) -> None:
        self.dialler.close()
        await self.pool.close()
        self.deadlines.close()


class _Ended:
    """Of an attempt that there is no more of."""

    def cancel(self) -> None:
        pass


_ENDED = _Ended()


class _Attempt:
    """Over a kept connection it needs no task: it is told of the answer. A new one is dialled in a task."""

    __slots__ = (
        "_connection",
        "_done",
        "_ends_at",
        "_message",
        "_opened",
        "_request",
        "_slot",
        "_target",
        "_task",
    )

    def __init__(
        self, opened: _Open, request: Request, target: Target, done: Callable[[Reply], None]
    ) -> None:
        self._opened = opened
        self._request = request
        self._target = target
        self._done: Callable[[Reply], None] | None = done
        self._message = target.message(request.lines, request.body)
        self._ends_at = opened.loop.time() + request.timeout.total_seconds()
        self._slot = 0
        self._task: asyncio.Task[None] | None = None
        self._connection = opened.pool.take(target.origin)
        if self._connection is None:
            self._dial()
        else:
            self._slot = opened.deadlines.add(self._connection, self._ends_at)
            self._connection.ask(self._message, self._hear_kept, has_body=target.has_body)

    def cancel(self) -> None:
        self._done = None
        if self._task is not None:
            self._task.cancel()
        if self._connection is not None:
            self._opened.deadlines.remove(self._connection, self._slot)
            self._connection.forsake()
            self._connection = None

    def _hear_kept(self, reply: Reply | None) -> None:
        connection = self._let_go()
        if reply is not None:
            self._end(reply)
        elif connection.was_stale:  # the endpoint had closed it: no attempt was made yet
            self._dial()
        else:
            self._end(_unanswered(connection, self._request))

    def _hear_new(self, answer: "asyncio.Future[Reply | None]") -> None:
        if self._connection is None:
            return  # cancelled meanwhile
        connection = self._let_go()
        reply = answer.result()
        self._end(_unanswered(connection, self._request) if reply is None else reply)

    def _let_go(self) -> Connection:
        connection, self._connection = self._connection, None
        assert connection is not None
        self._opened.deadlines.remove(connection, self._slot)
        self._opened.pool.keep(connection)
        return connection

    def _end(self, reply: Reply) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(reply)

    def _dial(self) -> None:
        self._task = self._opened.loop.create_task(self._dial_in_time())

    async def _dial_in_time(self) -> None:
        limit = asyncio.timeout_at(self._ends_at)
        opened = self._opened
        try:
            async with limit:
                dialled = await opened.dialler.dial(self._target, self._message, opened.pool)
        except Exception as exc:
            self._task = None
            self._end(_undialled(exc, self._request, expired=limit.expired()))
            return
        self._task = None
        self._message = b""
        self._connection = dialled.connection
        self._slot = opened.deadlines.add(dialled.connection, self._ends_at)
        dialled.answer.add_done_callback(self._hear_new)


def _undialled(exc: Exception, request: Request, *, expired: bool) -> Reply:
    if not isinstance(exc, OSError | ValueError):
        _log.error("an endpoint could not be dialled", exc_info=exc)
        return failed(NOT_MADE)
    if expired:
        return timed_out(request.timeout)
    return failed(in_words(exc) or f"cannot connect: {_named(exc)}")


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

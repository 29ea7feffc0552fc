"""One of the processes that a node is made of, started by the supervisor: `python -m adjourn.child`.

Its settings come by the environment, its sockets by their numbers. It tells the supervisor what went wrong,
or which worker it is, and hears of those that died; when the supervisor is gone, it stops.
"""

import asyncio
import logging
import os
import socket
import sys
from typing import NoReturn

import msgspec

from adjourn.api.limits import SharedWindows
from adjourn.config import Settings
from adjourn.errors import AdjournError, StorageError
from adjourn.listening import raise_open_files
from adjourn.logs import set_up_logging
from adjourn.server import Stop, run, run_loop
from adjourn.wiring import Engine, MakeSender, open_engine

__all__ = ["Orders", "Said", "main"]

_AGAIN = 1.0  # seconds, while the database cannot be reached

_log = logging.getLogger("adjourn.child")


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is started with. `listener`, `windows`: open files; None where it only delivers."""

    number: int  # from 1
    parent: int  # the open file to talk to it by
    listener: int | None
    windows: int | None


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line between the two. From the child: `ready` with its worker's id, or `failed` with the reason.

    From the supervisor: `ended`, a worker whose process is gone for certain. The child `took` it up then.
    """

    ready: str | None = None
    failed: str | None = None
    is_storage: bool = False
    ended: str | None = None
    took: str | None = None


class _Parent:
    """The supervisor, as its child sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._taking: set[asyncio.Task[None]] = set()
        self.stop = Stop()

    @classmethod
    async def reach(cls, file: int) -> "_Parent":
        return cls(*await asyncio.open_connection(sock=socket.socket(fileno=file)))

    def say(self, said: Said) -> None:
        self._writer.write(msgspec.json.encode(said) + b"\n")

    def fail(self, exc: AdjournError) -> NoReturn:
        self.say(Said(failed=str(exc), is_storage=isinstance(exc, StorageError)))
        sys.exit(1)

    async def listen_to(self, engine: Engine) -> None:
        """Until it is gone."""
        while line := await self._reader.readline():
            said = msgspec.json.decode(line, type=Said)
            if said.ended is not None:
                task = asyncio.create_task(self._take_up(engine, said.ended))
                self._taking.add(task)
                task.add_done_callback(self._taking.discard)
        self.stop.ask()

    async def _take_up(self, engine: Engine, worker: str) -> None:
        """Put back what a process held that is gone, and deliver it."""
        while True:
            try:
                count = await engine.store.queue.end(worker)
            except StorageError as exc:
                _log.warning("cannot take up what worker %s held, trying again: %s", worker, exc)
                await asyncio.sleep(_AGAIN)
            else:
                break
        _log.info("took up %d deliveries that worker %s held", count, worker)
        engine.worker.poke()
        self.say(Said(took=worker))


async def _run(orders: Orders, sender: MakeSender | None) -> None:
    parent = await _Parent.reach(orders.parent)
    try:
        raise_open_files()
        engine = await open_engine(Settings.from_environ(os.environ), sender=sender)
    except AdjournError as exc:
        parent.fail(exc)
    listening = asyncio.create_task(parent.listen_to(engine))
    listener = None if orders.listener is None else socket.socket(fileno=orders.listener)
    windows = None if orders.windows is None else SharedWindows(orders.windows)
    try:
        await run(
            engine,
            listener,
            parent.stop,
            on_ready=lambda: parent.say(Said(ready=engine.worker.id)),
            windows=windows,
        )
    except AdjournError as exc:
        parent.fail(exc)
    finally:
        listening.cancel()


def main(argv: list[str], *, sender: MakeSender | None = None) -> None:
    """`sender` makes another one than ours."""
    orders = msgspec.json.decode(argv[1], type=Orders)
    set_up_logging(f"{orders.number}, pid {os.getpid()}")
    run_loop(_run(orders, sender))


if __name__ == "__main__":
    main(sys.argv)

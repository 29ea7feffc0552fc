"""A node of several processes: starts them, starts those anew that die, and ends them all.

It prepares the database and holds the sockets; the processes do all the work (child.py). The system gives
each of them its share of the connections.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence

import msgspec

from adjourn.api.limits import SharedWindows
from adjourn.child import Orders, Said
from adjourn.config import Secret, Settings
from adjourn.errors import AdjournError, ConfigError, StorageError
from adjourn.listening import listen, url_of
from adjourn.server import needs_postgres
from adjourn.wiring import prepare

__all__ = ["CHILD", "Node", "deliver_with_many", "serve_with_many"]

_log = logging.getLogger(__name__)

CHILD = "adjourn.child"  # what each process runs
_TRIES = 3  # of each process, before it was ready for the first time
_FIRST_PAUSE = 0.1  # seconds, until one that died is started again
_LONGEST_PAUSE = 10.0
_LIVES = 60.0  # seconds: the pauses of one that lived so long begin anew
_END_WITHIN = 60.0  # seconds, once they are asked to stop: then they are killed

Ready = Callable[[str, Secret | None], None]


async def serve_with_many(settings: Settings, environ: Mapping[str, str], *, on_ready: Ready) -> None:
    """`server.serve` in `settings.workers` processes, which read the same settings from `environ`.

    Raises ConfigError, and StorageError where the database cannot be reached.
    """
    listeners = listen(settings.host, settings.port, processes=settings.workers)
    windows = SharedWindows.make_file()
    try:
        made_key = await prepare(settings)
        node = Node(environ, settings.workers, listeners, windows)
        await node.run(on_ready=lambda: on_ready(url_of(listeners[0]), made_key))
    finally:
        os.close(windows)
        for listener in listeners:
            listener.close()


async def deliver_with_many(
    settings: Settings, environ: Mapping[str, str], *, on_ready: Callable[[], None]
) -> None:
    """`server.deliver` in `settings.workers` processes. Raises as `serve_with_many`."""
    needs_postgres(settings)
    await prepare(settings)
    await Node(environ, settings.workers).run(on_ready=on_ready)


class _Child:
    """A process that was started, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process, number: int) -> None:
        self.process = process
        self.number = number
        self.worker: str | None = None  # once it is ready
        self.failure: Said | None = None
        self.to_take_up: set[str] = set()  # workers that it was told are dead, and has not answered for
        self._writer: asyncio.StreamWriter | None = None

    async def attend(self, ours: socket.socket, on_ready: Callable[[int], None]) -> int:
        """Listen to it until it has ended; its exit code, or minus the signal that ended it."""
        reader, self._writer = await asyncio.open_connection(sock=ours)
        try:
            await self._listen(reader, on_ready)
            return await self.process.wait()
        finally:
            self._writer.close()

    async def _listen(self, reader: asyncio.StreamReader, on_ready: Callable[[int], None]) -> None:
        try:
            while line := await reader.readline():
                said = msgspec.json.decode(line, type=Said)
                if said.ready is not None:
                    self.worker = said.ready
                    on_ready(self.number)
                elif said.failed is not None:
                    self.failure = said
                elif said.took is not None:
                    self.to_take_up.discard(said.took)
        except (ConnectionError, msgspec.DecodeError):
            pass  # it was killed, perhaps amid a line

    def tell_of_dead(self, worker: str) -> None:
        self.to_take_up.add(worker)
        if self._writer is not None:
            self._writer.write(msgspec.json.encode(Said(ended=worker)) + b"\n")

    def signal(self, number: int) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)

    def told_end(self, code: int) -> str:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        told = f": {self.failure.failed}" if self.failure is not None else ""
        return f"worker {self.number} (pid {self.process.pid}) ended with {how}{told}"


class Node:
    """`count` processes. Each has its listener, where there are any, and all share `windows`.

    `child`: the arguments of Python that start one; its orders follow.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        count: int,
        listeners: Sequence[socket.socket] = (),
        windows: int | None = None,
        *,
        child: Sequence[str] | None = None,
    ) -> None:
        # -P: what lies in the folder it is started in is no part of it
        self._command = [sys.executable, *(child or ("-P", "-m", CHILD))]
        self._environ = environ
        self._count = count
        self._listeners = listeners
        self._windows = windows
        self._children: dict[int, _Child] = {}
        self._dead: set[str] = set()  # workers whose process is gone, and nobody was told to take up
        self._starting = set(range(1, count + 1))  # those that were not ready yet
        self._on_ready: Callable[[], None] = lambda: None
        self._stopping = asyncio.Event()

    async def run(self, *, on_ready: Callable[[], None]) -> None:
        """Until SIGTERM or SIGINT, and all have ended. Raises AdjournError when they cannot start."""
        self._on_ready = on_ready
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        keeping = [asyncio.create_task(self._keep(number)) for number in range(1, self._count + 1)]
        try:
            await asyncio.wait(keeping, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            if not self._stopping.is_set():
                self._stop()
            await self._end(keeping)
        for each in keeping:
            each.result()

    def _stop(self) -> None:
        """Ask all to end; each time it is asked for, for a second one means something to them."""
        self._stopping.set()
        for child in self._children.values():
            child.signal(signal.SIGTERM)

    async def _end(self, keeping: Sequence["asyncio.Task[None]"]) -> None:
        _, late = await asyncio.wait(keeping, timeout=_END_WITHIN)
        for child in list(self._children.values()) if late else ():
            _log.warning("worker %d (pid %d) does not end, and is killed", child.number, child.process.pid)
            child.signal(signal.SIGKILL)
        await asyncio.wait(keeping)

    async def _keep(self, number: int) -> None:
        """See that there is a process of that number, until the node stops. Raises AdjournError."""
        pause, tries = _FIRST_PAUSE, 0
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            began = clock()
            child, code = await self._live(number)
            if self._stopping.is_set():
                return
            tries += 1
            told = child.told_end(code)
            if number in self._starting and (child.failure is not None or tries >= _TRIES):
                raise _refusal(child.failure, f"{told}, {tries} times before it was ready")
            if clock() - began > _LIVES:
                pause = _FIRST_PAUSE
            _log.warning("%s; starting it again in %.1f s", told, pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _live(self, number: int) -> tuple[_Child, int]:
        """Start the process of that number, and stay until its end: with which code that was."""
        ours, theirs = socket.socketpair()
        with theirs:
            child = _Child(await self._spawn(number, theirs.fileno()), number)
        self._children[number] = child
        if self._stopping.is_set():
            child.signal(signal.SIGTERM)
        try:
            code = await child.attend(ours, self._note_ready)
        finally:
            del self._children[number]
        self._dead |= child.to_take_up
        if child.worker is not None and code != 0:
            self._dead.add(child.worker)
        self._tell_of_the_dead()
        return child, code

    async def _spawn(self, number: int, talk: int) -> asyncio.subprocess.Process:
        listener = self._listeners[number - 1].fileno() if self._listeners else None
        orders = Orders(number=number, parent=talk, listener=listener, windows=self._windows)
        return await asyncio.create_subprocess_exec(
            *self._command,
            msgspec.json.encode(orders).decode(),
            env=self._environ,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=[file for file in (talk, listener, self._windows) if file is not None],
            start_new_session=True,  # Ctrl-C is for the supervisor, who tells them
        )

    def _note_ready(self, number: int) -> None:
        self._tell_of_the_dead()
        if number in self._starting:
            self._starting.remove(number)
            if not self._starting:
                self._on_ready()

    def _tell_of_the_dead(self) -> None:
        """A process that is ready takes up what they held; if it dies over that, another one does."""
        living = next((each for each in self._children.values() if each.worker is not None), None)
        if living is not None:
            for worker in self._dead:
                living.tell_of_dead(worker)
            self._dead.clear()


def _refusal(failure: Said | None, told: str) -> AdjournError:
    if failure is None or failure.failed is None:
        return AdjournError(told)
    return StorageError(failure.failed) if failure.is_storage else ConfigError(failure.failed)

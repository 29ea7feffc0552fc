"""`adjourn inbox work`: a process that handles what web processes keep."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from types import FrameType
from typing import Annotated

import typer

from adjourn.cli.failure import Exit, Failure
from adjourn.cli.inbox.naming import load
from adjourn.cli.inbox.session import AppDir, Json, Named, ended, given, inbox
from adjourn.cli.screen import Screen
from adjourn.config import without_password
from adjourn.logs import set_up_logging
from adjourn.models import ReceiptState
from adjourn.receiving.inbox import Inbox
from adjourn.receiving.worker import THREADS

__all__ = ["work"]

_GRACE = 25.0  # seconds; who kills processes mostly does it after 30
_THREADS_END_WITHIN = 1.0  # seconds, for those that have nothing to do


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@inbox.command("work")
def work(
    ctx: typer.Context,
    module: Annotated[
        str | None,
        typer.Argument(metavar="MODULE:INBOX", help="Like myapp:inbox, or myapp alone.", show_default=False),
    ] = None,
    *,
    named: Named = None,
    once: Annotated[
        bool, typer.Option("--once", help="Handle what is due, and end.", show_default=False)
    ] = False,
    grace: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long handlers may take to end.")
    ] = _GRACE,
    log_level: Annotated[LogLevel, typer.Option(help="Of the log, on standard error.")] = LogLevel.INFO,
    app_dir: AppDir = None,
    as_json: Json = False,
) -> None:
    """Handle what the inbox keeps, until Ctrl-C or SIGTERM.

    It runs the handlers that MODULE registers, beside any number of web processes and others like itself.
    Asked to stop it starts nothing more and lets handlers end; asked again it stops at once. What a handler
    had begun then runs again.
    """
    so_far = given(ctx, named=named, app_dir=app_dir, as_json=as_json)

    def run() -> Exit:
        named = module or so_far.named
        if named is None:
            raise Failure(Exit.WRONG, "which inbox? Give MODULE:INBOX, like myapp:inbox: it has the handlers")
        found = load(named, app_dir=so_far.app_dir or ".")
        if not len(found.handlers):
            reason = f"{named} has no handlers: is what has @inbox.on(...) imported by its module?"
            raise Failure(Exit.WRONG, reason)
        set_up_logging(level=logging.getLevelNamesMapping()[log_level.name])
        return asyncio.run(_until_asked(found, named, once=once, grace=timedelta(seconds=grace)))

    _leave(ended(run, as_json=so_far.as_json))


async def _until_asked(inbox: Inbox, named: str, *, once: bool, grace: timedelta) -> Exit:
    screen = Screen()
    run = _once(inbox, screen, named, grace) if once else _always(inbox, screen, named, grace)
    working = asyncio.create_task(run)
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            working.cancel()
            screen.note(f"{named}: handlers may end, within {grace.total_seconds():g} s; once more: at once")
        else:  # after what the first one has woken: two at a time would be one
            asyncio.get_running_loop().call_soon(working.cancel)

    with _heeding_signals(stop):
        await asyncio.wait([working])
    if not working.cancelled():
        working.result()
    if asked or not once:
        screen.note(f"{named}: stopped")
    if asked > 1:
        raise KeyboardInterrupt
    return Exit.DONE


async def _always(inbox: Inbox, screen: Screen, named: str, grace: timedelta) -> None:
    await inbox.open()
    kinds = f"{len(inbox.handlers)} handler{'' if len(inbox.handlers) == 1 else 's'}"
    screen.note(f"{named}: {kinds} at work on {without_password(inbox.url)} (Ctrl-C stops it)")
    await inbox.work(grace=grace)


async def _once(inbox: Inbox, screen: Screen, named: str, grace: timedelta) -> None:
    try:
        await inbox.settle()
        counts = await inbox.receipts.count()
        left = f"{counts[ReceiptState.FAILED]:,} waiting for a retry, {counts[ReceiptState.DEAD]:,} dead"
        screen.note(f"{named}: done all that was due; {left}")
    finally:
        await inbox.close(grace=grace)


@contextmanager
def _heeding_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` in the loop at each SIGINT and SIGTERM; on Windows, too."""
    loop = asyncio.get_running_loop()

    def heed(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop)

    before = {number: signal.signal(number, heed) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(code: Exit) -> None:
    """End, though a handler that is no coroutine may run on in its thread: nothing can stop that."""
    running = [each for each in threading.enumerate() if each.name.startswith(THREADS)]
    for each in running:
        each.join(_THREADS_END_WITHIN)
    if any(each.is_alive() for each in running):
        Screen().note("handlers that did not end are stopped with the process; they run again")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise typer.Exit(code)

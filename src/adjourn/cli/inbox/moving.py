"""`adjourn inbox retry`, `replay`, `bury` and `forget`: have receipts handled anew, or no more."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from adjourn.cli.failure import Exit, Failure
from adjourn.cli.inbox.choosing import (
    All,
    Provider,
    Seqs,
    Since,
    State,
    Type,
    Until,
    choose,
    is_any,
    numbers,
)
from adjourn.cli.inbox.session import Session, command
from adjourn.cli.screen import moment
from adjourn.cli.session import Yes
from adjourn.cli.times import read_time
from adjourn.models import ReceiptState
from adjourn.storage.base import ReceiptFilter

__all__: list[str] = []

_STEP = 1000  # receipts in one transaction
_FAILED, _DEAD = ReceiptState.FAILED, ReceiptState.DEAD
_UNFINISHED = (ReceiptState.NEW, _FAILED)

_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say how many that would be.", show_default=False)
]


@command("retry")
async def retry(
    session: Session,
    seqs: Seqs = None,
    *,
    dead: Annotated[
        bool, typer.Option("--dead", help="All that are dead, and fit.", show_default=False)
    ] = False,
    failed: Annotated[
        bool, typer.Option("--failed", help="All that failed and wait, and fit.", show_default=False)
    ] = False,
    type_: Type = None,
    provider: Provider = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Have what is dead or failed tried again now: by number, or all with --dead or --failed.

    All handlers of an event run again, with every retry.
    """
    filters = choose(type_=type_, provider=provider, since=since, until=until)
    if bool(seqs) == (dead or failed) or (seqs and not is_any(filters)):
        raise Failure(Exit.WRONG, "which? Give SEQ..., or --dead or --failed for all that fit the filters")
    states = [state for state, asked in ((_FAILED, failed or seqs), (_DEAD, dead or seqs)) if asked]
    wanted = choose(seqs=seqs, type_=type_, provider=provider, since=since, until=until)
    instead = "`adjourn inbox replay` has it handled anew"
    found = await numbers(session.receipts, wanted, states, instead=instead)
    done = 0
    for state in states:
        done += await _in_steps(session, "retrying", found, _replaying(session, state))
    session.show(
        {"retried": done}, lambda: session.screen.line(_told(done, len(found), "due now", "to be retried"))
    )


@command("replay")
async def replay(
    session: Session,
    seqs: Seqs = None,
    *,
    state: State = None,
    type_: Type = None,
    provider: Provider = None,
    since: Since = None,
    until: Until = None,
    all_: All = False,
    yes: Yes = False,
    dry_run: _DryRun = False,
) -> Exit | None:
    """Have receipts handled anew, the handled ones too: by number, or all that fit the filters.

    All their handlers run again, with every retry. Those that are being handled, or whose bodies were
    forgotten, are passed over.
    """
    wanted = choose(seqs=seqs, state=state, type_=type_, provider=provider, since=since, until=until)
    _check_is_meant(wanted, all_=all_)
    states = [state] if state is not None else [*ReceiptState]
    found = await numbers(session.receipts, wanted, states, instead="--state is another")
    if dry_run:
        told = f"{len(found):,} would be handled anew"
        session.show({"would_replay": len(found)}, lambda: session.screen.line(told))
        return None
    if found and not yes and not seqs and not session.agreed(f"has {_receipts(len(found))} handled anew"):
        session.screen.note("nothing was replayed")
        return Exit.REFUSED
    done = await _in_steps(session, "replaying", found, _replaying(session, state))
    result = {"replayed": done, "passed_over": len(found) - done}
    session.show(
        result,
        lambda: session.screen.line(_told(done, len(found), "to be handled anew", "to be handled anew")),
    )
    return None


@command("bury")
async def bury(
    session: Session,
    seqs: Seqs = None,
    *,
    state: State = None,
    type_: Type = None,
    provider: Provider = None,
    since: Since = None,
    until: Until = None,
    all_: All = False,
    yes: Yes = False,
) -> Exit | None:
    """Give up on what is new or failed: it becomes dead. By number, or all that fit the filters."""
    wanted = choose(seqs=seqs, state=state, type_=type_, provider=provider, since=since, until=until)
    _check_is_meant(wanted, all_=all_)
    if state is not None and state not in _UNFINISHED:
        raise Failure(Exit.WRONG, f"what is {state} cannot be given up on: only what is new or failed")
    instead = "only what is new or failed can be given up on"
    found = await numbers(session.receipts, wanted, _UNFINISHED, instead=instead)
    if found and not yes and not seqs and not session.agreed(f"gives up on {_receipts(len(found))}"):
        session.screen.note("nothing was given up on")
        return Exit.REFUSED

    async def step(some: Sequence[int]) -> int:
        return await session.receipts.bury(ReceiptFilter(seqs=tuple(some), state=state))

    done = await _in_steps(session, "burying", found, step)
    result = {"buried": done, "passed_over": len(found) - done}
    session.show(
        result, lambda: session.screen.line(_told(done, len(found), "dead now", "to be given up on"))
    )
    return None


@command("forget")
async def forget(
    session: Session,
    *,
    before: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Handled before: a date (UTC), RFC 3339, or as long ago as 90m, 2h, 30d.",
            show_default=False,
        ),
    ],
    yes: Yes = False,
) -> Exit | None:
    """Delete the bodies and attempts of what was handled before a time: it cannot be replayed then.

    That they were received stays known, so that they are duplicates for good.
    """
    moment_before = read_time(before, now=datetime.now(UTC))
    what = f"deletes the bodies of all that was handled before {moment(moment_before)} (UTC), for good"
    if not yes and not session.agreed(what):
        session.screen.note("nothing was forgotten")
        return Exit.REFUSED
    done = 0
    while count := await session.receipts.forget(before=moment_before, limit=_STEP):
        done += count
    session.show({"forgotten": done}, lambda: session.screen.line(f"{_receipts(done)} forgotten"))
    return None


def _check_is_meant(wanted: ReceiptFilter, *, all_: bool) -> None:
    if is_any(wanted) != all_:
        reason = "--all and filters exclude each other" if all_ else "which? Give SEQ..., filters, or --all"
        raise Failure(Exit.WRONG, reason)


def _replaying(session: Session, state: ReceiptState | None) -> Callable[[Sequence[int]], Awaitable[int]]:
    async def step(some: Sequence[int]) -> int:
        wanted = ReceiptFilter(seqs=tuple(some), state=state)
        done, _ = await session.receipts.replay(wanted, limit=len(some))
        return done

    return step


async def _in_steps(
    session: Session, doing: str, seqs: Sequence[int], step: Callable[[Sequence[int]], Awaitable[int]]
) -> int:
    """Exactly those that were counted, the oldest first; how many there were."""
    done = 0
    with session.screen.progress() as progress:
        task = progress.add_task(doing, total=len(seqs))
        for start in range(0, len(seqs), _STEP):
            some = seqs[start : start + _STEP]
            try:
                done += await step(some)
            except asyncio.CancelledError:
                session.screen.note(f"stopped: {done:,} of {_receipts(len(seqs))} were done")
                raise
            progress.advance(task, len(some))
    return done


def _told(done: int, found: int, now: str, asked: str) -> str:
    if not found:
        return f"there is nothing {asked}"
    over = f"; {found - done:,} passed over (being handled, or their bodies were forgotten)"
    return f"{_receipts(done)} {now}{over if done < found else ''}"


def _receipts(count: int) -> str:
    return f"{count:,} receipt{'' if count == 1 else 's'}"

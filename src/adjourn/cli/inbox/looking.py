"""`adjourn inbox status`, `list`, `dead` and `show`: what is in an inbox, and what became of it."""

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
import typer

from adjourn.cli.failure import Exit, Failure
from adjourn.cli.inbox.choosing import Provider, Since, State, Type, Until, choose, pages
from adjourn.cli.inbox.session import Session, command
from adjourn.cli.screen import Column, Screen, moment
from adjourn.models import Handling, Receipt, ReceiptState
from adjourn.providers import PROVIDERS
from adjourn.storage.base import ReceiptFilter

__all__: list[str] = []

_DEAD_SHOWN = 5  # receipts that the status shows
_LONGEST_ERROR = 300  # characters of an error that a table shows
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))

_Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")]
_Below = Annotated[
    int | None,
    typer.Option(min=1, metavar="SEQ", help="Only those kept before this one.", show_default=False),
]
_All = Annotated[bool, typer.Option("--all", help="Show all of them.", show_default=False)]


@command("status")
async def status(session: Session) -> None:
    """Show how many receipts are in each state, since when the oldest waits, and which are dead."""
    receipts = session.receipts
    counts = {state.value: count for state, count in (await receipts.count()).items()}
    oldest, now = await receipts.oldest_waiting(), await receipts.now()
    dead = await receipts.list_receipts(ReceiptFilter(state=ReceiptState.DEAD), limit=_DEAD_SHOWN)
    age = None if oldest is None else max(now - oldest, timedelta(0))
    result = {
        "inbox": session.shown_url,
        "counts": counts,
        "oldest_waiting": oldest,
        "oldest_waiting_seconds": None if age is None else int(age.total_seconds()),
        "dead": [_as_json(each) for each in dead],
    }
    session.show(result, lambda: _show_status(session, counts, oldest, age, dead))


def _show_status(
    session: Session,
    counts: dict[str, int],
    oldest: datetime | None,
    age: timedelta | None,
    dead: Sequence[Receipt],
) -> None:
    waits = "nothing waits" if age is None else f"{_shown_age(age)}, since {moment_or_none(oldest)} (UTC)"
    screen = session.screen
    screen.fields(
        [
            ("inbox", session.shown_url),
            *((state, f"{count:,}") for state, count in counts.items()),
            ("oldest waiting", waits),
        ]
    )
    if dead:
        screen.line()
        _show_dead(screen, dead)
        more = counts[ReceiptState.DEAD] - len(dead)
        others = f"; `adjourn inbox dead` shows {more:,} more" if more > 0 else ""
        screen.line(f"`adjourn inbox retry --dead` tries them again{others}", style="dim")


def _shown_age(age: timedelta) -> str:
    """In the largest unit that fits: 90m as 1 h."""
    seconds = int(age.total_seconds())
    return next((f"{seconds // size} {unit}" for unit, size in _UNITS if seconds >= size), "0 s")


@command("list")
async def list_receipts(
    session: Session,
    *,
    state: State = None,
    type_: Type = None,
    provider: Provider = None,
    since: Since = None,
    until: Until = None,
    limit: _Limit = 50,
    below: _Below = None,
    all_: _All = False,
) -> None:
    """List receipts, the newest first."""
    wanted = choose(state=state, type_=type_, provider=provider, since=since, until=until)
    await _list(session, wanted, limit=None if all_ else limit, below=below, with_error=False)


@command("dead")
async def dead(
    session: Session,
    *,
    type_: Type = None,
    provider: Provider = None,
    since: Since = None,
    until: Until = None,
    limit: _Limit = 50,
    below: _Below = None,
    all_: _All = False,
) -> None:
    """List what no handler could handle and nothing tries any more, with the error, the newest first."""
    wanted = choose(state=ReceiptState.DEAD, type_=type_, provider=provider, since=since, until=until)
    await _list(session, wanted, limit=None if all_ else limit, below=below, with_error=True)


async def _list(
    session: Session, wanted: ReceiptFilter, *, limit: int | None, below: int | None, with_error: bool
) -> None:
    more = False
    if limit is None:
        found = [each async for page in pages(session.receipts, wanted, below=below) for each in page]
    else:
        found = await session.receipts.list_receipts(wanted, limit=limit + 1, below=below)
        more, found = len(found) > limit, found[:limit]
    next_below = found[-1].seq if more else None
    result = {"receipts": [_as_json(each) for each in found], "next_below": next_below}
    show = _show_dead if with_error else _show_list
    session.show(result, lambda: _show_page(session.screen, found, show, next_below))


def _show_page(screen: Screen, found: Sequence[Receipt], show: Any, next_below: int | None) -> None:
    if not found:
        screen.line("no receipts here")
        return
    show(screen, found)
    if next_below is not None:
        screen.line(f"--below {next_below} shows more", style="dim")


def _show_list(screen: Screen, receipts: Sequence[Receipt]) -> None:
    columns = [
        Column("Seq", whole=True),
        Column("State"),
        Column("Event type"),
        Column("Received (UTC)", spare=True),
        Column("Tries", spare=True),
        Column("Due (UTC)", spare=True),
        Column("Provider", spare=True),
        Column("Event", whole=True, spare=True),
    ]
    rows = [
        (
            each.seq,
            each.state,
            each.event_type,
            moment(each.received_at),
            each.attempt_no,
            moment_or_none(each.due),
            each.provider,
            each.id,
        )
        for each in receipts
    ]
    screen.table(columns, rows)


def _show_dead(screen: Screen, receipts: Sequence[Receipt]) -> None:
    columns = [
        Column("Seq", whole=True),
        Column("Event type"),
        Column("Received (UTC)", spare=True),
        Column("Tries", spare=True),
        Column("Error"),
    ]
    rows = [
        (each.seq, each.event_type, moment(each.received_at), each.attempt_no, _start(each.error))
        for each in receipts
    ]
    screen.table(columns, rows)


def _start(error: str) -> str:
    return error if len(error) <= _LONGEST_ERROR else f"{error[:_LONGEST_ERROR]}..."


@command("show")
async def show(
    session: Session,
    which: Annotated[
        str,
        typer.Argument(metavar="SEQ|EVENT_ID", help="Its number, or its event's id.", show_default=False),
    ],
    *,
    provider: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER", help="Whose event it is: it is an EVENT_ID.", show_default=False),
    ] = None,
    body: Annotated[
        bool,
        typer.Option(
            "--body",
            help="Its body alone: the bytes as they came; for people where this is a terminal.",
            show_default=False,
        ),
    ] = False,
) -> None:
    """Show one receipt with its attempts and its event."""
    if body and session.as_json:
        raise Failure(Exit.WRONG, "--body gives bytes: give it without --json, which shows the event too")
    receipt = await _find(session, which, provider)
    if body:
        _show_body_alone(session.screen, receipt)
        return
    attempts = await session.receipts.list_attempts(receipt.seq)
    result = {
        **_as_json(receipt),
        "attempts": attempts,
        "event": None if receipt.body is None else msgspec.Raw(receipt.body),
    }
    session.show(result, lambda: _show_receipt(session.screen, receipt, attempts))


async def _find(session: Session, which: str, provider: str | None) -> Receipt:
    """Raises NotFound, and Failure."""
    if provider is None and which.isascii() and which.isdigit() and len(which) < 19:
        return await session.receipts.get(int(which))
    names = [provider] if provider is not None else [*PROVIDERS]
    found = [each for name in names if (each := await session.receipts.find(name, which)) is not None]
    if not found:
        raise Failure(Exit.REFUSED, f"there is no receipt of an event {which!r} here")
    if len(found) > 1:
        having = ", ".join(each.provider for each in found)
        raise Failure(Exit.WRONG, f"several have an event {which!r} ({having}): give --provider")
    return found[0]


def _show_receipt(screen: Screen, receipt: Receipt, attempts: Sequence[Handling]) -> None:
    screen.record(receipt, body=None, error=None, done=", ".join(receipt.done) or None)
    screen.line()
    if attempts:
        columns = [Column("No"), Column("At (UTC)"), Column("ms"), Column("Error")]
        rows = [(each.no, moment(each.at), each.duration_ms, each.error) for each in attempts]
        screen.table(columns, rows)
    else:
        screen.line(
            "no attempt was made yet" if receipt.handled_at is None else "its attempts were forgotten"
        )
    screen.line()
    if receipt.body is None:
        screen.line("its body was forgotten")
    else:
        screen.line("event")
        _show_body(screen, receipt.body)


def _show_body_alone(screen: Screen, receipt: Receipt) -> None:
    if receipt.body is None:
        raise Failure(Exit.REFUSED, f"the body of the receipt {receipt.seq} was forgotten")
    if screen.out.is_terminal:
        _show_body(screen, receipt.body)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(receipt.body)
    sys.stdout.buffer.flush()


def _show_body(screen: Screen, body: bytes) -> None:
    screen.json(msgspec.Raw(body))


def _as_json(receipt: Receipt) -> dict[str, Any]:
    """Without its body."""
    return {name: getattr(receipt, name) for name in receipt.__struct_fields__ if name != "body"}


def moment_or_none(at: datetime | None) -> str | None:
    return None if at is None else moment(at)

"""Which receipts a command is for: by number, or by what they have in common."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from adjourn.cli.catalogs import find_provider
from adjourn.cli.failure import Exit, Failure
from adjourn.cli.times import read_time
from adjourn.models import Receipt, ReceiptState
from adjourn.storage.base import ReceiptFilter, Receipts

__all__ = [
    "All",
    "Provider",
    "Seqs",
    "Since",
    "State",
    "Type",
    "Until",
    "choose",
    "is_any",
    "numbers",
    "pages",
]

_PAGE = 1000  # receipts that are read at a time

Seqs = Annotated[list[int] | None, typer.Argument(metavar="SEQ...", min=1, show_default=False)]
State = Annotated[
    ReceiptState | None, typer.Option("--state", help="Only in this state.", show_default=False)
]
Type = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="Only of this type.", show_default=False)
]
Provider = Annotated[
    str | None, typer.Option(metavar="PROVIDER", help="Only this provider's.", show_default=False)
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only received since: a date (UTC), RFC 3339, or as long ago as 90m, 2h, 3d.",
        show_default=False,
    ),
]
Until = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only received before, in the same forms.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="Every one: there is no filter.", show_default=False)]


def choose(
    *,
    seqs: Sequence[int] | None = None,
    state: ReceiptState | None = None,
    type_: str | None = None,
    provider: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> ReceiptFilter:
    """Raises Failure for a time that is none, and for a provider that there is not."""
    now = datetime.now(UTC)
    if provider is not None:
        find_provider(provider)
    return ReceiptFilter(
        seqs=tuple(seqs) if seqs else None,
        state=state,
        event_type=type_,
        provider=provider,
        since=None if since is None else read_time(since, now=now),
        until=None if until is None else read_time(until, now=now),
    )


def is_any(wanted: ReceiptFilter) -> bool:
    """Whether every receipt fits."""
    return wanted == ReceiptFilter()


async def pages(
    receipts: Receipts, wanted: ReceiptFilter, *, below: int | None = None
) -> AsyncIterator[Sequence[Receipt]]:
    """All that fit, newest first."""
    while page := await receipts.list_receipts(wanted, limit=_PAGE, below=below):
        yield page
        below = page[-1].seq


async def numbers(
    receipts: Receipts, wanted: ReceiptFilter, states: Sequence[ReceiptState], *, instead: str
) -> list[int]:
    """The seqs of those that fit and are in one of the states, oldest first.

    Whoever names a receipt means that one: raises Failure for one that is not there, or in no such state,
    where `instead` says what to do.
    """
    found: list[int] = []
    others: dict[int, ReceiptState] = {}
    async for page in pages(receipts, wanted):
        found += [each.seq for each in page if each.state in states]
        if wanted.seqs is not None:
            others |= {each.seq: each.state for each in page if each.state not in states}
    for seq in wanted.seqs or ():
        if seq in others:
            raise Failure(Exit.REFUSED, f"the receipt {seq} is {others[seq]}: {instead}")
        if seq not in found:
            raise Failure(Exit.REFUSED, f"there is no receipt {seq} here that fits")
    return found[::-1]

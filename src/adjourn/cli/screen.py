"""What people get to see: tables, fields and errors, made safe for a terminal.

Names, answers of endpoints and the like are foreign text: control characters are shown, never obeyed.
A terminal gets tables that fit it. A file or pipe gets one line a row, however wide, and no colour.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, Struct, UnsetType
from rich.console import Console
from rich.padding import Padding
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from adjourn.cli.failure import Failure
from adjourn.wirejson import utc

__all__ = ["Column", "Screen", "moment"]

_ENDLESS = 100_000  # columns: what is no terminal has no width
_LONGEST_WHOLE = 40  # characters of an id that is never folded; a UUID has 36


class Column(Struct, frozen=True):
    """`whole`: holds ids, which stay in one piece. `spare`: left out where a terminal is too narrow."""

    title: str
    whole: bool = False
    spare: bool = False


class Screen:
    """Standard output and standard error, as they are when it is made."""

    def __init__(self) -> None:
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)

    def line(self, text: str = "", *, style: str = "") -> None:
        self.out.print(self._text(text, style), soft_wrap=True)

    def paragraph(self, text: str) -> None:
        self.out.print(self._text(" ".join(text.split())))

    def note(self, text: str, *, style: str = "") -> None:
        """To standard error: what is no part of the result."""
        self.err.print(self._text(text, style), soft_wrap=True)

    def fields(self, pairs: Iterable[tuple[str, Any]], *, indent: int = 0) -> None:
        """A line for each that is given; never cut or folded by us, so that it can be copied."""
        given = [(label, value) for label, value in pairs if value is not None and value is not UNSET]
        width = max((len(label) for label, _ in given), default=0)
        for label, value in given:
            head = Text(f"{'':{indent}}{label:<{width}}  ", style="dim")
            self.out.print(head.append_text(self._text(_shown(value))), soft_wrap=True)

    def record(self, noun: Struct, **instead: Any) -> None:
        """Every field it has, in its order; `instead` says how some are shown, None: not at all."""
        fields = ((name, getattr(noun, name)) for name in noun.__struct_fields__)
        self.fields((name, instead.get(name, value)) for name, value in fields)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
        cells = [[self._text(_shown(cell)) for cell in row] for row in rows]
        widths = [
            max(len(column.title), *(row[at].cell_len for row in cells)) for at, column in enumerate(columns)
        ]
        fits = sum(widths) + 2 * (len(columns) - 1) <= self.out.width
        kept = [at for at, column in enumerate(columns) if fits or not column.spare]
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for at in kept:
            whole = columns[at].whole and widths[at] <= _LONGEST_WHOLE
            table.add_column(columns[at].title, no_wrap=whole, overflow="fold")
        for row in cells:
            table.add_row(*(row[at] for at in kept))
        self.out.print(table)

    def json(self, value: object) -> None:
        """JSON for people, indented."""
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
        for line in text.splitlines():
            self.out.print(Padding.indent(self._text(line), 2), soft_wrap=True)

    def raw(self, body: bytes) -> None:
        """JSON for programs, as it came, and a line's end."""
        sys.stdout.flush()
        sys.stdout.buffer.write(body + b"\n")
        sys.stdout.buffer.flush()

    def progress(self) -> Progress:
        """A bar on standard error, gone when it ends; nothing where that is no terminal."""
        return Progress(console=self.err, transient=True, disable=not self.err.is_terminal)

    def more(self, page: "_Listing", shown: int) -> None:
        """How to get to the rest of a list, where there is one."""
        upto = page.offset + shown
        if upto < page.total:
            rest = f"{page.offset + 1}-{upto} of {page.total:,}; --offset {upto} shows more"
            self.line(rest, style="dim")

    def failure(self, failure: Failure, *, as_json: bool = False) -> None:
        if as_json:
            self.err.file.write(failure.json.decode() + "\n")
            return
        if not failure.faults:
            self.note(f"error: {failure}", style="red")
        else:
            self.note("error: this cannot be done as it is asked for:", style="red")
            for fault in failure.faults:
                self.note(f"  {fault.path}: {fault.reason}")
        for line in failure.hint.split("\n") if failure.hint else []:
            self.note(f"  {line}")
        if failure.request_id is not None:
            self.note(f"  request_id {failure.request_id}", style="dim")

    def _text(self, text: str, style: str = "") -> Text:
        encoding = self.out.encoding
        shown = "".join(char if char.isprintable() else _escaped(char) for char in text)
        return Text(shown.encode(encoding, "backslashreplace").decode(encoding), style=style)


class _Listing(Protocol):
    @property
    def total(self) -> int: ...
    @property
    def offset(self) -> int: ...


def moment(at: datetime | UnsetType) -> str | None:
    """UTC to the second; for tables."""
    return None if at is UNSET else at.replace(tzinfo=None).isoformat(" ", "seconds")


def _console(file: Any) -> Console:
    console = Console(file=file, markup=False, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _ENDLESS
    return console


def _shown(value: object) -> str:
    match value:
        case None | UnsetType():
            return ""
        case datetime():
            return utc(value)
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")

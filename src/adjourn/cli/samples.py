"""`adjourn samples`: as many events of a catalog as wanted, to test a receiver or a publisher with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from adjourn import wirejson
from adjourn.cli.catalogs import find_event_types, find_provider
from adjourn.cli.failure import Exit, Failure
from adjourn.cli.screen import Screen
from adjourn.documents.samples import data_samples
from adjourn.documents.samples import samples as event_samples
from adjourn.providers import PROVIDERS

__all__ = ["samples"]


def samples(
    provider: Annotated[
        str, typer.Argument(metavar="PROVIDER", help=f"{', '.join(PROVIDERS)}.", show_default=False)
    ],
    event_type: Annotated[
        str | None,
        typer.Argument(metavar="TYPE", help="Of this type; else of every one.", show_default=False),
    ] = None,
    *,
    count: Annotated[int, typer.Option(min=1, help="How many of each type.")] = 1,
    seed: Annotated[int, typer.Option(help="Another number, other samples; the same, the same bytes.")] = 0,
    data: Annotated[
        bool,
        typer.Option(
            "--data", help="The data alone, as they are published; else whole events.", show_default=False
        ),
    ] = False,
    pretty: Annotated[
        bool, typer.Option("--pretty", help="Indented, for people; else one line each.", show_default=False)
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write to this file; else to standard output.", show_default=False),
    ] = None,
) -> None:
    """Print sample events of a provider's catalog: as JSON lines, the bytes that a receiver gets.

    The first of a type has every field, the second as few as may be, the third every null that is allowed.
    Sixteen more go through hard cases: every value of every enum, each form of what has several, texts,
    numbers and keys that programs get wrong. From the twentieth on they are like real ones, mostly.
    """
    lines = _lines(provider, event_type, count=count, seed=seed, data=data, pretty=pretty)
    if output is None:
        screen = Screen()
        for line in lines:
            screen.raw(line)
    else:
        _write(output, lines)


def _lines(
    provider: str, event_type: str | None, *, count: int, seed: int, data: bool, pretty: bool
) -> Iterator[bytes]:
    """Raises Failure for a name that nobody has."""
    found = find_provider(provider)
    event_types = find_event_types(found, event_type)
    make = data_samples if data else event_samples
    bodies = (
        wirejson.dumps(each) for one in event_types for each in make(found, one, count=count, seed=seed)
    )
    return (msgspec.json.format(body, indent=2) for body in bodies) if pretty else bodies


def _write(file: Path, lines: Iterator[bytes]) -> None:
    try:
        with file.open("wb") as out:
            out.writelines(line + b"\n" for line in lines)
    except OSError as exc:
        raise Failure(Exit.WRONG, f"cannot write {file}: {exc.strerror}") from exc

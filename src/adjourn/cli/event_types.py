"""`adjourn types`: the catalog of the server."""

from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from adjourn.cli.screen import Column, Screen
from adjourn.cli.session import Session, command, group
from adjourn.documents.fields import field_rows
from adjourn.resources import EventTypeInFull, EventTypes

__all__ = ["types"]

_Provider = Annotated[str | None, typer.Option(help="Only this provider's.", show_default=False)]

types = group("Event types: the catalog that published data is checked against.")


@command(types, "list")
def list_types(session: Session, *, provider: _Provider = None) -> None:
    """List every event type."""
    found = session.api.get_event_types(provider=provider)
    session.show(found, lambda found: _show_list(session.screen, found))


def _show_list(screen: Screen, found: EventTypes) -> None:
    columns = [Column("Type"), Column("Title"), Column("Provider"), Column("Group", spare=True)]
    screen.table(columns, [(each.name, each.title, each.provider, each.group) for each in found.items])


class Schema(StrEnum):
    """Which JSON Schema of an event type."""

    EVENT = "event"
    DATA = "data"


@command(types, "show")
def show(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="TYPE", show_default=False)],
    *,
    provider: _Provider = None,
    schema: Annotated[
        Schema | None,
        typer.Option(
            help="Print its JSON Schema instead: of the whole event, or of the data that is published.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show one event type: its meaning, its fields, a sample."""
    found = session.api.get_event_type(name, provider=provider)
    if schema is None:
        session.show(found, lambda found: _show_type(session.screen, found))
    else:
        chosen = found.event_schema if schema is Schema.EVENT else found.schema
        session.screen.raw(msgspec.json.format(msgspec.json.encode(chosen), indent=2))


def _others(found: EventTypeInFull) -> str | None:
    return ", ".join(f"--provider {name}" for name in found.other_providers or ()) or None


def _show_type(screen: Screen, found: EventTypeInFull) -> None:
    screen.line(f"{found.name}: {found.title}", style="bold")
    screen.paragraph(found.description)
    if found.note:
        screen.paragraph(f"Note: {found.note}")
    screen.fields(
        [
            ("provider", found.provider),
            ("group", found.group),
            ("since", found.since),
            ("old names", ", ".join(found.old_names) or None),
            ("of others, too", _others(found)),
        ]
    )
    screen.line()
    columns = [Column("Field of data", whole=True), Column("Type"), Column("Required"), Column("Description")]
    screen.table(columns, [*field_rows(found.schema)])
    screen.line()
    screen.line("a sample of the whole event")
    screen.json(found.sample)

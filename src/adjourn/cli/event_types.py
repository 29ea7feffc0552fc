"""`adjourn types`: the catalog of the server."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from adjourn.cli.schema_rows import schema_rows
from adjourn.cli.screen import Column, Screen
from adjourn.cli.session import Session, command, group

__all__ = ["types"]

types = group("Event types: the catalog that published data is checked against.")

Json = Mapping[str, Any]


@command(types, "list")
def list_types(session: Session) -> None:
    """List every event type."""
    session.show(session.api.get("event-types"), lambda page: _show_list(session.screen, page))


def _show_list(screen: Screen, page: Json) -> None:
    columns = [Column("Type"), Column("Title"), Column("Provider"), Column("Group", spare=True)]
    rows = [(each["name"], each["title"], each["provider"], each["group"]) for each in page["items"]]
    screen.table(columns, rows)


@command(types, "show")
def show(session: Session, name: Annotated[str, typer.Argument(metavar="TYPE", show_default=False)]) -> None:
    """Show one event type: its meaning, its fields, a sample."""
    session.show(session.api.get("event-types", name), lambda found: _show_type(session.screen, found))


def _show_type(screen: Screen, found: Json) -> None:
    screen.line(f"{found['name']}: {found['title']}", style="bold")
    screen.paragraph(found["description"])
    if "note" in found:
        screen.paragraph(f"Note: {found['note']}")
    old_names = ", ".join(found.get("old_names", ())) or None
    screen.fields(
        [
            ("provider", found["provider"]),
            ("group", found["group"]),
            ("since", found.get("since")),
            ("old names", old_names),
        ]
    )
    screen.line()
    columns = [Column("Field of data", whole=True), Column("Type"), Column("Required"), Column("Description")]
    screen.table(columns, [*schema_rows(found["schema"])])
    screen.line()
    screen.line("a sample of the whole event")
    screen.json(found["sample"])

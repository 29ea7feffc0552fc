"""`adjourn events`: what was published, and why an app did or did not get it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from adjourn.cli.screen import Column, Screen, moment
from adjourn.cli.session import Limit, Offset, Session, command, group
from adjourn.resources import Explanation, Outcome, Page, Publication

__all__ = ["events"]

events = group("Events: what was published, and why an app did or did not get it.")

_MOST_OUTCOMES = 100  # rows; an event is told for a thousand apps and more


@command(events, "list")
def list_events(
    session: Session,
    *,
    type_: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only of this type.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> None:
    """List what was published, the newest first."""
    page = session.api.get_events(event_type=type_, limit=limit, offset=offset)
    session.show(page, lambda page: _show_list(session.screen, page))


def _show_list(screen: Screen, page: Page[Publication]) -> None:
    if not page.items:
        screen.line(
            "nothing was published here; try: adjourn publish --sample meeting.completed --user USER_ID"
        )
        return
    columns = [
        Column("Publication", whole=True),
        Column("Event type"),
        Column("Sent"),
        Column("Published (UTC)", spare=True),
        Column("Provider", spare=True),
    ]
    rows = [
        (each.id, each.event_type, each.envelopes, moment(each.published_at), each.provider)
        for each in page.items
    ]
    screen.table(columns, rows)
    screen.more(page, len(page.items))


@command(events, "show")
def show(
    session: Session,
    event_id: Annotated[
        str, typer.Argument(metavar="ID", help="Of a publication, or of one app's event.", show_default=False)
    ],
    *,
    app: Annotated[str | None, typer.Option(metavar="APP_ID", help="Only what became of it there.")] = None,
) -> None:
    """Show a publication: each app and user considered, what became of it and why."""
    event = session.api.get_event(event_id, partner_app_id=app)
    session.show(event, lambda event: _show_event(session.screen, event))


def _show_event(screen: Screen, event: Explanation) -> None:
    named = ("id", "event_type", "provider", "timestamp", "published_at", "actor_user_id")
    screen.fields([*((name, getattr(event, name)) for name in named), *event.audience.items()])
    screen.line("data")
    screen.json(event.data)
    outcomes = event.outcomes
    screen.line()
    if not outcomes:
        screen.line("there was no app and no user to consider")
        return
    _show_outcomes(screen, outcomes[:_MOST_OUTCOMES])
    if len(outcomes) > _MOST_OUTCOMES:
        screen.line(f"and {len(outcomes) - _MOST_OUTCOMES:,} more, which --json shows")


def _show_outcomes(screen: Screen, outcomes: Sequence[Outcome]) -> None:
    columns = [
        Column("Outcome"),
        Column("App"),
        Column("User"),
        Column("Reason"),
        Column("App ID", whole=True, spare=True),
    ]
    rows = [
        (
            each.outcome,
            each.partner_app_name or each.partner_app_id,
            each.user_id,
            each.reason,
            each.partner_app_id,
        )
        for each in outcomes
    ]
    screen.table(columns, rows)
    deliveries = [delivery for each in outcomes for delivery in each.deliveries or ()]
    if deliveries:
        screen.line()
        columns = [Column("Delivery", whole=True), Column("Event", whole=True)]
        screen.table(columns, [(each.id, each.event_id) for each in deliveries])

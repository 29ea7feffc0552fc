"""`adjourn deliveries`: every app's deliveries, their attempts, and one attempt more."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from adjourn.cli.screen import Column, Screen, moment
from adjourn.cli.session import Limit, Offset, Session, command, group
from adjourn.models import DeliveryState

__all__ = ["deliveries"]

deliveries = group("Deliveries: look at attempts, ask for one more.")

_LONGEST_RESPONSE = 300  # characters of an endpoint's answer that a table shows

Json = Mapping[str, Any]
_DeliveryId = Annotated[str, typer.Argument(metavar="DELIVERY_ID", show_default=False)]


@command(deliveries, "list")
def list_deliveries(
    session: Session,
    *,
    app: Annotated[str | None, typer.Option(metavar="APP_ID", help="Only this app's.")] = None,
    status: DeliveryState | None = None,
    type_: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only of this type.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> None:
    """List deliveries, the newest first."""
    reply = session.api.get(
        "deliveries", app_id=app, status=status, event_type=type_, limit=limit, offset=offset
    )
    session.show(reply, lambda page: _show_list(session.screen, page))


def _show_list(screen: Screen, page: Json) -> None:
    items = page["deliveries"]
    if not items:
        screen.line("no deliveries here; try: adjourn publish --sample meeting.completed --user USER_ID")
        return
    columns = [
        Column("Delivery", whole=True),
        Column("Status"),
        Column("Event type"),
        Column("Retries", spare=True),
        Column("Created (UTC)", spare=True),
        Column("Next try (UTC)", spare=True),
        Column("App", whole=True, spare=True),
    ]
    rows = [
        (
            each["id"],
            _status(each),
            each["event_type"],
            each["retry_count"],
            moment(each["created_at"]),
            moment(each.get("next_retry_at")),
            each["partner_app_id"],
        )
        for each in items
    ]
    screen.table(columns, rows)
    screen.more(page, len(items))


def _status(delivery: Json) -> str:
    return " ".join(
        str(delivery[name]) for name in ("delivery_status", "http_status_code") if name in delivery
    )


@command(deliveries, "show")
def show(session: Session, delivery_id: _DeliveryId) -> None:
    """Show one delivery with its attempts."""
    reply = session.api.get("deliveries", delivery_id)
    session.show(reply, lambda delivery: _show_delivery(session.screen, delivery))


def _show_delivery(screen: Screen, delivery: Json) -> None:
    screen.fields((name, value) for name, value in delivery.items() if name != "attempts")
    screen.line()
    if not delivery["attempts"]:
        screen.line("no attempt was made yet")
        return
    columns = [
        Column("No"),
        Column("At (UTC)"),
        Column("HTTP"),
        Column("ms"),
        Column("Error"),
        Column("Response"),
    ]
    rows = [
        (
            each["attempt_no"],
            moment(each["attempted_at"]),
            each.get("http_status_code"),
            each["duration_ms"],
            each.get("error_message"),
            _start(each.get("response_body", "")),
        )
        for each in delivery["attempts"]
    ]
    screen.table(columns, rows)


def _start(response: str) -> str:
    return response if len(response) <= _LONGEST_RESPONSE else f"{response[:_LONGEST_RESPONSE]}..."


@command(deliveries, "retry")
def retry(session: Session, delivery_id: _DeliveryId) -> None:
    """Ask for one extra attempt."""
    reply = session.api.post("deliveries", delivery_id, "retry")
    session.show(reply, lambda asked: _show_retry(session.screen, asked))


def _show_retry(screen: Screen, asked: Json) -> None:
    screen.line(str(asked["message"]))
    screen.fields([(name, asked.get(name)) for name in ("delivery_id", "next_retry_at")], indent=2)
    screen.line(f"`adjourn deliveries show {asked['delivery_id']}` shows how it went", style="dim")

"""`adjourn deliveries`: every app's deliveries, their attempts, and one attempt more of one or of many."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from adjourn.cli.failure import Exit, Failure
from adjourn.cli.replays import show_replay, wait_for
from adjourn.cli.screen import Column, Screen, moment
from adjourn.cli.session import Limit, Offset, Session, Wait, command, group
from adjourn.cli.times import read_time
from adjourn.client.values import DeliveryStatus
from adjourn.resources import Deliveries, Delivery, DeliveryWithAttempts, RetryScheduled

__all__ = ["deliveries"]

deliveries = group("Deliveries: look at attempts, ask for one more.")

_LONGEST_RESPONSE = 300  # characters of an endpoint's answer that a table shows

_App = Annotated[str | None, typer.Option("--app", metavar="APP_ID", help="Only this app's.")]
_Type = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only of this type.")]


@command(deliveries, "list")
def list_deliveries(
    session: Session,
    *,
    app: _App = None,
    status: DeliveryStatus | None = None,
    type_: _Type = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> None:
    """List deliveries, the newest first."""
    page = session.api.get_deliveries(app_id=app, status=status, event_type=type_, limit=limit, offset=offset)
    session.show(page, lambda page: _show_list(session.screen, page))


def _show_list(screen: Screen, page: Deliveries) -> None:
    if not page.deliveries:
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
            each.id,
            _status(each),
            each.event_type,
            each.retry_count,
            moment(each.created_at),
            moment(each.next_retry_at),
            each.partner_app_id,
        )
        for each in page.deliveries
    ]
    screen.table(columns, rows)
    screen.more(page, len(page.deliveries))


def _status(delivery: Delivery) -> str:
    return f"{delivery.delivery_status} {delivery.http_status_code or ''}".rstrip()


@command(deliveries, "show")
def show(
    session: Session, delivery_id: Annotated[str, typer.Argument(metavar="DELIVERY_ID", show_default=False)]
) -> None:
    """Show one delivery with its attempts."""
    delivery = session.api.get_delivery(delivery_id)
    session.show(delivery, lambda delivery: _show_delivery(session.screen, delivery))


def _show_delivery(screen: Screen, delivery: DeliveryWithAttempts) -> None:
    screen.record(delivery, attempts=None)
    screen.line()
    if not delivery.attempts:
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
            each.attempt_no,
            moment(each.attempted_at),
            each.http_status_code,
            each.duration_ms,
            each.error_message,
            _start(each.response_body),
        )
        for each in delivery.attempts
    ]
    screen.table(columns, rows)


def _start(response: str) -> str:
    return response if len(response) <= _LONGEST_RESPONSE else f"{response[:_LONGEST_RESPONSE]}..."


@command(deliveries, "retry")
def retry(
    session: Session,
    delivery_id: Annotated[str | None, typer.Argument(metavar="DELIVERY_ID", show_default=False)] = None,
    *,
    app: _App = None,
    status: DeliveryStatus | None = None,
    type_: _Type = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only created since: a date (UTC), RFC 3339, or as long ago as 90m, 2h, 3d."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only created before, in the same forms.")] = None,
    wait: Wait = False,
) -> Exit | None:
    """Ask for one extra attempt of one delivery, or of many: all of an app's that match the options."""
    if (delivery_id is None) == (app is None):
        raise Failure(Exit.WRONG, "which? Give DELIVERY_ID, or --app APP_ID for many of an app's")
    if delivery_id is not None:
        if wait or (status, type_, since, until) != (None,) * 4:
            raise Failure(
                Exit.WRONG, "--status, --type, --since, --until and --wait are for many, with --app"
            )
        session.show(
            session.api.retry_delivery(delivery_id), lambda asked: _show_retry(session.screen, asked)
        )
        return None
    now = datetime.now(UTC)
    replay = session.api.retry_deliveries(
        str(app),
        status=status,
        event_type=type_,
        since=None if since is None else read_time(since, now=now),
        until=None if until is None else read_time(until, now=now),
    )
    if wait:
        return wait_for(session, replay)
    session.show(replay, lambda replay: show_replay(session.screen, replay))
    return None


def _show_retry(screen: Screen, asked: RetryScheduled) -> None:
    screen.line(asked.message)
    screen.fields([("delivery_id", asked.delivery_id), ("next_retry_at", asked.next_retry_at)], indent=2)
    screen.line(f"`adjourn deliveries show {asked.delivery_id}` shows how it went", style="dim")

"""`adjourn apps status`, `disable`, `enable`, `filter`: whether an app gets webhooks, and which."""

from typing import Annotated

import typer

from adjourn.cli.apps import filter_text
from adjourn.cli.failure import Exit, Failure
from adjourn.cli.screen import Column, Screen, moment
from adjourn.cli.session import AppId, Session, command
from adjourn.client import BadRequest
from adjourn.client.values import Disposition
from adjourn.resources import AutoDisable, Backlog, PlatformApp, WebhookStatus

__all__ = ["register"]

_Types = Annotated[list[str] | None, typer.Option(metavar="TYPE", show_default=False)]


def register(apps: typer.Typer) -> None:
    command(apps, "status")(status)
    command(apps, "disable")(disable)
    command(apps, "enable")(enable)
    command(apps, "filter")(filter_)


def status(session: Session, app_id: AppId) -> None:
    """Show whether an app gets webhooks, what waits, and how near auto-disable is."""
    found = session.api.get_webhook_status(app_id)
    session.show(found, lambda found: _show_status(session.screen, found))


def _show_status(screen: Screen, found: WebhookStatus) -> None:
    screen.fields([("webhook_enabled", found.webhook_enabled), ("status", found.status)])
    if found.disabled:
        off = found.disabled
        screen.fields([("disabled by", off.by), ("at", off.at), ("reason", off.reason)], indent=2)
    screen.fields([("auto-disable", _auto_disable(found.auto_disable))])
    screen.line()
    _show_backlog(screen, found.backlog)
    if found.notices:
        columns = [Column("Notice"), Column("State"), Column("At (UTC)"), Column("Subject", spare=True)]
        rows = [(each.kind, each.state, moment(each.created_at), each.subject) for each in found.notices]
        screen.line()
        screen.table(columns, rows)


def _auto_disable(near: AutoDisable) -> str:
    """How near it is, in words."""
    if not near.enabled:
        return "off"
    parts = [
        f"{near.abandoned} of {near.abandoned_limit} abandoned",
        f"{near.hours_since_last_success:.1f} of {near.hours_limit:g} hours without a success",
    ]
    if near.strikes_at:
        parts.append(f"strikes at {moment(near.strikes_at)} UTC unless a delivery succeeds")
    return "; ".join(parts)


def _show_backlog(screen: Screen, backlog: Backlog) -> None:
    if not backlog.total:
        screen.line("nothing waits")
        return
    counts = f"{backlog.pending:,} for their first attempt, {backlog.failed:,} for a retry"
    screen.line(f"{backlog.total:,} wait: {counts}; the oldest is of {moment(backlog.oldest_at)} UTC")
    rows = [(each.event_type, f"{each.count:,}", moment(each.oldest_at)) for each in backlog.by_event_type]
    screen.table([Column("Event type"), Column("Waiting"), Column("Oldest (UTC)")], rows)
    for each in backlog.by_event_type:
        if each.links_expired_at:
            since = moment(each.links_expired_at)
            screen.line(
                f"links in the oldest {each.event_type} work no more since {since} UTC", style="yellow"
            )


def disable(session: Session, app_id: AppId) -> None:
    """Hold an app's webhooks; what is published meanwhile waits for `apps enable`."""
    app = session.api.update_webhook_status(app_id, enabled=False)
    session.show(app, lambda app: _show_switched(session.screen, app))


def enable(
    session: Session,
    app_id: AppId,
    *,
    pending: Annotated[
        Disposition | None,
        typer.Option(help="What becomes of all that waits; `apps status` shows it.", show_default=False),
    ] = None,
) -> None:
    """Let an app's webhooks go again. If they are off, --pending must say what becomes of those that wait."""
    try:
        app = session.api.update_webhook_status(app_id, enabled=True, pending_disposition=pending)
    except BadRequest as exc:
        if pending is not None or session.as_json:
            raise
        waiting = session.api.get_webhook_status(app_id).backlog.total
        what = f"{waiting:,} wait (`adjourn apps status {app_id}` shows them)"
        raise Failure(Exit.WRONG, f"{what}: say --pending deliver or --pending abandon") from exc
    session.show(app, lambda app: _show_switched(session.screen, app))


def _show_switched(screen: Screen, app: PlatformApp) -> None:
    if app.webhook_enabled:
        screen.line(f"webhooks of {app.name} are on")
        return
    screen.line(f"webhooks of {app.name} are off; what is published meanwhile waits")
    screen.line(f"on again: adjourn apps enable {app.id} --pending deliver (or abandon)", style="dim")


def filter_(
    session: Session,
    app_id: AppId,
    *,
    include: _Types = None,
    exclude: _Types = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Send every event type.", show_default=False)
    ] = False,
) -> None:
    """Choose which event types an app gets: only those included, or all but those excluded.

    Repeat an option for more types. With no option, show the filter there is.
    """
    if bool(include) + bool(exclude) + clear > 1:
        raise Failure(Exit.WRONG, "give one of --include, --exclude and --clear")
    if include:
        app = session.api.set_webhook_filter(app_id, type="include", events=include)
    elif exclude:
        app = session.api.set_webhook_filter(app_id, type="exclude", events=exclude)
    elif clear:
        app = session.api.remove_webhook_filter(app_id)
    else:
        app = session.api.get_app(app_id)
    session.show(app, lambda app: session.screen.line(filter_text(app.webhook_filter)))

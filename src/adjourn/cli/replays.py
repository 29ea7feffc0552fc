"""`adjourn replays`: many deliveries being retried, as `adjourn deliveries retry --app` asked for."""

import time
from typing import Annotated

import typer

from adjourn.cli.failure import Exit
from adjourn.cli.screen import Column, Screen, moment
from adjourn.cli.session import AppId, Limit, Offset, Session, Wait, command, group
from adjourn.resources import Page, Replay

__all__ = ["replays", "show_replay", "wait_for"]

replays = group("Replays: many deliveries being retried; follow them, cancel them.")

_POLL = 0.5  # seconds between looks at one that runs

_ReplayId = Annotated[str, typer.Argument(metavar="REPLAY_ID", show_default=False)]


@command(replays, "list")
def list_replays(session: Session, app_id: AppId, *, limit: Limit = 50, offset: Offset = 0) -> None:
    """List an app's replays, the newest first."""
    page = session.api.get_replays(app_id, limit=limit, offset=offset)
    session.show(page, lambda page: _show_list(session.screen, page, app_id))


def _show_list(screen: Screen, page: Page[Replay], app_id: str) -> None:
    if not page.items:
        screen.line(f"no replays here; ask for one: adjourn deliveries retry --app {app_id} --status failed")
        return
    columns = [
        Column("ID", whole=True),
        Column("Status"),
        Column("Scheduled"),
        Column("Asked for (UTC)", spare=True),
        Column("Of", spare=True),
    ]
    rows = [
        (each.id, each.status, _counts(each), moment(each.created_at), _asked_for(each))
        for each in page.items
    ]
    screen.table(columns, rows)
    screen.more(page, len(page.items))


@command(replays, "show")
def show(session: Session, app_id: AppId, replay_id: _ReplayId, *, wait: Wait = False) -> Exit | None:
    """Show how far a replay is."""
    replay = session.api.get_replay(app_id, replay_id)
    if wait:
        return wait_for(session, replay)
    session.show(replay, lambda replay: show_replay(session.screen, replay))
    return None


@command(replays, "cancel")
def cancel(session: Session, app_id: AppId, replay_id: _ReplayId) -> None:
    """Stop a replay; what it has scheduled already stays."""
    replay = session.api.cancel_replay(app_id, replay_id)
    session.show(replay, lambda replay: _show_cancelled(session.screen, replay))


def _show_cancelled(screen: Screen, replay: Replay) -> None:
    if replay.status == "done":
        screen.line("nothing was cancelled: it had ended already")
    show_replay(screen, replay)


def show_replay(screen: Screen, replay: Replay) -> None:
    screen.line(f"{replay.status}: {_counts(replay)}")
    screen.fields([("id", replay.id), ("of", _asked_for(replay))], indent=2)
    if replay.status == "running":
        this = f"{replay.partner_app_id} {replay.id}"
        screen.line(f"follow it: adjourn replays show {this} --wait", style="dim")
        screen.line(f"stop it: adjourn replays cancel {this}", style="dim")


def _counts(replay: Replay) -> str:
    skipped = f", {replay.skipped:,} skipped" if replay.skipped else ""
    return f"{replay.scheduled:,} of {replay.total:,} scheduled{skipped}"


def _asked_for(replay: Replay) -> str:
    """What it is of, in words."""
    parts = [f"{replay.delivery_status or 'all'} deliveries"]
    if replay.event_type:
        parts.append(f"of {replay.event_type}")
    if replay.since:
        parts.append(f"since {moment(replay.since)}")
    if replay.until:
        parts.append(f"before {moment(replay.until)}")
    return " ".join(parts)


def wait_for(session: Session, replay: Replay) -> Exit | None:
    """Follow one to its end, with a bar on a terminal. Ctrl-C leaves it running."""
    try:
        ended = _followed(session, replay)
    except KeyboardInterrupt:
        stop = f"adjourn replays cancel {replay.partner_app_id} {replay.id}"
        session.screen.note(f"the replay goes on; to stop it: {stop}")
        raise
    session.show(ended, lambda ended: show_replay(session.screen, ended))
    return Exit.REFUSED if ended.status == "cancelled" else None


def _followed(session: Session, replay: Replay) -> Replay:
    with session.screen.progress() as progress:
        task = progress.add_task("scheduling", total=replay.total)
        while replay.status == "running":
            progress.update(task, completed=replay.scheduled + replay.skipped)
            time.sleep(_POLL)
            replay = session.api.get_replay(replay.partner_app_id, replay.id)
    return replay

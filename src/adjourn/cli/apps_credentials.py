"""`adjourn apps credentials`, `credential-history`, `rotate`, `rollback`: an app's credentials.

Rotating makes a new one, which is shown this once; for the grace period the one before works on.
"""

from typing import Annotated, Literal

import typer

from adjourn.cli.screen import Column, Screen, moment
from adjourn.cli.session import AppId, Limit, Offset, Session, command
from adjourn.client.values import CredentialAction, CredentialType
from adjourn.resources import CredentialHistory, CredentialsStatus, RotatedCredential

__all__ = ["register"]

_CONFIRMED = "adjourn-cli"  # any non-empty confirmation token is accepted: CONTRACTS 1.7

_Kind = Annotated[CredentialType, typer.Argument(metavar="CREDENTIAL", show_default=False)]
_Reason = Annotated[str | None, typer.Option(help="Why; the history keeps it.", show_default=False)]


def register(apps: typer.Typer) -> None:
    command(apps, "credentials")(credentials)
    command(apps, "credential-history")(history)
    command(apps, "rotate")(rotate)
    command(apps, "rollback")(rollback)


def credentials(session: Session, app_id: AppId) -> None:
    """Show how old each credential is, when it was used, and what is advised."""
    found = session.api.get_credential_status(app_id)
    session.show(found, lambda found: _show_status(session.screen, found))


def _show_status(screen: Screen, found: CredentialsStatus) -> None:
    columns = [
        Column("Credential"),
        Column("Status"),
        Column("Days old"),
        Column("Advice"),
        Column("Last rotated (UTC)", spare=True),
        Column("Last used (UTC)", spare=True),
        Column("Old one until (UTC)"),
    ]
    rows = [
        (
            each.credential_type,
            each.status,
            each.age_days,
            each.recommended_action,
            moment(each.last_rotated_at),
            moment(each.last_used_at),
            moment(each.grace_period_ends_at),
        )
        for each in (found.api_key, found.webhook_secret, found.client_secret)
    ]
    screen.table(columns, rows)
    if found.webhook_secret.public_key:
        screen.line(f"webhooks are verified with the public key {found.webhook_secret.public_key}")


def history(
    session: Session,
    app_id: AppId,
    *,
    credential: Annotated[CredentialType | None, typer.Option(show_default=False)] = None,
    action: CredentialAction | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> None:
    """List what was done to an app's credentials, the newest first."""
    page = session.api.get_credential_history(
        app_id, credential_type=credential, action=action, limit=limit, offset=offset
    )
    session.show(page, lambda page: _show_history(session.screen, page))


def _show_history(screen: Screen, page: CredentialHistory) -> None:
    if not page.events:
        screen.line("nothing was done to the credentials here")
        return
    columns = [
        Column("At (UTC)"),
        Column("Credential"),
        Column("Action"),
        Column("By"),
        Column("Reason"),
        Column("From", spare=True),
    ]
    rows = [
        (
            moment(each.created_at),
            each.credential_type,
            each.action,
            each.initiated_by,
            each.reason,
            each.ip_address,
        )
        for each in page.events
    ]
    screen.table(columns, rows)
    if page.pagination.count == page.pagination.limit:
        screen.line(f"--offset {page.pagination.offset + page.pagination.count} shows more", style="dim")


def rotate(
    session: Session,
    app_id: AppId,
    credential: _Kind,
    *,
    reason: _Reason = None,
    grace_hours: Annotated[
        float | None,
        typer.Option(min=0, max=720, help="How long the old one works on; 0: not at all.", show_default="24"),
    ] = None,
) -> None:
    """Make a new api_key, webhook_secret or client_secret and show it, this once."""
    made = session.api.rotate_credential(
        app_id, credential, confirmation_token=_CONFIRMED, reason=reason, grace_period_hours=grace_hours
    )
    session.show(made, lambda made: _show_rotated(session.screen, app_id, made))


def _show_rotated(screen: Screen, app_id: str, made: RotatedCredential) -> None:
    kind = made.credential_type
    screen.line(f"a new {kind}, shown this once; give it to the partner:")
    screen.fields([(kind, made.new_credential)], indent=2)
    until = moment(made.grace_period_ends_at)
    screen.line("the old one works no more" if until is None else f"the old one works until {until} UTC")
    if made.rollback_token:
        command = f"adjourn apps rollback {app_id} {kind} --token {made.rollback_token}"
        screen.line(f"back to it, until {moment(made.rollback_expires_at)} UTC: {command}", style="dim")


def rollback(
    session: Session,
    app_id: AppId,
    credential: Annotated[
        Literal["api_key", "client_secret"], typer.Argument(metavar="CREDENTIAL", show_default=False)
    ],
    *,
    token: Annotated[
        str, typer.Option(help="The rollback token that `apps rotate` showed.", show_default=False)
    ],
    reason: _Reason = None,
) -> None:
    """Go back to the api_key or client_secret that was rotated away."""
    session.api.rollback_credential(app_id, credential, rollback_token=token, reason=reason)
    session.show_done(f"the {credential} is the one before again")

"""`adjourn connect`, `adjourn disconnect`, `adjourn connections`: which users an app gets events of."""

from typing import Annotated

import typer

from adjourn.cli.failure import Exit, Failure
from adjourn.cli.screen import Column, Screen, moment
from adjourn.cli.session import AppId, Limit, Offset, Session, command, group
from adjourn.client import NotFound
from adjourn.client.values import ConnectionStatus
from adjourn.resources import Connection, Page

__all__ = ["connections", "register"]

connections = group("Connections: which users an app gets events of.")

_UserId = Annotated[str, typer.Argument(metavar="USER_ID", show_default=False)]


def register(root: typer.Typer) -> None:
    """Add the two that stand at the root."""
    command(root, "connect")(connect)
    command(root, "disconnect")(disconnect)


def connect(
    session: Session,
    app_id: AppId,
    user_id: _UserId,
    email: Annotated[str, typer.Argument(metavar="EMAIL", show_default=False)],
    *,
    id_: Annotated[str | None, typer.Option("--id", help="An id of your own for the connection.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="An OAuth scope that it has; repeat for more.", show_default=False),
    ] = None,
) -> None:
    """Connect a user to an app, or change the connection there is."""
    made = session.api.connect(app_id, user_id, email=email, id=id_, oauth_scopes=scope or None)
    session.show(made, session.screen.record)


def disconnect(session: Session, app_id: AppId, user_id: _UserId) -> None:
    """End a connection; its app is told with user.connection.revoked."""
    try:
        session.api.disconnect(app_id, user_id)
    except NotFound as exc:
        if session.as_json or not str(exc).startswith("no connection"):  # or it is the app
            raise
        raise Failure(
            Exit.REFUSED, f"no user {user_id!r} is connected to this app", request_id=exc.request_id
        ) from exc
    session.show_done(f"{user_id} is no longer connected; user.connection.revoked is on its way to the app")


@command(connections, "list")
def list_connections(
    session: Session,
    app_id: AppId,
    *,
    user: Annotated[str | None, typer.Option(help="Only this user's.", metavar="USER_ID")] = None,
    status: ConnectionStatus | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> None:
    """List an app's connections, the oldest first."""
    page = session.api.get_connections(app_id, user_id=user, status=status, limit=limit, offset=offset)
    session.show(page, lambda page: _show_list(session.screen, page, app_id))


def _show_list(screen: Screen, page: Page[Connection], app_id: str) -> None:
    if not page.items:
        screen.line(f"no connections here; make one: adjourn connect {app_id} USER_ID EMAIL")
        return
    columns = [
        Column("User", whole=True),
        Column("E-mail"),
        Column("Status"),
        Column("Connection", whole=True, spare=True),
        Column("Since (UTC)", spare=True),
    ]
    rows = [
        (each.user_id, each.user_email, each.status, each.id, moment(each.created_at)) for each in page.items
    ]
    screen.table(columns, rows)
    screen.more(page, len(page.items))

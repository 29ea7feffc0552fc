"""`adjourn connect`, `adjourn disconnect`, `adjourn connections`: which users an app gets events of."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from adjourn.cli.screen import Column, Screen, moment
from adjourn.cli.session import Limit, Offset, Session, command, group
from adjourn.models import ConnectionStatus

__all__ = ["connections", "register"]

connections = group("Connections: which users an app gets events of.")

_AppId = Annotated[str, typer.Argument(metavar="APP_ID", show_default=False)]
_UserId = Annotated[str, typer.Argument(metavar="USER_ID", show_default=False)]


def register(root: typer.Typer) -> None:
    """Add the two that stand at the root."""
    command(root, "connect")(connect)
    command(root, "disconnect")(disconnect)


def connect(
    session: Session,
    app_id: _AppId,
    user_id: _UserId,
    email: Annotated[str, typer.Argument(metavar="EMAIL", show_default=False)],
    *,
    id_: Annotated[str | None, typer.Option("--id", help="An id of your own for the connection.")] = None,
) -> None:
    """Connect a user to an app, or change the connection there is."""
    body = {"email": email} if id_ is None else {"email": email, "id": id_}
    reply = session.api.put("apps", app_id, "connections", user_id, body=body)
    session.show(reply, lambda connection: session.screen.fields(connection.items()))


def disconnect(session: Session, app_id: _AppId, user_id: _UserId) -> None:
    """End a connection; its app is told with user.connection.revoked."""
    session.api.delete("apps", app_id, "connections", user_id)
    if not session.as_json:
        session.screen.line(
            f"{user_id} is no longer connected; user.connection.revoked is on its way to the app"
        )


@command(connections, "list")
def list_connections(
    session: Session,
    app_id: _AppId,
    *,
    user: Annotated[str | None, typer.Option(help="Only this user's.", metavar="USER_ID")] = None,
    status: ConnectionStatus | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> None:
    """List an app's connections, the oldest first."""
    reply = session.api.get(
        "apps", app_id, "connections", user_id=user, status=status, limit=limit, offset=offset
    )
    session.show(reply, lambda page: _show_list(session.screen, page, app_id))


def _show_list(screen: Screen, page: Mapping[str, Any], app_id: str) -> None:
    items = page["items"]
    if not items:
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
        (each["user_id"], each["user_email"], each["status"], each["id"], moment(each["created_at"]))
        for each in items
    ]
    screen.table(columns, rows)
    screen.more(page, len(items))

"""`adjourn apps`: the partner apps."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from adjourn.cli.client import Exit, Failure
from adjourn.cli.screen import Column, Screen, moment
from adjourn.cli.session import Limit, Offset, Session, command, group
from adjourn.models import AppStatus, SignatureProfile

__all__ = ["apps"]

apps = group("Partner apps: make, look at, change and delete them.")

_AppId = Annotated[str, typer.Argument(metavar="APP_ID", show_default=False)]
_WebhookUrl = Annotated[str | None, typer.Option(help="Where its webhooks are sent to.")]
_Profile = Annotated[SignatureProfile | None, typer.Option(help="How X-Contio-Signature is made.")]

_CREDENTIALS = ("client_id", "api_key", "client_secret", "webhook_secret")
_CLEARABLE = ("webhook_url", "description", "slug")


@command(apps, "create")
def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    *,
    company: Annotated[str, typer.Option(help="The partner's company.", show_default=False)],
    email: Annotated[str, typer.Option(help="The partner's primary contact.", show_default=False)],
    webhook_url: _WebhookUrl = None,
    description: str | None = None,
    slug: str | None = None,
    signature_profile: _Profile = None,
    id_: Annotated[str | None, typer.Option("--id", help="An id of your own.")] = None,
) -> None:
    """Make an app and show its credentials, this once."""
    form = {
        "name": name,
        "company_name": company,
        "primary_contact_email": email,
        "webhook_url": webhook_url,
        "description": description,
        "slug": slug,
        "signature_profile": signature_profile,
        "id": id_,
    }
    reply = session.api.post("apps", body={name: value for name, value in form.items() if value is not None})
    session.show(reply, lambda made: _show_made(session.screen, made))


def _show_made(screen: Screen, made: Mapping[str, Any]) -> None:
    app = made["app"]
    screen.line(f"made the app {app['name']}")
    screen.fields([("id", app["id"]), ("webhook_url", app.get("webhook_url"))], indent=2)
    screen.line("its credentials, shown this once; give them to the partner:")
    screen.fields([(name, made["credentials"][name]) for name in _CREDENTIALS], indent=2)
    screen.line(f"next, connect a user: adjourn connect {app['id']} USER_ID EMAIL", style="dim")


@command(apps, "list")
def list_apps(
    session: Session, *, status: AppStatus | None = None, limit: Limit = 50, offset: Offset = 0
) -> None:
    """List apps, the oldest first."""
    reply = session.api.get("apps", status=status, limit=limit, offset=offset)
    session.show(reply, lambda page: _show_list(session.screen, page))


def _show_list(screen: Screen, page: Mapping[str, Any]) -> None:
    items = page["items"]
    if not items:
        none = "no apps here" if page["total"] or page["offset"] else "no apps yet"
        screen.line(f"{none}; make one: adjourn apps create NAME --company COMPANY --email EMAIL")
        return
    columns = [
        Column("ID", whole=True),
        Column("Name"),
        Column("Status"),
        Column("Webhook URL"),
        Column("Company", spare=True),
        Column("Created (UTC)", spare=True),
    ]
    rows = [
        (
            app["id"],
            app["name"],
            _status(app),
            app.get("webhook_url"),
            app["company_name"],
            moment(app["created_at"]),
        )
        for app in items
    ]
    screen.table(columns, rows)
    screen.more(page, len(items))


def _status(app: Mapping[str, Any]) -> str:
    return str(app["status"]) if app["webhook_enabled"] else f"{app['status']}, webhooks off"


@command(apps, "show")
def show(session: Session, app_id: _AppId) -> None:
    """Show one app."""
    session.show(session.api.get("apps", app_id), lambda app: _show_app(session.screen, app))


def _show_app(screen: Screen, app: Mapping[str, Any]) -> None:
    """Every field, in the API's order."""
    screen.fields(
        (name, _filter_text(value) if name == "webhook_filter" else value) for name, value in app.items()
    )


def _filter_text(webhook_filter: Mapping[str, Any] | None) -> str:
    if webhook_filter is None:
        return "none: every event type"
    return f"{webhook_filter['type']} {', '.join(webhook_filter['events'])}"


@command(apps, "set")
def change(
    session: Session,
    app_id: _AppId,
    *,
    name: str | None = None,
    company: Annotated[str | None, typer.Option(help="The partner's company.")] = None,
    email: Annotated[str | None, typer.Option(help="The partner's primary contact.")] = None,
    webhook_url: _WebhookUrl = None,
    description: str | None = None,
    slug: str | None = None,
    status: AppStatus | None = None,
    signature_profile: _Profile = None,
    auto_disable: Annotated[
        bool | None,
        typer.Option(
            "--auto-disable/--no-auto-disable", help="Whether its webhooks go off when they fail for long."
        ),
    ] = None,
    ordered: Annotated[
        bool | None,
        typer.Option(
            "--ordered/--no-ordered", help="Whether a meeting's events are sent one after the other."
        ),
    ] = None,
    legacy_event_names: Annotated[
        bool | None,
        typer.Option(
            "--legacy-event-names/--no-legacy-event-names", help="Whether it gets types by older names."
        ),
    ] = None,
) -> None:
    """Change an app: what is given, nothing else.

    An empty text takes a webhook URL, description or slug away: --webhook-url "".
    """
    form = {
        "name": name,
        "company_name": company,
        "primary_contact_email": email,
        "webhook_url": webhook_url,
        "description": description,
        "slug": slug,
        "status": status,
        "signature_profile": signature_profile,
        "auto_disable": auto_disable,
        "ordered": ordered,
        "legacy_event_names": legacy_event_names,
    }
    given = {
        field: None if value == "" and field in _CLEARABLE else value
        for field, value in form.items()
        if value is not None
    }
    if not given:
        raise Failure(Exit.WRONG, "nothing to change: `adjourn apps set --help` lists what there is")
    reply = session.api.patch("apps", app_id, body=given)
    session.show(reply, lambda app: _show_app(session.screen, app))


@command(apps, "delete")
def delete(
    session: Session,
    app_id: _AppId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.", show_default=False)] = False,
) -> Exit | None:
    """Delete an app with its connections; what it has not been sent yet, it never will be."""
    if not yes and not _agreed(session, app_id):
        session.screen.note("nothing was deleted")
        return Exit.REFUSED
    session.api.delete("apps", app_id)
    if not session.as_json:
        session.screen.line(f"deleted the app {app_id}")
    return None


def _agreed(session: Session, app_id: str) -> bool:
    if not sys.stdin.isatty():
        raise Failure(Exit.WRONG, "this deletes an app, and there is no terminal to ask at: give --yes")
    app = session.api.get("apps", app_id).value
    session.screen.note(f"{app['name']} of {app['company_name']} ({app_id})")
    return typer.confirm("Delete it?", err=True)

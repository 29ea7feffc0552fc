"""`adjourn apps`: the partner apps."""

from typing import Annotated, Any

import typer

from adjourn import wirejson
from adjourn.cli.failure import Exit, Failure
from adjourn.cli.screen import Column, Screen, moment
from adjourn.cli.session import AppId, Limit, Offset, Session, Yes, command, given_changes, group
from adjourn.client.values import AppStatus, SignatureProfile
from adjourn.config import Secret
from adjourn.errors import JsonError
from adjourn.resources import App, CreatedApp, Page, PlatformApp, WebhookFilter
from adjourn.signing import find_public_key, new_signing_key

__all__ = ["apps", "filter_text", "show_app"]

apps = group("Partner apps: make, look at, change and delete them.")

_WebhookUrl = Annotated[str | None, typer.Option(help="Where its webhooks are sent to.")]
_Profile = Annotated[SignatureProfile | None, typer.Option(help="How X-Contio-Signature is made.")]
_AutoDisable = Annotated[
    bool | None,
    typer.Option(
        "--auto-disable/--no-auto-disable", help="Whether its webhooks go off when they fail for long."
    ),
]
_Ordered = Annotated[
    bool | None,
    typer.Option("--ordered/--no-ordered", help="Whether a meeting's events are sent one after the other."),
]
_LegacyNames = Annotated[
    bool | None,
    typer.Option(
        "--legacy-event-names/--no-legacy-event-names", help="Whether it gets types by older names."
    ),
]
_Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="NAME=VALUE",
        help="What else its provider has to set: docs/providers.md; repeat for more.",
    ),
]

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
    auto_disable: _AutoDisable = None,
    ordered: _Ordered = None,
    legacy_event_names: _LegacyNames = None,
    provider: Annotated[str | None, typer.Option(help="Whose events it gets.", show_default="contio")] = None,
    option: _Options = None,
    key_pair: Annotated[
        bool,
        typer.Option(
            "--key-pair",
            help="Sign with a private key (v1a), so that the partner needs the public one alone; "
            "not for contio.",
            show_default=False,
        ),
    ] = False,
    id_: Annotated[str | None, typer.Option("--id", help="An id of your own.")] = None,
) -> None:
    """Make an app and show its credentials, this once."""
    made = session.api.create_app(
        name=name,
        company_name=company,
        primary_contact_email=email,
        webhook_url=webhook_url,
        description=description,
        slug=slug,
        signature_profile=signature_profile,
        auto_disable=auto_disable,
        ordered=ordered,
        legacy_event_names=legacy_event_names,
        provider=provider,
        options=_options(option),
        credentials={"webhook_secret": new_signing_key().reveal()} if key_pair else None,
        id=id_,
    )
    session.show(made, lambda made: _show_made(session.screen, made))


def _options(given: list[str] | None) -> dict[str, Any]:
    """Values that are JSON are read as such: `true`, `7`; anything else is text."""
    options: dict[str, Any] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise Failure(Exit.WRONG, f"--option takes NAME=VALUE, not {each!r}")
        try:
            options[name] = wirejson.loads(value.encode())
        except JsonError:
            options[name] = value
    return options


def _show_made(screen: Screen, made: CreatedApp) -> None:
    app = made.app
    screen.line(f"made the app {app.name}")
    screen.fields([("id", app.id), ("webhook_url", app.webhook_url)], indent=2)
    screen.line("its credentials, shown this once; give them to the partner:")
    shown = [(name, getattr(made.credentials, name)) for name in _CREDENTIALS]
    if (public := find_public_key(Secret(made.credentials.webhook_secret))) is not None:
        shown[-1] = ("webhook_public_key", public)  # the private one is the server's
    screen.fields(shown, indent=2)
    screen.line(f"next, connect a user: adjourn connect {app.id} USER_ID EMAIL", style="dim")


@command(apps, "list")
def list_apps(
    session: Session, *, status: AppStatus | None = None, limit: Limit = 50, offset: Offset = 0
) -> None:
    """List apps, the oldest first."""
    page = session.api.get_apps(status=status, limit=limit, offset=offset)
    session.show(page, lambda page: _show_list(session.screen, page))


def _show_list(screen: Screen, page: Page[PlatformApp]) -> None:
    if not page.items:
        none = "no apps here" if page.total or page.offset else "no apps yet"
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
        (app.id, app.name, _status(app), app.webhook_url, app.company_name, moment(app.created_at))
        for app in page.items
    ]
    screen.table(columns, rows)
    screen.more(page, len(page.items))


def _status(app: App) -> str:
    return app.status if app.webhook_enabled else f"{app.status}, webhooks off"


@command(apps, "show")
def show(session: Session, app_id: AppId) -> None:
    """Show one app."""
    session.show(session.api.get_app(app_id), lambda app: show_app(session.screen, app))


def show_app(screen: Screen, app: App) -> None:
    """Every field."""
    screen.record(app, webhook_filter=filter_text(app.webhook_filter))


def filter_text(webhook_filter: WebhookFilter | None) -> str:
    if webhook_filter is None:
        return "none: every event type"
    if not webhook_filter.events:
        included = webhook_filter.type == "include"
        return "include nothing: no event type" if included else "exclude nothing: every event type"
    return f"{webhook_filter.type} {', '.join(webhook_filter.events)}"


@command(apps, "set")
def change(
    session: Session,
    app_id: AppId,
    *,
    name: str | None = None,
    company: Annotated[str | None, typer.Option(help="The partner's company.")] = None,
    email: Annotated[str | None, typer.Option(help="The partner's primary contact.")] = None,
    webhook_url: _WebhookUrl = None,
    description: str | None = None,
    slug: str | None = None,
    status: AppStatus | None = None,
    signature_profile: _Profile = None,
    auto_disable: _AutoDisable = None,
    ordered: _Ordered = None,
    legacy_event_names: _LegacyNames = None,
    option: _Options = None,
) -> None:
    """Change an app: what is given, nothing else.

    An empty text takes a webhook URL, description or slug away: --webhook-url "".
    """
    changes = given_changes(
        _CLEARABLE,
        name=name,
        company_name=company,
        primary_contact_email=email,
        webhook_url=webhook_url,
        description=description,
        slug=slug,
        status=status,
        signature_profile=signature_profile,
        auto_disable=auto_disable,
        ordered=ordered,
        legacy_event_names=legacy_event_names,
        **({"options": options} if (options := _options(option)) else {}),
    )
    session.show(session.api.update_app(app_id, **changes), lambda app: show_app(session.screen, app))


@command(apps, "delete")
def delete(session: Session, app_id: AppId, *, yes: Yes = False) -> Exit | None:
    """Delete an app with its connections; what it has not been sent yet, it never will be."""

    def details() -> str:
        app = session.api.get_app(app_id)
        return f"{app.name} of {app.company_name} ({app_id})"

    if not yes and not session.agreed("deletes an app", details):
        session.screen.note("nothing was deleted")
        return Exit.REFUSED
    session.api.delete_app(app_id)
    session.show_done(f"deleted the app {app_id}")
    return None

"""`adjourn automations`: an app's rules with a webhook URL of their own."""

from collections.abc import Sequence
from typing import Annotated

import typer

from adjourn.cli.failure import Exit
from adjourn.cli.screen import Column, Screen, moment
from adjourn.cli.session import AppId, Limit, Offset, Session, Yes, command, given_changes, group
from adjourn.client.values import AutomationStatus
from adjourn.resources import Action, Automation, MatchingRules, Page

__all__ = ["automations"]

automations = group("Automations: an app's rules, each with a webhook URL of its own.")

_CLEARABLE = ("webhook_url", "description")

_AutomationId = Annotated[str, typer.Argument(metavar="AUTOMATION_ID", show_default=False)]
_Url = Annotated[str | None, typer.Option(help="Where its webhooks are sent to.", show_default=False)]
_Keywords = Annotated[
    list[str] | None,
    typer.Option(
        "--keyword", help="A word of the titles that it is for; repeat for more.", show_default=False
    ),
]
_Phrases = Annotated[
    list[str] | None,
    typer.Option("--phrase", help="A phrase that such a title holds; repeat for more.", show_default=False),
]
_Trigger = Annotated[
    str | None, typer.Option(help="When it looks, like action_item_created.", show_default=False)
]


@command(automations, "create")
def create(
    session: Session,
    app_id: AppId,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    *,
    webhook_url: _Url = None,
    trigger: _Trigger = None,
    keyword: _Keywords = None,
    phrase: _Phrases = None,
    description: str | None = None,
    status: AutomationStatus | None = None,
) -> None:
    """Make an automation."""
    made = session.api.create_automation(
        app_id,
        name=name,
        trigger_type=trigger,
        actions=[_phrase_match(phrase)] if phrase else None,
        webhook_url=webhook_url,
        matching_rules=MatchingRules(keywords=keyword) if keyword else None,
        description=description,
        status=status,
    )
    session.show(made, lambda made: _show(session.screen, made))


@command(automations, "list")
def list_automations(session: Session, app_id: AppId, *, limit: Limit = 50, offset: Offset = 0) -> None:
    """List an app's automations."""
    page = session.api.get_automations(app_id, limit=limit, offset=offset)
    session.show(page, lambda page: _show_list(session.screen, page, app_id))


def _show_list(screen: Screen, page: Page[Automation], app_id: str) -> None:
    if not page.items:
        screen.line(
            f"no automations here; make one: adjourn automations create {app_id} NAME --webhook-url URL"
        )
        return
    columns = [
        Column("ID", whole=True),
        Column("Name"),
        Column("Status"),
        Column("Trigger"),
        Column("Webhook URL", spare=True),
        Column("Created (UTC)", spare=True),
    ]
    rows = [
        (each.id, each.name, each.status, each.trigger_type, each.webhook_url, moment(each.created_at))
        for each in page.items
    ]
    screen.table(columns, rows)
    screen.more(page, len(page.items))


@command(automations, "show")
def show(session: Session, app_id: AppId, automation_id: _AutomationId) -> None:
    """Show one automation."""
    found = session.api.get_automation(app_id, automation_id)
    session.show(found, lambda found: _show(session.screen, found))


def _show(screen: Screen, automation: Automation) -> None:
    rules = automation.matching_rules
    screen.record(automation, matching_rules=f"keywords {', '.join(rules.keywords) or 'none'}", actions=None)
    screen.line("actions" if automation.actions else "no actions")
    if automation.actions:
        screen.json(automation.actions)


@command(automations, "set")
def change(
    session: Session,
    app_id: AppId,
    automation_id: _AutomationId,
    *,
    name: str | None = None,
    webhook_url: _Url = None,
    trigger: _Trigger = None,
    keyword: _Keywords = None,
    phrase: _Phrases = None,
    description: str | None = None,
    status: AutomationStatus | None = None,
) -> None:
    """Change an automation: what is given, nothing else.

    An empty text takes a webhook URL or description away; keywords and phrases replace those there are.
    """
    changes = given_changes(
        _CLEARABLE,
        name=name,
        webhook_url=webhook_url,
        trigger_type=trigger,
        matching_rules=MatchingRules(keywords=keyword) if keyword else None,
        actions=phrase or None,
        description=description,
        status=status,
    )
    if phrase:
        before = session.api.get_automation(app_id, automation_id)
        changes["actions"] = [*_others(before.actions), _phrase_match(phrase)]
    changed = session.api.update_automation(app_id, automation_id, **changes)
    session.show(changed, lambda changed: _show(session.screen, changed))


def _phrase_match(phrases: Sequence[str]) -> Action:
    return Action(type="phrase_match", config={"phrases": [*phrases]})


def _others(actions: Sequence[Action]) -> list[Action]:
    return [each for each in actions if each.type != "phrase_match"]


@command(automations, "delete")
def delete(session: Session, app_id: AppId, automation_id: _AutomationId, *, yes: Yes = False) -> Exit | None:
    """Delete an automation; what waits for its URL, it never will be sent."""

    def details() -> str:
        return f"{session.api.get_automation(app_id, automation_id).name} ({automation_id})"

    if not yes and not session.agreed("deletes an automation", details):
        session.screen.note("nothing was deleted")
        return Exit.REFUSED
    session.api.delete_automation(app_id, automation_id)
    session.show_done(f"deleted the automation {automation_id}")
    return None

"""Where an event goes: the app's URL, its automations' URLs, or one automation's alone: CONTRACTS 1.3."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from adjourn.config import Secret
from adjourn.models import (
    Action,
    App,
    AppOptions,
    AppStatus,
    Automation,
    AutomationStatus,
    Connection,
    ConnectionStatus,
    Filter,
)
from adjourn.sending.fanout import Decisions, FanOut, fan_out
from adjourn.sending.submission import parse_submission
from adjourn.wirejson import utc

AT = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)
OWN = "https://own.example/"
ASSIGNED = {
    "assignment_id": "asgn",
    "action_item_id": "ai",
    "meeting_id": "mtg",
    "automation_id": "auto",
    "automation_name": "CRM",
    "status": "pending",
    "created_at": "2025-01-15T10:30:00Z",
    "workspace_id": "ws",
}
COMPLETED = {
    "meeting_id": "mtg",
    "workspace_id": "ws",
    "title": "Sync",
    "completed_at": "2025-01-15T10:30:00Z",
}


def automation(
    automation_id: str = "auto", *, url: str | None = OWN, status: AutomationStatus = AutomationStatus.ACTIVE
) -> Automation:
    return Automation(
        id=automation_id,
        app_id="a",
        name="CRM",
        description=None,
        trigger_type="action_item_created",
        actions=(Action("webhook", None if url is None else {"url": url}),),
        keywords=(),
        status=status,
        created_at=AT,
        updated_at=AT,
    )


def app(app_id: str, *automations: Automation, url: str | None = "", **fields: Any) -> App:
    given = {
        "webhook_enabled": True,
        "webhook_filter": None,
        "status": AppStatus.ACTIVE,
        "options": AppOptions(),
        **fields,
    }
    return App(
        id=app_id,
        version=1,
        provider="contio",
        name=app_id,
        description=None,
        company_name="Company",
        client_id=app_id,
        primary_contact_email="ops@example.com",
        webhook_url=f"https://{app_id}.example/" if url == "" else url,
        slug=None,
        webhook_secret=Secret("whsec_AAAA"),
        automations=automations,
        created_at=AT,
        updated_at=AT,
        **given,
    )


def connected(app_id: str) -> Connection:
    return Connection(
        id=app_id,
        app_id=app_id,
        user_id="ana",
        user_email="ana@example.com",
        status=ConnectionStatus.ACTIVE,
        created_at=AT,
        updated_at=AT,
    )


def fan(apps: Sequence[App], *, assigned: bool = True, owner: str | None = None) -> FanOut:
    event_type, data = (
        ("automation.assignment.created", ASSIGNED) if assigned else ("meeting.completed", COMPLETED)
    )
    raw = {"event_type": event_type, "data": data, "audience": {"user_ids": ["ana"]}}
    ids = count(1)
    return fan_out(
        parse_submission(raw),
        find_app={each.id: each for each in apps}.get,
        connections={"ana": [connected(each.id) for each in apps]},
        decisions=Decisions(),
        at=AT,
        timestamp=utc(AT),
        new_id=lambda: f"id{next(ids)}",
        owner=owner,
    )


def sends(result: FanOut) -> list[tuple[str, str | None, str]]:
    return [
        (envelope.app.id, each.to.target, each.to.url)
        for envelope in result.envelopes
        for each in envelope.deliveries
    ]


def outcomes(result: FanOut) -> list[tuple[str | None, str]]:
    return [(each.app_id, each.outcome) for each in result.publication.verdicts]


def test_an_assignment_goes_to_its_automations_url_and_to_no_other_app() -> None:
    result = fan([app("a", automation()), app("b")], owner="a")
    assert sends(result) == [("a", "auto", OWN)]
    assert outcomes(result) == [("a", "sent"), ("b", "other_app")]


def test_without_a_url_of_its_own_the_assignment_goes_to_its_apps_url() -> None:
    assert sends(fan([app("a", automation(url=None))], owner="a")) == [("a", None, "https://a.example/")]
    result = fan([app("a", automation(url=None), url=None)], owner="a")
    assert (sends(result), outcomes(result)) == ([], [("a", "no_url")])


def test_an_assignment_of_nobodys_automation_goes_to_each_apps_url() -> None:
    result = fan([app("a", automation("another")), app("b")])
    assert sends(result) == [("a", None, "https://a.example/"), ("b", None, "https://b.example/")]


@pytest.mark.parametrize("automations", [(), (automation(status=AutomationStatus.INACTIVE),)])
def test_an_assignment_of_an_inactive_or_deleted_automation_goes_nowhere(
    automations: tuple[Automation, ...],
) -> None:
    result = fan([app("a", *automations), app("b")], owner="a")
    assert outcomes(result) == [("a", "inactive"), ("b", "other_app")]


def test_the_apps_filter_and_status_count_for_assignments_too() -> None:
    filtered = app("a", automation(), webhook_filter=Filter("exclude", ("automation.assignment.created",)))
    assert outcomes(fan([filtered], owner="a")) == [("a", "filtered")]
    suspended = app("a", automation(), status=AppStatus.SUSPENDED)
    assert outcomes(fan([suspended], owner="a")) == [("a", "inactive")]


def test_an_app_whose_webhooks_are_off_has_its_assignment_recorded() -> None:
    result = fan([app("a", automation(), webhook_enabled=False)], owner="a")
    assert sends(result) == [("a", "auto", OWN)]


def test_other_types_go_to_the_apps_url_alone() -> None:
    assert sends(fan([app("a", automation())], assigned=False)) == [("a", None, "https://a.example/")]


def test_an_app_without_a_url_gets_them_at_the_distinct_urls_of_its_active_automations() -> None:
    automations = (
        automation("one"),
        automation("same"),
        automation("off", url="https://off.example/", status=AutomationStatus.INACTIVE),
        automation("none", url=None),
        automation("two", url="https://two.example/"),
    )
    result = fan([app("a", *automations, url=None)], assigned=False)
    assert sends(result) == [("a", "one", OWN), ("a", "two", "https://two.example/")]
    (envelope,) = result.envelopes
    (verdict,) = result.publication.verdicts
    assert verdict.event_id == envelope.event.id, "one event, whatever the number of URLs"
    assert verdict.delivery_ids == tuple(each.delivery_id for each in envelope.deliveries)


def test_one_event_goes_to_ten_urls_of_an_app_at_most() -> None:
    automations = [automation(f"{number}", url=f"https://{number}.example/") for number in range(12)]
    assert [target for _, target, _ in sends(fan([app("a", *automations, url=None)], assigned=False))] == [
        f"{number}" for number in range(10)
    ]


def test_an_app_with_no_url_anywhere_gets_nothing() -> None:
    result = fan([app("a", automation(url=None), url=None)], assigned=False)
    assert outcomes(result) == [("a", "no_url")]

"""Automations that match the title of an action item: CONTRACTS 1.7."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
import pytest

from adjourn.models import Action, Automation, AutomationStatus
from adjourn.providers import PROVIDERS
from adjourn.sending.matching import _title, _wanted, assignments, score

AT = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
ITEM = {
    "action_item_id": "ai-1",
    "meeting_id": "mtg-1",
    "workspace_id": "ws-1",
    "title": "Follow up with customer",
    "assignee_id": None,
    "created_at": "2025-01-15T10:30:00Z",
}


def automation(*keywords: str, phrases: tuple[str, ...] = (), **given: Any) -> Automation:
    actions = (Action("phrase_match", {"phrases": list(phrases)}),) if phrases else ()
    fields: dict[str, Any] = {
        "id": "wf-1",
        "app_id": "app-1",
        "name": "CRM",
        "description": None,
        "trigger_type": "action_item_created",
        "actions": actions,
        "keywords": keywords,
        "status": AutomationStatus.ACTIVE,
        "created_at": AT,
        "updated_at": AT,
    }
    return Automation(**fields | given)


@pytest.mark.parametrize(
    ("keyword", "title"),
    [
        ("customer", "Follow up with Customer"),
        ("CUSTOMER", "customer"),
        ("follow-up", "Follow-up with customer"),
        ("follow-up", "Send a (follow-up)!"),
        ("follow-up", "follow\u2010up"),  # a hyphen as word processors write it
        ("follow-up", "follow\u2011up"),  # one that breaks no line
        ("follow up", "Please follow  up\ttoday"),
        ("follow up", "follow, up"),
        ("follow-up", "Follow up"),
        ("follow up", "follow-up"),
        ("up", "follow-up"),
        ("client", "client's"),
        ("with customer", "Follow up with customer."),
        ("customer", '"customer"'),
        ("customer", "customer, contract"),
        ("customer", "contract/customer"),
        ("customer", "contract\u2014customer"),
        ("customer", "customer..."),
        ("customer:", "ask the customer"),
        ("client's", "the client\u2019s wish"),
        ("R&D", "budget of r&d"),
        ("v2.0", "ship v2.0."),
        ("C++", "learn c++, soon"),
        ("$500", "pay $500"),
        ("straße", "die STRASSE"),
        ("\uff23\uff32\uff2d", "sync crm"),  # full-width
        ("cafe\u0301", "meet at the caf\u00e9"),
        ("İstanbul", "i\u0307stanbul"),
        ("हिन्दी", "कल हिन्दी कक्षा"),
        ("議事録", "議事録、送付"),
    ],
)
def test_a_keyword_is_found_as_whole_words(keyword: str, title: str) -> None:
    assert score(automation(keyword), title) == 1.0
    assert score(automation(phrases=(keyword,)), title) == 1.0


@pytest.mark.parametrize(
    ("keyword", "title"),
    [
        ("follow-up", "follow-ups"),
        ("up", "update"),
        ("custom", "customer"),
        ("with follow", "follow with"),
        ("follow with", "follow up with"),
        ("customer", ""),
        ("...", "wait..."),
        (" ", "a b"),
        ("C", "C++"),
        ("cafe", "café"),
    ],
)
def test_what_is_not_the_whole_word_does_not_match(keyword: str, title: str) -> None:
    assert score(automation(keyword), title) is None
    assert score(automation(phrases=(keyword,)), title) is None


@pytest.mark.parametrize(
    ("keywords", "phrases", "expected"),
    [
        ((), (), None),
        (("follow", "customer"), (), 1.0),
        (("follow", "invoice"), (), 0.5),
        (("follow", "invoice", "contract", "offer"), (), 0.25),
        (("follow up", "with customer", "invoice", "offer"), (), 0.5),
        (("invoice", "offer"), (), None),
        ((), ("follow up", "offer"), 1.0),
        ((), ("invoice", "offer"), None),
        (("follow", "invoice"), ("with customer",), 1.0),
        (("follow", "invoice"), ("offer",), 0.5),
        (("follow", "Follow", "invoice", "..."), (), 0.5),
        (("follow up", "Follow-up", "up with", "with up"), (), 0.75),
    ],
)
def test_the_score(keywords: tuple[str, ...], phrases: tuple[str, ...], expected: float | None) -> None:
    assert score(automation(*keywords, phrases=phrases), "Follow up with customer") == expected


def test_an_assignment_is_what_the_catalog_takes() -> None:
    ids = (f"asgn-{number}" for number in count(1))
    found = assignments(
        [automation("follow", "invoice"), automation("customer", id="wf-2", name="Mail")],
        ITEM,
        at=AT,
        new_id=lambda: next(ids),
    )
    assert found == [
        {
            "assignment_id": "asgn-1",
            "action_item_id": "ai-1",
            "meeting_id": "mtg-1",
            "automation_id": "wf-2",
            "automation_name": "Mail",
            "confidence_score": 1.0,
            "status": "pending",
            "created_at": "2026-03-01T12:30:15.123Z",
            "workspace_id": "ws-1",
        },
        {
            "assignment_id": "asgn-2",
            "action_item_id": "ai-1",
            "meeting_id": "mtg-1",
            "automation_id": "wf-1",
            "automation_name": "CRM",
            "confidence_score": 0.5,
            "status": "pending",
            "created_at": "2026-03-01T12:30:15.123Z",
            "workspace_id": "ws-1",
        },
    ]
    for data in found:
        prepared = PROVIDERS["contio"].prepare("automation.assignment.created", data, path="$.data")
        assert (prepared.data, prepared.faults) == (data, [])


@pytest.mark.parametrize(
    "given",
    [
        {"status": AutomationStatus.INACTIVE},
        {"trigger_type": "action_item_updated"},
        {"trigger_type": "meeting_ended"},
        {"keywords": ()},
        {"keywords": ("invoice",)},
    ],
)
def test_others_get_no_assignment(given: dict[str, Any]) -> None:
    assert (
        assignments([msgspec.structs.replace(automation("follow"), **given)], ITEM, at=AT, new_id=str) == []
    )


def test_only_the_start_of_a_long_title_is_looked_at() -> None:
    start = "x" * 1990
    assert score(automation("customer"), f"{start} customer") == 1.0
    assert score(automation("customer"), f"{start}   customer") is None


def test_the_best_twenty_are_assigned_and_of_equal_ones_the_oldest() -> None:
    half = [automation("follow", "invoice", id=f"half-{number}") for number in range(15)]
    whole = [automation("follow", id=f"whole-{number}") for number in range(15)]
    found = assignments([*half, *whole], ITEM, at=AT, new_id=str)
    assert [each["automation_id"] for each in found] == [
        *(f"whole-{number}" for number in range(15)),
        *(f"half-{number}" for number in range(5)),
    ]


def test_keywords_are_folded_once_and_titles_once_for_all() -> None:
    _wanted.cache_clear()
    _title.cache_clear()
    every = [automation(f"keyword {number}", phrases=(f"phrase {number}",)) for number in range(100)]
    for title in ("keyword 7", "phrase 7", "nothing"):
        assignments(every, {**ITEM, "title": title}, at=AT, new_id=str)
    assert _wanted.cache_info().misses == 200
    assert _title.cache_info().misses == 3
    assert _wanted.cache_info().maxsize == 4096

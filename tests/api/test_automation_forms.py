"""Both forms of an automation, in and out: CONTRACTS 1.7."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from adjourn import resources
from adjourn.api.automations import automation_shape, changed, from_create, read_change
from adjourn.api.bodies import ChangeAutomation, CreateAutomation, CreateWorkflow
from adjourn.api.problems import Problem
from adjourn.errors import InputError, JsonError
from adjourn.models import Action, Automation, AutomationStatus

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
URL = "https://partner.example/auto"
OTHER = "https://partner.example/other"
NEW = {"name": "CRM", "trigger_type": "meeting_ended", "actions": []}
OLDER = {"name": "CRM", "webhook_url": URL}
JSON = "application/json"


def create(body: object) -> Automation:
    return from_create(msgspec.json.encode(body), JSON, app_id="app-1", automation_id="wf-1", now=NOW)


def change(automation: Automation, body: object) -> Automation:
    return changed(automation, read_change(msgspec.json.encode(body), JSON), now=LATER)


def faults_of(body: object, *, new: bool = True) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        create(body) if new else read_change(msgspec.json.encode(body), JSON)
    return {fault.path: fault.reason for fault in caught.value.faults}


def webhook(url: str | None, **more: Any) -> Action:
    return Action("webhook", ({} if url is None else {"url": url}) | more)


# --- create


def test_the_new_form() -> None:
    found = create(
        {
            "name": "CRM",
            "description": "To the CRM",
            "trigger_type": "action_item_completed",
            "actions": [
                {"type": "webhook", "config": {"url": URL, "headers": {"x": 1}}},
                {"type": "phrase_match", "config": {"phrases": ["follow up"], "fuzzy": True}},
                {"type": "post_to_chat"},
            ],
            "status": "inactive",
        }
    )
    assert found == Automation(
        id="wf-1",
        app_id="app-1",
        name="CRM",
        description="To the CRM",
        trigger_type="action_item_completed",
        actions=(
            webhook(URL, headers={"x": 1}),
            Action("phrase_match", {"phrases": ["follow up"], "fuzzy": True}),
            Action("post_to_chat"),
        ),
        keywords=(),
        status=AutomationStatus.INACTIVE,
        created_at=NOW,
        updated_at=NOW,
    )
    assert (found.webhook_url, found.phrases) == (URL, ("follow up",))


def test_the_older_form() -> None:
    found = create({**OLDER, "matching_rules": {"keywords": ["invoice", "offer"]}, "is_active": False})
    assert (found.trigger_type, found.actions) == ("action_item_created", (webhook(URL),))
    assert (found.keywords, found.status) == (("invoice", "offer"), AutomationStatus.INACTIVE)
    assert (found.webhook_url, found.description) == (URL, None)


@pytest.mark.parametrize(
    "given",
    [
        OLDER,
        OLDER | {"description": None, "matching_rules": None},
        OLDER | {"matching_rules": {}},
        OLDER | {"matching_rules": {"keywords": []}, "is_active": True},
        OLDER | {"trigger_type": "action_item_created", "status": "active"},
        OLDER | {"actions": []},
        OLDER | {"actions": [{"type": "webhook"}]},
        OLDER | {"actions": [{"type": "webhook", "config": None}]},
        OLDER
        | {"actions": [{"type": "webhook", "config": {"url": URL}}], "is_active": True, "status": "active"},
        {
            "name": "CRM",
            "trigger_type": "action_item_created",
            "actions": [{"type": "webhook", "config": {"url": URL}}],
        },
    ],
)
def test_forms_that_agree_come_to_the_same(given: dict[str, Any]) -> None:
    assert create(given) == create(OLDER)


@pytest.mark.parametrize(
    "given",
    [NEW, NEW | {"webhook_url": None}, NEW | {"description": None, "status": "active", "is_active": True}],
)
def test_without_a_url_of_its_own_events_go_to_the_apps(given: dict[str, Any]) -> None:
    found = create(given)
    assert (found.webhook_url, found.status) == (None, AutomationStatus.ACTIVE)


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ([], {"$": "must be an object, got an array"}),
        (
            {},
            {
                "$.name": "is required",
                "$.trigger_type": "is required, or webhook_url in its place",
                "$.actions": "is required, or webhook_url in its place",
            },
        ),
        ({"webhook_url": URL}, {"$.name": "is required"}),
        ({"name": "x", "actions": []}, {"$.trigger_type": "is required, or webhook_url in its place"}),
        (
            {"name": "x", "trigger_type": "meeting_ended", "webhook_url": None},
            {"$.actions": "is required, or webhook_url in its place"},
        ),
        (NEW | {"name": None}, {"$.name": "must be a string, got null"}),
        (OLDER | {"webhok_url": URL}, {"$.webhok_url": "unknown field"}),
        (OLDER | {"url": URL}, {"$.url": "unknown field"}),
    ],
)
def test_what_a_new_one_needs(body: object, faults: dict[str, str]) -> None:
    assert faults_of(body) == faults


# --- both


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"name": ""}, {"$.name": "must not be empty"}),
        ({"name": "x" * 256}, {"$.name": "must have at most 255 characters"}),
        ({"description": "x" * 4001}, {"$.description": "must have at most 4,000 characters"}),
        ({"status": "paused"}, {"$.status": "must be one of active, inactive"}),
        ({"is_active": None}, {"$.is_active": "must be a boolean, got null"}),
        (
            {"webhook_url": ""},
            {"$.webhook_url": "must be an absolute http or https URL, like https://example.com/webhooks"},
        ),
        ({"matching_rules": []}, {"$.matching_rules": "must be an object or null, got an array"}),
        (
            {"matching_rules": {"keywords": ["ok", "", "x" * 201, 7]}},
            {
                "$.matching_rules.keywords[1]": "must not be empty",
                "$.matching_rules.keywords[2]": "must have at most 200 characters",
                "$.matching_rules.keywords[3]": "must be a string, got a number",
            },
        ),
        (
            {"matching_rules": {"keywords": ["x"] * 101}},
            {"$.matching_rules.keywords": "must have at most 100 entries"},
        ),
        (
            {"matching_rules": {"key_words": []}},
            {"$.matching_rules.key_words": "unknown field, did you mean `keywords`?"},
        ),
        ({"actions": {}}, {"$.actions": "must be an array, got an object"}),
        ({"actions": [{"type": "x"}] * 51}, {"$.actions": "must have at most 50 entries"}),
        (
            {"actions": [{}, 1, {"type": 1}, {"type": ""}, {"type": "x" * 101}, {"type": "x", "url": URL}]},
            {
                "$.actions[0].type": "is required",
                "$.actions[1]": "must be an object, got a number",
                "$.actions[2].type": "must be a string, got a number",
                "$.actions[3].type": "must not be empty",
                "$.actions[4].type": "must have at most 100 characters",
                "$.actions[5].url": "unknown field",
            },
        ),
        (
            {"actions": [{"type": "x", "config": []}]},
            {"$.actions[0].config": "must be an object or null, got an array"},
        ),
        (
            {"actions": [{"type": "webhook"}, {"type": "x"}, {"type": "webhook"}]},
            {"$.actions[2]": "is a second webhook action; an automation has at most one"},
        ),
        (
            {"actions": [{"type": "webhook", "config": {"url": "ftp://a.example"}}]},
            {
                "$.actions[0].config.url": "must be an absolute http or https URL, like https://example.com/webhooks"
            },
        ),
        (
            {"actions": [{"type": "webhook", "config": {"url": None}}]},
            {"$.actions[0].config.url": "must be a string, got null"},
        ),
        ({"actions": [{"type": "phrase_match"}]}, {"$.actions[0].config.phrases": "is required"}),
        (
            {"actions": [{"type": "phrase_match", "config": {"phrases": []}}]},
            {"$.actions[0].config.phrases": "must not be empty"},
        ),
        (
            {"actions": [{"type": "phrase_match", "config": {"phrases": ["a", "", 1]}}]},
            {
                "$.actions[0].config.phrases[1]": "must not be empty",
                "$.actions[0].config.phrases[2]": "must be a string, got a number",
            },
        ),
        (
            {"actions": [{"type": "phrase_match", "config": {"phrases": ["a"] * 101}}]},
            {"$.actions[0].config.phrases": "must have at most 100 entries"},
        ),
        (
            {"actions": [{"type": "phrase_match", "config": {"phrases": ["a", "a" * 200, "a" * 201]}}]},
            {"$.actions[0].config.phrases[2]": "must have at most 200 characters"},
        ),
        (
            {"actions": [{"type": "phrase_match", "config": {"phrases": ["a"] * 51}}] * 2},
            {"$.actions": "have 102 phrases in all; must have at most 100"},
        ),
        (
            {"actions": [{"type": "x"}, {"type": "webhook", "config": {"URL": URL}}]},
            {"$.actions[1].config.url": "is required beside what else the config has"},
        ),
        ({"status": "active", "is_active": False}, {"$.is_active": "contradicts $.status, which is active"}),
        (
            {"status": "inactive", "is_active": True},
            {"$.is_active": "contradicts $.status, which is inactive"},
        ),
        (
            {"webhook_url": OTHER, "actions": [{"type": "x"}, {"type": "webhook", "config": {"url": URL}}]},
            {"$.webhook_url": "contradicts $.actions[1].config.url"},
        ),
        (
            {"webhook_url": None, "actions": [{"type": "webhook", "config": {"url": URL}}]},
            {"$.webhook_url": "contradicts $.actions[0].config.url"},
        ),
        (
            {"name": 1, "status": "off", "actions": [{"type": "phrase_match"}]},
            {
                "$.name": "must be a string, got a number",
                "$.status": "must be one of active, inactive",
                "$.actions[0].config.phrases": "is required",
            },
        ),
    ],
)
def test_every_fault_is_named(given: dict[str, Any], faults: dict[str, str], new: bool) -> None:
    assert faults_of(NEW | given if new else given, new=new) == faults


def test_an_unknown_trigger_lists_those_there_are() -> None:
    reason = faults_of(NEW | {"trigger_type": "meeting_started"})["$.trigger_type"]
    assert set(reason.removeprefix("must be one of ").split(", ")) == {
        "action_item_created",
        "action_item_updated",
        "action_item_completed",
        "meeting_ended",
        "meeting_summary_ready",
    }


def of_bytes(size: int) -> dict[str, Any]:
    """A change whose fields are that many bytes of JSON."""
    content: dict[str, Any] = {"name": "CRM", "description": None, "actions": [{"type": "x"}], "keywords": []}
    content["actions"][0]["config"] = {"a": ""}
    rest = size - len(msgspec.json.encode(content))
    content["actions"][0]["config"]["a"] = "x" * (rest // 2) + "ü" * (rest // 4) + "x" * (rest % 4 % 2)
    left = size - len(msgspec.json.encode(content))
    content["actions"][0]["config"]["a"] += "x" * left
    return {"name": content["name"], "actions": content["actions"]}


def test_an_automation_of_16_kib_is_taken_and_no_larger_one() -> None:
    most = 16 * 1024
    new = create(NEW | of_bytes(most))
    assert change(create(NEW), of_bytes(most)).actions == new.actions
    for is_new in (True, False):
        with pytest.raises(InputError) as caught:
            create(NEW | of_bytes(most + 1)) if is_new else change(new, of_bytes(most + 1))
        (fault,) = caught.value.faults
        assert fault.path == "$"
        assert "are 16,385 bytes of JSON; they must be at most 16,384 together" in fault.reason


def test_all_that_it_has_counts_for_its_size() -> None:
    large = change(create(NEW), of_bytes(16 * 1024))
    more: dict[str, Any]
    for more in ({"description": "long"}, {"name": "CRM2"}, {"matching_rules": {"keywords": ["a"]}}):
        with pytest.raises(InputError):
            change(large, more)
    with pytest.raises(InputError):
        create(OLDER | {"description": "x" * 4000, "matching_rules": {"keywords": ["x" * 200] * 62}})


def test_one_that_was_made_larger_before_can_be_switched_off() -> None:
    config = {"a": "x" * 20_000}
    large = msgspec.structs.replace(create(NEW), actions=(Action("x", config),))
    assert change(large, {"is_active": False}).status is AutomationStatus.INACTIVE


def test_a_url_given_beside_the_actions_is_that_of_the_webhook() -> None:
    actions = [{"type": "webhook", "config": {"team": "a"}}]
    assert create(NEW | {"actions": actions, "webhook_url": URL}).actions == (webhook(URL, team="a"),)
    assert faults_of(NEW | {"actions": actions}) == {
        "$.actions[0].config.url": "is required beside what else the config has"
    }


def test_as_much_as_is_allowed_is_taken() -> None:
    found = create(
        {
            "name": "x" * 255,
            "description": "x" * 4000,
            "trigger_type": "meeting_summary_ready",
            "actions": [{"type": "x" * 100}] * 49
            + [{"type": "phrase_match", "config": {"phrases": ["a" * 40] * 100}}],
            "matching_rules": {"keywords": ["x" * 20] * 60},
        }
    )
    assert (len(found.actions), len(found.phrases), len(found.keywords)) == (50, 100, 60)


@pytest.mark.parametrize("body", [b"", b"{", b'{"name":"a","name":"b"}'])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(JsonError):
        read_change(body, JSON)


def test_another_content_type_is_refused() -> None:
    with pytest.raises(Problem, match="send application/json"):
        read_change(b"{}", "text/plain")


# --- change

PHRASES = Action("phrase_match", {"phrases": ["follow up"]})
ALL: Any = create(
    {
        "name": "CRM",
        "description": "To the CRM",
        "trigger_type": "action_item_created",
        "actions": [
            {"type": "webhook", "config": {"url": URL, "team": "a"}},
            {"type": "phrase_match", "config": {"phrases": ["follow up"]}},
        ],
        "matching_rules": {"keywords": ["invoice"]},
    }
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {}),
        ({"name": "Mail"}, {"name": "Mail"}),
        ({"description": "new"}, {"description": "new"}),
        ({"description": None}, {"description": None}),
        ({"trigger_type": "meeting_ended"}, {"trigger_type": "meeting_ended"}),
        ({"status": "inactive"}, {"status": AutomationStatus.INACTIVE}),
        ({"is_active": False}, {"status": AutomationStatus.INACTIVE}),
        ({"is_active": False, "status": "inactive"}, {"status": AutomationStatus.INACTIVE}),
        ({"is_active": True}, {}),
        ({"matching_rules": {"keywords": ["a", "b"]}}, {"keywords": ("a", "b")}),
        ({"matching_rules": {}}, {"keywords": ()}),
        ({"matching_rules": None}, {"keywords": ()}),
        ({"webhook_url": OTHER}, {"actions": (webhook(OTHER, team="a"), PHRASES)}),
        ({"webhook_url": None}, {"actions": (webhook(None, team="a"), PHRASES)}),
        ({"actions": []}, {"actions": ()}),
        ({"actions": [{"type": "x"}]}, {"actions": (Action("x"),)}),
        ({"actions": [{"type": "x"}], "webhook_url": OTHER}, {"actions": (Action("x"), webhook(OTHER))}),
        ({"actions": [{"type": "webhook"}], "webhook_url": OTHER}, {"actions": (webhook(OTHER),)}),
        ({"actions": [], "webhook_url": None}, {"actions": ()}),
    ],
)
def test_only_the_fields_given_change(body: dict[str, Any], expected: dict[str, Any]) -> None:
    at = LATER if expected else NOW  # what changes nothing is no update
    assert change(ALL, body) == msgspec.structs.replace(ALL, **expected, updated_at=at)


def test_a_url_is_added_where_there_was_none() -> None:
    found = change(create(NEW), {"webhook_url": URL})
    assert found.actions == (webhook(URL),)
    assert change(found, {"webhook_url": None}).webhook_url is None


@pytest.mark.parametrize("field", ["name", "trigger_type", "actions", "status", "is_active"])
def test_what_is_not_optional_cannot_be_cleared(field: str) -> None:
    assert list(faults_of({field: None}, new=False)) == [f"$.{field}"]


# --- out


def test_an_answer_has_both_forms_fields() -> None:
    assert automation_shape(ALL) == {
        "id": "wf-1",
        "partner_app_id": "app-1",
        "name": "CRM",
        "description": "To the CRM",
        "trigger_type": "action_item_created",
        "actions": [
            {"type": "webhook", "config": {"url": URL, "team": "a"}},
            {"type": "phrase_match", "config": {"phrases": ["follow up"]}},
        ],
        "status": "active",
        "webhook_url": URL,
        "matching_rules": {"keywords": ["invoice"]},
        "is_active": True,
        "created_at": "2026-03-01T12:00:00.000Z",
        "updated_at": "2026-03-01T12:00:00.000Z",
    }


def test_what_has_no_value_is_left_out() -> None:
    shape = automation_shape(create(NEW | {"actions": [{"type": "x"}], "status": "inactive"}))
    assert shape["actions"] == [{"type": "x"}]
    assert (shape["status"], shape["is_active"]) == ("inactive", False)
    assert shape["matching_rules"] == {"keywords": []}
    assert not {"description", "webhook_url"} & set(shape)


@pytest.mark.parametrize("automation", [ALL, create(NEW), create(OLDER)])
def test_an_answer_is_what_a_client_decodes(automation: Automation) -> None:
    shape = automation_shape(automation)
    decoded = msgspec.convert(shape, resources.Automation)
    assert msgspec.json.decode(msgspec.json.encode(decoded)).keys() == shape.keys()


@pytest.mark.parametrize("form", [CreateAutomation, CreateWorkflow, ChangeAutomation])
def test_the_forms_have_a_json_schema(form: type) -> None:
    assert msgspec.json.schema(form)["$defs"][form.__name__]["type"] == "object"

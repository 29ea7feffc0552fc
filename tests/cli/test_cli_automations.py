"""`adjourn automations`, and publishing with --match-automations."""

import json

import pytest
from tests.cli.harness import Cli, Endpoint


@pytest.fixture
def app_id(cli: Cli, server: str, endpoint: Endpoint) -> str:
    app_id = cli.make_app("--webhook-url", endpoint.url)
    cli.json("connect", app_id, "ana", "ana@example.com", "--scope", "meetings.read")
    return app_id


@pytest.fixture
def automation_id(cli: Cli, app_id: str, endpoint: Endpoint) -> str:
    options = ("--webhook-url", endpoint.url, "--keyword", "deal", "--phrase", "follow up")
    return str(cli.json("automations", "create", app_id, "Deals", *options)["id"])


def test_an_empty_list_says_what_to_do_next(cli: Cli, app_id: str) -> None:
    assert f"adjourn automations create {app_id} NAME" in cli("automations", "list", app_id).out


def test_one_is_made_listed_and_shown(cli: Cli, app_id: str, automation_id: str, endpoint: Endpoint) -> None:
    (row,) = [line for line in cli("automations", "list", app_id).out.splitlines() if "Deals" in line]
    assert row.startswith(f"{automation_id}  Deals  active  action_item_created  {endpoint.url}")
    out = cli("automations", "show", app_id, automation_id).out
    for text in ("keywords deal", "phrase_match", '"follow up"', endpoint.url):
        assert text in out


def test_set_changes_what_is_given_and_nothing_else(cli: Cli, app_id: str, automation_id: str) -> None:
    before = cli.json("automations", "show", app_id, automation_id)
    argv = ("automations", "set", app_id, automation_id)
    after = cli.json(*argv, "--name", "Deals 2", "--status", "inactive", "--description", "About deals")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed - {"updated_at"} == {"name", "status", "is_active", "description"}
    assert "description" not in cli.json(*argv, "--description", "")


def test_phrases_and_keywords_are_replaced_and_other_actions_stay(
    cli: Cli, app_id: str, automation_id: str, endpoint: Endpoint
) -> None:
    ran = cli("automations", "set", app_id, automation_id, "--phrase", "call back", "--keyword", "sale")
    assert ran.code == 0
    after = cli.json("automations", "show", app_id, automation_id)
    configs = {action["type"]: action["config"] for action in after["actions"]}
    assert configs == {"webhook": {"url": endpoint.url}, "phrase_match": {"phrases": ["call back"]}}
    assert after["matching_rules"] == {"keywords": ["sale"]}


def test_set_with_nothing_is_wrong_usage(cli: Cli, app_id: str, automation_id: str) -> None:
    assert cli("automations", "set", app_id, automation_id).code == 2


def test_what_the_server_refuses_has_its_faults(cli: Cli, app_id: str) -> None:
    ran = cli("automations", "create", app_id, "Deals", "--trigger", "never", "--webhook-url", "ftp://x")
    assert (ran.code, ran.out) == (1, "")
    assert "$.trigger_type" in ran.err
    assert "$.webhook_url" in ran.err


def test_delete(cli: Cli, app_id: str, automation_id: str) -> None:
    argv = ("automations", "delete", app_id, automation_id)
    assert cli(*argv, stdin="y\n").code == 2
    assert cli(*argv, "--yes") == (0, f"deleted the automation {automation_id}\n", "")
    assert cli(*argv, "--yes").code == 1


def test_publishing_can_match_automations(cli: Cli, app_id: str, automation_id: str) -> None:
    data = cli.json("types", "show", "action_item.created")["sample"]["data"] | {
        "title": "Follow up the deal"
    }
    argv = ("publish", "-", "--type", "action_item.created", "--user", "ana", "--match-automations")
    ran = cli(*argv, stdin=json.dumps(data))
    assert (ran.code, ran.err) == (0, "")
    assert f"assigned to the automation {automation_id}, score 1" in ran.out


def test_an_event_is_shown_for_one_app(cli: Cli, app_id: str) -> None:
    other = cli.make_app(name="Notewell")
    cli.json("connect", other, "ana", "ana@example.com")
    event_id = cli.json("publish", "--sample", "meeting.completed", "--user", "ana")["id"]
    outcomes = cli.json("events", "show", event_id, "--app", other)["outcomes"]
    assert {each["partner_app_id"] for each in outcomes} == {other}

"""`adjourn events`, `deliveries` and `types`: what can be looked at."""

import json
import time
from typing import Any

import pytest
from tests.cli.harness import WITHIN, Cli, Endpoint

from adjourn.documents.fields import field_rows
from adjourn.providers import PROVIDERS


@pytest.fixture
def app_id(cli: Cli, server: str, endpoint: Endpoint) -> str:
    app_id = cli.make_app("--webhook-url", endpoint.url)
    cli.json("connect", app_id, "ana", "ana@example.com")
    return app_id


def publish(cli: Cli, *argv: str) -> tuple[str, str]:
    """The ids of a publication and of its delivery."""
    accepted = cli.json("publish", "--sample", "meeting.completed", "--user", "ana", *argv)
    (event,) = accepted["events"]
    return accepted["id"], event["delivery_ids"][0]


def attempted(cli: Cli, delivery_id: str, *, times: int = 1) -> Any:
    """The delivery, once so many attempts of it are recorded."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        delivery = cli.json("deliveries", "show", delivery_id)
        if len(delivery["attempts"]) >= times:
            return delivery
    raise AssertionError("no attempt was recorded")


def test_a_delivery_is_shown_with_its_attempts(cli: Cli, app_id: str, endpoint: Endpoint) -> None:
    endpoint.status, endpoint.body = 500, b"database \x1b[2J down"
    _, delivery_id = publish(cli)
    attempted(cli, delivery_id)
    ran = cli("deliveries", "show", delivery_id)
    assert ran.code == 0
    assert "delivery_status" in ran.out
    assert "failed" in ran.out
    assert "database \\x1b[2J down" in ran.out
    assert "\x1b" not in ran.out


def test_deliveries_are_listed_and_filtered(cli: Cli, app_id: str) -> None:
    _, delivery_id = publish(cli)
    attempted(cli, delivery_id)
    ran = cli("deliveries", "list")
    assert f"{delivery_id}  delivered 200  meeting.completed" in ran.out
    assert app_id in ran.out
    for argv, found in [
        (("--app", app_id), 1),
        (("--app", "other"), 0),
        (("--status", "delivered"), 1),
        (("--status", "failed"), 0),
        (("--type", "meeting.completed"), 1),
        (("--type", "meeting.created"), 0),
        (("--offset", "1"), 0),
    ]:
        assert len(cli.json("deliveries", "list", *argv)["deliveries"]) == found, argv


def test_one_more_attempt_can_be_asked_for(cli: Cli, app_id: str, endpoint: Endpoint) -> None:
    endpoint.status = 500
    _, delivery_id = publish(cli)
    attempted(cli, delivery_id)
    endpoint.status = 200
    ran = cli("deliveries", "retry", delivery_id)
    assert ran.code == 0
    assert delivery_id in ran.out
    assert attempted(cli, delivery_id, times=2)["delivery_status"] == "delivered"


def test_retry_with_json_is_the_apis_answer(cli: Cli, app_id: str, endpoint: Endpoint) -> None:
    endpoint.status = 500
    _, delivery_id = publish(cli)
    attempted(cli, delivery_id)
    assert cli.json("deliveries", "retry", delivery_id)["delivery_id"] == delivery_id


def test_events_are_listed_and_filtered(cli: Cli, app_id: str) -> None:
    event_id, _ = publish(cli)
    assert f"{event_id}  meeting.completed  1" in cli("events", "list").out
    assert cli.json("events", "list", "--type", "meeting.created")["total"] == 0
    assert cli.json("events", "list", "--type", "meeting.completed")["total"] == 1


def test_an_event_says_who_got_it_and_why_others_did_not(cli: Cli, app_id: str) -> None:
    other = cli.make_app(name="Notewell")
    cli.json("connect", other, "ana", "ana@example.com")
    publication_id, delivery_id = publish(cli)
    attempted(cli, delivery_id)
    for key in (publication_id, cli.json("deliveries", "show", delivery_id)["event_id"]):
        out = cli("events", "show", key).out
        rows = {line.split()[0]: line for line in out.splitlines() if " ana " in line}
        assert "Acme" in rows["delivered"]
        assert "the endpoint answered 200" in rows["delivered"]
        assert "Notewell" in rows["no_url"]
        assert delivery_id in out
        assert '"meeting_id"' in out


def test_an_event_that_nobody_could_get(cli: Cli, server: str) -> None:
    sample = PROVIDERS["contio"].event_types["meeting.completed"].sample_data
    event = {"event_type": "meeting.completed", "data": sample, "audience": {"user_ids": []}}
    accepted = cli("publish", "-", "--json", stdin=json.dumps(event)).json
    assert "no app and no user" in cli("events", "show", accepted["id"]).out


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("group", ["events", "deliveries"])
def test_an_empty_list_says_what_to_do_next(cli: Cli, group: str) -> None:
    ran = cli(group, "list")
    assert ran.code == 0
    assert "adjourn publish" in ran.out


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "argv",
    [
        ("events", "show"),
        ("deliveries", "show"),
        ("deliveries", "retry"),
        ("types", "show"),
        ("apps", "show"),
    ],
)
def test_what_is_not_there_is_exit_code_1(cli: Cli, argv: tuple[str, ...]) -> None:
    ran = cli(*argv, "nothing")
    assert (ran.code, ran.out) == (1, "")
    assert "nothing" in ran.err
    assert json.loads(cli(*argv, "nothing", "--json").err)["code"] == "not_found"


@pytest.mark.usefixtures("server")
def test_the_catalog_is_listed_whole(cli: Cli) -> None:
    ran = cli("types", "list")
    assert ran.code == 0
    for name in PROVIDERS["contio"].event_types:
        assert any(line.startswith(f"{name} ") for line in ran.out.splitlines())
    assert cli.json("types", "list")["total"] >= len(PROVIDERS["contio"].event_types)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("name", PROVIDERS["contio"].event_types)
def test_every_type_shows_its_fields_and_a_sample(cli: Cli, name: str) -> None:
    event_type = PROVIDERS["contio"].event_types[name]
    out = cli("types", "show", name).out
    assert event_type.title in out
    for field in event_type.data.__struct_fields__:
        assert f"\n{field} " in out
    assert f'  "event_type": "{event_type.sample["event_type"]}"' in out


@pytest.mark.usefixtures("server")
def test_a_type_that_two_providers_have_is_shown_as_asked_for(cli: Cli) -> None:
    first = cli("types", "show", "meeting.completed").out
    assert "Meeting title" in first
    assert "--provider quil" in first
    other = cli("types", "show", "meeting.completed", "--provider", "quil").out
    assert "meeting.atsRecordName" in other
    assert "--provider contio" in other


@pytest.mark.parametrize("columns", ["80", "60"])
def test_tables_fit_the_terminal(
    cli: Cli, app_id: str, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, delivery_id = publish(cli)
    attempted(cli, delivery_id)
    monkeypatch.setenv("COLUMNS", columns)
    for argv in (
        ("apps", "list"),
        ("connections", "list", app_id),
        ("deliveries", "list"),
        ("events", "list"),
        ("types", "list"),
    ):
        assert max(map(len, cli(*argv).out.splitlines())) <= int(columns), argv


def test_rows_of_a_schema_name_nested_fields() -> None:
    schema = {
        "required": ["items"],
        "properties": {
            "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}, "description": "The items"},
            "at": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
            "mode": {"enum": ["a", "b"]},
            "kind": {"const": "k"},
            "any": {},
            "list": {"type": "array"},
        },
        "$defs": {
            "Item": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": {"type": "string"}, "of": {"$ref": "#/$defs/Part"}},
            },
            "Part": {"type": "object", "properties": {"n": {"type": "integer"}}},
        },
    }
    assert [*field_rows(schema)] == [
        ("items", "array of object", True, "The items"),
        ("items[].id", "string", True, ""),
        ("items[].of", "object", False, ""),
        ("items[].of.n", "integer", False, ""),
        ("at", "date-time or null", False, ""),
        ("mode", "a, b", False, ""),
        ("kind", "k", False, ""),
        ("any", "anything", False, ""),
        ("list", "array", False, ""),
    ]


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    rows = [*field_rows({**node, "$defs": {"Node": node}})]
    assert rows[0] == ("next", "object", False, "")
    assert len(rows) == 8

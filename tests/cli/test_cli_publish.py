"""`adjourn publish`."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.harness import Cli, Endpoint

from adjourn.providers import PROVIDERS

pytestmark = pytest.mark.usefixtures("server")

DATA = PROVIDERS["contio"].event_types["meeting.completed"].sample_data


def request(**more: Any) -> dict[str, Any]:
    return {"event_type": "meeting.completed", "data": DATA, "audience": {"user_ids": ["ana"]}, **more}


@pytest.fixture
def app_id(cli: Cli, endpoint: Endpoint) -> str:
    """Of an app that ana is connected to."""
    app_id = cli.make_app("--webhook-url", endpoint.url)
    cli.json("connect", app_id, "ana", "ana@example.com")
    return app_id


def test_a_sample_reaches_the_app_of_its_user(cli: Cli, app_id: str) -> None:
    ran = cli("publish", "--sample", "meeting.completed", "--user", "ana", "--user", "ben")
    assert ran.code == 0
    first, _, row = ran.out.splitlines()
    assert first.startswith("published ")
    delivery_id = row.split()[0]
    assert row.split()[1:3] == [app_id, "ana"]
    assert cli.json("deliveries", "show", delivery_id)["partner_app_id"] == app_id


def test_every_sample_can_be_published(cli: Cli, app_id: str) -> None:
    for name in PROVIDERS["contio"].event_types:
        ran = cli("publish", "--sample", name, "--app", app_id, "--json")
        if ran.code:  # some are for users alone
            ran = cli("publish", "--sample", name, "--user", "ana", "--json")
        assert ran.code == 0 or "$.audience" in ran.err, (name, ran.err)


@pytest.mark.parametrize("provider", ["meetingbaas", "quil"])
def test_every_sample_of_another_provider_reaches_its_app(
    cli: Cli, endpoint: Endpoint, provider: str
) -> None:
    app_id = cli.make_app("--webhook-url", endpoint.url, "--provider", provider)
    for name, event_type in PROVIDERS[provider].event_types.items():
        accepted = cli.json("publish", "--sample", name, "--app", app_id)
        assert [event["partner_app_id"] for event in accepted["events"]] == [app_id]
        assert cli.json("events", "show", accepted["id"])["data"] == event_type.sample_data


def test_a_sample_of_the_provider_that_is_named(cli: Cli, app_id: str) -> None:
    ran = cli("publish", "--sample", "meeting.completed", "--app", app_id, "--provider", "quil", "--json")
    accepted = ran.json
    assert accepted["events"] == []
    assert cli.json("events", "show", accepted["id"])["provider"] == "quil"


def test_a_whole_request_from_a_file(cli: Cli, app_id: str, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(request(actor_user_id="ben", timestamp="2025-01-15T10:30:00Z")))
    accepted = cli.json("publish", str(file))
    assert [event["partner_app_id"] for event in accepted["events"]] == [app_id]
    event = cli.json("events", "show", accepted["id"])
    assert (event["actor_user_id"], event["timestamp"]) == ("ben", "2025-01-15T10:30:00Z")


def test_flags_replace_what_the_file_says(cli: Cli, app_id: str) -> None:
    flags = ("--app", app_id, "--actor", "chloe", "--timestamp", "2025-02-02T02:02:02Z")
    ran = cli("publish", "-", *flags, "--json", stdin=json.dumps(request()))
    event = cli.json("events", "show", ran.json["id"])
    assert event["audience"] == {"partner_app_ids": [app_id]}
    assert (event["actor_user_id"], event["timestamp"]) == ("chloe", "2025-02-02T02:02:02Z")


def test_only_the_data_with_type(cli: Cli, app_id: str) -> None:
    argv = ("publish", "-", "--type", "meeting.completed", "--user", "ana", "--json")
    ran = cli(*argv, stdin=json.dumps(DATA))
    assert [event["partner_app_id"] for event in ran.json["events"]] == [app_id]


@pytest.mark.parametrize("wrap", [lambda events: events, lambda events: {"events": events}])
def test_a_batch(cli: Cli, app_id: str, wrap: Any) -> None:
    ran = cli("publish", "-", stdin=json.dumps(wrap([request(), request()])))
    assert ran.code == 0
    assert ran.out.count("published ") == 2
    assert ran.out.count(app_id) == 2


def test_flags_hold_for_each_event_of_a_batch(cli: Cli, app_id: str) -> None:
    events = [request(audience={"user_ids": ["nobody"]}), request()]
    ran = cli("publish", "-", "--user", "ana", "--json", stdin=json.dumps(events))
    assert [len(each["events"]) for each in ran.json["events"]] == [1, 1]


def test_reaching_nobody_says_how_to_learn_why(cli: Cli) -> None:
    ran = cli("publish", "--sample", "meeting.completed", "--user", "nobody")
    assert ran.code == 0
    assert "nobody was reached; `adjourn events show " in ran.out


def test_an_idempotency_key_publishes_once(cli: Cli, app_id: str) -> None:
    argv = ("publish", "--sample", "meeting.completed", "--user", "ana", "--idempotency-key", "k1")
    assert cli.json(*argv) == cli.json(*argv)
    assert cli.json("events", "list")["total"] == 1
    assert cli(*argv, "--actor", "ben").code == 1


def test_on_a_terminal_of_80_columns_the_ids_are_whole(
    cli: Cli, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = cli("publish", "--sample", "meeting.completed", "--user", "ana")
    assert app_id in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_faults_of_the_data_have_their_paths(cli: Cli, app_id: str) -> None:
    data = {**DATA, "title": 5}
    del data["meeting_id"]
    ran = cli("publish", "-", stdin=json.dumps([request(), request(data=data)]))
    assert (ran.code, ran.out) == (1, "")
    assert "  $.events[1].data.meeting_id: is required\n" in ran.err
    assert "  $.events[1].data.title: must be a string" in ran.err


@pytest.mark.parametrize("text", ["5", '"text"', '{"events": 5}', "[1]", "[]", "{}"])
def test_what_is_no_event_is_refused_by_the_server(cli: Cli, text: str) -> None:
    ran = cli("publish", "-", "--user", "ana", stdin=text)
    assert ran.code == 1
    assert "  $" in ran.err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ((), "--sample TYPE"),
        (("-", "--sample", "meeting.completed"), "neither FILE"),
        (("--sample", "meeting.completed"), "whom it is for"),
        (("no-such-file.json",), "cannot read no-such-file.json"),
        (("-",), "standard input: not JSON"),
    ],
)
def test_wrong_usage_is_exit_code_2(cli: Cli, argv: tuple[str, ...], told: str) -> None:
    ran = cli("publish", *argv, stdin="{")
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


def test_an_unknown_type_is_not_found(cli: Cli) -> None:
    ran = cli("publish", "--sample", "meeting.finished", "--user", "ana")
    assert ran.code == 1
    assert "meeting.finished" in ran.err


def test_a_bots_end_with_extra_and_a_callback(cli: Cli, endpoint: Endpoint) -> None:
    app_id = cli.make_app("--provider", "meetingbaas")
    callback = ("--callback-url", f"{endpoint.url}/callback", "--callback-secret", "s", "--callback-method")
    flags = ("--app", app_id, "--extra", '{"customer": 7}', *callback, "PUT")
    accepted = cli.json("publish", "--sample", "bot.completed", *flags)
    assert [event["partner_app_id"] for event in accepted["events"]] == [app_id]
    shown = cli.json("events", "show", accepted["id"])
    assert len(shown["outcomes"][-1]["deliveries"]) == 1
    ran = cli("publish", "--sample", "bot.status_change", "--app", app_id, *callback, "PUT")
    assert ran.code == 1
    assert "$.callback" in ran.err


def test_extra_that_is_no_json_is_refused_before_anything_is_sent(cli: Cli) -> None:
    ran = cli("publish", "--sample", "bot.completed", "--app", "a", "--extra", "{customer: 7}")
    assert ran.code == 2
    assert "--extra" in ran.err

"""`adjourn apps status`, `disable`, `enable`, `filter`."""

import json
import time

import pytest
from tests.cli.harness import KEY, WITHIN, Cli, Endpoint

from adjourn.client import Platform
from adjourn.client.values import FilterType


@pytest.fixture
def app_id(cli: Cli, server: str, endpoint: Endpoint) -> str:
    app_id = cli.make_app("--webhook-url", endpoint.url)
    cli.json("connect", app_id, "ana", "ana@example.com")
    return app_id


def publish(cli: Cli) -> None:
    cli.json("publish", "--sample", "meeting.completed", "--user", "ana")


def test_status_of_an_app_that_gets_all(cli: Cli, app_id: str) -> None:
    ran = cli("apps", "status", app_id)
    assert (ran.code, ran.err) == (0, "")
    assert "webhook_enabled  yes" in ran.out
    assert "0 of 50 abandoned; 0.0 of 72 hours without a success" in ran.out
    assert "nothing waits" in ran.out


def test_disabling_holds_and_status_shows_what_waits(cli: Cli, app_id: str) -> None:
    ran = cli("apps", "disable", app_id)
    assert ran.code == 0
    assert f"adjourn apps enable {app_id} --pending deliver" in ran.out
    publish(cli)
    out = cli("apps", "status", app_id).out
    assert "webhook_enabled  no" in out
    assert "disabled by  platform" in out
    assert "1 wait: 1 for their first attempt, 0 for a retry" in out
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("meeting.completed")] == [
        ["meeting.completed", "1"]
    ]


def test_enabling_must_say_what_becomes_of_what_waits(cli: Cli, app_id: str) -> None:
    cli.json("apps", "disable", app_id)
    publish(cli)
    ran = cli("apps", "enable", app_id)
    assert (ran.code, ran.out) == (2, "")
    assert "1 wait" in ran.err
    assert "--pending deliver or --pending abandon" in ran.err
    ran = cli("apps", "enable", app_id, "--json")
    assert ran.code == 1
    assert json.loads(ran.err)["faults"][0]["path"] == "$.pending_disposition"


@pytest.mark.parametrize("pending", ["deliver", "abandon"])
def test_enabling(cli: Cli, app_id: str, pending: str) -> None:
    cli.json("apps", "disable", app_id)
    publish(cli)
    ran = cli("apps", "enable", app_id, "--pending", pending)
    assert (ran.code, ran.out) == (0, "webhooks of Acme are on\n")
    deadline = time.monotonic() + WITHIN
    while cli.json("apps", "status", app_id)["backlog"]["total"]:
        assert time.monotonic() < deadline, "what waited is still there"


def test_enabling_what_is_enabled_changes_nothing(cli: Cli, app_id: str) -> None:
    assert cli("apps", "enable", app_id).out == "webhooks of Acme are on\n"


def test_status_and_switches_with_json_are_the_apis_own(cli: Cli, app_id: str) -> None:
    assert cli.json("apps", "disable", app_id)["webhook_enabled"] is False
    assert cli.json("apps", "enable", app_id, "--pending", "deliver")["webhook_enabled"] is True
    assert set(cli.json("apps", "status", app_id)) >= {
        "webhook_enabled",
        "backlog",
        "auto_disable",
        "notices",
    }


class TestFilter:
    def test_it_is_set_shown_and_cleared(self, cli: Cli, app_id: str) -> None:
        two = ("--include", "meeting.created", "--include", "meeting.completed")
        for argv, shown in [
            ((), "none: every event type\n"),
            (two, "include meeting.created, meeting.completed\n"),
            (("--exclude", "meeting.created"), "exclude meeting.created\n"),
            ((), "exclude meeting.created\n"),
            (("--clear",), "none: every event type\n"),
        ]:
            ran = cli("apps", "filter", app_id, *argv)
            assert (ran.code, ran.err) == (0, "")
            assert sorted(ran.out.replace(",", "").split()) == sorted(shown.replace(",", "").split())

    def test_an_unknown_type_is_refused(self, cli: Cli, app_id: str) -> None:
        ran = cli("apps", "filter", app_id, "--include", "meeting.endd")
        assert ran.code == 1
        assert "meeting.endd" in ran.err
        assert "`adjourn types list` shows" in ran.err

    @pytest.mark.parametrize(
        ("type_", "shown"),
        [
            ("include", "include nothing: no event type\n"),
            ("exclude", "exclude nothing: every event type\n"),
        ],
    )
    def test_one_of_nothing(self, cli: Cli, server: str, app_id: str, type_: FilterType, shown: str) -> None:
        with Platform(key=KEY, base_url=server) as platform:
            platform.set_webhook_filter(app_id, type=type_, events=[])
        assert cli("apps", "filter", app_id).out == shown

    @pytest.mark.parametrize(
        "argv",
        [("--include", "a", "--exclude", "b"), ("--include", "a", "--clear"), ("--exclude", "a", "--clear")],
    )
    def test_one_thing_at_a_time(self, cli: Cli, app_id: str, argv: tuple[str, ...]) -> None:
        assert cli("apps", "filter", app_id, *argv).code == 2


def test_of_an_app_that_is_not_there(cli: Cli, server: str) -> None:
    for command in ("status", "disable", "enable", "filter", "credentials", "credential-history"):
        ran = cli("apps", command, "nobody")
        assert (ran.code, ran.out) == (1, "")
        assert "nobody" in ran.err

"""`adjourn apps credentials`, `credential-history`, `rotate`, `rollback`."""

import pytest
from tests.cli.harness import Cli

from adjourn.client import PartnerAdmin, Unauthorized


@pytest.fixture
def app_id(cli: Cli, server: str) -> str:
    return cli.make_app("--id", "acme")


def test_status_has_a_line_for_each(cli: Cli, app_id: str) -> None:
    lines = cli("apps", "credentials", app_id).out.splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [
        ["api_key", "active", "0", "ok"],
        ["webhook_secret", "active", "0", "ok"],
        ["client_secret", "active", "0", "ok"],
    ]
    assert set(cli.json("apps", "credentials", app_id)) == {"api_key", "webhook_secret", "client_secret"}


def test_a_rotated_key_is_shown_and_the_old_one_works_on(cli: Cli, app_id: str, server: str) -> None:
    ran = cli("apps", "rotate", app_id, "api_key", "--reason", "a test")
    assert (ran.code, ran.err) == (0, "")
    assert "the old one works until " in ran.out
    assert f"adjourn apps rollback {app_id} api_key --token " in ran.out
    (key,) = [line.split()[1] for line in ran.out.splitlines() if line.startswith("  api_key ")]
    with PartnerAdmin(api_key=key, base_url=server) as admin:
        assert admin.get_app().id == app_id
    assert cli.json("apps", "credentials", app_id)["api_key"]["status"] == "transitioning"
    history = cli("apps", "credential-history", app_id).out
    assert "a test" in history


def test_rollback_takes_the_token_that_rotating_showed(cli: Cli, app_id: str, server: str) -> None:
    made = cli.json("apps", "rotate", app_id, "api_key", "--grace-hours", "1")
    ran = cli("apps", "rollback", app_id, "api_key", "--token", made["rollback_token"])
    assert (ran.code, ran.out) == (0, "the api_key is the one before again\n")
    with PartnerAdmin(api_key=made["new_credential"], base_url=server) as admin, pytest.raises(Unauthorized):
        admin.get_app()


def test_without_grace_the_old_one_ends_at_once(cli: Cli, app_id: str) -> None:
    ran = cli("apps", "rotate", app_id, "webhook_secret", "--grace-hours", "0")
    assert "the old one works no more" in ran.out
    assert "rollback" not in ran.out


def test_a_wrong_token_is_refused(cli: Cli, app_id: str) -> None:
    ran = cli("apps", "rollback", app_id, "client_secret", "--token", "nothing")
    assert (ran.code, ran.out) == (1, "")


def test_history_is_filtered_and_paged(cli: Cli, app_id: str) -> None:
    assert "nothing was done" in cli("apps", "credential-history", app_id).out
    for kind in ("api_key", "client_secret", "api_key"):
        cli.json("apps", "rotate", app_id, kind, "--grace-hours", "0")
    page = cli.json("apps", "credential-history", app_id, "--credential", "api_key", "--action", "rotated")
    assert [event["credential_type"] for event in page["events"]] == ["api_key", "api_key"]
    assert "--offset 2 shows more" in cli("apps", "credential-history", app_id, "--limit", "2").out


@pytest.mark.parametrize(
    "argv",
    [
        ("rotate", "acme", "password"),
        ("rotate", "acme", "api_key", "--grace-hours", "721"),
        ("rollback", "acme", "webhook_secret", "--token", "t"),
        ("rollback", "acme", "api_key"),
    ],
)
def test_wrong_usage_is_exit_code_2(cli: Cli, app_id: str, argv: tuple[str, ...]) -> None:
    assert cli("apps", *argv).code == 2

"""`adjourn connect`, `disconnect` and `connections`."""

import json

import pytest
from tests.cli.harness import Cli

pytestmark = pytest.mark.usefixtures("server")


def test_connect_then_list_then_disconnect(cli: Cli) -> None:
    app_id = cli.make_app()
    ran = cli("connect", app_id, "ana", "ana@example.com", "--id", "conn_1")
    assert ran.code == 0
    assert "conn_1" in ran.out
    assert "ana@example.com" in ran.out
    listed = cli("connections", "list", app_id)
    assert "ana@example.com" in listed.out
    assert "active" in listed.out
    assert cli("disconnect", app_id, "ana").out.startswith("ana is no longer connected")
    page = cli.json("connections", "list", app_id, "--status", "revoked")
    assert [each["id"] for each in page["items"]] == ["conn_1"]


def test_connecting_again_changes_the_connection(cli: Cli) -> None:
    app_id = cli.make_app()
    first = cli.json("connect", app_id, "ana", "ana@example.com")
    again = cli.json("connect", app_id, "ana", "ana@new.example")
    assert again["id"] == first["id"]
    assert again["user_email"] == "ana@new.example"


def test_users_are_found_by_id_whatever_is_in_it(cli: Cli) -> None:
    app_id = cli.make_app()
    user = "ana?x=1&#%2e é"
    cli.json("connect", app_id, user, "ana@example.com")
    cli.json("connect", app_id, "ben", "ben@example.com")
    page = cli.json("connections", "list", app_id, "--user", user)
    assert [each["user_id"] for each in page["items"]] == [user]
    assert cli("disconnect", app_id, user, "--json") == (0, "", "")


def test_an_empty_list_says_what_to_do_next(cli: Cli) -> None:
    app_id = cli.make_app()
    assert f"adjourn connect {app_id} USER_ID EMAIL" in cli("connections", "list", app_id).out


def test_what_is_not_there_is_exit_code_1(cli: Cli) -> None:
    app_id = cli.make_app()
    ran = cli("disconnect", app_id, "ana")
    assert (ran.code, ran.out) == (1, "")
    assert "no user 'ana' is connected to this app" in ran.err
    assert "no app with id 'nobody'" in cli("disconnect", "nobody", "ana").err
    assert json.loads(cli("disconnect", app_id, "ana", "--json").err)["code"] == "not_found"
    assert cli("connect", "nobody", "ana", "ana@example.com").code == 1
    assert cli("connections", "list", "nobody").code == 1


def test_a_wrong_address_is_refused_with_its_path(cli: Cli) -> None:
    ran = cli("connect", cli.make_app(), "ana", "nowhere")
    assert ran.code == 1
    assert "  $.email: " in ran.err

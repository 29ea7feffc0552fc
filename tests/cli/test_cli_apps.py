"""`adjourn apps` but for import, and how lists are shown."""

import json
import sys
from io import StringIO

import pytest
from tests.cli.harness import Cli

pytestmark = pytest.mark.usefixtures("server")

_NEW = ("--company", "Acme Inc.", "--email", "dev@acme.example")


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_create_shows_the_app_and_its_credentials(cli: Cli) -> None:
    ran = cli(
        "apps", "create", "Acme CRM", *_NEW, "--webhook-url", "https://acme.example/hook", "--id", "acme"
    )
    assert ran.code == 0
    for name in ("client_id", "api_key", "client_secret", "webhook_secret"):
        assert f"  {name} " in ran.out
    assert "https://acme.example/hook" in ran.out
    assert "adjourn connect acme USER_ID EMAIL" in ran.out
    assert ran.err == ""


def test_create_passes_every_option_on(cli: Cli) -> None:
    options = ("--description", "A CRM", "--slug", "acme-crm", "--signature-profile", "sdk", "--id", "acme")
    made = cli.json("apps", "create", "Acme CRM", *_NEW, *options)
    app = made["app"]
    assert {name: app[name] for name in ("id", "name", "description", "slug", "signature_profile")} == {
        "id": "acme",
        "name": "Acme CRM",
        "description": "A CRM",
        "slug": "acme-crm",
        "signature_profile": "sdk",
    }
    assert app["company_name"] == "Acme Inc."
    assert app["primary_contact_email"] == "dev@acme.example"
    assert set(made["credentials"]) == {"client_id", "api_key", "client_secret", "webhook_secret"}


def test_each_fault_is_told_on_its_own_line(cli: Cli) -> None:
    ran = cli("apps", "create", "Acme", "--company", "A", "--email", "nobody", "--webhook-url", "ftp://x")
    assert (ran.code, ran.out) == (1, "")
    lines = ran.err.splitlines()
    assert lines[0].startswith("error: ")
    assert any(line.startswith("  $.webhook_url: ") for line in lines)
    assert any(line.startswith("  $.primary_contact_email: ") for line in lines)
    assert lines[-1].startswith("  request_id ")


def test_with_json_an_error_is_the_apis_own_on_standard_error(cli: Cli) -> None:
    ran = cli("apps", "show", "nobody", "--json")
    assert (ran.code, ran.out) == (1, "")
    error = json.loads(ran.err)
    assert error["code"] == "not_found"
    assert set(error) == {"code", "error", "message", "request_id"}


def test_an_id_that_is_taken_is_refused(cli: Cli) -> None:
    cli.make_app("--id", "acme")
    ran = cli("apps", "create", "Acme", *_NEW, "--id", "acme")
    assert ran.code == 1
    assert "$.id: is another app's" in ran.err


def test_an_empty_list_says_what_to_do_next(cli: Cli) -> None:
    ran = cli("apps", "list")
    assert ran.code == 0
    assert "adjourn apps create" in ran.out


def test_a_list_shows_whole_ids(cli: Cli) -> None:
    app_id = cli.make_app("--webhook-url", "https://acme.example/" + "long/" * 40)
    (row,) = [line for line in cli("apps", "list").out.splitlines() if "Acme" in line]
    assert row.startswith(f"{app_id}  Acme")
    assert "long/" * 40 in row


def test_on_a_terminal_of_80_columns_a_list_fits_and_ids_stay_whole(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    app_id = cli.make_app("--webhook-url", "https://acme.example/" + "long/" * 40, name="Acme " * 10)
    lines = cli("apps", "list").out.splitlines()
    assert any(app_id in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_names_cannot_write_to_the_terminal(cli: Cli) -> None:
    app_id = cli.make_app(name="[bold]Acme\u202e")
    for command in (("apps", "list"), ("apps", "show", app_id)):
        out = cli(*command).out
        assert "[bold]Acme\\u202e" in out
        assert "\u202e" not in out


def test_a_page_tells_how_to_get_the_next(cli: Cli) -> None:
    for name in ("One", "Two", "Three"):
        cli.make_app(name=name)
    first = cli("apps", "list", "--limit", "2")
    assert "1-2 of 3; --offset 2 shows more" in first.out
    last = cli("apps", "list", "--limit", "2", "--offset", "2")
    assert "Three" in last.out
    assert "shows more" not in last.out
    assert cli("apps", "list", "--offset", "3").out.startswith("no apps here")


def test_a_list_is_filtered_by_status(cli: Cli) -> None:
    kept, other = cli.make_app(), cli.make_app()
    cli.json("apps", "set", other, "--status", "suspended")
    page = cli.json("apps", "list", "--status", "active")
    assert [app["id"] for app in page["items"]] == [kept]
    assert page["total"] == 1


def test_show_has_every_field(cli: Cli) -> None:
    app_id = cli.make_app()
    app = cli.json("apps", "show", app_id)
    out = cli("apps", "show", app_id).out
    for name, value in app.items():
        assert name in out
        if isinstance(value, str):
            assert value in out


def test_set_changes_what_is_given_and_nothing_else(cli: Cli) -> None:
    app_id = cli.make_app("--webhook-url", "https://acme.example/hook", "--description", "A CRM")
    before = cli.json("apps", "show", app_id)
    after = cli.json("apps", "set", app_id, "--no-auto-disable", "--ordered", "--name", "Acme 2")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed - {"updated_at"} == {"name", "auto_disable", "ordered"}
    assert (after["name"], after["auto_disable"], after["ordered"]) == ("Acme 2", False, True)


def test_set_takes_every_option(cli: Cli) -> None:
    app_id = cli.make_app()
    options = {
        "--webhook-url": "https://acme.example/new",
        "--status": "suspended",
        "--signature-profile": "sdk",
        "--company": "Acme Ltd.",
        "--email": "ops@acme.example",
        "--slug": "acme",
        "--description": "About Acme",
    }
    argv = [part for option in options.items() for part in option]
    ran = cli("apps", "set", app_id, *argv, "--legacy-event-names")
    assert ran.code == 0
    assert all(value in ran.out for value in options.values())
    assert cli.json("apps", "show", app_id)["legacy_event_names"] is True


def test_an_empty_text_takes_a_field_away(cli: Cli) -> None:
    app_id = cli.make_app("--webhook-url", "https://acme.example/hook")
    assert "webhook_url" not in cli.json("apps", "set", app_id, "--webhook-url", "")


def test_set_with_nothing_is_wrong_usage(cli: Cli) -> None:
    ran = cli("apps", "set", cli.make_app())
    assert ran.code == 2
    assert "nothing to change" in ran.err


def test_delete_with_yes_does_not_ask(cli: Cli) -> None:
    app_id = cli.make_app()
    ran = cli("apps", "delete", app_id, "--yes")
    assert (ran.code, ran.out) == (0, f"deleted the app {app_id}\n")
    assert cli("apps", "delete", app_id, "--yes").code == 1


def test_delete_with_json_prints_nothing(cli: Cli) -> None:
    assert cli("apps", "delete", cli.make_app(), "--yes", "--json") == (0, "", "")


def test_delete_without_a_terminal_asks_for_yes(cli: Cli) -> None:
    app_id = cli.make_app()
    ran = cli("apps", "delete", app_id, stdin="y\n")
    assert ran.code == 2
    assert "--yes" in ran.err
    cli.json("apps", "show", app_id)


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_delete_asks_at_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    app_id = cli.make_app()
    monkeypatch.setattr(sys, "stdin", _Terminal(answer))
    ran = cli("apps", "delete", app_id)
    assert ran.code == code
    assert "Acme of Acme Inc." in ran.err
    assert cli("apps", "show", app_id).code == 1 - code


@pytest.mark.parametrize("app_id", ["", ".", ".."])
def test_what_would_name_another_path_is_no_id(cli: Cli, app_id: str) -> None:
    kept = cli.make_app()
    assert cli("disconnect", kept, app_id).code == 2
    assert cli("apps", "delete", app_id, "--yes").code == 2
    cli.json("apps", "show", kept)


@pytest.mark.parametrize(
    "argv",
    [
        ("apps",),
        ("apps", "create", "Acme"),
        ("apps", "list", "--status", "asleep"),
        ("apps", "list", "--limit", "0"),
        ("apps", "set", "acme", "--signature-profile", "other"),
        ("apps", "nothing"),
    ],
)
def test_wrong_usage_is_exit_code_2(cli: Cli, argv: tuple[str, ...]) -> None:
    assert cli(*argv).code == 2


def test_its_options_can_be_given_when_it_is_made(cli: Cli, server: str) -> None:
    app_id = cli.make_app("--ordered", "--no-auto-disable", "--legacy-event-names")
    app = cli.json("apps", "show", app_id)
    assert (app["ordered"], app["auto_disable"], app["legacy_event_names"]) == (True, False, True)


def test_an_app_with_a_key_pair_shows_the_public_key_alone(cli: Cli) -> None:
    ran = cli(
        *("apps", "create", "Acme", "--company", "Acme Inc.", "--email", "dev@acme.example"),
        *("--provider", "quil", "--key-pair"),
    )
    assert ran.code == 0
    assert "whpk_" in ran.out
    assert "whsk_" not in ran.out
    app_id = ran.out.split("id ", 1)[1].split()[0]
    shown = cli("apps", "credentials", app_id).out
    assert "whpk_" in shown
    assert "whsk_" not in shown


def test_contio_cannot_sign_with_a_key_pair(cli: Cli) -> None:
    ran = cli("apps", "create", "Acme", "--company", "Acme", "--email", "dev@acme.example", "--key-pair")
    assert ran.code == 1
    assert "$.credentials.webhook_secret" in ran.err


def test_options_of_a_provider(cli: Cli) -> None:
    app_id = cli.make_app("--provider", "meetingbaas", "--option", "participants=names")
    assert cli.json("apps", "show", app_id)["participants"] == "names"
    assert cli.json("apps", "set", app_id, "--option", "participants=objects")["participants"] == "objects"
    ran = cli("apps", "set", app_id, "--option", "signature_profile=sdk")
    assert (ran.code, "$.signature_profile" in ran.err) == (1, True)
    assert cli("apps", "set", app_id, "--option", "participants").code == 2

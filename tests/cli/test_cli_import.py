"""`adjourn apps import`."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.harness import Cli

from adjourn.cli.failure import Failure
from adjourn.cli.import_file import chunks, read_entries

KEYS = {"client_id": "cid", "api_key": "ak", "client_secret": "cs", "webhook_secret": "whsec_c2VjcmV0"}


def entry(app_id: str, **more: Any) -> dict[str, Any]:
    """One that brings all its credentials."""
    keys = {kind: f"{key}{app_id}" for kind, key in KEYS.items()}
    keys["webhook_secret"] = KEYS["webhook_secret"]
    base = {"name": app_id, "company_name": "Acme", "primary_contact_email": "dev@example.com", "id": app_id}
    return {**base, "credentials": keys, **more}


def without_credentials(app_id: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in entry(app_id, **more).items() if key != "credentials"}


def user(number: int) -> dict[str, str]:
    return {"user_id": f"u{number}", "email": f"u{number}@example.com"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "apps.json"


@pytest.mark.usefixtures("server")
class TestImport:
    def test_an_array_with_ids_dates_credentials_and_connections(self, cli: Cli, file: Path) -> None:
        created_at = "2024-02-03T04:05:06.000Z"
        entries = [entry("one", created_at=created_at, connections=[user(1), user(2)]), entry("two")]
        file.write_text(json.dumps(entries))
        ran = cli("apps", "import", str(file))
        assert (ran.code, ran.err) == (0, "")
        assert ran.out == "2 made, 0 existed already, 0 failed; 2 connections sent\n"
        app = cli.json("apps", "show", "one")
        assert (app["created_at"], app["client_id"]) == (created_at, "cidone")
        assert cli.json("connections", "list", "one")["total"] == 2

    def test_json_lines_from_standard_input(self, cli: Cli) -> None:
        lines = [json.dumps(entry("one")), "", json.dumps(entry("two"))]
        ran = cli("apps", "import", "-", stdin="\n".join(lines))
        assert (ran.code, ran.out[:6]) == (0, "2 made")

    def test_what_exists_is_reported_and_skipped(self, cli: Cli, file: Path) -> None:
        file.write_text(json.dumps([entry("one", connections=[user(1)])]))
        cli("apps", "import", str(file))
        file.write_text(json.dumps([entry("one", name="New", connections=[user(2)]), entry("two")]))
        ran = cli("apps", "import", str(file))
        assert ran.code == 0
        assert ran.err.startswith("entry 1 (one): skipped, ")
        assert ran.out == "1 made, 1 existed already, 0 failed; 0 connections sent\n"
        assert cli.json("apps", "show", "one")["name"] == "one"
        assert cli.json("connections", "list", "one")["total"] == 1

    def test_a_key_that_is_another_apps_is_a_refusal_and_no_app_that_exists(self, cli: Cli) -> None:
        one, two = entry("one"), entry("two")
        two["credentials"] = {**two["credentials"], "api_key": one["credentials"]["api_key"]}
        ran = cli("apps", "import", "-", stdin=json.dumps([one, two]))
        assert ran.code == 1
        assert ran.out == "1 made, 0 existed already, 1 failed; 0 connections sent\n"
        assert "(two): $.credentials.api_key: is another app's" in ran.err

    def test_the_connections_of_what_exists_are_sent_when_asked_for(self, cli: Cli, file: Path) -> None:
        file.write_text(json.dumps([entry("one")]))
        cli("apps", "import", str(file))
        file.write_text(json.dumps([entry("one", connections=[user(1)])]))
        ran = cli("apps", "import", str(file), "--existing-connections")
        assert ran.out == "0 made, 1 existed already, 0 failed; 1 connections sent\n"
        assert cli.json("connections", "list", "one")["total"] == 1

    def test_the_refused_are_told_with_place_and_path_and_the_rest_go_on(self, cli: Cli) -> None:
        entries = [
            entry("bad", webhook_url="nowhere", nmae="x"),
            entry("half", connections=[user(1), {"user_id": "u2", "email": "?"}]),
            entry("good"),
        ]
        ran = cli("apps", "import", "-", stdin="\n".join(map(json.dumps, entries)))
        assert ran.code == 1
        assert ran.out == "1 made, 0 existed already, 2 failed; 0 connections sent\n"
        assert "line 1 (bad): $.nmae: unknown field" in ran.err
        assert "line 2 (half): $.connections[1].email: " in ran.err
        assert "import it again with --existing-connections" in ran.err
        cli.json("apps", "show", "good")

    def test_credentials_that_would_be_lost_stop_it_before_anything_is_sent(self, cli: Cli) -> None:
        entries = [entry("one"), without_credentials("two")]
        ran = cli("apps", "import", "-", stdin=json.dumps(entries))
        assert (ran.code, ran.out) == (2, "")
        assert "--credentials-out" in ran.err
        assert cli.json("apps", "list")["total"] == 0

    def test_credentials_made_go_to_a_file_that_only_its_owner_reads(self, cli: Cli, tmp_path: Path) -> None:
        out = tmp_path / "credentials.jsonl"
        out.touch(mode=0o644)
        partly = entry("two", credentials={"client_id": "own"})
        for entries in ([entry("one"), without_credentials("three")], [partly]):
            argv = ("apps", "import", "-", "--credentials-out", str(out))
            assert cli(*argv, stdin=json.dumps(entries)).code == 0
        assert out.stat().st_mode & 0o777 == 0o600
        three, two = map(json.loads, out.read_text().splitlines())
        assert (three["id"], set(three["credentials"])) == ("three", set(KEYS))
        assert (two["id"], set(two["credentials"])) == ("two", set(KEYS) - {"client_id"})

    def test_with_json_every_entry_is_a_line(self, cli: Cli) -> None:
        entries = [without_credentials("one", connections=[user(1)]), entry("one"), entry("bad", name="")]
        ran = cli("apps", "import", "-", "--json", stdin=json.dumps(entries))
        assert (ran.code, ran.err) == (1, "")
        keys, created, existing, failed, counts = ran.lines
        assert set(keys["credentials"]) == set(KEYS)
        assert created == {"entry": "entry 1", "result": "created", "id": "one", "connections": 1}
        assert (existing["result"], existing["error"]["code"]) == ("existing", "conflict")
        assert (failed["result"], failed["error"]["faults"][0]["path"]) == ("failed", "$.name")
        assert counts == {"created": 1, "existing": 1, "failed": 1, "connections": 1}

    def test_many_connections_are_sent_in_portions_and_faults_keep_their_index(
        self, cli: Cli, file: Path
    ) -> None:
        users = [user(number) for number in range(10_002)]
        file.write_text(json.dumps([entry("one", connections=users)]))
        assert "10,002 connections sent" in cli("apps", "import", str(file)).out
        assert cli.json("connections", "list", "one")["total"] == 10_002
        users[10_001]["email"] = "?"
        file.write_text(json.dumps([entry("two", connections=users)]))
        ran = cli("apps", "import", str(file))
        assert "entry 1 (two): $.connections[10001].email: " in ran.err
        assert ran.out == "0 made, 0 existed already, 1 failed; 10,000 connections sent\n"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ('[{"name": "a"}, 5]', "entry 2: must be an object"),
            ('{"name": "a"}\n{"name": }', "line 2: not JSON"),
            ('{"name": "a"}\n{"name": "b", "name": "c"}', "line 2 $.name: duplicate key"),
            ('[{"name": "a"},', "the file: not JSON"),
            ('[{"name": "a", "connections": {}}]', "entry 1 $.connections: must be an array"),
        ],
    )
    def test_a_file_with_a_fault_is_not_sent_at_all(self, cli: Cli, text: str, told: str) -> None:
        ran = cli("apps", "import", "-", "--json", stdin=text)
        assert (ran.code, ran.out) == (2, "")
        faults = json.loads(ran.err)["faults"]
        assert any(f"{fault['path']}: {fault['reason']}".startswith(told) for fault in faults)
        assert cli.json("apps", "list")["total"] == 0

    def test_files_that_cannot_be_used_are_wrong_usage(self, cli: Cli, file: Path, tmp_path: Path) -> None:
        assert cli("apps", "import", str(file)).code == 2
        file.write_text(json.dumps([without_credentials("one")]))
        nowhere = str(tmp_path / "no" / "file")
        assert cli("apps", "import", str(file), "--credentials-out", nowhere).code == 2
        assert cli.json("apps", "list")["total"] == 0

    def test_nothing_to_import_is_done_at_once(self, cli: Cli) -> None:
        assert cli("apps", "import", "-", stdin="").out.startswith("0 made")


def test_without_a_server_it_stops_at_the_first_entry(cli: Cli) -> None:
    argv = ("--url", "http://127.0.0.1:1", "--platform-key", "pk", "apps", "import", "-")
    ran = cli(*argv, stdin=json.dumps([entry("one"), entry("two")]))
    assert ran.code == 3
    assert "0 made, 0 existed already, 1 failed, 1 not tried" in ran.out


def test_one_object_over_several_lines_is_one_entry() -> None:
    (only,) = read_entries(json.dumps(entry("one"), indent=2).encode())
    assert (only.place, only.app["id"]) == ("entry 1", "one")


def test_every_line_with_a_fault_is_told() -> None:
    with pytest.raises(Failure) as caught:
        read_entries(b"{]\n{}\n[]\n")
    assert [fault.path for fault in caught.value.faults] == ["line 1", "line 3"]


def test_portions_are_bounded_in_number_and_in_bytes() -> None:
    small = [*chunks([{}] * 20_001)]
    assert [(first, len(chunk)) for first, chunk in small] == [(0, 10_000), (10_000, 10_000), (20_000, 1)]
    large = [*chunks(["x" * (3 << 20)] * 3)]
    assert [(first, len(chunk)) for first, chunk in large] == [(0, 1), (1, 1), (2, 1)]
    assert [*chunks([])] == []

"""`adjourn asyncapi`, `adjourn types show --schema`: what is made from the catalogs, as commands have it."""

import json
from pathlib import Path

import msgspec
import pytest
from tests.cli.harness import Cli

from adjourn.documents import event_schema, json_schema
from adjourn.documents.asyncapi import asyncapi
from adjourn.providers import PROVIDERS


@pytest.mark.parametrize("name", PROVIDERS)
def test_it_prints_yaml_of_3_0_and_asks_no_server(cli: Cli, name: str) -> None:
    ran = cli("asyncapi", name)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("asyncapi: 3.0.0\n")
    assert msgspec.yaml.decode(ran.out) == asyncapi(PROVIDERS[name])


def test_json_and_the_older_version(cli: Cli) -> None:
    ran = cli("asyncapi", "meetingbaas", "--version", "2.6", "--json")
    assert ran.out.startswith('{\n  "asyncapi": "2.6.0"')
    assert json.loads(ran.out) == asyncapi(PROVIDERS["meetingbaas"], "2.6")


@pytest.mark.parametrize(
    ("file", "more", "start"),
    [
        ("quil.json", (), "{"),
        ("quil.yaml", (), "asyncapi"),
        ("quil", (), "asyncapi"),
        ("quil.json", ("--yaml",), "asyncapi"),
        ("quil.yml", ("--json",), "{"),
    ],
)
def test_a_file_is_in_the_form_of_its_name(
    cli: Cli, tmp_path: Path, file: str, more: tuple[str, ...], start: str
) -> None:
    ran = cli("asyncapi", "quil", "--output", str(tmp_path / file), *more)
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    written = (tmp_path / file).read_text("utf-8")
    assert written.startswith(start)
    assert written.endswith("\n")
    assert msgspec.yaml.decode(written) == asyncapi(PROVIDERS["quil"])


def test_a_file_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    ran = cli("asyncapi", "quil", "--output", str(tmp_path / "no" / "where.json"))
    assert (ran.code, ran.out) == (2, "")
    assert "cannot write" in ran.err
    assert "No such file" in ran.err


def test_no_such_provider_or_version(cli: Cli) -> None:
    ran = cli("asyncapi", "quill")
    assert (ran.code, ran.out) == (1, "")
    assert "there is no provider 'quill', did you mean `quil`?" in ran.err
    ran = cli("asyncapi", "quil", "--version", "1.2")
    assert (ran.code, ran.out) == (2, "")
    assert "'1.2' is none of 3.0, 2.6" in ran.err


@pytest.mark.usefixtures("server")
def test_a_types_schemas_alone(cli: Cli) -> None:
    event_type = PROVIDERS["contio"].event_types["meeting.created"]
    assert json.loads(cli("types", "show", "meeting.created", "--schema", "event").out) == event_schema(
        event_type
    )
    assert json.loads(cli("types", "show", "meeting.created", "--schema", "data").out) == json_schema(
        event_type
    )


def test_what_is_refused_says_where_to_read(cli: Cli, server: str, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(
        json.dumps({"event_type": "meeting.created", "data": {}, "audience": {"user_ids": ["u"]}})
    )
    ran = cli("publish", str(file))
    assert ran.code == 1
    assert f"see {server}/reference/contio#meeting.created" in ran.err
    ran = cli("publish", str(file), "--json")
    assert json.loads(ran.err)["reference"] == "/reference/contio#meeting.created"


@pytest.mark.usefixtures("server")
def test_a_type_of_another_provider(cli: Cli) -> None:
    shown = cli.json("types", "show", "meeting.completed", "--provider", "quil")
    assert shown["sample"] == PROVIDERS["quil"].event_types["meeting.completed"].sample
    listed = cli.json("types", "list", "--provider", "quil")
    assert [each["name"] for each in listed["items"]] == ["meeting.completed"]

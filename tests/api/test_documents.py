"""What is made from the catalogs, over HTTP: documents, schemas, and errors that lead to their pages."""

import json
from typing import Any

import msgspec
import pytest
from tests.api.harness import Api, sample

from adjourn.documents import event_schema, json_schema
from adjourn.documents.asyncapi import VERSIONS, asyncapi
from adjourn.providers import PROVIDERS

pytestmark = pytest.mark.anyio


# --- AsyncAPI


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", PROVIDERS)
async def test_anyone_may_read_each_document_in_both_forms(api: Api, name: str, version: str) -> None:
    query = {"provider": name, "version": version}
    client = api.client({})
    answer = await client.get("/asyncapi.json", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == asyncapi(PROVIDERS[name], version)
    in_yaml = await client.get("/asyncapi.yaml", params=query)
    assert (in_yaml.status_code, in_yaml.headers["content-type"]) == (200, "application/yaml")
    assert msgspec.yaml.decode(in_yaml.content) == answer.json()


async def test_contio_in_3_0_is_what_one_gets_without_asking(api: Api) -> None:
    document = (await api.client({}).get("/asyncapi.json")).json()
    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["title"] == "Contio webhooks"
    assert (await api.client({}).get("/asyncapi.yaml")).text.startswith("asyncapi: 3.0.0\n")


@pytest.mark.parametrize("path", ["/asyncapi.json", "/asyncapi.yaml"])
@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("provider=zoom", {"path": "?provider", "reason": "must be one of contio, meetingbaas, quil"}),
        ("provider=", {"path": "?provider", "reason": "must be one of contio, meetingbaas, quil"}),
        ("provider=quil&version=3", {"path": "?version", "reason": "must be one of 3.0, 2.6"}),
    ],
)
async def test_an_unknown_provider_or_version_is_refused(
    api: Api, path: str, query: str, fault: dict[str, str]
) -> None:
    answer = await api.client({}).get(f"{path}?{query}")
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["faults"]) == ("validation_error", [fault])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


PATHS = [
    "/asyncapi.json?provider=quil",
    "/asyncapi.yaml?provider=quil",
    "/schemas/quil/meeting.completed.json",
    "/schemas/quil/data/meeting.completed.json",
    "/reference",
    "/reference/quil",
    "/static/portal.css",
]


@pytest.mark.parametrize("path", PATHS)
async def test_who_has_it_is_told_that_it_is_the_same(api: Api, path: str) -> None:
    client = api.client({})
    first = await client.get(path)
    etag = first.headers["etag"]
    assert first.status_code == 200
    assert first.headers["cache-control"] == "public, max-age=300"
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    other = await client.get(path, headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)
    head = await client.head(path)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)


async def test_no_two_documents_share_an_etag(api: Api) -> None:
    client = api.client({})
    etags = [(await client.get(path)).headers["etag"] for path in PATHS]
    assert len({*etags}) == len(PATHS)


# --- JSON Schema


@pytest.mark.parametrize("name", PROVIDERS)
async def test_each_schema_is_a_file(api: Api, name: str) -> None:
    client = api.client({})
    for each in PROVIDERS[name].event_types.values():
        whole = await client.get(f"/schemas/{name}/{each.name}.json")
        assert (whole.status_code, whole.headers["content-type"]) == (200, "application/schema+json")
        assert whole.json() == event_schema(each)
        data = await client.get(f"/schemas/{name}/data/{each.name}.json")
        assert data.json() == json_schema(each)


@pytest.mark.parametrize(
    "path",
    [
        "/schemas/contio/meeting.created",
        "/schemas/contio/meeting.exploded.json",
        "/schemas/zoom/meeting.created.json",
        "/schemas/quil/meeting.created.json",
        "/schemas/contio/workflow.assignment.created.json",  # an event of that name has other fields
        "/schemas/contio/data/workflow.assignment.created.json",
        "/schemas/contio/.json",
    ],
)
async def test_there_is_no_other_schema(api: Api, path: str) -> None:
    answer = await api.client({}).get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


# --- the catalog of one provider


async def test_a_type_that_several_have_is_each_ones_own(api: Api) -> None:
    path = "/v1/platform/event-types/meeting.completed"
    assert (await api.platform.get(path)).json()["provider"] == "contio"
    for name in ("contio", "quil"):
        found = (await api.platform.get(f"{path}?provider={name}")).json()
        event_type = PROVIDERS[name].event_types["meeting.completed"]
        assert (found["provider"], found["sample"]) == (name, event_type.sample)
        assert found["event_schema"] == event_schema(event_type)
    assert (await api.platform.get(f"{path}?provider=meetingbaas")).status_code == 404
    assert (await api.platform.get(f"{path}?provider=zoom")).json()["faults"][0]["path"] == "?provider"


async def test_types_of_one_provider(api: Api) -> None:
    found = (await api.platform.get("/v1/platform/event-types?provider=meetingbaas")).json()
    assert (found["total"], len(found["items"])) == (10, 10)
    assert {each["provider"] for each in found["items"]} == {"meetingbaas"}


# --- errors lead to the reference


async def anchors(api: Api, path: str) -> str:
    return (await api.client({}).get(path)).text


def event(**more: Any) -> dict[str, Any]:
    return {**sample("action_item.created"), **more}


async def refused(api: Api, body: dict[str, Any], path: str = "/v1/platform/events") -> dict[str, Any]:
    answer = await api.platform.post(path, json=body)
    assert answer.status_code == 400
    problem: dict[str, Any] = json.loads(answer.content)
    return problem


async def test_data_that_is_refused_leads_to_its_type(api: Api) -> None:
    reference = (await refused(api, event(data={"title": 7})))["reference"]
    assert reference == "/reference/contio#action_item.created"
    path, _, anchor = reference.partition("#")
    assert f'id="{anchor}"' in await anchors(api, path)


async def test_an_older_name_leads_to_the_type_of_today(api: Api) -> None:
    problem = await refused(api, event(event_type="workflow.assignment.created", data={}))
    assert problem["reference"] == "/reference/contio#automation.assignment.created"


async def test_an_unknown_type_leads_to_the_provider(api: Api) -> None:
    problem = await refused(api, event(event_type="action_item.exploded"))
    assert problem["reference"] == "/reference/contio"


async def test_another_provider_has_its_own(api: Api) -> None:
    body = {
        "event_type": "meeting.completed",
        "provider": "quil",
        "data": {},
        "audience": {"user_ids": ["u"]},
    }
    assert (await refused(api, body))["reference"] == "/reference/quil#meeting.completed"


async def test_a_request_that_is_none_leads_nowhere(api: Api) -> None:
    assert "reference" not in await refused(api, {"event_type": 7})


async def test_a_batch_leads_to_the_one_type_that_is_refused(api: Api) -> None:
    path = "/v1/platform/events/batch"
    wrong = event(data={"title": 7})
    one = await refused(api, {"events": [event(), wrong, wrong]}, path)
    assert one["reference"] == "/reference/contio#action_item.created"
    assert {each["path"].partition(".data")[0] for each in one["faults"]} == {"$.events[1]", "$.events[2]"}
    two = await refused(api, {"events": [wrong, event(event_type="no.such")]}, path)
    assert "reference" not in two


async def test_a_filters_unknown_type_leads_to_the_provider(api: Api) -> None:
    partner = api.partner(await api.create_app())
    body = {"type": "include", "events": ["no.such"]}
    answer = await partner.put("/v1/partner/admin/webhook-filter", json=body)
    assert (answer.status_code, answer.json()["reference"]) == (400, "/reference/contio")


async def test_an_unknown_type_among_those_of_all_providers_leads_to_the_list(api: Api) -> None:
    answer = await api.platform.get("/v1/platform/events?event_type=no.such")
    assert (answer.status_code, answer.json()["reference"]) == (400, "/reference")

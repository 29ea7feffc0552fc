"""The OpenAPI document and its page: they say what is served, all of it, and nothing else."""

import re
from typing import Any

import pytest
from tests.api.harness import Api

from adjourn import resources
from adjourn.api.openapi import document

pytestmark = pytest.mark.anyio

OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in document()["paths"].items()
    for method, operation in methods.items()
}


def served(api: Api) -> set[tuple[str, str]]:
    framework = {
        (method, route.path_format)
        for route in api.app.inner.routes
        for method in route.methods - {"OPTIONS"}
    }
    return framework | {*api.app.routes}


def matches(route: tuple[str, str], described: tuple[str, str]) -> bool:
    """Whatever the parameters are called; a description may also name each value that one takes."""
    pattern = re.sub(r"{\w+}", "[^/]+", route[1])
    return route[0] == described[0] and re.fullmatch(pattern, described[1]) is not None


async def test_everything_served_is_described(api: Api) -> None:
    assert [each for each in served(api) if not any(matches(each, other) for other in OPERATIONS)] == []


async def test_everything_described_is_served(api: Api) -> None:
    assert [each for each in OPERATIONS if not any(matches(other, each) for other in served(api))] == []


async def test_every_path_needs_the_key_it_says(api: Api) -> None:
    for (method, path), operation in OPERATIONS.items():
        for client in (api.client({}), api.client({"Authorization": "Bearer no", "X-API-Key": "no"})):
            status = (await client.request(method, path)).status_code
            assert (path, status == 401) == (path, operation["security"] != [])


@pytest.mark.parametrize("path", ["/v1/partner/admin/app", "/v1/platform/apps"])
async def test_options_needs_a_key_as_any_method_does(api: Api, path: str) -> None:
    assert (await api.client({}).options(path)).status_code == 401
    client = api.platform if "platform" in path else api.partner(await api.create_app())
    assert (await client.options(path)).status_code == 204


@pytest.mark.parametrize("user_id", ["u" * 256, "%00", "a%0Ab"])
async def test_an_id_in_a_path_is_bounded_as_the_document_says(api: Api, user_id: str) -> None:
    path = f"/v1/platform/apps/{(await api.create_app())['app']['id']}/connections/{user_id}"
    answer = await api.platform.put(path, json={"email": "ana@example.com"})
    assert (answer.status_code, answer.json()["faults"][0]["path"]) == (400, "{user_id}")


def test_each_operation_has_a_name_of_its_own() -> None:
    names = [each["operationId"] for each in OPERATIONS.values()]
    assert len(names) == len(set(names))


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        return {str(value.get("$ref", "#"))}.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere() -> None:
    for reference in references(document()):
        place: Any = document()
        for step in reference.removeprefix("#").split("/")[1:]:
            place = place[step]


def test_bodies_are_closed_and_answers_open_but_for_tests() -> None:
    def closed(document: dict[str, Any]) -> set[str]:
        schemas = document["components"]["schemas"].items()
        return {name for name, each in schemas if each.get("additionalProperties") is False}

    assert {"CreateApp", "EventBody", "FilterBody"} < closed(document())
    assert closed(document()).isdisjoint({"App", "Problem", "Fault", "ReplayPage", *resources.__all__})
    assert {"App", "Problem", "CreateApp"} < closed(document(closed=True))


@pytest.mark.parametrize(
    ("path", "media_type"), [("/openapi.json", "application/json"), ("/docs", "text/html")]
)
async def test_anyone_may_read_them(api: Api, path: str, media_type: str) -> None:
    answer = await api.client({}).get(path)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, media_type)


async def test_the_page_shows_every_operation_and_every_schema_and_fetches_nothing(api: Api) -> None:
    page = (await api.client({}).get("/docs")).text
    shown = set(re.findall(r'id="([^"]+)"', page))
    assert shown >= {operation["operationId"] for operation in OPERATIONS.values()}
    assert shown >= set(document()["components"]["schemas"])
    assert shown >= set(re.findall(r'href="#([^"]+)"', page))
    assert set(re.findall(r'(?:src|href)="([^#"][^"]*)"', page)) == {"openapi.json"}
    assert "<script" not in page

"""The OpenAPI 3.1 document, put together from the tables."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from adjourn import resources
from adjourn.api.openapi.meetingbaas import BOT_PATHS, BOT_SCHEMAS, BOT_SECURITY, BOT_TAG
from adjourn.api.openapi.operation import Json, Operation
from adjourn.api.openapi.partner import PARTNER
from adjourn.api.openapi.platform import OPEN, PLATFORM
from adjourn.api.openapi.schemas import ID, components

__all__ = ["document"]

_INTRODUCTION = """\
Webhooks for meetings. The platform API is for the meeting product itself, the partner API for each of its
partner apps.

Every error is a Problem; its `request_id` is also the `X-Request-ID` header of every answer. Every POST takes
an `Idempotency-Key`: for 24 hours a repeat answers the first answer and does nothing else.
"""

_PATH = {
    "app_id": "a partner app's id",
    "automation_id": "an automation's id",
    "connection_id": "a connection's id",
    "delivery_id": "a delivery's id",
    "event_type": "an event type, by its name",
    "file": "a file's name",
    "key": "the id of a publication, or of an event made of it",
    "name": "an event type, by its name or an older one",
    "provider": "a provider, by its name",
    "replay_id": "a replay's id",
    "user_id": "the product's own id of a user",
}
_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "string", "pattern": "^[0-9]+$"}


def _parameter(name: str, place: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": place, "description": description, "schema": schema}


_LIMIT = {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
_OFFSET = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1, "default": 0}
_KEY = {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"}
_PARAMETERS: Json = {
    "limit": _parameter("limit", "query", "how many at most", _LIMIT),
    "offset": _parameter("offset", "query", "how many to pass over", _OFFSET),
    "idempotency_key": _parameter("Idempotency-Key", "header", "makes a repeat safe", _KEY),
}


def _header(description: str, schema: Json, *, always: bool = False) -> Json:
    return {"description": description, "schema": schema, **({"required": True} if always else {})}


_HEADERS: Json = {
    "X-Request-ID": _header("names this request in the server's log", _TEXT, always=True),
    "RateLimit-Limit": _header("requests a minute, where there is a limit", _COUNT),
    "RateLimit-Remaining": _header("how many of them are left", _COUNT),
    "RateLimit-Reset": _header("seconds until all of them are there again", _COUNT),
    "Idempotent-Replayed": _header(
        "true where an earlier answer is repeated", {"type": "string", "enum": ["true"]}
    ),
    "Retry-After": _header("seconds to wait before asking again", _COUNT, always=True),
    "WWW-Authenticate": _header("Bearer or ApiKey", _TEXT, always=True),
}
_EVERY = ("X-Request-ID",)
_LIMITED = (*_EVERY, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_OWN = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
_ERRORS = {
    400: "The body, the query or a header has faults",
    401: "No key, or a wrong one",
    403: "Not while the app is suspended or inactive, or not a partner's to do",
    404: "Nothing by that id",
    409: "It exists already, its state forbids it, or a request with this Idempotency-Key is still running",
    413: "Too large, or more deliveries than one request may cause",
    415: "Not JSON",
    422: "This Idempotency-Key was used with another body",
    429: "This app, or the platform, asks too often",
    500: "An error of the server's own",
    503: "Nothing was stored: ask again",
}
_SECURITY: Json = {
    "platformKey": {"type": "http", "scheme": "bearer", "description": "the platform key"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "a partner app's key"},
    "clientId": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Client-ID",
        "description": "the app's client id: checked where it is sent, required where the server is set so",
    },
}
_PLATFORM_KEY: list[Json] = [{"platformKey": []}]
_PARTNER_KEY: list[Json] = [{"apiKey": [], "clientId": []}, {"apiKey": []}]


@cache
def document(*, closed: bool = False) -> Json:
    """Both APIs. Whoever gets it only reads it. `closed`, for tests: answers have no other field."""
    every = [*PLATFORM, *PARTNER, *OPEN]
    types = dict.fromkeys(each for call in every for each in (*call.bodies, call.answer) if each is not None)
    schemas, named = components([*types, resources.Problem], closed=closed)
    schema_of = dict(zip(types, schemas, strict=False))
    paths: Json = {}
    for call, security in _secured():
        for path in call.paths:
            paths.setdefault(path, {})[call.method.lower()] = _operation(call, path, security, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Adjourn",
            "version": version("adjourn"),
            "description": _INTRODUCTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys([*(call.tag for call in every), BOT_TAG])],
        "paths": paths | BOT_PATHS,
        "components": {
            "schemas": dict(sorted((named | BOT_SCHEMAS).items())),
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "responses": {str(status): _problem(status) for status in _ERRORS},
            "securitySchemes": _SECURITY | BOT_SECURITY,
        },
    }


def _secured() -> Iterator[tuple[Operation, list[Json]]]:
    for calls, security in ((PLATFORM, _PLATFORM_KEY), (PARTNER, _PARTNER_KEY), (OPEN, [])):
        for call in calls:
            yield call, security


def _operation(call: Operation, path: str, security: list[Json], schema_of: Mapping[Any, Json]) -> Json:
    described: Json = {
        "operationId": call.name,
        "tags": [call.tag],
        "summary": call.summary,
        "security": security,
        "parameters": [*_of_path(path), *call.queries],
    }
    if also := call.paths.index(path):
        described["operationId"] += str(also + 1)
        described["description"] = f"The same as {call.method} {call.paths[0]}"
    if call.method == "POST":
        described["parameters"].append({"$ref": "#/components/parameters/idempotency_key"})
    if call.bodies:
        forms = [schema_of[each] for each in call.bodies]
        schema = forms[0] if len(forms) == 1 else {"anyOf": forms}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    refused = {str(status): _refusal(call, status) for status in _refusals(call, path, security)}
    answered = {str(status): _success(call, status, security, schema_of) for status in call.statuses}
    return described | {"responses": answered | refused}


def _of_path(path: str) -> Iterator[Json]:
    for name in re.findall(r"{(\w+)}", path):
        yield {**_parameter(name, "path", _PATH[name], {"type": "string", **ID}), "required": True}


def _refusals(call: Operation, path: str, security: list[Json]) -> list[int]:
    if not security:
        return [*([400] if call.queries else []), *([404] if "{" in path else [])]
    statuses = {401, 429, 500, 503, *call.refuses}
    if call.bodies or call.queries or call.method == "POST":
        statuses.add(400)
    if call.bodies:
        statuses |= {413, 415}
    if call.method == "POST":
        statuses |= {409, 422}
    if "{" in path:
        statuses.add(404)
    return sorted(statuses)


def _success(call: Operation, status: int, security: list[Json], schema_of: Mapping[Any, Json]) -> Json:
    headers = [
        *(_LIMITED if security else _EVERY),
        *(["Idempotent-Replayed"] if call.method == "POST" else []),
    ]
    described: Json = {"description": HTTPStatus(status).phrase, "headers": _refs("headers", headers)}
    if call.answer is not None:
        described["content"] = {call.media_type: {"schema": schema_of[call.answer]}}
    return described


def _refusal(call: Operation, status: int) -> Json:
    """A Problem; where people are answered, a page for what is not there."""
    if call.media_type != "text/html" or status != 404:
        return _ref("responses", str(status))
    return {
        "description": _ERRORS[status],
        "headers": _refs("headers", _EVERY),
        "content": {call.media_type: {"schema": _TEXT}},
    }


def _problem(status: int) -> Json:
    headers = [*(_EVERY if status == 401 else _LIMITED), *_OWN.get(status, ())]
    return {
        "description": _ERRORS[status],
        "headers": _refs("headers", headers),
        "content": {"application/json": {"schema": _ref("schemas", "Problem")}},
    }


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _refs(kind: str, names: Iterable[str]) -> Json:
    return {name: _ref(kind, name) for name in names}

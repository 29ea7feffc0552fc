"""What is made from the catalogs, for anyone to fetch: AsyncAPI documents and JSON Schemas."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from adjourn.api.cached import Document, document_answer
from adjourn.api.inputs import one_of
from adjourn.api.services import AnyRequest
from adjourn.documents import event_schema, json_schema
from adjourn.documents.asyncapi import VERSIONS, asyncapi
from adjourn.errors import NotFound
from adjourn.providers import PROVIDERS, EventType

__all__ = ["DOCUMENTS"]

_DEFAULT_PROVIDER = "contio"
_DEFAULT_VERSION = next(iter(VERSIONS))
_JSON = "application/json"
_YAML = "application/yaml"  # RFC 9512
_SUFFIX = ".json"


@get("/asyncapi.json")
async def asyncapi_json(request: AnyRequest) -> Response[bytes]:
    """A provider's AsyncAPI document: `?provider=` and `?version=`."""
    return document_answer(request, _asyncapi(*_asked(request.query_params), _JSON))


@get("/asyncapi.yaml")
async def asyncapi_yaml(request: AnyRequest) -> Response[bytes]:
    return document_answer(request, _asyncapi(*_asked(request.query_params), _YAML))


@get("/schemas/{provider:str}/{file:str}")
async def schema(request: AnyRequest, provider: FromPath[str], file: FromPath[str]) -> Response[bytes]:
    """The JSON Schema of a whole event, as lenient as receiving is."""
    return document_answer(request, _schema(_event_type(provider, file), of_data=False))


@get("/schemas/{provider:str}/data/{file:str}")
async def data_schema(request: AnyRequest, provider: FromPath[str], file: FromPath[str]) -> Response[bytes]:
    """The JSON Schema of an event's data, as strict as publishing is."""
    return document_answer(request, _schema(_event_type(provider, file), of_data=True))


DOCUMENTS: list[Any] = [asyncapi_json, asyncapi_yaml, schema, data_schema]


def _asked(query: Mapping[str, str]) -> tuple[str, str]:
    """Provider and version. Raises InputError."""
    provider = one_of(query, "provider", PROVIDERS)
    version = one_of(query, "version", VERSIONS)
    return provider or _DEFAULT_PROVIDER, version or _DEFAULT_VERSION


def _event_type(provider: str, file: str) -> EventType:
    """By its name of today alone: an event under an older name has another form. Raises NotFound."""
    catalog = PROVIDERS[provider].event_types if provider in PROVIDERS else {}
    found = catalog.get(file.removesuffix(_SUFFIX)) if file.endswith(_SUFFIX) else None
    if found is None:
        raise NotFound("schema", f"{provider}/{file}")
    return found


@cache
def _asyncapi(provider: str, version: str, media_type: str) -> Document:
    document = asyncapi(PROVIDERS[provider], version)
    encode = msgspec.json.encode if media_type == _JSON else msgspec.yaml.encode
    return Document(encode(document), media_type)


def _schema(event_type: EventType, *, of_data: bool) -> Document:
    schema = json_schema(event_type) if of_data else event_schema(event_type)
    return Document(msgspec.json.encode(schema), "application/schema+json")

"""A provider's contract as an AsyncAPI document, for partners and their tools: 3.0, or 2.6 for older ones.

Made from the catalog, the signer and the policy, as the reference is; told from the sender's side. Payloads
are as lenient as receiving is. Pure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version as installed
from types import MappingProxyType
from typing import Any

from adjourn.documents.channels import Channel, channels
from adjourn.documents.promises import promises
from adjourn.documents.schema import event_components
from adjourn.providers.provider import EventType, JsonObject, Provider

__all__ = ["VERSIONS", "asyncapi"]

_REF = "#/components/schemas/{name}"
_CONTENT_TYPE = "application/json"
_SUMMARY = "An event happened"


def asyncapi(provider: Provider, version: str = "3.0") -> JsonObject:
    """The document; whoever gets it only reads it. `version` is one of VERSIONS: KeyError for another."""
    return VERSIONS[version](provider, [*channels(provider)])


# --- what both versions have alike


def _head(provider: Provider) -> JsonObject:
    count = len(provider.event_types)
    described = f"The webhooks of {provider.title}: {count} event type{'s' if count > 1 else ''}."
    return {
        "id": f"urn:adjourn:{provider.name}",
        "info": {
            "title": f"{provider.title} webhooks",
            "version": installed("adjourn"),
            "description": "\n\n".join(filter(None, [described, provider.signature])),
        },
        "defaultContentType": _CONTENT_TYPE,
    }


def _tags(provider: Provider) -> list[JsonObject]:
    groups = dict.fromkeys(each.group for each in provider.event_types.values())
    return [{"name": group} for group in groups]


def _description(provider: Provider, channel: Channel) -> str:
    policy = (
        provider.callbacks.policy if channel.name == "callback" and provider.callbacks else provider.policy
    )
    return " ".join([channel.description, *promises(policy)])


def _key(channel: Channel, event_type: EventType) -> str:
    """The name of its message among the components."""
    return event_type.name if channel.name == "webhook" else f"{channel.name}.{event_type.name}"


def _keys(channel: Channel) -> Iterator[str]:
    return (_key(channel, each) for each in channel.event_types.values())


def _headers_key(channel: Channel) -> str:
    return f"{channel.name}.headers"  # no struct's name has a dot


def _components(provider: Provider, places: Sequence[Channel], *, named: bool) -> JsonObject:
    """`named`: each message says its own id."""
    event_types = [*provider.event_types.values()]
    names, schemas = event_components(event_types, ref_template=_REF)
    payloads = dict(zip(provider.event_types, names, strict=True))
    return {
        "schemas": {
            **{_headers_key(channel): _headers(channel) for channel in places if channel.headers},
            **{name: _for_draft_7(schema) for name, schema in schemas.items()},
        },
        "messages": {
            key: {
                **({"messageId": key} if named else {}),
                **_message(provider, channel, each, payloads[each.name]),
            }
            for channel in places
            for key, each in zip(_keys(channel), channel.event_types.values(), strict=True)
        },
        "securitySchemes": {
            name: {"type": "httpApiKey", "in": "header", "name": name, "description": provider.signature}
            for channel in places
            for name in channel.proofs
        },
    }


def _headers(channel: Channel) -> JsonObject:
    required = {"required": [*channel.headers]} if channel.always else {}
    return {"type": "object", "properties": dict(channel.headers), **required}


def _message(provider: Provider, channel: Channel, event_type: EventType, payload: str) -> JsonObject:
    old_names = [old for old, new in provider.aliases.items() if new == event_type.name]
    message: JsonObject = {
        "name": event_type.name,
        "title": event_type.title,
        "summary": event_type.description,
        "description": "\n\n".join(_prose(event_type, old_names)),
        "contentType": _CONTENT_TYPE,
        "tags": [{"name": event_type.group}],
        "payload": {"$ref": _REF.format(name=payload)},
        "examples": [_example(channel, event_type)],
    }
    if channel.headers:
        message["headers"] = {"$ref": _REF.format(name=_headers_key(channel))}
    if identity := [name for name in channel.headers if name.lower().endswith("-id")]:
        about = "The same on every attempt: it tells duplicates."
        message["correlationId"] = {"description": about, "location": f"$message.header#/{identity[0]}"}
    if event_type.since is not None:
        message["x-since"] = event_type.since
    if old_names:
        message["x-old-names"] = old_names
    return message


def _prose(event_type: EventType, old_names: Sequence[str]) -> Iterator[str]:
    yield event_type.description
    if event_type.note:
        yield event_type.note
    if event_type.since:
        yield f"Since {event_type.since}."
    if old_names:
        yield f"Once called {', '.join(old_names)}."


def _example(channel: Channel, event_type: EventType) -> JsonObject:
    headers = dict(channel.example(event_type))
    return {"name": "sample", **({"headers": headers} if headers else {}), "payload": event_type.sample}


def _for_draft_7(schema: Any) -> Any:
    """As AsyncAPI's own schemas are read, by JSON Schema draft 7: there nothing counts beside a `$ref`."""
    if isinstance(schema, list):
        return [_for_draft_7(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema and len(schema) > 1:
        beside = {key: each for key, each in schema.items() if key != "$ref"}
        return {"allOf": [{"$ref": schema["$ref"]}], **beside}
    return {key: _for_draft_7(each) for key, each in schema.items()}


# --- the two versions


def _document_3(provider: Provider, places: Sequence[Channel]) -> JsonObject:
    head = _head(provider)
    return {
        "asyncapi": "3.0.0",
        **head,
        "info": {**head["info"], "tags": _tags(provider)},
        "channels": {each.name: _channel_3(each, _description(provider, each)) for each in places},
        "operations": {f"send.{each.name}": _operation_3(each) for each in places},
        "components": _components(provider, places, named=False),
    }


def _channel_3(channel: Channel, description: str) -> JsonObject:
    return {
        "address": None,  # each app has its own
        "title": channel.title,
        "description": description,
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in _keys(channel)},
    }


def _operation_3(channel: Channel) -> JsonObject:
    operation: JsonObject = {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "title": channel.title,
        "summary": _SUMMARY,
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{key}"} for key in _keys(channel)],
    }
    if channel.method is not None:
        operation["bindings"] = {"http": {"method": channel.method, "bindingVersion": "0.3.0"}}
    if channel.proofs:
        operation["security"] = [{"$ref": f"#/components/securitySchemes/{name}"} for name in channel.proofs]
    return operation


def _document_2(provider: Provider, places: Sequence[Channel]) -> JsonObject:
    return {
        "asyncapi": "2.6.0",
        **_head(provider),
        "tags": _tags(provider),
        "channels": {
            each.name: {"description": _description(provider, each), "subscribe": _operation_2(each)}
            for each in places
        },
        "components": _components(provider, places, named=True),
    }


def _operation_2(channel: Channel) -> JsonObject:
    """What can be subscribed to: so older tools call what newer ones say is sent."""
    operation: JsonObject = {
        "operationId": f"send.{channel.name}",
        "summary": _SUMMARY,
        "message": {"oneOf": [{"$ref": f"#/components/messages/{key}"} for key in _keys(channel)]},
    }
    if channel.method is not None:
        binding = {"type": "request", "method": channel.method, "bindingVersion": "0.1.0"}
        operation["bindings"] = {"http": binding}
    if channel.proofs:
        operation["security"] = [{name: []} for name in channel.proofs]
    return operation


VERSIONS: Mapping[str, Callable[[Provider, Sequence[Channel]], JsonObject]] = MappingProxyType(
    {"3.0": _document_3, "2.6": _document_2}
)
"""What documents there are, the usual one first."""

"""JSON Schema (draft 2020-12) of what a catalog says, for the docs, the portal and publishers' own checks.

Made from the same structs as the checker, so the two cannot drift apart. Everything is self-contained: each
reference points into the schema's own `$defs`.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec.inspect as mi
import msgspec.json
from msgspec import Struct

from adjourn.check import OpenStruct
from adjourn.providers.provider import EventType, JsonObject

__all__ = ["event_components", "event_schema", "json_schema", "sent_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_OF_ITSELF = "#/$defs/{name}"


def json_schema(event_type: EventType) -> JsonObject:
    """The schema of the event's data, as strict as publishing is: an unknown key is refused."""
    schema = _schema(event_type.data, event_type)
    open_names = {each.__name__ for each in _structs(mi.type_info(event_type.data)) if _is_open(each)}
    structs = {event_type.data.__name__: schema, **schema.get("$defs", {})}
    for name, struct in structs.items():
        if "properties" in struct and name not in open_names:
            struct["additionalProperties"] = False
    return schema


def event_schema(event_type: EventType) -> JsonObject:
    """The schema of the whole event, as lenient as receiving is: a vendor may add keys later."""
    return _whole(event_type.received or event_type.event, event_type)


def sent_schema(event_type: EventType) -> JsonObject:
    """The schema of the whole event as it is sent, of several forms that receivers may get the one."""
    return _whole(event_type.event, event_type)


def event_components(event_types: Sequence[EventType], *, ref_template: str) -> tuple[list[str], JsonObject]:
    """The schemas of whole events, all in one place: the name of each event's own, and every one by name.

    `ref_template` is where they will stand: `#/components/schemas/{name}`. Structs of one name stay apart.
    """
    schemas, named = msgspec.json.schema_components(
        [each.received or each.event for each in event_types], ref_template=ref_template
    )
    names = [str(each["$ref"]).rpartition("/")[2] for each in schemas]
    for name, event_type in zip(names, event_types, strict=True):
        named[name] |= _head(event_type)
        _describe_envelope(named[name], event_type)
    return names, named


def _whole(struct: type[Struct], event_type: EventType) -> JsonObject:
    schema = _schema(struct, event_type)
    _describe_envelope(schema, event_type)
    return schema


def _schema(struct: type[Struct], event_type: EventType) -> JsonObject:
    (root,), definitions = msgspec.json.schema_components([struct], ref_template=_OF_ITSELF)
    # It stands among the definitions, too; there it would only be a second root.
    own = definitions.pop(root["$ref"].rpartition("/")[2])
    head = _head(event_type)  # first for the reader, last to stand above the struct's own
    schema: JsonObject = {"$schema": _DIALECT} | head | own | head
    return schema | {"$defs": definitions} if definitions else schema


def _head(event_type: EventType) -> JsonObject:
    return {"title": event_type.title, "description": event_type.description}


def _describe_envelope(schema: JsonObject, event_type: EventType) -> None:
    """The keys that need not say in the structs what they are: a tag cannot, and each event has its data."""
    tag = event_type.event.__struct_config__.tag_field
    for name, text in ((tag, "Event type identifier"), ("data", "Event-specific payload data")):
        if name in schema["properties"]:
            schema["properties"][name].setdefault("description", text)


def _is_open(struct: type) -> bool:
    return issubclass(struct, OpenStruct)


def _structs(node: mi.Type, seen: frozenset[type] = frozenset()) -> Iterator[type]:
    """Every struct that a type is made of."""
    if isinstance(node, mi.StructType):
        if node.cls in seen:
            return
        seen |= {node.cls}
        yield node.cls
    for inner in _inner(node):
        yield from _structs(inner, seen)


def _inner(node: mi.Type) -> Iterable[mi.Type]:
    match node:
        case mi.StructType(fields=fields):
            return [field.type for field in fields]
        case mi.UnionType(types=types):
            return types
        case mi.Metadata(type=inner) | mi.ListType(item_type=inner):
            return [inner]
        case mi.DictType(value_type=inner):
            return [inner]
        case _:
            return []

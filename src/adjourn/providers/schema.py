"""JSON Schema (draft 2020-12) of what a catalog says, for the docs, the portal and publishers' own checks.

Made from the same structs as the checker, so the two cannot drift apart. Everything is self-contained: each
reference points into the schema's own `$defs`.
"""

import msgspec.json
from msgspec import Struct

from adjourn.providers.provider import EventType, JsonObject

__all__ = ["event_schema", "json_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(event_type: EventType) -> JsonObject:
    """The schema of the event's data, as strict as publishing is: an unknown key is refused."""
    schema = _schema(event_type.data, event_type)
    for struct in (schema, *schema.get("$defs", {}).values()):
        struct["additionalProperties"] = False
    return schema


def event_schema(event_type: EventType) -> JsonObject:
    """The schema of the whole event, as lenient as receiving is: a vendor may add keys later."""
    schema = _schema(event_type.event, event_type)
    # The two keys that carry no description in the structs: a tag cannot, and each event has its own data.
    schema["properties"]["event_type"]["description"] = "Event type identifier"
    schema["properties"]["data"]["description"] = "Event-specific payload data"
    return schema


def _schema(struct: type[Struct], event_type: EventType) -> JsonObject:
    definitions: JsonObject = msgspec.json.schema(struct)["$defs"]
    # msgspec puts the struct among the definitions, too; there it would only be a second root.
    root: JsonObject = definitions.pop(struct.__name__)
    head = {"$schema": _DIALECT, "title": event_type.title, "description": event_type.description}
    schema = head | root | head  # first for the reader, last to stand above the struct's own title
    return schema | {"$defs": definitions} if definitions else schema

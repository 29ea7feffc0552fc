"""A JSON Schema as the rows of a table: each field with its path, type, need and meaning. Pure.

The reference shows them, and the command line, which has its schemas from a server. It knows what msgspec
writes (schema.py): `$ref` into `$defs`, `anyOf`, `enum`, `const`, `format`, bounds.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["FieldRow", "field_rows"]

_DEEPEST = 8  # levels shown: a schema may refer to itself

Schema = Mapping[str, Any]


class FieldRow(NamedTuple):
    """One field. `path` is as `participants[].role`; `type` is in words, "string or null"."""

    path: str
    type: str
    required: bool
    description: str


def field_rows(schema: Schema) -> Iterator[FieldRow]:
    """A row for each field, those of an object after it."""
    yield from _fields(schema, schema.get("$defs", {}), path="", depth=0)


def _fields(schema: Schema, defs: Schema, *, path: str, depth: int) -> Iterator[FieldRow]:
    if depth == _DEEPEST:
        return
    for name, field in schema.get("properties", {}).items():
        here = f"{path}{name}"
        required = name in schema.get("required", ())
        yield FieldRow(here, _type(field, defs), required, field.get("description", ""))
        for step, inner in _objects(field, defs):
            yield from _fields(inner, defs, path=f"{here}{step}.", depth=depth + 1)


def _objects(field: Schema, defs: Schema) -> Iterator[tuple[str, Schema]]:
    """The objects that a field may hold, each with the step to it: `[]` for an array's."""
    field = _resolve(field, defs)
    if "properties" in field:
        yield "", field
    if isinstance(field.get("items"), dict):
        yield from ((f"[]{step}", inner) for step, inner in _objects(field["items"], defs))
    for member in field.get("anyOf", ()):
        yield from _objects(member, defs)


def _type(field: Schema, defs: Schema) -> str:
    field = _resolve(field, defs)
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(member, defs) for member in field["anyOf"]))
    if "enum" in field:
        return ", ".join("null" if each is None else str(each) for each in field["enum"])
    if "const" in field:
        return str(field["const"])
    if field.get("type") == "array":
        return f"array of {_type(field['items'], defs)}" if field.get("items") else "array"
    return str(field.get("format", field.get("type", "anything"))) + _bounds(field)


def _bounds(field: Schema) -> str:
    match field.get("minimum"), field.get("maximum"):
        case None, None:
            return ""
        case low, None:
            return f" from {low}"
        case None, high:
            return f" up to {high}"
        case low, high:
            return f" from {low} to {high}"


def _resolve(field: Schema, defs: Schema) -> Schema:
    reference = field.get("$ref", "")
    found: Schema = defs.get(reference.rpartition("/")[2], {}) if reference else field
    return found

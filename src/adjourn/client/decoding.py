"""Answers read leniently: unknown fields are passed over, and nulls may stand for what is absent. Pure."""

from typing import Any, TypeVar

import msgspec
from msgspec.inspect import DictType, Field, ListType, StructType, Type, UnionType, type_info

__all__ = ["decoded"]

T = TypeVar("T")


def decoded(body: bytes, result: type[T]) -> T:
    """Where a null is not expected it is an absent field, or an empty list. Raises MsgspecError."""
    try:
        return msgspec.json.decode(body, type=result)
    except msgspec.ValidationError:
        return msgspec.convert(_mended(msgspec.json.decode(body), type_info(result)), result)


def _mended(value: Any, kind: Type) -> Any:
    match kind, value:
        case UnionType(types=types), _:
            return _mended(value, next((each for each in types if _holds_others(each)), types[0]))
        case StructType(fields=fields), dict():
            known = {field.encode_name: field for field in fields}
            given = {name: _field(each, known.get(name)) for name, each in value.items()}
            return {name: each for name, each in given.items() if each is not None}
        case DictType(value_type=inner), dict():
            return {name: _mended(each, inner) for name, each in value.items() if each is not None}
        case ListType(item_type=inner), list():
            return [_mended(each, inner) for each in value if each is not None]
        case _:
            return value


def _field(value: Any, field: Field | None) -> Any:
    if field is None:
        return value
    if value is None and field.required and isinstance(field.type, ListType):
        return []
    return _mended(value, field.type)


def _holds_others(kind: Type) -> bool:
    return isinstance(kind, StructType | DictType | ListType)

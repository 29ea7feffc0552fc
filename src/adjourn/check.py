"""Checks decoded JSON against a msgspec struct: every fault in one pass, each with its JSON path.

Every request body goes through it, and published data against its catalog, before anything is stored.
msgspec's own validation cannot serve here: it stops at the first fault and knows neither unknown keys that
should be refused nor date-times kept as spelled. So each struct is compiled once, through msgspec.inspect,
into a tree of closures. A closure returns what is wrong, with paths relative to its own value, so data
without faults never builds a path.

Nearly all data has no faults, and msgspec sees that several times as fast: so it is asked first, with a type
that is as strict (`_strict_type`). The closures are the rule, and say what is wrong.
"""

import difflib
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Sized
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union

import msgspec
import msgspec.inspect as mi
from msgspec import Meta, Struct

from adjourn.errors import Fault
from adjourn.formats import FORMATS, PATTERNS

__all__ = ["OpenStruct", "check", "fitting"]

S = TypeVar("S", bound=Struct)


class OpenStruct(Struct, frozen=True):
    """A struct whose object may have keys beside its fields: no check refuses them."""


_Problem = tuple[str, str]  # the path below the value checked ("" is the value itself), and the reason
_Check = Callable[[Any], Sequence[_Problem]]
_Kinds = dict[type, _Check]  # for each JSON type that fits, the check of a value of that type

_ENDLESS = sys.maxsize
_FINE: Sequence[_Problem] = ()
_MISSING = object()

_JSON_NAMES: Mapping[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}

# difflib costs about 0.1 ms a key: past these bounds a hostile body would buy seconds with it.
_MOST_SUGGESTIONS = 20
_LONGEST_SUGGESTED = 64


def check(struct: type[Struct], value: object, *, path: str = "$") -> list[Fault]:
    """Everything wrong with `value` as a `struct`; [] when it fits. Never raises.

    `path` is where the value stands in the request: it starts the path of each fault.
    """
    if fitting(struct, value) is not None:
        return []
    return [Fault(path + below, reason) for below, reason in _compiled(struct).find_problems(value)]


def fitting(struct: type[S], value: object) -> S | None:
    """The value as if it were a `struct`, where that is sure at a glance; None: `check` may still take it.

    It has the struct's fields, and stands for it in no other way. Never raises.
    """
    strict = _compiled(struct).strict
    if strict is None:
        return None
    try:
        found: S = msgspec.convert(value, strict)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
    return found


class _Compiled(NamedTuple):
    strict: Any  # a type that takes nothing that the closures refuse; None where msgspec has none
    find_problems: _Check


@cache
def _compiled(struct: type[Struct]) -> _Compiled:
    node = mi.type_info(struct)
    return _Compiled(_strict_form(node), _check_of(node))


# --- whether all is well, told by msgspec


def _strict_form(node: mi.Type) -> Any:
    try:
        strict = _strict_type(node)
        msgspec.convert(None, strict | None)  # it has its own opinion of unions
    except TypeError:
        return None
    return strict


def _strict_type(node: mi.Type, format_name: str | None = None) -> Any:
    """Raises TypeError for what it cannot express."""
    match node:
        case mi.Metadata(type=inner):
            return _strict_type(inner, _format_of(node))
        case mi.AnyType():
            return Any
        case mi.NoneType():
            return None
        case mi.BoolType():
            return bool
        case mi.IntType(gt=None, lt=None, multiple_of=None, ge=low, le=high):
            return Annotated[int, Meta(ge=low, le=high)]
        case mi.FloatType(gt=None, lt=None, multiple_of=None, ge=low, le=high):
            return Annotated[float, Meta(ge=low, le=high)]
        case mi.StrType(min_length=shortest, max_length=longest, pattern=None):
            pattern = None if format_name is None else PATTERNS.get(format_name)
            if format_name is not None and pattern is None:
                raise TypeError(f"no pattern for {format_name}")
            return Annotated[str, Meta(min_length=shortest, max_length=longest, pattern=pattern)]
        case mi.LiteralType(values=values):
            return Literal[values]
        case mi.EnumType(cls=kind):
            return Literal[tuple(each.value for each in kind)]
        case mi.ListType(min_length=None, max_length=longest, item_type=item):
            return Annotated[list[_strict_type(item)], Meta(max_length=longest)]  # type: ignore[misc]
        case mi.DictType(value_type=mi.AnyType()):
            return dict[str, Any]
        case mi.StructType(fields=fields, tag_field=None):
            return _strict_struct(fields, closed=not _is_open(node))
        case mi.UnionType(types=members):
            if _breaks_msgspec(members):
                raise TypeError(f"msgspec cannot hold {node!r}")
            return Union[tuple(map(_strict_type, members))]  # noqa: UP007 - made of a tuple
    raise TypeError(f"no strict type for {node!r}")


def _breaks_msgspec(members: Collection[mi.Type]) -> bool:
    """An array or an object or else a string with a pattern: msgspec 0.22 writes past its memory for that.

    `PYTHONMALLOC=debug python -c 'import msgspec; from typing import *; msgspec.convert("a",
    Union[list[int], Annotated[str, msgspec.Meta(pattern="a")]])'` shows it.
    """
    has_container = any(isinstance(each, mi.ListType | mi.DictType) for each in map(_bare, members))
    return has_container and any(
        isinstance(_bare(each), mi.StrType) and isinstance(each, mi.Metadata) and _format_of(each) is not None
        for each in members
    )


def _bare(node: mi.Type) -> mi.Type:
    return _bare(node.type) if isinstance(node, mi.Metadata) else node


def _strict_struct(fields: Collection[mi.Field], *, closed: bool) -> Any:
    rows: list[Any] = [
        (field.name, _strict_type(field.type), *(() if field.required else (_default(field),)))
        for field in fields
    ]
    names = {field.name: field.encode_name for field in fields}
    return msgspec.defstruct(
        "Strict", rows, rename=names, kw_only=True, frozen=True, gc=False, forbid_unknown_fields=closed
    )


def _default(field: mi.Field) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return msgspec.UNSET if field.default is msgspec.NODEFAULT else field.default  # as inspect shows UNSET


# --- what both read of a type


def _format_of(node: mi.Metadata) -> str | None:
    """The format that a string is checked for: that of its JSON Schema, unless it has a stricter one of ours.

    `Meta(extra_json_schema={"format": "date-time"}, extra={"format": "utc-date-time"})`
    """
    found: str | None = {**(node.extra_json_schema or {}), **(node.extra or {})}.get("format")
    return found


def _is_open(node: mi.StructType) -> bool:
    return issubclass(node.cls, OpenStruct)


# --- what is wrong, told by closures


def _check_of(node: mi.Type) -> _Check:
    expected, kinds = _kinds_of(node)

    def check(value: Any) -> Sequence[_Problem]:
        # By the exact type: a bool is no integer, though Python thinks so.
        fitting = kinds.get(type(value))
        if fitting is None:
            return (("", f"must be {expected}, got {_json_name(value)}"),)
        return fitting(value)

    return check


def _kinds_of(node: mi.Type, format_name: str | None = None) -> tuple[str, _Kinds]:
    """What people call the type, and the check for each JSON type that fits it."""
    match node:
        case mi.Metadata(type=inner):
            return _kinds_of(inner, _format_of(node))
        case mi.AnyType():
            return "anything", dict.fromkeys(_JSON_NAMES, _anything)
        case mi.NoneType():
            return "null", {type(None): _anything}
        case mi.BoolType():
            return "a boolean", {bool: _anything}
        case mi.IntType(gt=None, lt=None, multiple_of=None, ge=low, le=high):
            return "an integer", {int: _within(low, high)}
        case mi.FloatType(gt=None, lt=None, multiple_of=None, ge=low, le=high):
            return "a number", dict.fromkeys((int, float), _within(low, high))
        case mi.StrType(min_length=None, max_length=None, pattern=None):
            return "a string", {str: _FORMATS[format_name]}
        case mi.StrType(min_length=shortest, max_length=longest, pattern=None):
            return "a string", {
                str: _both(_long(shortest or 0, longest or _ENDLESS, "characters"), _FORMATS[format_name])
            }
        case mi.EnumType(cls=kind):
            return _kinds_of(mi.LiteralType(tuple(each.value for each in kind)))
        case mi.LiteralType(values=values):
            expected = ("one of " if len(values) > 1 else "") + ", ".join(map(str, values))
            return expected, dict.fromkeys(map(type, values), _one_of(frozenset(values), expected))
        case mi.ListType(min_length=None, max_length=longest, item_type=item):
            return "an array", {list: _each(_check_of(item), _long(0, longest or _ENDLESS, "entries"))}
        case mi.DictType(value_type=mi.AnyType()):
            return "an object", {dict: _anything}
        case mi.StructType(fields=fields):
            return "an object", {dict: _fields(fields, closed=not _is_open(node))}
        case mi.UnionType(types=members):
            return _union(members)
    # A constraint ignored in silence would let bad data through: a new one in a catalog must be added here.
    raise TypeError(f"the checker does not know {node!r}")


def _union(members: Collection[mi.Type]) -> tuple[str, _Kinds]:
    names: list[str] = []
    kinds: _Kinds = {}
    for name, more in map(_kinds_of, members):
        names.append(name)
        kinds |= more
    return " or ".join(names), kinds


def _anything(_value: Any) -> Sequence[_Problem]:
    return _FINE


def _told_by(find_fault: Callable[[str], str | None]) -> _Check:
    def check(value: str) -> Sequence[_Problem]:
        reason = find_fault(value)
        return _FINE if reason is None else (("", reason),)

    return check


_FORMATS: Mapping[str | None, _Check] = {
    None: _anything,
    **{name: _told_by(find_fault) for name, find_fault in FORMATS.items()},
}


def _within(low: float | None, high: float | None) -> _Check:
    def check(value: float) -> Sequence[_Problem]:
        # "not >=" rather than "<": NaN is never within bounds.
        if low is not None and not value >= low:
            return (("", f"must be at least {low}"),)
        if high is not None and not value <= high:
            return (("", f"must be at most {high}"),)
        return _FINE

    return check if (low, high) != (None, None) else _anything


def _long(shortest: int, longest: int, unit: str) -> _Check:
    def check(value: Sized) -> Sequence[_Problem]:
        if len(value) < shortest:
            return (("", "must not be empty" if shortest == 1 else f"must have at least {shortest} {unit}"),)
        if len(value) > longest:
            return (("", f"must have at most {longest:,} {unit}"),)
        return _FINE

    return check


def _both(first: _Check, second: _Check) -> _Check:
    """The second where the first has no fault."""
    return first if second is _anything else lambda value: first(value) or second(value)


def _one_of(values: frozenset[Any], expected: str) -> _Check:
    def check(value: Any) -> Sequence[_Problem]:
        return _FINE if value in values else (("", f"must be {expected}"),)

    return check


def _each(item_check: _Check, length_check: _Check) -> _Check:
    def check(value: list[Any]) -> Sequence[_Problem]:
        if too_long := length_check(value):
            return too_long
        problems: list[_Problem] = []
        for index, item in enumerate(value):
            if found := item_check(item):
                problems += _below(f"[{index}]", found)
        return problems

    return check


def _fields(fields: Collection[mi.Field], *, closed: bool) -> _Check:
    rows = [(field.encode_name, field.required, _check_of(field.type)) for field in fields]
    names = frozenset(name for name, _, _ in rows)

    def check(value: dict[str, Any]) -> Sequence[_Problem]:
        problems: list[_Problem] = []
        known = 0
        for name, required, field_check in rows:
            item = value.get(name, _MISSING)
            if item is not _MISSING:
                known += 1
                if found := field_check(item):
                    problems += _below(_step(name), found)
            elif required:
                problems.append((_step(name), "is required"))
        if closed and known != len(value):
            problems += _unknown(value, names)
        return problems

    return check


def _unknown(value: dict[str, Any], names: Collection[str]) -> Iterator[_Problem]:
    absent = [name for name in names if name not in value]
    strange = [key for key in value if key not in names]
    for number, key in enumerate(strange):
        reason = "unknown field"
        if number < _MOST_SUGGESTIONS and len(key) <= _LONGEST_SUGGESTED:
            for close in difflib.get_close_matches(key, absent, n=1):
                reason += f", did you mean `{close}`?"
        yield _step(key), reason


def _below(step: str, problems: Sequence[_Problem]) -> Iterator[_Problem]:
    return ((step + path, reason) for path, reason in problems)


def _step(key: str) -> str:
    return f".{key}" if key.isidentifier() else f"[{json.dumps(key)}]"


def _json_name(value: object) -> str:
    return _JSON_NAMES.get(type(value), type(value).__name__)

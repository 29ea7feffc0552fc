"""One sample's way through the types of its struct: a choice at every place that leaves one.

What a type leaves open is gone through in turn while samples are systematic, and by chance later. Each place
counts how often it was reached, so that a field whose parent is there every other time is seen each way.
"""

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

import msgspec.inspect as mi

from adjourn.check import OpenStruct
from adjourn.documents.samples.times import duration_of, is_time, moments, spelled
from adjourn.documents.samples.values import (
    EXTRA_FIELDS,
    FREE_OBJECTS,
    FREE_VALUES,
    Scene,
    TextKind,
    free_object,
    kind_of,
    word,
)

__all__ = ["Stage", "Visits", "Walk"]

_RARELY = 12  # of so many usual values, one is a hard case
_MOST_ENTRIES = 12  # in a list whose type has no bound
_LARGEST_TRIED = 1_000  # entries of a list, characters of a text: bounds above it are not tried
_MAX_SAFE = 2**53 - 1
_FRACTIONS = (0, 3, 6, 9)  # digits

_FOR_EXAMPLE = re.compile(r"\(e\.g\.,? ([\w', ]+)\)")  # in a field's description

Visits = Counter[str]
"""How often each place was reached, over all samples of one run."""


class Stage(Enum):
    """What a sample is for."""

    FULL = "every field"
    LEAST = "as little as may be"
    NULLS = "every null"
    EDGES = "hard cases, in turn"
    USUAL = "as real ones are"


class _Place(NamedTuple):
    """Where a value stands: `path` is in snake case, as `events[].title`; `known`: what the catalog has."""

    path: str
    known: Any

    def below(self, name: str) -> "_Place":
        known = self.known.get(name) if isinstance(self.known, dict) else None
        return _Place(f"{self.path}.{_snake(name)}" if self.path else _snake(name), known)

    @property
    def entry(self) -> "_Place":
        return _Place(
            f"{self.path}[]", self.known[0] if isinstance(self.known, list) and self.known else None
        )

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


class Walk:
    """One sample in the making."""

    def __init__(self, scene: Scene, stage: Stage, visits: Visits) -> None:
        self.scene = scene
        self._stage = stage
        self._visits = visits

    def value(self, node: mi.Type, known: Any) -> Any:
        """A value of that type; `known` is one that the catalog has, for what names do not tell."""
        return self._value(node, _Place("", known), {})

    def turn(self, path: str, count: int) -> int:
        """0 to count - 1, each in turn at this place; by chance once samples are usual ones."""
        if self._stage is Stage.USUAL:
            return self.scene.below(count)
        self._visits[path] += 1
        return (self._visits[path] - 1) % count

    def _is_hard(self) -> bool:
        return self._stage is Stage.EDGES or (self._stage is Stage.USUAL and not self.scene.below(_RARELY))

    def _edge(self, path: str, edges: Sequence[Any]) -> Any:
        """The next hard case; neighbours have different ones."""
        return edges[(self.turn(f"{path}!", len(edges)) + zlib.crc32(path.encode())) % len(edges)]

    def _value(self, node: mi.Type, place: _Place, extra: dict[str, Any]) -> Any:
        match node:
            case mi.Metadata(type=inner, extra_json_schema=more):
                return self._value(inner, place, {**extra, **(more or {})})
            case mi.UnionType():
                return self._value(self._member(node, place), place, extra)
            case mi.StructType():
                return self._struct(node, place)
            case mi.ListType():
                return self._list(node, place)
            case mi.AnyType():
                return self._free(place, (*FREE_VALUES, *FREE_OBJECTS))
            case mi.DictType(value_type=mi.AnyType()):
                return self._free(place, FREE_OBJECTS)
            case mi.LiteralType(values=values):
                return self._one_of(values, place)
            case mi.EnumType(cls=kind):
                return self._one_of([each.value for each in kind], place)
            case mi.BoolType():
                return self.turn(place.path, 2) == 1
            case mi.NoneType():
                return None
        return self._scalar(node, place, extra)

    def _scalar(self, node: mi.Type, place: _Place, extra: dict[str, Any]) -> Any:
        match node:
            case mi.StrType(min_length=shortest, max_length=longest):
                return self._text(place, extra, shortest or 0, longest)
            case mi.IntType(ge=low, le=high):
                return self._integer(place, low, high)
            case mi.FloatType(ge=low, le=high):
                return self._number(place, low, high)
        raise TypeError(f"no samples of {node!r}")

    # --- what holds others

    def _struct(self, node: mi.StructType, place: _Place) -> dict[str, Any]:
        self.scene.meet()
        timed = [_snake(field.encode_name) for field in node.fields if _is_moment(field)]
        times = moments(timed, self.scene, inside=bool(place.path))
        made: dict[str, Any] = {}
        for order, field in enumerate(node.fields):
            below = place.below(field.encode_name)
            match self._presence(field, below, order, made):
                case "absent":
                    pass
                case "null":
                    made[field.encode_name] = None
                case _:
                    made[field.encode_name] = self._field(field.type, below, times)
        if issubclass(node.cls, OpenStruct) and self._is_hard():
            made |= deepcopy(self._edge(f"{place.path}.*", EXTRA_FIELDS))
        return _agreeing(made)

    def _field(self, node: mi.Type, place: _Place, times: dict[str, datetime]) -> Any:
        if place.name in times:
            at = times[place.name]
            if isinstance(_bare(node), mi.IntType):
                return int(at.timestamp())
            return spelled(at, self._edge(place.path, _FRACTIONS) if self._is_hard() else 3)
        if self._stage is not Stage.EDGES and (duration := duration_of(place.name, times)) is not None:
            return duration
        return self._value(node, place, {})

    def _presence(self, field: mi.Field, place: _Place, order: int, made: dict[str, Any]) -> str:
        """`given`, `null` or `absent`, for the field that comes next in what is `made` so far."""
        others = [*(["null"] if _is_nullable(field.type) else []), *([] if field.required else ["absent"])]
        match self._stage:
            case Stage.FULL:
                return "given"
            case Stage.LEAST:
                return "given" if field.required else "absent"
            case Stage.NULLS:
                return "null" if "null" in others else "given"
            case Stage.EDGES:
                ways = [way for other in others for way in ("given", other)] or ["given"]
                return ways[(self.turn(f"{place.path}?", len(ways)) + order) % len(ways)]
            case _ if others and _is_unlikely(field, made):
                return others[-1]
            case _:
                return self.scene.pick(["given"] * 5 + others)

    def _list(self, node: mi.ListType, place: _Place) -> list[Any]:
        item, extra = _unwrapped(node.item_type)
        if isinstance(item, mi.UnionType):  # a list is of one form; nobody mixes them
            item = self._member(item, place)
        made = []
        for _ in range(self._length(node, place)):
            self.scene.meet()
            made.append(self._value(item, place.entry, extra))
        return made

    def _length(self, node: mi.ListType, place: _Place) -> int:
        least, most = node.min_length or 0, node.max_length or _MOST_ENTRIES
        match self._stage:
            case Stage.LEAST:
                return least
            case Stage.EDGES:
                return int(self._edge(place.path, (least, max(least, 1), min(most, _LARGEST_TRIED))))
        return max(least, min(most, 1 + self.scene.below(4)))

    def _member(self, union: mi.UnionType, place: _Place) -> mi.Type:
        """The form of a value that has several, other than null: _presence sees to that."""
        members = [each for each in union.types if not isinstance(each, mi.NoneType)]
        if len(members) == 1:
            return members[0]
        members.sort(key=lambda each: (_RANK.get(type(_bare(each)), 0), repr(each)))
        return members[self.turn(f"{place.path}|", len(members))]

    # --- what does not

    def _free(self, place: _Place, edges: Sequence[Any]) -> Any:
        return deepcopy(self._edge(place.path, edges)) if self._is_hard() else free_object(self.scene)

    def _one_of(self, values: Sequence[Any], place: _Place) -> Any:
        ordered = sorted(values, key=lambda each: (each != place.known, str(each)))
        return ordered[self.turn(place.path, len(ordered))]

    def _text(self, place: _Place, extra: dict[str, Any], shortest: int, longest: int | None) -> str:
        kind = self._kind(place, extra)
        fitting = [each for each in kind.edges if shortest <= len(each) <= (longest or len(each))]
        fitting += ["x" * bound for bound in (shortest, longest or 0) if 0 < bound <= _LARGEST_TRIED]
        if self._is_hard() and fitting:
            return str(self._edge(place.path, fitting))
        return kind.usual(self.scene)[: longest or None].ljust(shortest, "-")

    def _kind(self, place: _Place, extra: dict[str, Any]) -> TextKind:
        if "examples" in extra:
            return word(extra["examples"])
        if kind := kind_of(place.path.replace("[]", ""), extra.get("format")):
            return kind
        named = _FOR_EXAMPLE.search(extra.get("description", ""))
        words = [each.strip(" '") for each in named[1].split(",")] if named else []
        return word([*dict.fromkeys([*([place.known] if isinstance(place.known, str) else []), *words])])

    def _integer(self, place: _Place, low: int | None, high: int | None) -> int:
        least = -_MAX_SAFE if low is None else low
        most = _MAX_SAFE if high is None else high
        tried = (least, most, 0, 1, -1, 10, 2**31, 2**32)
        edges = [*dict.fromkeys(each for each in tried if least <= each <= most)]
        if self._is_hard():
            return int(self._edge(place.path, edges))
        usual = 0 if self._stage is Stage.LEAST else 1 + self.scene.below(40)
        return min(most, max(least, usual))

    def _number(self, place: _Place, low: float | None, high: float | None) -> float:
        least = -1.7976931348623157e308 if low is None else low
        most = 1.7976931348623157e308 if high is None else high
        tried = (least, most, 0, 1, 0.5, 0.1 + 0.2, 1e-7, 0.000001, 5e-324, 1 - 2**-53, -0.5, 1e21)
        edges = [*dict.fromkeys(each for each in tried if least <= each <= most)]
        if self._is_hard():
            return float(self._edge(place.path, edges))
        return min(most, max(least, (50 + self.scene.below(50)) / 100))


_RANK: dict[type, int] = {mi.StructType: -2, mi.ListType: -1}  # the richest form comes first


def _unwrapped(node: mi.Type) -> tuple[mi.Type, dict[str, Any]]:
    """The type alone, and what is said about it."""
    if not isinstance(node, mi.Metadata):
        return node, {}
    inner, extra = _unwrapped(node.type)
    return inner, {**(node.extra_json_schema or {}), **extra}


def _bare(node: mi.Type) -> mi.Type:
    """Without what is said about it, and without null."""
    while True:
        match node:
            case mi.Metadata(type=inner):
                node = inner
            case mi.UnionType(types=types) if len(types) == 2 and any(
                isinstance(x, mi.NoneType) for x in types
            ):
                node = next(each for each in types if not isinstance(each, mi.NoneType))
            case _:
                return node


def _is_nullable(node: mi.Type) -> bool:
    node, _ = _unwrapped(node)
    return isinstance(node, mi.NoneType) or (
        isinstance(node, mi.UnionType) and any(map(_is_nullable, node.types))
    )


def _is_moment(field: mi.Field) -> bool:
    """A date-time, or a Unix time."""
    node = field.type
    if isinstance(_bare(node), mi.IntType):
        return is_time(_snake(field.encode_name))
    return _format(node).startswith("date-time")


def _format(node: mi.Type) -> str:
    match node:
        case mi.Metadata(type=inner, extra_json_schema=extra):
            return str((extra or {}).get("format") or _format(inner))
        case mi.UnionType(types=types):
            return next(filter(None, map(_format, types)), "")
    return ""


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _is_unlikely(field: mi.Field, made: dict[str, Any]) -> bool:
    """Whether real objects would not have it, for what they have already: a guest is no user."""
    name = _snake(field.encode_name)
    if name.startswith("guest_") and made.get("user_id") is not None:
        return True
    return made.get("data_deleted") is True and _format(field.type) == "uri"


def _agreeing(made: dict[str, Any]) -> dict[str, Any]:
    """With `is_completed` as the status says, where an object has both."""
    for name in made:
        if name == f"is_{made.get('status')}" or (name == "is_completed" and "status" in made):
            made[name] = name == f"is_{made['status']}"
    return made

"""JSON as frameworks and proxies write it again, of a body that may be anything: for the doctor to try. Pure.

The time goes with the values in a body more than with its bytes, and an indent can make megabytes of a few
kilobytes. So a body is measured first, and what would be too much is not written.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from adjourn import wirejson
from adjourn.errors import AdjournError
from adjourn.providers import Provider

__all__ = ["find_indentation", "rewritten"]

_COMPACT = (",", ":")
_INDENTS = (2, 4)
_BYTES_A_VALUE = 8  # at least: the longest body that is tried, 64 KiB, may have 8,192 values
_GROWTH = 4  # a form may be so many times as long as the longest body that is tried
_DEAR_FLOAT = 8  # one that is written with an exponent, in the values that are written in the same time
_DEAR_BITS = 100_000  # an int's, squared


def rewritten(value: Any, provider: Provider, *, longest: int) -> Iterator[tuple[str, str]]:
    """Texts, and how each is written: some twenty at most, of `longest` x 4 characters at most.

    `value` is a body of at most `longest` bytes, parsed. Nothing for one of very many values.
    """
    columns = find_indentation(value, most=longest // _BYTES_A_VALUE)
    if columns is None:
        return
    for text, how in _ways(value, provider, columns=columns, longest=_GROWTH * longest):
        if text and len(text) <= _GROWTH * longest:
            yield text, how


def find_indentation(value: Any, *, most: int) -> int | None:
    """The spaces that an indent of 1 puts before all lines, or somewhat more.

    None for over `most` values, keys aside, of which a number that is slow to write counts as several.
    """
    columns = depth = 0
    level = [value]
    while level:
        most -= sum(map(_weigh, level))
        if most < 0:
            return None
        columns += depth * 2 * len(level)  # what ends a list has a line, too
        level = [child for each in level for child in _children(each)]
        depth += 1
    return columns


def _weigh(value: Any) -> int:
    if type(value) is float:
        return 1 if 1e-4 <= abs(value) < 1e16 else _DEAR_FLOAT
    return 1 + value.bit_length() ** 2 // _DEAR_BITS if type(value) is int else 1


def _children(value: Any) -> Any:
    if type(value) is list:
        return value
    return value.values() if type(value) is dict else ()


def _ways(value: Any, provider: Provider, *, columns: int, longest: int) -> Iterator[tuple[str, str]]:
    for escaped in (False, True):
        for by_key in (False, True):
            also = ", escaped to ASCII" * escaped + ", keys sorted" * by_key
            compact = _dumped(value, ensure_ascii=escaped, sort_keys=by_key)
            yield compact, f"compact{also}"
            yield _laid_out(compact, 0), f"with json.dumps' own spaces{also}"
            for indent in _INDENTS:
                if len(compact) + columns * indent <= longest:
                    yield _laid_out(compact, indent), f"indented by {indent}{also}"
    yield _dumped(value).replace("/", "\\/"), "compact, slashes escaped"
    yield _as_javascript(value), "as JSON.stringify does"
    if (ordered := _as_catalog(value, provider)) is not value:
        yield _dumped(ordered, ensure_ascii=False), "compact, the keys in the vendor's order"


def _dumped(value: Any, **options: Any) -> str:
    try:
        return json.dumps(value, separators=_COMPACT, **options)
    except (ValueError, RecursionError):
        return ""


def _laid_out(compact: str, indent: int) -> str:
    """As json.dumps(indent=...), or without one for 0, in a fiftieth of its time."""
    try:
        return msgspec.json.format(compact, indent=indent)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


def _as_javascript(value: Any) -> str:
    try:
        return wirejson.dumps(value).decode()
    except (AdjournError, ValueError, RecursionError):
        return ""


def _as_catalog(value: Any, provider: Provider) -> Any:
    """With keys in the order of the catalog's sample, where it is an event of a known type."""
    if not isinstance(value, dict):
        return value
    tag = str(next(iter(provider.event_types.values())).event.__struct_config__.tag_field)
    name = value.get(tag)
    known = provider.resolve(name) if isinstance(name, str) else None
    return value if known is None else _ordered(value, known.sample)


def _ordered(value: Any, like: Any) -> Any:
    """As deep as the sample is, and no deeper."""
    if isinstance(value, list) and isinstance(like, list) and like:
        return [_ordered(each, like[0]) for each in value]
    if not isinstance(value, dict) or not isinstance(like, dict):
        return value
    keys = [key for key in like if key in value] + [key for key in value if key not in like]
    return {key: _ordered(value[key], like.get(key)) for key in keys}

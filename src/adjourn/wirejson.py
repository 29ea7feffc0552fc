"""The one strict decoder and the one canonical encoder of JSON.

The lowest step of the flow: publishing decodes a request here and re-encodes its data once, so that what is
stored, signed and sent is byte-equal to what JavaScript's `JSON.stringify(JSON.parse(body))` gives, and a
vendor's middleware that re-serialises a body still finds its signature right (CONTRACTS 1.1). Pure.

Both ways have a short cut through msgspec, taken where a few looks over the whole prove that it gives what
the long way gives. The long way is the rule, and the only one that says what is wrong.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from json.encoder import encode_basestring
from math import isfinite
from typing import Any

import msgspec

from adjourn.errors import Fault, JsonError

__all__ = ["dumps", "loads", "quoted", "utc"]

quoted = encode_basestring
"""A string as `dumps` writes it, not yet encoded: for whoever puts JSON together from parts."""

_MAX_SAFE = 2**53 - 1  # Number.MAX_SAFE_INTEGER: beyond it two readers may read two numbers
_MAX_SAFE_CHARS = len(str(-_MAX_SAFE))
_MAX_INDEX = 2**32 - 2  # the largest array index of ECMAScript

_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_REASON = "a lone surrogate is no text"
_LONGEST_SHOWN = 64  # characters of a publisher's text that an error repeats


class _Refused:
    """Stands in the decoded tree where JSON was refused, so that the walk can tell its path."""

    __slots__ = ("below", "reason")

    def __init__(self, reason: str, below: str = "") -> None:
        self.reason = reason
        self.below = below


def loads(body: bytes, *, max_depth: int = 64) -> object:
    """Decode JSON that every reader reads alike: dict, list, str, int, float, bool or None.

    A float with an integral value within +-(2^53 - 1) becomes an int, as ECMAScript prints it (`5.0`: 5,
    `-0.0`: 0). Arrays and objects may nest `max_depth` levels deep. Raises JsonError, and nothing else, for
    what is not JSON in UTF-8 without a BOM, and for duplicate keys, NaN and infinities, numbers too large
    for a double, integer literals beyond +-(2^53 - 1) and lone surrogates; its one fault has the JSON path.
    """
    read = _read_shortly(body, max_depth)
    return _read_strictly(body, max_depth) if read is _UNSURE else read


def _read_strictly(body: bytes, max_depth: int) -> object:
    try:
        text = body.decode("utf-8")
        if text.startswith("\ufeff"):
            raise _error("$", "the body starts with a byte order mark")
        value = _DECODER.decode(text)
        wrong = _find_wrong(value, 0, max_depth)
    except UnicodeDecodeError as exc:
        raise _error("$", f"the body is not UTF-8: {exc.reason} at byte {exc.start}") from exc
    except json.JSONDecodeError as exc:
        if not text.strip():
            raise _error("$", "the body is empty") from exc
        raise _error(
            "$", f"not JSON: {exc.msg.removesuffix(' at')} at line {exc.lineno}, column {exc.colno}"
        ) from exc
    except RecursionError as exc:
        raise _error("$", _too_deep(max_depth)) from exc
    if wrong is not None:
        path, reason = wrong
        raise _error(f"${path}", reason)
    return value


def dumps(value: object) -> bytes:
    """Encode what `loads` gives: compact UTF-8, as JSON.stringify would after JSON.parse.

    Raises TypeError or ValueError for what JSON cannot say alike to all: other types, non-finite numbers,
    ints beyond +-(2^53 - 1), lone surrogates.
    """
    if type(value) is dict and _is_plain(value):
        return _encode(value)
    return _WRITERS[type(value)](value).encode("utf-8")


def _error(path: str, reason: str) -> JsonError:
    return JsonError(reason if path == "$" else f"{path}: {reason}", faults=[Fault(path, reason)])


def _too_deep(max_depth: int) -> str:
    return f"nested deeper than {max_depth} levels"


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


# --- decoding, the short way: msgspec is as strict, but for the last three

_UNSURE = object()
_ZEROS = bytes(ord("0") if chr(byte).isdigit() else byte for byte in range(128)) + bytes(range(128, 256))
_LONG = b"0" * len(str(_MAX_SAFE))
_LONG_INT = re.compile(rb"(?:^|[:,\[])-?[0-9]{%d}" % len(_LONG))  # or a string that looks like it
_USUAL_DEPTH = 8
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_encode = msgspec.json.Encoder().encode


def _read_shortly(body: bytes, max_depth: int) -> object:
    """What `loads` gives, or _UNSURE: it refuses the body, or a look does not tell."""
    try:
        read = _decode(body)
        text = _encode(read)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return _UNSURE
    # A key that came twice was dropped once, with its quotation marks.
    if text.count(b'"') != body.count(b'"') or (b"\\" in body and b"\\u0022" in body):
        return _UNSURE
    if _LONG in text.translate(_ZEROS) and _LONG_INT.search(text):
        return _UNSURE
    return read if _nests_at_most(max_depth, text) else _UNSURE


def _nests_at_most(depth: int, text: bytes) -> bool:
    """False, too, where strings have brackets of their own that hide it."""
    if text.count(b"{") + text.count(b"[") <= depth:
        return True
    brackets = text.translate(None, _NO_BRACKETS)
    for _ in range(min(depth // 2, _USUAL_DEPTH)):  # each time one level goes, or two
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not brackets:
            return True
    return False


# --- decoding, the long way: hooks of the standard library's C scanner, then one walk ---


def _read_object(pairs: list[tuple[str, object]]) -> object:
    read = dict(pairs)
    if len(read) == len(pairs):
        return read
    count = Counter(key for key, _ in pairs)
    return _Refused("duplicate key", _step(next(key for key in count if count[key] > 1)))


def _read_int(literal: str) -> object:
    # The length first: int() is quadratic, and raises past a limit that a process may have set.
    if len(literal) <= _MAX_SAFE_CHARS and -_MAX_SAFE <= (read := int(literal)) <= _MAX_SAFE:
        return read
    return _Refused(f"the integer {_shown(literal)} is beyond +-(2^53 - 1)")


def _read_float(literal: str) -> object:
    read = float(literal)
    if not isfinite(read):
        return _Refused(f"the number {_shown(literal)} is too large for a double")
    if read.is_integer() and -_MAX_SAFE <= read <= _MAX_SAFE:
        return int(read)
    return read


def _read_constant(literal: str) -> object:
    return _Refused(f"{literal} is not JSON")


def _read_float_shortly(literal: str) -> object:
    read = _read_float(literal)
    if isinstance(read, _Refused):
        raise ValueError(literal)
    return read


_decode = msgspec.json.Decoder(float_hook=_read_float_shortly).decode

# Built once, since json.loads with hooks builds one a call. It keeps no state between calls.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_read_object,
    parse_int=_read_int,
    parse_float=_read_float,
    parse_constant=_read_constant,
)


def _find_wrong(value: object, depth: int, max_depth: int) -> tuple[str, str] | None:
    """The first thing refused: its path below this value, and the reason.

    The path is put together on the way back: a body without faults pays nothing for it.
    """
    children: Iterable[tuple[str | int, object]]
    if isinstance(value, dict):
        if _has_surrogate("".join(value)):
            return _step(next(filter(_has_surrogate, value))), _SURROGATE_REASON
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    elif isinstance(value, _Refused):
        return value.below, value.reason
    else:
        return ("", _SURROGATE_REASON) if isinstance(value, str) and _has_surrogate(value) else None
    if depth >= max_depth:
        return "", _too_deep(max_depth)
    for key, child in children:
        if type(child) is str and child.isascii():
            continue  # nearly every value: a call for each would double the walk
        if wrong := _find_wrong(child, depth + 1, max_depth):
            return _step(key) + wrong[0], wrong[1]
    return None


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and _SURROGATE.search(text) is not None


def _step(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if key.isidentifier() and key == _shown(key) else f"[{json.dumps(_shown(key))}]"


# --- encoding, the short way ---

_FLAT = frozenset((str, bool, type(None)))


def _is_plain(value: dict[str, Any]) -> bool:
    """Whether msgspec encodes it as ECMAScript would. Raises TypeError where keys cannot be compared."""
    if value and min(value) < ":":  # perhaps an array index: see _object_text
        return False
    children = value.values()
    return _FLAT.issuperset(map(type, children)) or _are_plain(children)


def _are_plain(children: Iterable[Any]) -> bool:
    for child in children:
        kind = type(child)
        if kind in _FLAT:
            continue
        if kind is int:
            if not -_MAX_SAFE <= child <= _MAX_SAFE:
                return False
        elif kind is float:
            if not 1e-3 <= abs(child) < 1e15 or child.is_integer():
                return False
        elif not (kind is dict and _is_plain(child)) and not (kind is list and _are_plain(child)):
            return False
    return True


# --- encoding, the long way ---


def _object_text(value: dict[str, object]) -> str:
    # All keys are above ":" in nearly every object: one min() in C, and none can be an array index.
    if value and min(value) < ":":
        value = _indices_first(value)
    members = [f"{encode_basestring(key)}:{_WRITERS[type(child)](child)}" for key, child in value.items()]
    return f"{{{','.join(members)}}}"


def _indices_first(value: dict[str, object]) -> dict[str, object]:
    """ECMAScript's order of keys: array indices ascending, then the others as inserted."""
    indices = [key for key in value if _INDEX.fullmatch(key) and int(key) <= _MAX_INDEX]
    return {key: value[key] for key in sorted(indices, key=int)} | value


def _array_text(value: list[object]) -> str:
    return f"[{','.join([_WRITERS[type(child)](child) for child in value])}]"


def _int_text(value: int) -> str:
    if not -_MAX_SAFE <= value <= _MAX_SAFE:
        raise ValueError("an int beyond +-(2^53 - 1) is not the same number to all")
    return str(value)


def _float_text(value: float) -> str:
    """ECMAScript's Number::toString: the digits of repr, which are the shortest too, otherwise laid out."""
    if not isfinite(value):
        raise ValueError(f"{value} is not JSON")
    text = repr(value + 0.0)  # -0.0 + 0.0 is 0.0
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text.removesuffix(".0")
    sign = "-" if value < 0 else ""
    digits = mantissa.lstrip("-").replace(".", "")
    power = int(exponent)
    if 0 <= power < 21:  # at least 16 here, so every digit is before the point: repr has 17 at most
        return f"{sign}{digits:0<{power + 1}}"
    if -7 < power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    return f"{mantissa}e{power:+d}"


class _Writers(dict[type, Callable[[Any], str]]):
    """Looked up by the exact type: a bool is no number here, though Python thinks so."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        raise TypeError(f"not a JSON value: {kind.__name__}")


_WRITERS = _Writers(
    {
        str: encode_basestring,
        dict: _object_text,
        list: _array_text,
        int: _int_text,
        float: _float_text,
        bool: lambda value: "true" if value else "false",
        type(None): lambda _: "null",
    }
)


def utc(moment: datetime) -> str:
    """As JavaScript's `Date.prototype.toISOString` spells it: UTC, to the millisecond, ending in Z."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"

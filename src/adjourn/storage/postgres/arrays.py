"""Lists as PostgreSQL takes arrays in binary, for the hot moves: asyncpg's own way costs four times that.

It looks at each element whether that is a list, too. The format is array_recv's: dimensions, whether there is
a NULL, the element's type, length and lower bound; then each element behind its length, -1 for NULL.
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

__all__ = ["register"]

_HEAD = Struct(">iiiii").pack
_NOTHING = Struct(">iii").pack
_LENGTH = Struct(">i").pack
_BIGINT = Struct(">iq").pack
_NULL = _LENGTH(-1)
_UUID_LENGTH = "00000010"  # 16 bytes, in hex
_TYPES = {"bytea": 17, "bigint": 20, "text": 25, "uuid": 2950}  # oids: pg_type.dat


def _array(element: str, count: int, body: bytes) -> bytes:
    if not count:
        return _NOTHING(0, 0, _TYPES[element])
    return _HEAD(1, 1, _TYPES[element], count, 1) + body


def uuids(ids: Sequence[str]) -> bytes:
    digits = _UUID_LENGTH.join(("", *ids)).replace("-", "")
    return _array("uuid", len(ids), bytes.fromhex(digits))


def bigints(numbers: Sequence[int | None]) -> bytes:
    parts = [_NULL if number is None else _BIGINT(8, number) for number in numbers]
    return _array("bigint", len(parts), b"".join(parts))


def texts(values: Sequence[str | None]) -> bytes:
    """Most are repeated: apps, types of events, workers."""
    encoded: dict[str | None, bytes] = {None: _NULL}
    for value in set(values) - {None}:
        plain = str(value).encode()
        encoded[value] = _LENGTH(len(plain)) + plain
    return _array("text", len(values), b"".join([encoded[value] for value in values]))


def byteas(values: Sequence[bytes | None]) -> bytes:
    parts: list[bytes] = []
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            parts += (_LENGTH(len(value)), value)
    return _array("bytea", len(values), b"".join(parts))


_CODECS: dict[int, tuple[str, Callable[[Any], bytes]]] = {
    1001: ("_bytea", byteas),
    1009: ("_text", texts),
    1016: ("_int8", bigints),
    2951: ("_uuid", uuids),
}


def register(raw: Any) -> None:
    """Let this connection take lists by these; it gives no arrays of these types any more.

    asyncpg's `set_type_codec` does the same, but refuses arrays. Where a release of it has this no more, its
    own encoding does.
    """
    try:
        add = raw._protocol.get_settings().add_python_codec
    except AttributeError:
        return
    for oid, (name, encode) in _CODECS.items():
        add(oid, name, "pg_catalog", [], "scalar", encode, bytes, "binary")

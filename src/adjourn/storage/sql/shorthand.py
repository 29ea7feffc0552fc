"""JSON with what it repeats written short, for rows that are many.

JSON text holds no control characters, so each of these stands for a phrase and nothing else. They are in
stored rows: a phrase may be added, with a character of its own, but none changed.
"""

__all__ = ["read_headers", "read_ids", "short_headers", "short_ids"]

# What endpoints commonly answer with.
_PHRASES = (
    (b'","content-type":"', b"\x01"),
    (b'","content-length":"', b"\x02"),
    (b'","date":"', b"\x03"),
    (b'","connection":"keep-alive"', b"\x04"),
    (b'{"server":"', b"\x05"),
    (b'{"date":"', b"\x06"),
    (b'{"content-type":"', b"\x07"),
    (b'{"content-length":"', b"\x08"),
)
_TIME, _TAIL = b"\x01", b"\x02"


def short_headers(json: bytes) -> bytes:
    for phrase, short in _PHRASES:
        json = json.replace(phrase, short)
    return json


def read_headers(short: bytes) -> bytes:
    """What `short_headers` was given."""
    for phrase, its_short in _PHRASES:
        short = short.replace(its_short, phrase)
    return short


def short_ids(json: bytes, near: str) -> bytes:
    """Ids made together with `near`, a UUIDv7, differ from it in a counter only: behind its time."""
    return json.replace(near[18:].encode(), _TAIL).replace(near[:14].encode(), _TIME)


def read_ids(short: bytes, near: str) -> bytes:
    """What `short_ids` was given."""
    return short.replace(_TAIL, near[18:].encode()).replace(_TIME, near[:14].encode())

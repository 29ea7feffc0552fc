"""What a body may have been before a framework or a proxy touched it: for the doctor to try. Pure."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote_plus, unquote_to_bytes

import msgspec

from adjourn import wirejson
from adjourn.errors import AdjournError
from adjourn.providers import Provider
from adjourn.receiving.diagnosis import Cause

__all__ = ["BodyForm", "body_forms", "name_body_fault"]

_BOM = b"\xef\xbb\xbf"
_RAW = "give the verifier the bytes as they came, before anything parses them"
_COMPACT = (",", ":")
_INDENTS = (2, 4)
_FORM = re.compile(rb"([^=]{0,200}=)?\s*(%7b|%5b|\{|\[)", re.IGNORECASE)  # JSON in it, with a key or alone


class BodyForm(NamedTuple):
    """`text` says what happened to the body if it was `body` when it was signed."""

    body: bytes
    cause: Cause
    text: str


def body_forms(body: bytes, provider: Provider) -> Iterator[BodyForm]:
    """Each once, none the body itself: the cheap ones first. Some sixty at most."""
    tried = {body}
    for form in _forms(body, provider):
        if form.body and form.body not in tried:
            tried.add(form.body)
            yield form


def _forms(body: bytes, provider: Provider) -> Iterator[BodyForm]:
    yield from _in_other_charsets(body)
    yield from _with_other_ends(body)
    yield from _unpacked(body)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict | list):
        yield from _rewritten(value, provider)


def _in_other_charsets(body: bytes) -> Iterator[BodyForm]:
    if body.startswith(_BOM):
        yield BodyForm(body[3:], "charset", f"a byte order mark was put before the body: {_RAW}")
    if body.startswith((b"\xff\xfe", b"\xfe\xff")) and (text := _decoded(body, "utf-16")) is not None:
        yield BodyForm(_encoded(text), "charset", f"the body was written as UTF-16: {_RAW}")
    text = _decoded(body, "utf-8")
    if text is None:
        yield BodyForm(
            body.decode("latin-1").encode(),
            "charset",
            f"the body was written as Latin-1 (ISO 8859-1), and is UTF-8: {_RAW}",
        )
    elif not text.isascii():
        for charset in ("latin-1", "cp1252"):
            yield BodyForm(
                _encoded(text, charset),
                "charset",
                f"the body's UTF-8 was read as {charset} and written again: {_RAW}",
            )


def _with_other_ends(body: bytes) -> Iterator[BodyForm]:
    ends = f"line breaks or spaces at the body's ends were added or taken off: {_RAW}"
    for other in (body.strip(), body + b"\n", body + b"\r\n"):
        yield BodyForm(other, "body_rewritten", ends)
    unix = body.replace(b"\r\n", b"\n")
    lines = f"the line breaks in the body were changed between CRLF and LF: {_RAW}"
    for other in (unix, unix.replace(b"\n", b"\r\n")):
        yield BodyForm(other, "body_rewritten", lines)


def _unpacked(body: bytes) -> Iterator[BodyForm]:
    """Out of what a gateway or a form put it into."""
    if body[:1] == b'"':
        try:
            inner = json.loads(body)
        except (ValueError, RecursionError):
            inner = None
        if isinstance(inner, str):
            yield BodyForm(_encoded(inner), "body_encoded", f"the body is JSON within a JSON string: {_RAW}")
    if body[:1] in (b"{", b"["):
        return
    if _FORM.match(body):
        yield from _out_of_form(body)
    yield BodyForm(
        _from_base64(body),
        "body_encoded",
        "the body is in base64, as API gateways hand binary bodies over: decode it first",
    )


def _out_of_form(body: bytes) -> Iterator[BodyForm]:
    """As a key's value, or as a key, or with neither."""
    for packed in (body, body.partition(b"=")[2], body.removesuffix(b"=")):
        for unpacked in (unquote_to_bytes(packed), _encoded(unquote_plus(packed.decode("latin-1")))):
            yield BodyForm(
                unpacked,
                "body_encoded",
                "the body is form-encoded: send and read it as application/json, and as raw bytes",
            )


def _rewritten(value: Any, provider: Provider) -> Iterator[BodyForm]:
    for escaped in (False, True):
        for by_key in (False, True):
            also = ", escaped to ASCII" * escaped + ", keys sorted" * by_key
            compact = _dumped(value, ensure_ascii=escaped, sort_keys=by_key, separators=_COMPACT)
            yield from _lines(compact, f"compact{also}")
            spaced = _dumped(value, ensure_ascii=escaped, sort_keys=by_key)
            yield from _lines(spaced, f"with json.dumps' own spaces{also}")
            for indent in _INDENTS:
                yield from _lines(_indented(compact, indent), f"indented by {indent}{also}")
    yield from _lines(_dumped(value, separators=_COMPACT).replace("/", "\\/"), "compact, slashes escaped")
    yield from _lines(_as_javascript(value), "as JSON.stringify does")
    ordered = _dumped(_as_catalog(value, provider), separators=_COMPACT, ensure_ascii=False)
    yield from _lines(ordered, "compact, the keys in the vendor's order")


def _lines(text: str, what: str) -> Iterator[BodyForm]:
    blame = f"the body was parsed and written again by a framework or a proxy; it fits written {what}: {_RAW}"
    encoded = _encoded(text)
    if encoded:
        yield BodyForm(encoded, "body_rewritten", blame)
        yield BodyForm(encoded + b"\n", "body_rewritten", f"{blame} (and a line break at its end)")


def _indented(compact: str, indent: int) -> str:
    """As json.dumps(indent=...), which takes 50 times as long."""
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


def name_body_fault(body: bytes) -> tuple[Cause, str] | None:
    """What can be seen to be wrong with a body, though it cannot be undone."""
    if body.startswith((b"b'", b'b"')):
        return "body_encoded", f"the body is the text of a Python bytes object, str(body): {_RAW}"
    if body.startswith(b"\x1f\x8b"):
        return "body_encoded", "the body is compressed with gzip: decompress it before it is verified"
    if body.startswith((b"{'", b"[{'")):
        return "body_rewritten", f"the body is the text of a Python dict, str(event): {_RAW}"
    if b"\xef\xbf\xbd" in body:
        return "charset", f"characters of the body were lost (U+FFFD stands for them): {_RAW}"
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and len(value) > 2 and [*value] == sorted(value):
        return "body_rewritten", f"the body's keys are in alphabetical order: was it written again? {_RAW}"
    return None


def _dumped(value: Any, **options: Any) -> str:
    try:
        return json.dumps(value, **options)
    except (ValueError, RecursionError):
        return ""


def _decoded(body: bytes, charset: str) -> str | None:
    try:
        return body.decode(charset)
    except ValueError:
        return None


def _encoded(text: str, charset: str = "utf-8") -> bytes:
    try:
        return text.encode(charset)
    except ValueError:
        return b""


def _from_base64(body: bytes) -> bytes:
    try:
        return b64decode(body, validate=True)
    except ValueError:
        return b""

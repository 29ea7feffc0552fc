"""What a body may have been before a framework or a proxy touched it: for the doctor to try. Pure."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from adjourn.providers import Provider
from adjourn.receiving.allowance import LONGEST_TRIED
from adjourn.receiving.diagnosis import Cause
from adjourn.receiving.rewritten import rewritten

__all__ = ["BodyForm", "body_forms", "name_body_fault"]

_BOM = b"\xef\xbb\xbf"
_RAW = "give the verifier the bytes as they came, before anything parses them"
_FORM_ALONE = re.compile(rb"\s*(%7b|%5b|\{|\[)", re.IGNORECASE)  # JSON in it
_FORM = re.compile(rb"([^=]{0,200}=)?" + _FORM_ALONE.pattern, re.IGNORECASE)  # with a key, too
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")  # no form has one, and each would cost an exception


class BodyForm(NamedTuple):
    """`text` says what happened to the body if it was `body` when it was signed."""

    body: bytes
    cause: Cause
    text: str


def body_forms(body: bytes, provider: Provider, *, longest: int = LONGEST_TRIED) -> Iterator[BodyForm]:
    """Each once, none the body itself: the cheap ones first. Some sixty at most, none over 4 x `longest`.

    The body has `longest` bytes at most.
    """
    tried = {hash(body)}  # the forms themselves would be megabytes
    for form in _forms(body, provider, longest):
        if 0 < len(form.body) <= 4 * longest and (mark := hash(form.body)) not in tried:
            tried.add(mark)
            yield form


def _forms(body: bytes, provider: Provider, longest: int) -> Iterator[BodyForm]:
    yield from _in_other_charsets(body)
    yield from _with_other_ends(body)
    yield from _unpacked(body)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict | list):
        for text, how in rewritten(value, provider, longest=longest):
            yield from _lines(text, how)


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
    if _NO_ESCAPE.search(body):
        return
    for packed in filter(_FORM_ALONE.match, (body.partition(b"=")[2], body.removesuffix(b"="))):
        for spaced in dict.fromkeys((packed, packed.replace(b"+", b" "))):
            yield BodyForm(
                unquote_to_bytes(spaced),
                "body_encoded",
                "the body is form-encoded: send and read it as application/json, and as raw bytes",
            )


def _lines(text: str, what: str) -> Iterator[BodyForm]:
    blame = f"the body was parsed and written again by a framework or a proxy; it fits written {what}: {_RAW}"
    encoded = _encoded(text)
    if encoded:
        yield BodyForm(encoded, "body_rewritten", blame)
        yield BodyForm(encoded + b"\n", "body_rewritten", f"{blame} (and a line break at its end)")


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

"""A request that somebody kept: its headers, in the forms that people have them in. Pure."""

import re
from typing import Any

import msgspec

from adjourn.cli.failure import Exit, Failure

__all__ = ["read_headers", "split_request"]

Pairs = list[tuple[str, Any]]

_FIRST_LINE = re.compile(r"[A-Z]+ \S+( HTTP/[0-9.]+)?|HTTP/[0-9.]+ .*")
_CURL = re.compile(r"^> ?", re.MULTILINE)  # what curl -v sent; < is what came back, * what it says


def read_headers(text: bytes) -> Pairs:
    """Lines as HTTP has them, the output of `curl -v`, or JSON: an object, or an array of pairs.

    Raises Failure.
    """
    shown = _decoded(text).strip()
    if shown.startswith(("{", "[")):
        return _from_json(shown)
    if _CURL.search(shown):
        shown = "\n".join(line[1:].lstrip() for line in shown.splitlines() if line.startswith(">"))
    return _from_lines(shown)


def split_request(text: bytes) -> tuple[bytes, bytes]:
    """Headers and body of a whole request, which an empty line parts. Raises Failure."""
    found = re.search(rb"\r?\n\r?\n", text)
    if found is None:
        raise Failure(Exit.WRONG, "standard input has no empty line between the headers and the body")
    return text[: found.start()], text[found.end() :]


def _decoded(text: bytes) -> str:
    """UTF-16 is what a shell of Windows writes."""
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        return text.decode("utf-16", "replace")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _from_json(text: str) -> Pairs:
    try:
        value = msgspec.json.decode(text)
        if isinstance(value, dict):
            return [*value.items()]
        return msgspec.convert(value, list[tuple[str, Any]])
    except msgspec.DecodeError as exc:
        raise Failure(Exit.WRONG, f"the headers are no JSON object of names and values: {exc}") from exc


def _from_lines(text: str) -> Pairs:
    pairs: Pairs = []
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = line.partition(":")
        if colon and name and name == name.strip():
            pairs.append((name, value.strip()))
        elif line.strip() and not _FIRST_LINE.fullmatch(line.strip()):
            raise Failure(Exit.WRONG, f"line {number} of the headers is no header like Name: value")
    return pairs

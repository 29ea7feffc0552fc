"""Request bodies and queries: read strictly, checked whole, every fault named."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from adjourn import wirejson
from adjourn.api.problems import Problem, UnknownEventType
from adjourn.api.services import AnyRequest
from adjourn.check import check
from adjourn.errors import Fault, InputError
from adjourn.providers import Provider

__all__ = [
    "changes",
    "choice",
    "event_type",
    "moment",
    "one_of",
    "page",
    "read_form",
    "read_json",
    "read_split",
]

S = TypeVar("S", bound=msgspec.Struct)
E = TypeVar("E", bound=StrEnum)

_DEFAULT_LIMIT = 50  # CONTRACTS 1.7, "Lists"
_MOST = 100
_MOST_OFFSET = 2**53 - 1
_NOTHING: Mapping[str, str] = {}


def read_json(body: bytes, content_type: str) -> object:
    """Decoded JSON. Raises Problem (415) and JsonError."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise Problem(415, f"send application/json, not {media_type}")
    return wirejson.loads(body)


async def read_form(request: AnyRequest, form: type[S], *, elsewhere: Mapping[str, str] = _NOTHING) -> S:
    """A request's body, of that form. Raises InputError with every fault.

    `elsewhere`: by the name of a field that the form has not, which call sets it.
    """
    body, _ = await read_split(request, form, apart=(), elsewhere=elsewhere)
    return body


async def read_split(
    request: AnyRequest,
    form: type[S],
    *,
    apart: Collection[str],
    elsewhere: Mapping[str, str] = _NOTHING,
) -> tuple[S, dict[str, Any]]:
    """The same, and the fields named in `apart` as they are: the caller checks them."""
    value = read_json(await request.body(), request.headers.get("content-type", ""))
    split: dict[str, Any] = {}
    if isinstance(value, dict):
        split = {name: value.pop(name) for name in apart if name in value}
    if faults := check(form, value):
        hints = {f"$.{name}": hint for name, hint in elsewhere.items()}
        faults = [Fault(each.path, hints.get(each.path, each.reason)) for each in faults]
        raise InputError("the body has faults", faults=faults)
    return msgspec.convert(value, form), split


def changes(form: msgspec.Struct) -> dict[str, Any]:
    """The fields that a change gives: absent ones stay as they are, None clears."""
    return {name: value for name, value in msgspec.structs.asdict(form).items() if value is not UNSET}


def moment(text: str | None, *, path: str) -> datetime | None:
    """An RFC 3339 date-time that was checked already, where one is given. Raises InputError."""
    try:
        return None if text is None else datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError("out of range", faults=[Fault(path, "is out of range")]) from None


def page(query: Mapping[str, str]) -> tuple[int, int]:
    """limit and offset. Raises InputError."""
    return (
        _whole(query, "limit", default=_DEFAULT_LIMIT, least=1, most=_MOST),
        _whole(query, "offset", default=0, least=0, most=_MOST_OFFSET),
    )


def choice(query: Mapping[str, str], name: str, kind: type[E]) -> E | None:
    """One of an enumeration's values, or None where it is not asked for. Raises InputError."""
    if name not in query:
        return None
    try:
        return kind(query[name])
    except ValueError:
        raise _query_fault(name, f"must be one of {', '.join(kind)}") from None


def one_of(query: Mapping[str, str], name: str, known: Collection[str]) -> str | None:
    """One of the names known, or None where it is not asked for. Raises InputError."""
    value = query.get(name)
    if value is not None and value not in known:
        raise _query_fault(name, f"must be one of {', '.join(known)}")
    return value


def event_type(query: Mapping[str, str], providers: Iterable[Provider]) -> str | None:
    """An event type's name of today, or None where none is asked for. Raises UnknownEventType."""
    if "event_type" not in query:
        return None
    known = [*providers]
    for provider in known:
        if (found := provider.resolve(query["event_type"])) is not None:
            return found.name
    fault = Fault("?event_type", "is no event type")
    raise UnknownEventType([fault], providers=known)


def _whole(query: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 17 else -1
    if not least <= value <= most:
        raise _query_fault(name, f"must be a whole number from {least} to {most}")
    return value


def _query_fault(name: str, reason: str) -> InputError:
    return InputError("the query has faults", faults=[Fault(f"?{name}", reason)])

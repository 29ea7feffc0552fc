"""A call described once: what it sends, and what comes back. Pure."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from msgspec import UNSET, Struct
from msgspec.structs import replace

from adjourn.errors import InputError
from adjourn.resources import CredentialHistory

__all__ = ["Call", "changes", "delete", "following", "get", "given", "patch", "post", "put"]

T = TypeVar("T")

_DOTS = {".", ".."}  # a path may be shortened by them, and then names something else


class Call(Struct, Generic[T], frozen=True, kw_only=True):
    """One call: `path` are segments, an id among them may hold any character; `result` decodes the answer."""

    method: str
    path: tuple[str, ...]
    result: type[T]
    query: Mapping[str, object] = {}
    body: object = UNSET
    idempotency_key: str | None = None

    @property
    def url_path(self) -> str:
        """Percent-encoded. Raises InputError for what no path can hold."""
        return "".join(f"/{_segment(part)}" for part in self.path)

    def __repr__(self) -> str:
        return f"Call({self.method} {'/'.join(self.path)})"  # a body may hold secrets


def get(result: type[T], *path: str, **query: object) -> Call[T]:
    return Call(method="GET", path=path, result=result, query=query)


def post(result: type[T], *path: str, body: object = UNSET, key: str | None = None) -> Call[T]:
    """`key`: the Idempotency-Key; one is made where None is given."""
    return Call(method="POST", path=path, result=result, body=body, idempotency_key=key)


def put(result: type[T], *path: str, body: object) -> Call[T]:
    return Call(method="PUT", path=path, result=result, body=body)


def patch(result: type[T], *path: str, body: object) -> Call[T]:
    return Call(method="PATCH", path=path, result=result, body=body)


def delete(*path: str) -> Call[None]:
    return Call(method="DELETE", path=path, result=type(None))


def given(**fields: object) -> dict[str, Any]:
    """A body of those that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def changes(**fields: object) -> dict[str, Any]:
    """A body of those that are not UNSET; None clears a field."""
    return {name: value for name, value in fields.items() if value is not UNSET}


def following(call: Call[T], page: T, count: int) -> Call[T] | None:
    """The call for the page after this one of `count` items; None after the last.

    A list that does not say its `total` ends with a page shorter than its `limit`.
    """
    offset = int(str(call.query.get("offset", 0))) + count
    match page:
        case CredentialHistory(pagination=pagination):
            ended = count < pagination.limit
        case _:
            ended = offset >= getattr(page, "total", 0)
    if ended or not count:
        return None
    return replace(call, query={**call.query, "offset": offset})


def _segment(part: str) -> str:
    if not part or part in _DOTS:
        raise InputError(f"{part!r} cannot be an id")
    try:
        return quote(part, safe="")
    except UnicodeEncodeError:
        raise InputError(f"{part!r} is no text in UTF-8") from None

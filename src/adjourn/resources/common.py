"""What every shape is made of: moments, optional fields, errors, pages."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from adjourn.errors import Fault

__all__ = ["Json", "Maybe", "Moment", "Page", "Problem"]


T = TypeVar("T")
Moment = Annotated[datetime, Meta(tz=True)]
Maybe = UnsetType
Json = dict[str, Any]


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every error. `error` and `message` say the same; `faults` name each field at fault.

    `reference` is the path of the server's page about the event type concerned.
    """

    code: str
    error: str
    message: str
    request_id: str
    faults: list[Fault] | Maybe = UNSET
    reference: str | Maybe = UNSET
    valid_event_types: list[str] | Maybe = UNSET


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """A page of a list. `total` counts all there are, `limit` and `offset` are those asked for."""

    items: list[T]
    total: int
    limit: int
    offset: int

"""How one call of an API is described, and what both have alike. The tables: platform.py, partner.py."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from adjourn import resources
from adjourn.api import bodies
from adjourn.models import ConnectionStatus, DeliveryState
from adjourn.storage.base import CredentialAction, CredentialType

__all__ = [
    "CONNECTIONS",
    "CREDENTIAL_HISTORY",
    "DELIVERY_STATUS",
    "EVENT_TYPE",
    "Json",
    "Operation",
    "call",
    "choice",
    "paged",
    "query",
    "rotations",
    "under",
]

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call. `paths` are served alike, the usual one first; `bodies` are the forms its body may have."""

    name: str
    method: str
    paths: tuple[str, ...]
    summary: str
    tag: str
    statuses: tuple[int, ...]
    answer: Any  # a type that msgspec can describe; None for no content
    bodies: tuple[Any, ...]
    queries: tuple[Json, ...]
    refuses: tuple[int, ...]  # beside what any call of its kind may be refused with
    media_type: str


def call(
    name: str,
    at: str,
    summary: str,
    answer: Any = None,
    *,
    also: tuple[str, ...] = (),
    body: Any = (),
    queries: tuple[Json, ...] = (),
    refuses: tuple[int, ...] = (),
    status: int | tuple[int, ...] = 0,
    media_type: str = "application/json",
) -> Operation:
    """A row of a table: `at` is its method and its path, `also` its other paths. `under` completes it."""
    method, _, path = at.partition(" ")
    usual = 204 if answer is None else 200
    return Operation(
        name=name,
        method=method,
        paths=(path, *also),
        summary=summary,
        tag="",
        statuses=status if isinstance(status, tuple) else (status or usual,),
        answer=answer,
        bodies=body if isinstance(body, tuple) else (body,),
        queries=queries,
        refuses=refuses,
        media_type=media_type,
    )


def under(base: str, tag: str, *operations: Operation, refuses: tuple[int, ...] = ()) -> list[Operation]:
    """Those operations, their paths below `base`; what changes anything may be refused with `refuses`."""
    return [
        replace(
            each,
            tag=tag,
            paths=tuple(base + path for path in each.paths),
            refuses=each.refuses if each.method == "GET" else each.refuses + refuses,
        )
        for each in operations
    ]


# --- queries


def query(name: str, description: str, schema: Mapping[str, Any]) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": dict(schema)}


def choice(name: str, description: str, values: type[StrEnum]) -> Json:
    return query(name, description, {"type": "string", "enum": [*values]})


def paged(*filters: Json) -> tuple[Json, ...]:
    """The query of a list: its filters, and which page of it."""
    return (*filters, {"$ref": "#/components/parameters/limit"}, {"$ref": "#/components/parameters/offset"})


EVENT_TYPE = query("event_type", "only this event type", {"$ref": "#/components/schemas/EventTypeName"})
DELIVERY_STATUS = choice("status", "only deliveries in this state", DeliveryState)
CONNECTIONS = paged(
    query("user_id", "only this user's", {"type": "string"}),
    choice("status", "only those in this state", ConnectionStatus),
)
CREDENTIAL_HISTORY = paged(
    choice("credential_type", "only this credential's", CredentialType),
    choice("action", "only this action", CredentialAction),
)


# --- what is the same in both APIs


def rotations(of: str = "") -> list[Operation]:
    """Rotating each credential, and putting back those that can be. `of` goes into the names."""
    rotated = {"ApiKey": "api-key", "WebhookSecret": "webhook-secret", "ClientSecret": "client-secret"}
    returned = {"ApiKey": "api-key", "ClientSecret": "client-secret"}
    return [
        *(
            call(
                f"rotate{of}{name}",
                f"POST /{path}/rotate",
                f"Make a new {path.replace('-', ' ')}; it is shown this once",
                resources.RotatedCredential,
                body=bodies.RotateCredential,
            )
            for name, path in rotated.items()
        ),
        *(
            call(
                f"rollback{of}{name}",
                f"POST /{path}/rollback",
                f"Put the {path.replace('-', ' ')} before back, within its grace period",
                body=bodies.RollBackCredential,
            )
            for name, path in returned.items()
        ),
    ]

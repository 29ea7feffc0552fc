"""How values lie in the tables: times as milliseconds, lists and options as JSON text."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from adjourn.models import (
    Attempt,
    Audience,
    Connection,
    ConnectionStatus,
    Delivery,
    DeliveryState,
    Publication,
    Verdict,
)
from adjourn.storage.base import Claimed
from adjourn.storage.sql.shorthand import read_headers, read_ids

__all__ = [
    "ATTEMPT_COLUMNS",
    "CONNECTION_COLUMNS",
    "DELIVERY_COLUMNS",
    "HIGHEST_ID",
    "LOWEST_ID",
    "NEVER",
    "PUBLICATION_COLUMNS",
    "is_id",
    "maybe",
    "maybe_ms",
    "read_attempt",
    "read_claimed",
    "read_connection",
    "read_delivery",
    "read_publication",
    "text",
    "time",
    "to_ms",
]

NEVER = 2**63 - 1  # a due time: a follower in order, until the one before it is final
# Ids of publications, events and deliveries are UUIDs; as text they have the same order.
LOWEST_ID = "00000000-0000-0000-0000-000000000000"
HIGHEST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

CONNECTION_COLUMNS = "id, app_id, user_id, user_email, oauth_scopes, status, created_at, updated_at"
DELIVERY_COLUMNS = (
    "id, app_id, event_id, event_type, lane_id, target, state, attempt_no, retry_count, http_status, error, "
    "next_retry_at, delivered_at, retry_asked_at, created_at"
)
ATTEMPT_COLUMNS = "delivery_id, no, at, duration_ms, http_status, error, response, response_headers"
PUBLICATION_COLUMNS = "id, at, provider, event_type, timestamp, actor_user_id, audience, data, verdicts"


def is_id(given: str) -> bool:
    """Whether it may be the id of a publication, an event or a delivery: PostgreSQL takes nothing else."""
    return _ID.fullmatch(given) is not None


def to_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def time(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def maybe(ms: int | None) -> datetime | None:
    return None if ms is None else time(ms)


def maybe_ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def text(value: object) -> str:
    """As JSON text."""
    return msgspec.json.encode(value).decode()


def read_connection(row: tuple[Any, ...]) -> Connection:
    return Connection(
        id=row[0],
        app_id=row[1],
        user_id=row[2],
        user_email=row[3],
        oauth_scopes=msgspec.json.decode(row[4], type=tuple[str, ...]),
        status=ConnectionStatus(row[5]),
        created_at=time(row[6]),
        updated_at=time(row[7]),
    )


def read_delivery(row: tuple[Any, ...]) -> Delivery:
    return Delivery(
        id=row[0],
        app_id=row[1],
        event_id=row[2],
        event_type=row[3],
        lane_id=row[4],
        target=row[5],
        state=DeliveryState(row[6]),
        attempt_no=row[7],
        retry_count=row[8],
        http_status=row[9],
        error=row[10],
        next_retry_at=maybe(row[11]),
        delivered_at=maybe(row[12]),
        retry_asked_at=maybe(row[13]),
        created_at=time(row[14]),
    )


def read_attempt(row: tuple[Any, ...]) -> Attempt:
    return Attempt(
        delivery_id=row[0],
        no=row[1],
        at=time(row[2]),
        duration_ms=row[3],
        http_status=row[4],
        error=row[5],
        response=row[6]
        if isinstance(row[6], str)
        else row[6].decode(),  # bytes: PostgreSQL's text has no NUL
        response_headers=msgspec.json.decode(
            row[7] if isinstance(row[7], str) else read_headers(row[7]),
        ),
    )


def read_publication(row: tuple[Any, ...]) -> Publication:
    return Publication(
        id=row[0],
        at=time(row[1]),
        provider=row[2],
        event_type=row[3],
        timestamp=row[4],
        actor_user_id=row[5],
        audience=msgspec.json.decode(row[6], type=Audience),
        data=row[7],
        verdicts=msgspec.json.decode(
            row[8] if isinstance(row[8], str) else read_ids(row[8], row[0]), type=tuple[Verdict, ...]
        ),
    )


def read_claimed(row: Any, *, paced: bool) -> Claimed:
    """What a claim tells of a job and its delivery, in the order of these fields, on either database."""
    return Claimed(
        id=row[0],
        app_id=row[1],
        lane_id=row[2],
        event_id=row[3],
        event_type=row[4],
        body=row[5],
        state=DeliveryState(row[6]),
        attempt_no=row[7],
        retry_count=row[8],
        manual=bool(row[9]),
        order_key=row[10],
        target=row[11],
        from_job=True,
        paced=paced,
    )

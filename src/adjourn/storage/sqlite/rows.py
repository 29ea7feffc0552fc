"""How values lie in the tables: times as milliseconds, lists and options as JSON text."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from adjourn.config import Secret
from adjourn.models import (
    App,
    AppOptions,
    AppStatus,
    Attempt,
    Audience,
    Connection,
    ConnectionStatus,
    Delivery,
    DeliveryState,
    Filter,
    Publication,
    Verdict,
)
from adjourn.vault import Vault

__all__ = [
    "APP_COLUMNS",
    "ATTEMPT_COLUMNS",
    "CONNECTION_COLUMNS",
    "DELIVERY_COLUMNS",
    "NEVER",
    "PUBLICATION_COLUMNS",
    "read_app",
    "read_attempt",
    "read_connection",
    "read_delivery",
    "read_publication",
    "text",
    "time",
    "to_ms",
]

NEVER = 2**63 - 1  # a due time: a follower in order, until the one before it is final

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

APP_COLUMNS = (
    "id, version, provider, name, description, company_name, client_id, primary_contact_email, webhook_url, "
    "webhook_enabled, webhook_filter, status, slug, options, webhook_secret, created_at, updated_at"
)
CONNECTION_COLUMNS = "id, app_id, user_id, user_email, oauth_scopes, status, created_at, updated_at"
DELIVERY_COLUMNS = (
    "id, app_id, event_id, event_type, lane_id, state, attempt_no, retry_count, http_status, error, "
    "next_retry_at, delivered_at, retry_asked_at, created_at"
)
ATTEMPT_COLUMNS = "delivery_id, no, at, duration_ms, http_status, error, response, response_headers"
PUBLICATION_COLUMNS = "id, at, provider, event_type, timestamp, actor_user_id, audience, data, verdicts"


def to_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def time(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def _maybe(ms: int | None) -> datetime | None:
    return None if ms is None else time(ms)


def text(value: object) -> str:
    """As JSON text."""
    return msgspec.json.encode(value).decode()


def read_app(row: tuple[Any, ...], vault: Vault) -> App:
    return App(
        id=row[0],
        version=row[1],
        provider=row[2],
        name=row[3],
        description=row[4],
        company_name=row[5],
        client_id=row[6] or "",
        primary_contact_email=row[7],
        webhook_url=row[8],
        webhook_enabled=bool(row[9]),
        webhook_filter=None if row[10] is None else msgspec.json.decode(row[10], type=Filter),
        status=AppStatus(row[11]),
        slug=row[12],
        options=msgspec.json.decode(row[13], type=AppOptions),
        webhook_secret=Secret(vault.open(row[14]).decode("utf-8", "surrogatepass")),
        created_at=time(row[15]),
        updated_at=time(row[16]),
    )


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
        state=DeliveryState(row[5]),
        attempt_no=row[6],
        retry_count=row[7],
        http_status=row[8],
        error=row[9],
        next_retry_at=_maybe(row[10]),
        delivered_at=_maybe(row[11]),
        retry_asked_at=_maybe(row[12]),
        created_at=time(row[13]),
    )


def read_attempt(row: tuple[Any, ...]) -> Attempt:
    return Attempt(
        delivery_id=row[0],
        no=row[1],
        at=time(row[2]),
        duration_ms=row[3],
        http_status=row[4],
        error=row[5],
        response=row[6],
        response_headers=msgspec.json.decode(row[7]),
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
        verdicts=msgspec.json.decode(row[8], type=tuple[Verdict, ...]),
    )

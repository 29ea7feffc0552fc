"""How receipts lie in the tables: times as milliseconds, the handlers that are done as JSON text."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from adjourn.models import Handling, Receipt, ReceiptState
from adjourn.storage.sql.rows import maybe, time, to_ms

__all__ = ["ATTEMPT_COLUMNS", "COLUMNS", "plain_text", "read_attempt", "read_receipt", "to_due"]

COLUMNS = ", ".join(
    f"receipt.{name}"
    for name in (
        "seq",
        "provider",
        "id",
        "event_type",
        "state",
        "received_at",
        "scheme",
        "profile",
        "order_key",
        "duplicates",
        "replays",
        "attempt_no",
        "retry_count",
        "due",
        "behind",
        "handled_at",
        "done",
        "error",
    )
)
ATTEMPT_COLUMNS = "no, at, duration_ms, error"

_NEVER_EARLY = timedelta(microseconds=999)  # times are kept in whole milliseconds, rounded down


def to_due(moment: datetime) -> int:
    return to_ms(moment + _NEVER_EARLY)


def read_receipt(row: Any) -> Receipt:
    """Of COLUMNS, and the body if that follows them."""
    return Receipt(
        seq=row[0],
        provider=row[1],
        id=row[2],
        event_type=row[3],
        state=ReceiptState(row[4]),
        received_at=time(row[5]),
        scheme=row[6],
        profile=row[7],
        order_key=row[8],
        duplicates=row[9],
        replays=row[10],
        attempt_no=row[11],
        retry_count=row[12],
        due=None if row[14] else maybe(row[13]),
        handled_at=maybe(row[15]),
        done=() if row[16] == "[]" else msgspec.json.decode(row[16], type=tuple[str, ...]),
        error=row[17],
        body=row[18] if len(row) > 18 else None,
    )


def read_attempt(row: Any) -> Handling:
    """Of ATTEMPT_COLUMNS."""
    return Handling(no=row[0], at=time(row[1]), duration_ms=row[2], error=row[3])


def plain_text(text: str) -> str:
    """What a handler raised: as every database can keep it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()

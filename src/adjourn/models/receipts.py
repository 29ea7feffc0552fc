"""What a receiver keeps: one receipt for each event that was verified, and the attempts to handle it."""

from datetime import datetime
from enum import StrEnum

import msgspec

__all__ = ["Handling", "Receipt", "ReceiptState"]


class ReceiptState(StrEnum):
    """`new`: waits to be handled. `failed`: a handler raised, and a retry is due. `dead`: no more retries.

    A duplicate is no receipt of its own: the one there is counts it.
    """

    NEW = "new"
    FAILED = "failed"
    HANDLED = "handled"
    DEAD = "dead"


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One verified event in the inbox, known by (provider, id).

    `seq` ascends in the order they were kept. `duplicates`: how often it came again. `attempt_no` counts the
    attempts made so far; `retry_count` those that were retries, since it came or was last replayed. `due`:
    when it is handled next; None when nothing is to be done, or while it waits for one of its order key that
    was kept before. `done`: the handlers that need not run again.
    `scheme` and `profile`: how it was signed. `body`: the bytes as received; None in lists, and once they
    were forgotten.
    """

    seq: int
    provider: str
    id: str
    event_type: str
    state: ReceiptState
    received_at: datetime
    scheme: str
    profile: str
    order_key: str | None = None
    duplicates: int = 0
    replays: int = 0
    attempt_no: int = 0
    retry_count: int = 0
    due: datetime | None = None
    handled_at: datetime | None = None
    done: tuple[str, ...] = ()
    error: str = ""
    body: bytes | None = None

    def __repr__(self) -> str:
        """Without its body: what people said in a meeting is not for the log."""
        return (
            f"Receipt(seq={self.seq}, provider={self.provider!r}, id={self.id!r}, state={self.state.value!r})"
        )


class Handling(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to handle a receipt. `no` is 1-based; `error` is empty where all went well."""

    no: int
    at: datetime
    duration_ms: int
    error: str

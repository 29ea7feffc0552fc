"""What every adapter answers, whatever its framework: a bare status, and the reasons in the log."""

import logging
from typing import NamedTuple

from adjourn.errors import ConfigError, EventError, StorageError, VerificationError
from adjourn.receiving.inbox import Inbox
from adjourn.receiving.receiver import Received, Receiver
from adjourn.signing import Headers
from adjourn.storage.base import Kept

__all__ = [
    "GONE",
    "MAX_BODY_BYTES",
    "NOT_ALLOWED",
    "RECEIPT_HEADER",
    "TOO_LARGE",
    "Answer",
    "answer",
    "answer_blocking",
]

_log = logging.getLogger("adjourn.receiving")

MAX_BODY_BYTES = 4 << 20
"""A longer body is not read to its end: no vendor sends one."""

RECEIPT_HEADER = "Adjourn-Receipt"
"""Tells a sender that proved itself whether the event was `new` or a `duplicate`."""

_PATIENCE = 20.0  # seconds that a blocking view waits for the store: senders wait for 30


class Answer(NamedTuple):
    """`receipt` is the value of RECEIPT_HEADER, where there is one. The body is empty."""

    status: int
    receipt: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        if self.receipt is not None:
            return {RECEIPT_HEADER: self.receipt}
        return {"Allow": "POST"} if self.status == 405 else {}


TOO_LARGE = Answer(413)
NOT_ALLOWED = Answer(405)
GONE = Answer(400)
"""To a sender that closed its connection within the body: nobody reads it."""
_NEW, _DUPLICATE = Answer(200, "new"), Answer(200, "duplicate")
_UNVERIFIED, _NO_EVENT, _UNAVAILABLE = Answer(401), Answer(400), Answer(503)


async def answer(receiver: Receiver, inbox: Inbox, headers: Headers, body: bytes) -> Answer:
    """Verify and read it, keep it, and say what to answer. The handlers run later."""
    received = _receive(receiver, inbox, headers, body)
    if not isinstance(received, Received):
        return received
    try:
        kept = await inbox.keep(received)
    except (StorageError, ConfigError) as exc:
        return _refused(received, exc)
    return _DUPLICATE if kept.is_duplicate else _NEW


def answer_blocking(receiver: Receiver, inbox: Inbox, headers: Headers, body: bytes) -> Answer:
    """The same for a thread that may wait: the inbox is open in its background loop."""
    received = _receive(receiver, inbox, headers, body)
    if not isinstance(received, Received):
        return received
    try:
        kept: Kept = inbox.background.run(inbox.keep(received), within=_PATIENCE)
    except (StorageError, ConfigError) as exc:
        return _refused(received, exc)
    return _DUPLICATE if kept.is_duplicate else _NEW


def _receive(receiver: Receiver, inbox: Inbox, headers: Headers, body: bytes) -> Received | Answer:
    try:
        return receiver.receive(headers, body)
    except VerificationError as exc:
        inbox.refusals.note(exc)
        return _UNVERIFIED
    except EventError as exc:
        _log.error("signed, but no event of %s: %s", receiver.provider.title, exc)
        return _NO_EVENT


def _refused(received: Received, exc: Exception) -> Answer:
    _log.error("%r was not kept, and its sender is asked to come again: %s", received, exc)
    return _UNAVAILABLE

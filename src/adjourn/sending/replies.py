"""What an attempt came to, as a Reply: the same limits and words whichever sender made it."""

import os
import socket
import ssl
from collections.abc import Iterable
from datetime import timedelta

from adjourn.sending.addresses import AddressRefused
from adjourn.sending.policy import Reply

__all__ = [
    "KEPT",
    "KEPT_HEADERS",
    "MOST_INTERIM",
    "NOT_MADE",
    "NO_ANSWER",
    "READ",
    "RETRY_AFTER",
    "answered",
    "broke",
    "failed",
    "in_words",
    "of_os_error",
    "timed_out",
]

KEPT = 4096  # bytes of a response's body that are kept
READ = 65536  # bytes of it that are read, so that the connection can serve again
KEPT_HEADERS = 40  # of a response
RETRY_AFTER = "retry-after"  # kept wherever it stands: the policy reads it
MOST_INTERIM = 8  # 1xx answers before the answer
NOT_MADE = "internal error: the attempt could not be made"
NO_ANSWER = "the endpoint closed the connection without an answer"
_LONGEST_KEPT = 1024  # characters of a header's value, and of an error
_KEPT_IN_HEADERS = 4096  # characters of all names and values together


def answered(status: int, reason: str, headers: Iterable[tuple[str, str]], start: bytes) -> Reply:
    """`headers`: as they came, as many as the sender likes; of the body at least the first 4 KiB."""
    return Reply(
        status=status,
        error="" if 200 <= status < 300 else _error(f"HTTP {status} {reason}".strip()),
        headers=_kept(headers),
        start=start[:KEPT],
    )


def failed(words: str) -> Reply:
    return Reply(error=_error(words))


def timed_out(timeout: timedelta) -> Reply:
    return Reply(error=f"timed out after {timeout.total_seconds():g} s", timed_out=True)


def in_words(exc: BaseException) -> str | None:
    """What failed, for the partner to read, without our own insides. None where only the sender can tell."""
    match exc:
        case AddressRefused():
            return str(exc)
        case socket.gaierror():
            return f"the host name does not resolve: {exc.strerror}"
        case UnicodeError():
            return "the host name is not a valid one"
        case ssl.SSLCertVerificationError():
            return f"TLS: the certificate does not verify: {exc.verify_message}"
        case ssl.SSLEOFError():
            return "TLS: the endpoint closed the connection in the handshake"
        case ssl.SSLError():
            return f"TLS: {exc.reason or 'the handshake failed'}"
    return None


def broke(exc: OSError) -> str:
    return f"the connection broke: {of_os_error(exc)}"


def of_os_error(exc: OSError) -> str:
    return os.strerror(exc.errno) if exc.errno else exc.strerror or str(exc)


def _kept(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By lower-case name; of one that comes twice the last, of Retry-After the first.

    What would make them more than 4 KiB is left out.
    """
    kept: dict[str, str] = {}
    asked: str | None = None
    size = 0
    for count, (name, value) in enumerate(headers):
        key, tidied = _tidy(name.lower()), _tidy(value)
        if key == RETRY_AFTER and asked is None:
            asked = tidied
        size += len(key) + len(tidied)
        if count < KEPT_HEADERS and size <= _KEPT_IN_HEADERS:
            kept[key] = tidied
    if asked is not None:
        kept[RETRY_AFTER] = asked
    return kept


def _error(words: str) -> str:
    """An endpoint's reason may hold U+0000, which PostgreSQL's text cannot."""
    return _tidy(words).replace("\0", "\ufffd")


def _tidy(text: str) -> str:
    """Short, and without the surrogates that stand for bytes which are no UTF-8: no store takes those."""
    short = text[:_LONGEST_KEPT]
    return short if short.isascii() else short.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

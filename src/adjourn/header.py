"""A header of a webhook beside those that every request has: what its name and its value may be."""

import re

__all__ = ["find_name_fault", "find_value_fault"]

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # a token: RFC 9110, section 5.6.2
_TAKEN = frozenset(
    {
        *("connection", "content-encoding", "content-length", "content-type", "expect", "host", "te"),
        *("keep-alive", "proxy-connection", "trailer", "transfer-encoding", "upgrade", "user-agent"),
    }
)


def find_name_fault(name: str) -> str | None:
    """Why a signature may not have a header of that name; None where it may."""
    if not _NAME.fullmatch(name):
        return "must be the name of a header, like X-Webhook-Signature"
    return "is a header of every request: a signature needs another" if name.lower() in _TAKEN else None


def find_value_fault(value: str) -> str | None:
    """Why no header can carry that as it is; None where one can.

    A line break would let its author write headers; a space at either end is dropped by who reads it.
    """
    if value.isascii() and value.isprintable() and value == value.strip():
        return None
    return "must be printable ASCII without line breaks, and without spaces at its ends"

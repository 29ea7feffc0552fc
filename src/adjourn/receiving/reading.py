"""The first step of an adapter: a request's body as it came, and no further than it may be long."""

from collections.abc import AsyncIterator, Callable

from adjourn.receiving.answer import GONE, TOO_LARGE, Answer

__all__ = ["is_longer", "read_parts", "read_stream"]

_DIGITS = 18  # of a length that is a number at all
_PART = 64 << 10  # bytes that a stream is asked for at a time


def is_longer(length: str | bytes, most: int) -> bool:
    """Whether that Content-Length is more than `most` bytes. One that is no number says nothing."""
    if not (length.isascii() and length.isdigit()):
        return False
    return len(length) > _DIGITS or int(length) > most


async def read_parts(parts: AsyncIterator[bytes], *, length: str | None, most: int) -> bytes | Answer:
    """Join them; TOO_LARGE as soon as there is more than `most` bytes, or Content-Length says so."""
    if length is not None and is_longer(length, most):
        return TOO_LARGE
    whole: list[bytes] = []
    left = most
    async for part in parts:
        left -= len(part)
        if left < 0:
            return TOO_LARGE
        whole.append(part)
    return b"".join(whole)


def read_stream(read: Callable[[int], bytes], *, length: int | None, most: int) -> bytes | Answer:
    """The same for a stream of WSGI, which ends where the body does; GONE where it ends before.

    Raises what the stream raises: servers have errors of their own.
    """
    if length is not None and length > most:
        return TOO_LARGE
    whole: list[bytes] = []
    left = most + 1 if length is None else length
    while left and (part := read(min(left, _PART))):
        left -= len(part)
        whole.append(part)
    if length is None:
        return b"".join(whole) if left else TOO_LARGE
    return GONE if left else b"".join(whole)

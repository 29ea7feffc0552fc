"""The body of an HTTP answer from whoever it may be: bounded in length and in time."""

from collections.abc import Callable

import httpx

__all__ = ["read_start"]


def read_start(response: httpx.Response, *, longest: int, until: float, clock: Callable[[], float]) -> bytes:
    """At most so many bytes of it, as they came. Raises httpx.HTTPError; `until` is a time of `clock`."""
    body = bytearray()
    for piece in response.iter_raw():
        body += piece
        if len(body) >= longest:
            break
        if clock() > until:
            raise httpx.ReadTimeout("the answer does not end")
    return bytes(body[:longest])

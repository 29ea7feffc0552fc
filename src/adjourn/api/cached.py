"""Answers that change only with the program: each known by its ETag, so that nobody gets it twice."""

from hashlib import sha256
from typing import NamedTuple

from litestar import Response

from adjourn.api.services import AnyRequest

__all__ = ["Document", "document_answer"]

_KEEP = "public, max-age=300"  # seconds: as long as an old one may be seen after an upgrade


class Document(NamedTuple):
    """A whole body, and what it is."""

    body: bytes
    media_type: str

    @property
    def etag(self) -> str:
        return f'"{sha256(self.body).hexdigest()[:32]}"'


def document_answer(
    request: AnyRequest, document: Document, *, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """The document, or 304 for who has it."""
    described = {"ETag": document.etag, "Cache-Control": _KEEP, **(headers or {})}
    if _has(request.headers.get("if-none-match", ""), document.etag):
        return Response(b"", status_code=304, headers=described)
    return Response(document.body, media_type=document.media_type, headers=described)


def _has(known: str, etag: str) -> bool:
    """RFC 9110, 13.1.2: a list of tags, weak ones among them, or any."""
    tags = {each.strip().removeprefix("W/") for each in known.split(",")}
    return etag in tags or tags == {"*"}

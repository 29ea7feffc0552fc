"""Both APIs described: the OpenAPI document, and a page to browse it."""

from adjourn.api.openapi.document import document
from adjourn.api.openapi.page import page

__all__ = ["document", "page"]

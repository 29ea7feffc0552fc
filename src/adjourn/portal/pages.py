"""The pages: GET /reference, GET /reference/{provider}, and the style that they share."""

from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response, get
from litestar.params import FromPath

from adjourn.api.cached import Document, document_answer
from adjourn.api.services import AnyRequest
from adjourn.errors import NotFound
from adjourn.portal.reference import page
from adjourn.providers import PROVIDERS

__all__ = ["PAGES"]

_HTML = "text/html"  # the framework adds the charset
_CSS = "text/css"
_STYLE = "portal.css"

# A page has no script, and fetches nothing but its style.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_templates = Environment(
    loader=PackageLoader("adjourn.portal"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@get("/reference")
async def providers(request: AnyRequest) -> Response[bytes]:
    """Whose events there are."""
    return document_answer(request, _list(), headers=_HEADERS)


@get("/reference/{provider:str}")
async def reference(request: AnyRequest, provider: FromPath[str]) -> Response[bytes]:
    """Every event of a provider, each at the anchor of its name."""
    if provider in PROVIDERS:
        return document_answer(request, _reference(provider), headers=_HEADERS)
    missing = _render("missing.html", name=provider, providers=PROVIDERS.values())
    return Response(missing.body, status_code=404, media_type=missing.media_type, headers=_HEADERS)


@get("/static/{file:str}")
async def static(request: AnyRequest, file: FromPath[str]) -> Response[bytes]:
    if file != _STYLE:
        raise NotFound("file", file)
    return document_answer(request, _style(), headers={"X-Content-Type-Options": "nosniff"})


PAGES: list[Any] = [providers, reference, static]


@cache
def _list() -> Document:
    return _render("providers.html", providers=PROVIDERS.values())


@cache
def _reference(provider: str) -> Document:
    return _render("reference.html", page=page(PROVIDERS[provider]))


@cache
def _style() -> Document:
    return Document(resources.files(__package__).joinpath("static", _STYLE).read_bytes(), _CSS)


def _render(template: str, **values: Any) -> Document:
    return Document(_templates.get_template(template).render(values).encode(), _HTML)

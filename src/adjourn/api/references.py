"""Where the server's pages explain what an error is about."""

from adjourn.errors import CatalogError
from adjourn.providers import PROVIDERS, Provider

__all__ = ["reference_of", "reference_of_error"]

_REFERENCE = "/reference"


def reference_of(provider: Provider | None, event_type: str = "") -> str:
    """The path of the reference: of all providers, of one, or of its type where there is one so named."""
    if provider is None:
        return _REFERENCE
    found = provider.resolve(event_type)
    return f"{_REFERENCE}/{provider.name}" + ("" if found is None else f"#{found.name}")


def reference_of_error(exc: CatalogError) -> str:
    return reference_of(PROVIDERS.get(exc.provider), exc.event_type)

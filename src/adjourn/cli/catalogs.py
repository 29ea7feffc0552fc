"""What commands name of the catalogs that come with the program: a provider, an event type."""

from difflib import get_close_matches

from adjourn.cli.failure import Exit, Failure
from adjourn.providers import PROVIDERS, EventType, Provider

__all__ = ["find_event_types", "find_provider"]

_LONGEST_NAME = 255  # characters, of a name that is looked for among those there are


def find_provider(name: str) -> Provider:
    """Raises Failure, which names one that is meant, or all."""
    provider = PROVIDERS.get(name)
    if provider is None:
        meant = _meant(name.lower(), [*PROVIDERS]) or f"; there are {', '.join(PROVIDERS)}"
        raise Failure(Exit.REFUSED, f"there is no provider {name!r}{meant}")
    return provider


def find_event_types(provider: Provider, name: str | None) -> list[EventType]:
    """The one of that name, old or new; every one where there is no name. Raises Failure."""
    if name is None:
        return [*provider.event_types.values()]
    event_type = provider.resolve(name)
    if event_type is None:
        meant = _meant(name, [*provider.event_types, *provider.aliases])
        raise Failure(
            Exit.REFUSED,
            f"{name!r} is no event type of {provider.title}{meant}",
            hint="" if meant else f"there are {', '.join(provider.event_types)}",
        )
    return [event_type]


def _meant(name: str, known: list[str]) -> str:
    close = get_close_matches(name[:_LONGEST_NAME], known, n=1)
    return f", did you mean `{close[0]}`?" if close else ""

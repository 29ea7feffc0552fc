"""Hypothesis strategies over what the catalogs can say; built on the generator that users have, too."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from hypothesis import strategies as st

from adjourn.documents.samples import data_samples, samples
from adjourn.providers import PROVIDERS, EventType, Provider
from adjourn.providers.provider import JsonObject

__all__ = ["Published", "event_types", "published", "received"]

_SEEDS = st.integers(0, 2**32)
_NUMBERS = st.integers(0, 24)  # of a sample: the first are systematic, from the 20th on they are usual ones


class Published(NamedTuple):
    """Data as a publisher gives them."""

    provider: Provider
    event_type: EventType
    data: JsonObject


def event_types(name: str | None = None) -> st.SearchStrategy[tuple[Provider, EventType]]:
    """Of that provider; of all without a name."""
    providers = PROVIDERS.values() if name is None else [PROVIDERS[name]]
    return st.sampled_from(
        [(provider, each) for provider in providers for each in provider.event_types.values()]
    )


@st.composite
def published(draw: st.DrawFn, provider: str | None = None) -> Published:
    """Data that publishing takes."""
    of, event_type = draw(event_types(provider))
    return Published(of, event_type, _draw(draw, data_samples(of, event_type, count=25, seed=draw(_SEEDS))))


@st.composite
def received(draw: st.DrawFn, provider: str | None = None) -> tuple[EventType, JsonObject]:
    """A type and a whole event of it, as a receiver gets it."""
    of, event_type = draw(event_types(provider))
    return event_type, _draw(draw, samples(of, event_type, count=25, seed=draw(_SEEDS)))


def _draw(draw: st.DrawFn, made: Iterator[JsonObject]) -> JsonObject:
    return next(islice(made, draw(_NUMBERS), None))

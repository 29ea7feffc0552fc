"""What the platform sets for one app beside what its form has: each provider has options of its own.

In the API they stand beside the other fields of an app, by the names that the provider's struct gives them.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from adjourn.check import check
from adjourn.errors import Fault, InputError
from adjourn.models import AppOptions
from adjourn.providers import PROVIDERS, Provider

__all__ = ["OPTION_NAMES", "options_shape", "read_options"]

_OF: Mapping[str, tuple[str, ...]] = {
    name: tuple(msgspec.structs.asdict(provider.options())) for name, provider in PROVIDERS.items()
}
OPTION_NAMES = frozenset(name for names in _OF.values() for name in names)
"""Of every provider."""


def read_options(
    provider: Provider, given: Mapping[str, Any], before: AppOptions | None = None
) -> AppOptions:
    """`before`, or the defaults, with what is given changed. Raises InputError with every fault."""
    foreign = [name for name in given if name not in _OF[provider.name]]
    faults = [Fault(f"$.{name}", f"is no option of an app of {provider.title}") for name in foreign]
    own = {name: value for name, value in given.items() if name not in foreign}
    faults += check(provider.options, own)
    if faults:
        raise InputError("the body has faults", faults=faults)
    changed = msgspec.to_builtins(before or provider.options()) | own
    return msgspec.convert(changed, provider.options)


def options_shape(options: AppOptions) -> dict[str, Any]:
    shape: dict[str, Any] = msgspec.to_builtins(options)
    return shape

"""What a user's code does with events: the handlers, by the kinds of events that they are for."""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from adjourn.errors import ConfigError, EventError
from adjourn.providers import PROVIDERS, CalendarChanged, MeetingEnded, Provider, UnknownEvent
from adjourn.providers.reading import ReceivedEvent

__all__ = ["Handler", "Handlers", "Match", "check_kinds"]

Function = Callable[..., Awaitable[None] | None]

_NORMALISED = (MeetingEnded, CalendarChanged)
_OF_NO_VENDOR = (*_NORMALISED, ReceivedEvent, UnknownEvent)


@dataclass(frozen=True, kw_only=True)
class Handler:
    """A function for events of some kinds. `name` is what the inbox remembers it by, over restarts."""

    name: str
    kinds: tuple[type[Struct], ...]
    function: Function
    takes_receipt: bool
    is_async: bool


@dataclass(frozen=True)
class Match:
    """A handler, and the event in the form that it takes; or why it cannot have that form."""

    handler: Handler
    event: Struct
    error: EventError | None = None


class Handlers:
    """All handlers of one inbox, in the order that they were given."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def __len__(self) -> int:
        return len(self._handlers)

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    def add(self, function: Function, kinds: tuple[type[Struct], ...], *, name: str | None) -> None:
        """Raises ConfigError for what is no kind of event, no function, or a name that is taken."""
        check_kinds(kinds)
        if not callable(function):
            raise ConfigError(f"on() is for functions, not {function!r}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigError(f"on() is for functions, not for generators: {function!r} has a yield")
        own_name = name or _name_of(function)
        if own_name in self._handlers:
            raise ConfigError(f"there is a handler {own_name!r} already: give one of them a name=")
        self._handlers[own_name] = Handler(
            name=own_name,
            kinds=kinds,
            function=function,
            takes_receipt=_takes_receipt(function, own_name),
            is_async=inspect.iscoroutinefunction(function)
            or inspect.iscoroutinefunction(getattr(function, "__call__", None)),  # noqa: B004
        )

    def mapped(self, change: Callable[[Handler], Handler]) -> "Handlers":
        """As many, and each what `change` makes of it: for tests."""
        others = Handlers()
        others._handlers = {each.name: change(each) for each in self}
        return others

    def match(self, provider: Provider, event: Struct) -> list[Match]:
        """Those for that event."""
        found: list[Match] = []
        normalised: Struct | EventError | None = None
        is_normalised = False
        for handler in self._handlers.values():
            if isinstance(event, handler.kinds):
                found.append(Match(handler, event))
            elif any(kind in _NORMALISED for kind in handler.kinds):
                if not is_normalised:
                    normalised, is_normalised = _normalised(provider, event), True
                if isinstance(normalised, EventError):
                    found.append(Match(handler, event, normalised))
                elif isinstance(normalised, handler.kinds):
                    found.append(Match(handler, normalised))
        return found


def check_kinds(kinds: Sequence[object]) -> None:
    """Raises ConfigError for none, and for what no event is ever an instance of."""
    if not kinds:
        raise ConfigError("on() needs the events to handle: @inbox.on(contio.MeetingCompleted), say")
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Struct)):
            raise ConfigError(
                f"on() takes events' classes, as in @inbox.on(contio.MeetingCompleted), not {kind!r}"
            )
        is_event = kind is Struct or issubclass(kind, _OF_NO_VENDOR)
        if not is_event and kind.__struct_config__.tag_field is None:
            raise ConfigError(f"no event is a {kind.__module__}.{kind.__qualname__}{_meant(kind)}")


def _meant(kind: type[Struct]) -> str:
    """The event whose data it is."""
    types = (each for provider in PROVIDERS.values() for each in provider.event_types.values())
    found = next((each.event for each in types if each.data is kind), None)
    return "" if found is None else f": did you mean {found.__module__}.{found.__qualname__}?"


def _normalised(provider: Provider, event: Struct) -> Struct | EventError | None:
    try:
        return provider.normalise(event)
    except EventError as exc:  # a time in it is none
        return exc


def _name_of(function: Any) -> str:
    function = inspect.unwrap(getattr(function, "func", function))
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def _takes_receipt(function: Function, name: str) -> bool:
    """Whether it wants the receipt beside the event. Raises ConfigError where it can take neither."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False
    for given, takes_receipt in ((("event", "receipt"), True), (("event",), False)):
        try:
            signature.bind(*given)
        except TypeError:
            continue
        return takes_receipt and not _is_default(signature)
    raise ConfigError(f"the handler {name} must take (event) or (event, receipt)")


def _is_default(signature: inspect.Signature) -> bool:
    """Whether the second parameter is another thing, which has a default and another name."""
    parameters = list(signature.parameters.values())
    if len(parameters) < 2 or parameters[1].kind is inspect.Parameter.VAR_POSITIONAL:
        return False
    return parameters[1].default is not inspect.Parameter.empty and parameters[1].name != "receipt"

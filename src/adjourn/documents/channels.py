"""The URLs that a provider's events are sent to, and what comes with each request, for the docs. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from adjourn.documents.example import signature_headers
from adjourn.providers.provider import EventType, JsonObject, Provider

__all__ = ["Channel", "channels"]

_WEBHOOK = "The webhook URL that a partner app has set."
_CALLBACK = (
    "The callback URL that was given with what an event is about, by POST or PUT as was asked for. It comes "
    "beside the webhook, and with the same body."
)
# What a header is for, by how its name ends; any other is a proof.
_HEADERS: Mapping[str, JsonObject] = {
    "-id": {"type": "string", "description": "The event's id: the same on every attempt."},
    "-timestamp": {
        "type": "string",
        "pattern": "^[0-9]+$",
        "description": "When this attempt was signed, in Unix seconds.",
    },
}
_PROOF: JsonObject = {"type": "string", "description": "Proves who sent the body, and that it is whole."}


class Channel(NamedTuple):
    """One kind of URL that events are sent to.

    `headers` has the schema of each; `always`: all of them are on every request. Of these `proofs` prove the
    body. `example` gives their values for a type's sample. `method` is None where it may be any of several.
    """

    name: str
    title: str
    description: str
    event_types: Mapping[str, EventType]
    headers: Mapping[str, JsonObject]
    proofs: tuple[str, ...]
    always: bool
    example: Callable[[EventType], Mapping[str, str]]
    method: str | None


def channels(provider: Provider) -> Iterator[Channel]:
    """An app's webhook, and where the provider has callbacks, these."""
    yield _webhook(provider)
    if provider.callbacks is not None:
        yield _callback(provider, provider.callbacks.secret_header, provider.callbacks.event_types)


def _webhook(provider: Provider) -> Channel:
    def example(event_type: EventType) -> Mapping[str, str]:
        return signature_headers(provider, event_type)

    names = [*example(next(iter(provider.event_types.values())))]
    return Channel(
        name="webhook",
        title="Webhook",
        description=_WEBHOOK,
        event_types=provider.event_types,
        headers={name: dict(_HEADERS.get(_ending(name), _PROOF)) for name in names},
        proofs=tuple(name for name in names if not _ending(name)),
        always=True,
        example=example,
        method="POST",
    )


def _callback(provider: Provider, secret_header: str, event_types: frozenset[str]) -> Channel:
    about = "The callback's secret as it was given, where it has one."
    return Channel(
        name="callback",
        title="Callback",
        description=_CALLBACK,
        event_types={name: each for name, each in provider.event_types.items() if name in event_types},
        headers={secret_header: {"type": "string", "description": about}},
        proofs=(),
        always=False,
        example=lambda _: {secret_header: "the callback's secret"},
        method=None,
    )


def _ending(name: str) -> str:
    return next((each for each in _HEADERS if name.lower().endswith(each)), "")

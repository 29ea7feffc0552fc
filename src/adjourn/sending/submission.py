"""What a product asks to publish, checked whole before anything is stored."""

import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from adjourn import wirejson
from adjourn.check import check, fitting
from adjourn.config import Secret
from adjourn.errors import CatalogError, Fault, InputError
from adjourn.models import Audience, Callback, Connection
from adjourn.providers import PROVIDERS, EventType, Provider
from adjourn.urlrule import USUAL, UrlRule

__all__ = [
    "AudienceBody",
    "CallbackBody",
    "EventBody",
    "ProvidersOf",
    "Submission",
    "parse_callback",
    "parse_submission",
    "utc_spelling",
]

ProvidersOf = Callable[[Sequence[str]], Collection[str]]
"""The names of the providers of apps, by their ids; an app that does not exist has none."""


_DEFAULT_PROVIDER = "contio"
_MOST_NAMED = 10_000  # users or apps in one audience
_FINE: Sequence[Fault] = ()
_LONGEST_NAME = 255  # characters, of a type that is looked for among those there are

_Id = Annotated[str, msgspec.Meta(extra_json_schema={"format": "id"})]
_Ids = Annotated[list[_Id], msgspec.Meta(max_length=_MOST_NAMED)]
_Url = Annotated[str, msgspec.Meta(extra_json_schema={"format": "http-url"})]
_CallbackSecret = Annotated[
    str, msgspec.Meta(min_length=1, max_length=1000, extra_json_schema={"format": "header-value"})
]
_DateTime = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class AudienceBody(msgspec.Struct, frozen=True):
    user_ids: _Ids | None = None
    partner_app_ids: _Ids | None = None


class CallbackBody(msgspec.Struct, frozen=True):
    """Where one bot's end is told, beside the app's URL."""

    url: _Url
    secret: _CallbackSecret | None = None
    method: Literal["POST", "PUT"] = "POST"


class EventBody(msgspec.Struct, frozen=True):
    """POST /v1/platform/events."""

    event_type: str
    data: Any
    audience: AudienceBody
    actor_user_id: _Id | None = None
    timestamp: _DateTime | None = None
    provider: str | None = None
    match_automations: bool = False
    extra: dict[str, Any] | UnsetType | None = UNSET
    callback: CallbackBody | None = None


class Submission(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One event to publish. `data` and `data_json` are in the form that is sent.

    `timestamp` is None for "when it is published". `path` is where it stands in its request.
    `match_automations`: an action item is matched with the automations of those it reaches (CONTRACTS 1.7).
    `revokes`: the connection that its publishing ends; it then reaches that connection alone.
    `extra`, JSON, stands beside the data. `subject`: the bot that it is about, `is_final` its last event,
    which goes to `callback`, too.
    """

    provider: Provider
    event_type: EventType
    data: dict[str, Any]
    data_json: bytes
    audience: Audience
    actor_user_id: str | None = None
    timestamp: str | None = None
    path: str = "$"
    match_automations: bool = False
    revokes: Connection | None = None
    extra: bytes | None = None
    subject: str | None = None
    is_final: bool = False
    callback: Callback | None = None


def parse_submission(
    raw: object,
    *,
    path: str = "$",
    providers_of: ProvidersOf | None = None,
    urls: UrlRule = USUAL,
) -> Submission:
    """Check decoded JSON against the request's form and the catalog.

    Without a provider it is that of the apps addressed, by `providers_of`, whatever that raises; without
    that, contio.
    Raises InputError or CatalogError with every fault found, each with its JSON path.
    """
    body = fitting(EventBody, raw)
    if body is None:
        body = _body(raw, path)
    provider = _provider(body, path, providers_of)
    event_type = provider.resolve(body.event_type)
    if event_type is None:
        reason = _unknown_type(body.event_type, provider)
        raise CatalogError(
            body.event_type, faults=[Fault(f"{path}.event_type", reason)], provider=provider.name
        )
    timestamp, faults = None, _FINE
    if body.timestamp is not None:
        timestamp, faults = _timestamp(body.timestamp, path=f"{path}.timestamp")
    audience = _audience(body.audience)
    data, more = _check_data(provider, event_type, body, audience, path=path)
    if body.extra is not UNSET or body.callback is not None:
        faults = [*faults, *_check_beside(provider, event_type, body, path=path)]
    if body.callback is not None:
        faults = [*faults, *_check_url(body.callback, urls, path=f"{path}.callback")]
    if faults or more or audience is None:
        faults = [*faults, *more]
        if audience is None:
            faults.append(Fault(f"{path}.audience", "must have either user_ids or partner_app_ids"))
        raise CatalogError(event_type.name, faults=faults, provider=provider.name)
    return Submission(
        provider=provider,
        event_type=event_type,
        data=data,
        data_json=wirejson.dumps(data),
        audience=audience,
        actor_user_id=body.actor_user_id,
        timestamp=timestamp,
        path=path,
        match_automations=body.match_automations,
        extra=None if body.extra is UNSET else wirejson.dumps(body.extra),
        subject=provider.subject_of(event_type.name, data),
        is_final=provider.callbacks is not None and event_type.name in provider.callbacks.event_types,
        callback=None if body.callback is None else _callback(body.callback),
    )


def parse_callback(raw: object, *, path: str = "$", urls: UrlRule = USUAL) -> Callback:
    """Raises InputError with every fault found."""
    faults = check(CallbackBody, raw, path=path)
    if not faults:
        body = msgspec.convert(raw, CallbackBody)
        faults = _check_url(body, urls, path=path)
    if faults:
        raise InputError("the callback has faults", faults=faults)
    return _callback(body)


def _check_url(body: CallbackBody, urls: UrlRule, *, path: str) -> list[Fault]:
    fault = urls.find_fault(body.url)
    return [] if fault is None else [Fault(f"{path}.url", fault)]


def _callback(body: CallbackBody) -> Callback:
    secret = None if body.secret is None else Secret(body.secret)
    return Callback(url=body.url, secret=secret, method=body.method)


def _provider(body: EventBody, path: str, providers_of: ProvidersOf | None) -> Provider:
    """The one named, or that of the apps addressed: CONTRACTS 1.2."""
    name = body.provider
    if name is None:
        name = _DEFAULT_PROVIDER
        if body.audience.partner_app_ids and providers_of is not None:
            of_apps = providers_of(body.audience.partner_app_ids)
            if not of_apps:
                fault = Fault(f"{path}.audience.partner_app_ids[0]", "is no app's id")
                raise InputError("the audience names an app that does not exist", faults=[fault])
            if len(of_apps) > 1:
                reason = f"are apps of {' and '.join(sorted(of_apps))}: name the provider, or apps of one"
                fault = Fault(f"{path}.audience.partner_app_ids", reason)
                raise InputError("the provider is not clear", faults=[fault])
            name = next(iter(of_apps))
    provider = PROVIDERS.get(name)
    if provider is None:
        reason = f"must be one of {', '.join(PROVIDERS)}"
        raise InputError("unknown provider", faults=[Fault(f"{path}.provider", reason)])
    return provider


def _check_beside(
    provider: Provider, event_type: EventType, body: EventBody, *, path: str
) -> Sequence[Fault]:
    """What is given beside the data."""
    faults = []
    if body.extra is not UNSET and not provider.carries_extra(event_type.name):
        faults.append(Fault(f"{path}.extra", f"is not carried by {event_type.name} of {provider.title}"))
    if body.callback is not None:
        told = provider.callbacks.event_types if provider.callbacks is not None else ()
        if event_type.name not in told:
            only = f"only {' and '.join(sorted(told))} are told" if told else "nothing is told"
            faults.append(Fault(f"{path}.callback", f"{only} to callbacks by {provider.title}"))
        elif body.audience.partner_app_ids is None:
            faults.append(Fault(f"{path}.callback", "needs audience.partner_app_ids: it is an app's own"))
    return faults


def _body(raw: object, path: str) -> EventBody:
    if faults := check(EventBody, raw, path=path):
        raise InputError("the request is not an event to publish", faults=faults)
    return msgspec.convert(raw, EventBody)


def _check_data(
    provider: Provider, event_type: EventType, body: EventBody, audience: Audience | None, *, path: str
) -> tuple[dict[str, Any], Sequence[Fault]]:
    if not isinstance(body.data, dict):
        return {}, [Fault(f"{path}.data", "must be an object")]
    data, faults = provider.prepare(body.event_type, body.data, path=f"{path}.data")
    if audience is None:
        return data, faults
    refused = provider.check_audience(event_type.name, data, audience, body.actor_user_id)
    return data, faults + [Fault(f"{path}.audience", reason) for reason in refused] if refused else faults


def _unknown_type(name: str, provider: Provider) -> str:
    close = get_close_matches(name[:_LONGEST_NAME], provider.event_types, n=1)
    hint = f", did you mean `{close[0]}`?" if close else "; GET /v1/platform/event-types lists them"
    return f"is no event type of {provider.title}{hint}"


def _audience(body: AudienceBody) -> Audience | None:
    """Users or apps, each once, in the order given; None unless it is one of the two."""
    if (body.user_ids is None) == (body.partner_app_ids is None):
        return None
    if body.user_ids is not None:
        users = body.user_ids
        return Audience(user_ids=tuple(dict.fromkeys(users) if len(users) > 1 else users))
    return Audience(partner_app_ids=tuple(dict.fromkeys(body.partner_app_ids or ())))


_OFFSET = re.compile(r"(?P<moment>.{19})(?P<fraction>\.\d+)?(?P<offset>[+-]\d\d:\d\d|Z)")


def utc_spelling(text: str) -> str:
    """An RFC 3339 date-time as UTC ending in Z: one in UTC as it was spelled, its fraction untouched.

    Raises ValueError or OverflowError when its moment cannot be told.
    """
    match = _OFFSET.fullmatch(text.upper())
    if match is None:
        raise ValueError("no date-time")
    fraction = match["fraction"] or ""
    moment = datetime.fromisoformat(match["moment"] + match["offset"]).astimezone(UTC)
    return f"{moment.replace(tzinfo=None).isoformat()}{fraction}Z"


def _timestamp(text: str, *, path: str) -> tuple[str | None, Sequence[Fault]]:
    try:
        return utc_spelling(text), _FINE
    except (ValueError, OverflowError):
        return None, [Fault(path, "is out of range")]

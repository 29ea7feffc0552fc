"""The document's schemas, made from the very structs that check requests and show answers.

No body may have a field that is not here; answers may get more in a later version, so a client passes over
what it does not know. Where a struct says less than is so, because it reads leniently or its check is not in
its type, `_SAYS` says the rest.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec.json

from adjourn import resources
from adjourn.api.openapi.operation import Json
from adjourn.models import (
    AppStatus,
    AutomationStatus,
    ConnectionStatus,
    DeliveryState,
    DisabledBy,
    NoticeKind,
    NoticeState,
    ReplayStatus,
)
from adjourn.providers import PROVIDERS
from adjourn.storage.base import CredentialAction, CredentialType

__all__ = ["ID", "components"]

ID: Json = {"minLength": 1, "maxLength": 255, "pattern": "^[^\\x00-\\x1f\\x7f]+$"}
_UNSEEN = "\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029"
# What adjourn/formats.py takes for each of them.
_FORMATS: Mapping[str, Json] = {
    "id": ID,
    "name": {"pattern": f"^[^{_UNSEEN}]*[^\\s{_UNSEEN}][^{_UNSEEN}]*$"},
    "text": {"pattern": "^[^\\x00]*$"},
    "email": {"maxLength": 254, "pattern": "^[\\w.!#$%&'*+/=?^`{|}~-]+@[\\w.-]+$"},
    # no user; a host of at most 254 characters, and a port; at most 63 between dots
    "http-url": {
        "format": "uri",
        "maxLength": 2000,
        "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://(?![^/?#]{261})(?![^/?#]*[A-Za-z0-9_-]{64})[^@]+$",
    },
    "date-time": {"format": "date-time"},
    "header-name": {"minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"},
    "header-value": {"pattern": "^(?! )[ -~]*(?<! )$"},
}


def _one_of(values: Iterable[str]) -> Json:
    return {"enum": [*values]}


_PROVIDER = _one_of(PROVIDERS)
_EVENT_TYPE = {"$ref": "#/components/schemas/EventTypeName"}
_EVENT_TYPES = {
    "description": "A name in the catalog, or an older name of one.",
    "type": "string",
    "enum": [name for each in PROVIDERS.values() for name in (*each.event_types, *each.aliases)],
}

# By struct and field, what its schema says beside its type.
_SAYS: Mapping[str, Json] = {
    "App.status": _one_of(AppStatus),
    "Automation.status": _one_of(AutomationStatus),
    "Connection.status": _one_of(ConnectionStatus),
    "CreateApp.provider": _PROVIDER,
    "CredentialHistoryEvent.action": _one_of(CredentialAction),
    "CredentialHistoryEvent.credential_type": _one_of(CredentialType),
    "CredentialHistoryEvent.initiated_by": _one_of(["partner", "internal", "system"]),
    "CredentialStatus.credential_type": _one_of(CredentialType),
    "CredentialStatus.recommended_action": _one_of(["ok", "rotate_soon", "rotate_recommended"]),
    "CredentialStatus.status": _one_of(["active", "transitioning", "disabled"]),
    "Delivery.delivery_status": _one_of(DeliveryState),
    "DeliveryWithAttempts.delivery_status": _one_of(DeliveryState),
    "Disabled.by": _one_of(DisabledBy),
    "EventBody.data": {
        "type": "object",
        "description": "As the catalog says: GET /v1/platform/event-types/{name} has its schema.",
    },
    "EventBody.event_type": _EVENT_TYPE,
    "EventBody.provider": {"anyOf": [{"type": "string", **_PROVIDER}, {"type": "null"}]},
    "FilterBody.events": {"items": _EVENT_TYPE},
    "Notice.kind": _one_of(NoticeKind),
    "Notice.state": _one_of(NoticeState),
    "PlatformApp.provider": _PROVIDER,
    "PlatformApp.status": _one_of(AppStatus),
    "Replay.delivery_status": _one_of(DeliveryState),
    "Replay.status": _one_of(ReplayStatus),
    "RetryMany.event_type": {"anyOf": [_EVENT_TYPE, {"type": "null"}]},
    "RotatedCredential.credential_type": _one_of(CredentialType),
    "WebhookFilter.type": _one_of(["include", "exclude"]),
    "WebhookStatus.status": _one_of(AppStatus),
}


_WITH_OPTIONS = {"CreateApp", "PatchApp", "PlatformApp"}

# Fields that a vendor's answers may lack, and ours always have, beside those with a default in resources/.
_ALWAYS = {"Automation.is_active", "RetryScheduled.next_retry_at"}


def components(types: Sequence[Any], *, closed: bool) -> tuple[Iterable[Json], Json]:
    """The schema of each type, and the named ones they refer to. `closed`: answers have no other field."""
    made = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    text = re.sub(rb"\bPage_(\w+?)_", rb"\1Page", msgspec.json.encode(made))  # as a program would name it
    schemas, named = msgspec.json.decode(text)
    for name in _WITH_OPTIONS & named.keys():
        named[name]["properties"].update(_options(with_defaults=name == "CreateApp"))
    for key, more in _SAYS.items():
        struct, _, field = key.partition(".")
        named[struct]["properties"][field].update(more)
    for name, schema in named.items():
        if closed or not _is_answer(name):
            schema["additionalProperties"] = False
        if name in resources.__all__:
            _require(name, schema["properties"], schema["required"])
        for node in _nodes(schema):
            if node.get("format") in _FORMATS:
                node.update(_FORMATS[node.pop("format")])
    return schemas, {"EventTypeName": _EVENT_TYPES, **named}


def _options(*, with_defaults: bool) -> Json:
    """What an app of any provider may have set: of another provider it is refused, and not shown."""
    options: Json = {}
    for provider in PROVIDERS.values():
        _, kinds = msgspec.json.schema_components([provider.options])
        for name, each in kinds[provider.options.__name__]["properties"].items():
            merged = {key: value for key, value in each.items() if with_defaults or key != "default"}
            if "$ref" in merged:
                merged |= kinds[merged.pop("$ref").rpartition("/")[2]]
                merged.pop("title", None)
                merged.pop("description", None)
            options[name] = merged
    return options


def _is_answer(name: str) -> bool:
    return name in resources.__all__ or name == "Fault" or name.endswith("Page")


def _require(name: str, properties: Json, required: list[str]) -> None:
    """Of an answer: what a client need not find in a vendor's, every one of ours has."""
    for field, schema in properties.items():
        has_default = schema.pop("default", required) is not required
        if has_default or f"{name}.{field}" in _ALWAYS:
            required.append(field)


def _nodes(value: Any) -> Iterator[Json]:
    """Every object in a schema."""
    if isinstance(value, dict):
        yield value
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _nodes(each)

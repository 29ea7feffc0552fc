"""The platform API, call by call, and what needs no key."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from adjourn.api.bodies import (
    ChangeAutomation,
    Connect,
    ConnectMany,
    CreateApp,
    CreateAutomation,
    CreateWorkflow,
    FilterBody,
    PatchApp,
    RetryMany,
    SwitchWebhooks,
)
from adjourn.api.openapi.operation import (
    CONNECTIONS,
    CREDENTIAL_HISTORY,
    DELIVERY_STATUS,
    EVENT_TYPE,
    Operation,
    call,
    choice,
    paged,
    query,
    rotations,
    under,
)
from adjourn.documents.asyncapi import VERSIONS
from adjourn.models import AppStatus
from adjourn.providers import PROVIDERS
from adjourn.resources import (
    Accepted,
    AcceptedBatch,
    Automation,
    Connection,
    Connections,
    CreatedApp,
    CredentialHistory,
    CredentialsStatus,
    Deliveries,
    DeliveryWithAttempts,
    EventTypeInFull,
    EventTypes,
    Explanation,
    Page,
    PlatformApp,
    Publication,
    Replay,
    RetryScheduled,
    WebhookStatus,
)
from adjourn.sending.submission import EventBody

__all__ = ["OPEN", "PLATFORM"]

_BASE = "/v1/platform"
_APP = f"{_BASE}/apps/{{app_id}}"
_PUBLISHING = (409, 413)
_TAKEN = (409,)

_OF_APP = query("partner_app_id", "only what became of it for this app", {"type": "string"})
_APP_ID = query("app_id", "only this app's", {"type": "string"})


class EventBatch(Struct, frozen=True):
    """POST /v1/platform/events/batch."""

    events: Annotated[list[EventBody], Meta(min_length=1, max_length=1000)]


_PROVIDER = query("provider", "only this provider's", {"type": "string", "enum": [*PROVIDERS]})
_ASYNCAPI = (
    query("provider", "whose events", {"type": "string", "enum": [*PROVIDERS], "default": "contio"}),
    query("version", "of AsyncAPI", {"type": "string", "enum": [*VERSIONS], "default": next(iter(VERSIONS))}),
)
_HTML = "text/html"

OPEN: list[Operation] = under(
    "",
    "No key needed",
    call("getHealth", "GET /healthz", "The process answers", dict[str, str]),
    call("getOpenApi", "GET /openapi.json", "This document", dict[str, Any]),
    call("getDocs", "GET /docs", "This document as a page", str, media_type=_HTML),
    call(
        "getAsyncApi",
        "GET /asyncapi.json",
        "A provider's events as an AsyncAPI document",
        dict[str, Any],
        queries=_ASYNCAPI,
    ),
    call(
        "getAsyncApiYaml",
        "GET /asyncapi.yaml",
        "The same in YAML",
        dict[str, Any],
        queries=_ASYNCAPI,
        media_type="application/yaml",
    ),
    call(
        "getEventSchema",
        "GET /schemas/{provider}/{event_type}.json",
        "The JSON Schema of a whole event, for receivers: other keys may come beside",
        dict[str, Any],
        media_type="application/schema+json",
    ),
    call(
        "getDataSchema",
        "GET /schemas/{provider}/data/{event_type}.json",
        "The JSON Schema of an event's data, for publishers: no other key may stand there",
        dict[str, Any],
        media_type="application/schema+json",
    ),
    call("getReference", "GET /reference", "The reference of the events, by provider", str, media_type=_HTML),
    call("getReferenceOf", "GET /reference/{provider}", "Every event of a provider", str, media_type=_HTML),
    call("getStatic", "GET /static/{file}", "What the pages look like", str, media_type="text/css"),
)

PLATFORM: list[Operation] = [
    *under(
        f"{_BASE}/events",
        "Platform: events",
        call(
            "publishEvent",
            "POST",
            "Publish one event; once this is answered, it is on disk",
            Accepted,
            body=EventBody,
            status=202,
            refuses=_PUBLISHING,
        ),
        call(
            "publishEvents",
            "POST /batch",
            "Publish up to 1,000, all stored or none",
            AcceptedBatch,
            body=EventBatch,
            status=202,
            refuses=_PUBLISHING,
        ),
        call(
            "getEvents",
            "GET",
            "What was published, newest first",
            Page[Publication],
            queries=paged(EVENT_TYPE),
        ),
        call(
            "getEvent",
            "GET /{key}",
            "What became of an event, app by app, and why",
            Explanation,
            queries=(_OF_APP,),
        ),
    ),
    *under(
        f"{_BASE}/event-types",
        "Platform: event types",
        call("getEventTypes", "GET", "The catalogs", EventTypes, queries=(_PROVIDER,)),
        call(
            "getEventType",
            "GET /{name}",
            "One, with its JSON Schemas and a sample: the first provider's that has it",
            EventTypeInFull,
            queries=(_PROVIDER,),
        ),
    ),
    *under(
        f"{_BASE}/apps",
        "Platform: apps",
        call(
            "getPartnerApps",
            "GET",
            "Partner apps",
            Page[PlatformApp],
            queries=paged(choice("status", "only those in this state", AppStatus)),
        ),
        call(
            "createPartnerApp",
            "POST",
            "Make one; its credentials are shown this once",
            CreatedApp,
            body=CreateApp,
            status=201,
            refuses=_TAKEN,
        ),
        call("getPartnerApp", "GET /{app_id}", "One app", PlatformApp),
        call(
            "updatePartnerApp",
            "PATCH /{app_id}",
            "Change fields of one",
            PlatformApp,
            body=PatchApp,
        ),
        call("deletePartnerApp", "DELETE /{app_id}", "Take one away; what waits for it is abandoned"),
    ),
    *under(
        _APP,
        "Platform: an app's webhooks",
        call(
            "getPartnerAppWebhookStatus",
            "GET /webhook-status",
            "Whether webhooks are on, what waits, and how near auto-disable is",
            WebhookStatus,
        ),
        call(
            "updatePartnerAppWebhookStatus",
            "PUT /webhook-status",
            "Switch its webhooks off, or on again",
            PlatformApp,
            body=SwitchWebhooks,
        ),
        call(
            "updatePartnerAppWebhookFilter",
            "PUT /webhook-filter",
            "Choose its event types",
            PlatformApp,
            body=FilterBody,
        ),
        call(
            "deletePartnerAppWebhookFilter",
            "DELETE /webhook-filter",
            "Send it every event type again",
            PlatformApp,
        ),
    ),
    *under(
        f"{_APP}/connections",
        "Platform: an app's connections",
        call(
            "getPartnerAppConnections",
            "GET",
            "Users connected to it",
            Page[Connection],
            queries=CONNECTIONS,
        ),
        call(
            "connectUsers",
            "PUT",
            "Connect up to 10,000 users, all or none",
            Connections,
            body=ConnectMany,
            refuses=_TAKEN,
        ),
        call(
            "connectUser",
            "PUT /{user_id}",
            "Connect a user",
            Connection,
            body=Connect,
            status=(200, 201),
            refuses=_TAKEN,
        ),
        call("disconnectUser", "DELETE /{user_id}", "End a connection, and send user.connection.revoked"),
    ),
    *under(
        f"{_APP}/automations",
        "Platform: an app's automations",
        call(
            "getPartnerAppAutomations",
            "GET",
            "Its automations",
            Page[Automation],
            queries=paged(),
        ),
        call(
            "createPartnerAppAutomation",
            "POST",
            "Make one, in either form",
            Automation,
            body=(CreateAutomation, CreateWorkflow),
            status=201,
        ),
        call("getPartnerAppAutomation", "GET /{automation_id}", "One automation", Automation),
        call(
            "updatePartnerAppAutomation",
            "PATCH /{automation_id}",
            "Change fields of one",
            Automation,
            body=ChangeAutomation,
        ),
        call(
            "deletePartnerAppAutomation",
            "DELETE /{automation_id}",
            "Take one away; what waits for it is abandoned",
        ),
    ),
    *under(
        f"{_APP}/credentials",
        "Platform: an app's credentials",
        call(
            "getPartnerAppCredentialStatus",
            "GET",
            "How old each is",
            CredentialsStatus,
        ),
        call(
            "getPartnerAppCredentialHistory",
            "GET /history",
            "What was done to them, newest first",
            CredentialHistory,
            queries=CREDENTIAL_HISTORY,
        ),
        *rotations(of="PartnerApp"),
    ),
    *under(
        f"{_BASE}/deliveries",
        "Platform: deliveries",
        call(
            "getDeliveries",
            "GET",
            "Deliveries of every app, newest first",
            Deliveries,
            queries=paged(_APP_ID, DELIVERY_STATUS, EVENT_TYPE),
        ),
        call("getDelivery", "GET /{delivery_id}", "One with its attempts", DeliveryWithAttempts),
        call("retryDelivery", "POST /{delivery_id}/retry", "Send it once more", RetryScheduled),
    ),
    *under(
        f"{_APP}/deliveries/retry",
        "Platform: replays",
        call(
            "retryPartnerAppDeliveries",
            "POST",
            "Send all that match once more",
            Replay,
            body=RetryMany,
            status=202,
        ),
        call(
            "getPartnerAppReplays",
            "GET",
            "Replays, newest first",
            Page[Replay],
            queries=paged(),
        ),
        call("getPartnerAppReplay", "GET /{replay_id}", "How far one is", Replay),
        call("cancelPartnerAppReplay", "POST /{replay_id}/cancel", "Stop one", Replay),
    ),
]

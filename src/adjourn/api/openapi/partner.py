"""The partner API, call by call: CONTRACTS 1.7. Names are in the style of the vendor's SDK."""

from adjourn.api.bodies import (
    ChangeApp,
    ChangeAutomation,
    CreateAutomation,
    CreateWorkflow,
    FilterBody,
    RetryMany,
    SetAppStatus,
    SwitchWebhooks,
)
from adjourn.api.openapi.operation import (
    CONNECTIONS,
    CREDENTIAL_HISTORY,
    DELIVERY_STATUS,
    EVENT_TYPE,
    Operation,
    call,
    paged,
    rotations,
    under,
)
from adjourn.resources import (
    App,
    Automation,
    Connection,
    CredentialHistory,
    CredentialsStatus,
    Deliveries,
    DeliveryWithAttempts,
    Page,
    Replay,
    RetryScheduled,
    WebhookStatus,
)

__all__ = ["PARTNER"]

_BASE = "/v1/partner/admin"
_OFF = (403,)  # to an app that is not active

_AUTOMATIONS = ("/automation", "/workflows")
_AUTOMATION = ("/automation/{automation_id}", "/workflows/{automation_id}")
_NEW_AUTOMATION = (CreateAutomation, CreateWorkflow)

PARTNER: list[Operation] = [
    *under(
        _BASE,
        "Partner: app",
        call("getApp", "GET /app", "The app", App),
        call("updateApp", "PUT /app", "Change fields of the app", App, body=ChangeApp),
        call("patchApp", "PATCH /app", "The same as PUT", App, body=ChangeApp),
        call(
            "updateAppStatus",
            "PUT /app/status",
            "Make the app inactive, or active again; suspending is the platform's",
            App,
            body=SetAppStatus,
        ),
        refuses=_OFF,
    ),
    *under(
        _BASE,
        "Partner: webhooks",
        call(
            "getWebhookStatus",
            "GET /webhook-status",
            "Whether webhooks are on, what waits, and how near auto-disable is",
            WebhookStatus,
            also=("/app/webhook-status",),
        ),
        call(
            "updateWebhookStatus",
            "PUT /webhook-status",
            "Switch webhooks off, or on again",
            App,
            also=("/app/webhook-status",),
            body=SwitchWebhooks,
        ),
        call(
            "updateWebhookFilter",
            "PUT /webhook-filter",
            "Choose event types",
            App,
            also=("/app/webhook-filter",),
            body=FilterBody,
        ),
        call(
            "deleteWebhookFilter",
            "DELETE /webhook-filter",
            "Take every event type again",
            App,
            also=("/app/webhook-filter",),
        ),
        refuses=_OFF,
    ),
    *under(
        f"{_BASE}/webhook-deliveries",
        "Partner: deliveries",
        call(
            "getWebhookDeliveries",
            "GET",
            "Deliveries, newest first",
            Deliveries,
            queries=paged(DELIVERY_STATUS, EVENT_TYPE),
        ),
        call(
            "getWebhookDelivery",
            "GET /{delivery_id}",
            "One with its attempts",
            DeliveryWithAttempts,
        ),
        call("retryWebhookDelivery", "POST /{delivery_id}/retry", "Send it once more", RetryScheduled),
        call(
            "retryWebhookDeliveries",
            "POST /retry",
            "Send all that match once more",
            Replay,
            body=RetryMany,
            status=202,
        ),
        call(
            "getReplays",
            "GET /retry",
            "Replays, newest first",
            Page[Replay],
            queries=paged(),
        ),
        call("getReplay", "GET /retry/{replay_id}", "How far a replay is", Replay),
        call("cancelReplay", "POST /retry/{replay_id}/cancel", "Stop a replay", Replay),
        refuses=_OFF,
    ),
    *under(
        _BASE,
        "Partner: automations",
        call(
            "getAutomations",
            "GET /automations",
            "Automations",
            Page[Automation],
            also=_AUTOMATIONS,
            queries=paged(),
        ),
        call(
            "createAutomation",
            "POST /automations",
            "Make one, in either form",
            Automation,
            also=_AUTOMATIONS,
            body=_NEW_AUTOMATION,
            status=201,
        ),
        call(
            "getAutomation",
            "GET /automations/{automation_id}",
            "One automation",
            Automation,
            also=_AUTOMATION,
        ),
        call(
            "updateAutomation",
            "PUT /automations/{automation_id}",
            "Change fields of one",
            Automation,
            also=_AUTOMATION,
            body=ChangeAutomation,
        ),
        call(
            "patchAutomation",
            "PATCH /automations/{automation_id}",
            "The same as PUT",
            Automation,
            also=_AUTOMATION,
            body=ChangeAutomation,
        ),
        call(
            "deleteAutomation",
            "DELETE /automations/{automation_id}",
            "Take one away; what waits for it is abandoned",
            also=_AUTOMATION,
        ),
        refuses=_OFF,
    ),
    *under(
        f"{_BASE}/connections",
        "Partner: connections",
        call(
            "getConnections",
            "GET",
            "Users connected",
            Page[Connection],
            queries=CONNECTIONS,
        ),
        call("getConnection", "GET /{connection_id}", "One connection", Connection),
        call("deleteConnection", "DELETE /{connection_id}", "End one, and send user.connection.revoked"),
        refuses=_OFF,
    ),
    *under(
        f"{_BASE}/credentials",
        "Partner: credentials",
        call("getCredentialStatus", "GET", "How old each is, and whether to rotate it", CredentialsStatus),
        call(
            "getCredentialHistory",
            "GET /history",
            "What was done to them, newest first",
            CredentialHistory,
            queries=CREDENTIAL_HISTORY,
        ),
        *rotations(),
        refuses=_OFF,
    ),
]

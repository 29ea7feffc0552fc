"""The nouns as both APIs show them: what a client decodes, and what the OpenAPI document describes.

One struct for each shape of CONTRACTS 1.7. An optional field is left out where it has no value, never null;
`webhook_filter` alone is null for "none". Every moment is aware UTC. Reading is lenient: fields that a
later version adds are passed over, and a few that every answer of ours has are missing from a vendor's
(those with a default that is not UNSET, and is_active).
"""

from adjourn.resources.apps import (
    App,
    AutoDisable,
    Backlog,
    Connection,
    Connections,
    CreatedApp,
    Credentials,
    Disabled,
    Notice,
    PlatformApp,
    TypeBacklog,
    WebhookFilter,
    WebhookStatus,
)
from adjourn.resources.automations import Action, Automation, MatchingRules
from adjourn.resources.common import Page, Problem
from adjourn.resources.credentials import (
    CredentialHistory,
    CredentialHistoryEvent,
    CredentialsStatus,
    CredentialStatus,
    Pagination,
    RotatedCredential,
)
from adjourn.resources.deliveries import (
    Attempt,
    Deliveries,
    Delivery,
    DeliveryWithAttempts,
    Replay,
    RetryScheduled,
)
from adjourn.resources.publishing import (
    Accepted,
    AcceptedBatch,
    Assigned,
    Envelope,
    EventType,
    EventTypeInFull,
    EventTypes,
    Explanation,
    Outcome,
    Publication,
)

__all__ = [
    "Accepted",
    "AcceptedBatch",
    "Action",
    "App",
    "Assigned",
    "Attempt",
    "AutoDisable",
    "Automation",
    "Backlog",
    "Connection",
    "Connections",
    "CreatedApp",
    "CredentialHistory",
    "CredentialHistoryEvent",
    "CredentialStatus",
    "Credentials",
    "CredentialsStatus",
    "Deliveries",
    "Delivery",
    "DeliveryWithAttempts",
    "Disabled",
    "Envelope",
    "EventType",
    "EventTypeInFull",
    "EventTypes",
    "Explanation",
    "MatchingRules",
    "Notice",
    "Outcome",
    "Page",
    "Pagination",
    "PlatformApp",
    "Problem",
    "Publication",
    "Replay",
    "RetryScheduled",
    "RotatedCredential",
    "TypeBacklog",
    "WebhookFilter",
    "WebhookStatus",
]

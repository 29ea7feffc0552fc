"""The nouns of DESIGN.md and their states. Frozen: a change makes a new value.

Every datetime is aware UTC.
"""

from adjourn.models.apps import (
    Action,
    App,
    AppOptions,
    AppStatus,
    Automation,
    AutomationStatus,
    Connection,
    ConnectionStatus,
    Disabled,
    DisabledBy,
    Filter,
    OldSecret,
    SignatureProfile,
)
from adjourn.models.deliveries import (
    Attempt,
    Audience,
    Delivery,
    DeliveryState,
    Event,
    Outcome,
    Publication,
    Replay,
    ReplayStatus,
    Verdict,
)
from adjourn.models.health import (
    Health,
    Notice,
    NoticeKind,
    NoticeState,
)

__all__ = [
    "Action",
    "App",
    "AppOptions",
    "AppStatus",
    "Attempt",
    "Audience",
    "Automation",
    "AutomationStatus",
    "Connection",
    "ConnectionStatus",
    "Delivery",
    "DeliveryState",
    "Disabled",
    "DisabledBy",
    "Event",
    "Filter",
    "Health",
    "Notice",
    "NoticeKind",
    "NoticeState",
    "OldSecret",
    "Outcome",
    "Publication",
    "Replay",
    "ReplayStatus",
    "SignatureProfile",
    "Verdict",
]

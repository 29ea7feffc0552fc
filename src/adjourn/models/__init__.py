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
from adjourn.models.policy import Policy
from adjourn.models.receipts import Handling, Receipt, ReceiptState
from adjourn.models.subjects import (
    CALLBACK_LANE,
    Callback,
    Subject,
    callback_target,
    lane_target,
    subject_of_target,
)

__all__ = [
    "CALLBACK_LANE",
    "Action",
    "App",
    "AppOptions",
    "AppStatus",
    "Attempt",
    "Audience",
    "Automation",
    "AutomationStatus",
    "Callback",
    "Connection",
    "ConnectionStatus",
    "Delivery",
    "DeliveryState",
    "Disabled",
    "DisabledBy",
    "Event",
    "Filter",
    "Handling",
    "Health",
    "Notice",
    "NoticeKind",
    "NoticeState",
    "OldSecret",
    "Outcome",
    "Policy",
    "Publication",
    "Receipt",
    "ReceiptState",
    "Replay",
    "ReplayStatus",
    "SignatureProfile",
    "Subject",
    "Verdict",
    "callback_target",
    "lane_target",
    "subject_of_target",
]

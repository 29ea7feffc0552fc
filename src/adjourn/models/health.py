"""How well an app's endpoint takes its webhooks, and the mails that tell its contact."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

__all__ = ["Health", "Notice", "NoticeKind", "NoticeState"]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What auto-disable looks at.

    `abandoned` counts deliveries abandoned after exhausting their retries since `enabled_at`, when webhooks
    were last enabled. The rest is about the time since the last success or that enabling, whichever came
    last: the first and last failed attempt, and the last delivery that exhausted its retries.
    """

    app_id: str
    enabled_at: datetime
    abandoned: int = 0
    succeeded_at: datetime | None = None
    failed_first: datetime | None = None
    failed_last: datetime | None = None
    exhausted_at: datetime | None = None
    warned_at: datetime | None = None  # since the last enabling


class NoticeKind(StrEnum):
    """Why the primary contact gets a mail."""

    HALF_WAY = "half_way"  # to being disabled automatically
    AUTO_DISABLED = "auto_disabled"
    URL_GONE = "url_gone"  # the app's URL answered 410
    AUTOMATION_GONE = "automation_gone"  # an automation's own URL did
    ENABLED_AGAIN = "enabled_again"


class NoticeState(StrEnum):
    """`not_configured`: there is no mail server; it was logged instead."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    NOT_CONFIGURED = "not_configured"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A mail to an app's primary contact. `facts` are what its text needs, by the notice's kind.

    half_way and auto_disabled: `reason`, a sentence. url_gone: `url`. automation_gone: `url`, `name`.
    """

    id: int
    app_id: str
    kind: NoticeKind
    facts: Mapping[str, str]
    created_at: datetime
    state: NoticeState = NoticeState.WAITING
    tries: int = 0
    sent_at: datetime | None = None
    error: str = ""

"""Who is told: partner apps, their automations, and the users connected to them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec

from adjourn.config import Secret
from adjourn.models.subjects import subject_of_target

__all__ = [
    "Action",
    "App",
    "AppOptions",
    "AppStatus",
    "Automation",
    "AutomationStatus",
    "Connection",
    "ConnectionStatus",
    "Disabled",
    "DisabledBy",
    "Filter",
    "OldSecret",
    "SignatureProfile",
]


class AppStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    INACTIVE = "inactive"


class SignatureProfile(StrEnum):
    """How X-Contio-Signature is made: CONTRACTS 1.4."""

    DOCUMENTED = "documented"
    SDK = "sdk"


class ConnectionStatus(StrEnum):
    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


class AutomationStatus(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"


class DisabledBy(StrEnum):
    """Who switched an app's webhooks off. `gone`: its URL answered 410."""

    PARTNER = "partner"
    PLATFORM = "platform"
    AUTO_DISABLE = "auto_disable"
    GONE = "gone"


class Disabled(msgspec.Struct, frozen=True, kw_only=True):
    """Why an app's webhooks are off."""

    by: DisabledBy
    at: datetime
    reason: str


class Filter(msgspec.Struct, frozen=True):
    """Which event types an app gets: only those listed, or all but those listed."""

    type: Literal["include", "exclude"]
    events: tuple[str, ...]

    def passes(self, event_type: str) -> bool:
        return (event_type in self.events) == (self.type == "include")


class AppOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform sets for one app, beside what the partner sees. Each provider adds its own."""

    auto_disable: bool = True
    ordered: bool = False


class Action(msgspec.Struct, frozen=True):
    """What an automation does. `webhook` sends to `config["url"]`, `phrase_match` looks for phrases."""

    type: str
    config: Mapping[str, Any] | None = None


class Automation(msgspec.Struct, frozen=True, kw_only=True):
    """An app's rule, with a webhook URL of its own where one of its actions has one."""

    id: str
    app_id: str
    name: str
    description: str | None
    trigger_type: str
    actions: tuple[Action, ...]
    keywords: tuple[str, ...]
    status: AutomationStatus
    created_at: datetime
    updated_at: datetime

    @property
    def webhook_url(self) -> str | None:
        urls = (each.config.get("url") for each in self.actions if each.type == "webhook" and each.config)
        return next(urls, None)

    @property
    def phrases(self) -> tuple[str, ...]:
        found = (each.config for each in self.actions if each.type == "phrase_match" and each.config)
        return tuple(phrase for config in found for phrase in config.get("phrases", ()))


class OldSecret(msgspec.Struct, frozen=True):
    """A webhook secret before the present one: it counts `until` the end of its grace period."""

    secret: Secret
    until: datetime


class App(msgspec.Struct, frozen=True, kw_only=True):
    """A partner app. `version` grows with each change: no statement acts on an old one."""

    id: str
    version: int
    provider: str
    name: str
    description: str | None
    company_name: str
    client_id: str
    primary_contact_email: str
    webhook_url: str | None
    webhook_enabled: bool
    webhook_filter: Filter | None
    status: AppStatus
    slug: str | None
    options: AppOptions
    webhook_secret: Secret
    old_secrets: tuple[OldSecret, ...] = ()  # the one that lasts longest first
    automations: tuple[Automation, ...] = ()  # oldest first
    disabled: Disabled | None = None
    created_at: datetime
    updated_at: datetime

    def secrets_in_grace(self, now: datetime) -> tuple[Secret, ...]:
        """The webhook secrets before the present one that still count."""
        return tuple(each.secret for each in self.old_secrets if now < each.until)

    @property
    def is_on(self) -> bool:
        """Whether attempts may start at all: switched on, and active."""
        return self.webhook_enabled and self.status is AppStatus.ACTIVE

    def find_automation(self, automation_id: str) -> Automation | None:
        return next((each for each in self.automations if each.id == automation_id), None)

    def url_for(self, target: str | None) -> str | None:
        """Where an attempt goes now: to the app's URL, or to that of the automation named by `target`.

        None while there is nowhere to send to, or the automation is inactive.
        """
        if target is None:
            return self.webhook_url
        automation = self.find_automation(target)
        if automation is None or automation.status is not AutomationStatus.ACTIVE:
            return None
        return automation.webhook_url or self.webhook_url

    def takes_attempts(self, target: str | None = None) -> bool:
        """Whether an attempt may start at that target. A callback has a URL of its own, whatever it is."""
        return self.is_on and (self.url_for(target) is not None or subject_of_target(target) is not None)


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A user connected to an app; one row for each (app, user)."""

    id: str
    app_id: str
    user_id: str
    user_email: str
    oauth_scopes: tuple[str, ...] = ()
    status: ConnectionStatus
    created_at: datetime
    updated_at: datetime

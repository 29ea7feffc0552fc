"""Automations as the APIs show them."""

from msgspec import UNSET, Struct

from adjourn.resources.common import Json, Maybe, Moment

__all__ = ["Action", "Automation", "MatchingRules"]


class Action(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an automation does. Of type `webhook`, `config.url` is its URL; `phrase_match` has phrases."""

    type: str
    config: Json | Maybe = UNSET


class MatchingRules(Struct, frozen=True, kw_only=True):
    keywords: list[str] = []


class Automation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """In both forms at once: actions and status, and the older webhook_url, matching_rules and is_active."""

    id: str
    partner_app_id: str
    name: str
    trigger_type: str
    actions: list[Action]
    status: str
    matching_rules: MatchingRules = MatchingRules()
    is_active: bool | Maybe = UNSET
    created_at: Moment
    updated_at: Moment
    description: str | Maybe = UNSET
    webhook_url: str | Maybe = UNSET

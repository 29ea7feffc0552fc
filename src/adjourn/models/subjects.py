"""What a vendor's later calls name: a bot whose last webhook is to be sent again, and its own callback."""

from typing import Literal

import msgspec

from adjourn.config import Secret

__all__ = ["CALLBACK_LANE", "Callback", "Subject", "callback_target", "lane_target", "subject_of_target"]

CALLBACK_LANE = "callback"
"""The target of a lane of callbacks: no automation has such an id, since those are UUIDs."""

_PREFIX = f"{CALLBACK_LANE}:"


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """Where one subject's end is told beside the app's own URL, and how."""

    url: str
    secret: Secret | None = None
    method: Literal["POST", "PUT"] = "POST"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A bot of one app, as its events and calls made it known.

    `event_id` is its last final event, None while it has none: sent to the app's URL by `delivery_id` (None
    where it went nowhere), to its callback by `callback_delivery_id`.
    """

    app_id: str
    id: str
    event_id: str | None = None
    delivery_id: str | None = None
    callback_delivery_id: str | None = None
    callback: Callback | None = None


def callback_target(subject_id: str) -> str:
    """The `target` of a delivery that goes to the callback of that subject."""
    return _PREFIX + subject_id


def lane_target(target: str | None) -> str | None:
    """The target of the lane that deliveries to that target wait in: all callbacks to an origin share one."""
    return target if subject_of_target(target) is None else CALLBACK_LANE


def subject_of_target(target: str | None) -> str | None:
    """The subject whose callback the target is; None where it is the app or an automation."""
    return None if target is None or not target.startswith(_PREFIX) else target.removeprefix(_PREFIX)

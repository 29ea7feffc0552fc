"""The keyring: an app's credentials, their rotation and its history.

API keys and client secrets are stored hashed, webhook secrets sealed. For each kind there is one current
credential, and for the length of a grace period the one before it.
"""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from adjourn.config import Secret
from adjourn.models import App
from adjourn.storage.base.answers import KeptAnswer

__all__ = [
    "Credential",
    "CredentialAction",
    "CredentialEvent",
    "CredentialType",
    "Keyring",
    "Rotation",
    "Who",
]


class CredentialType(StrEnum):
    API_KEY = "api_key"
    WEBHOOK_SECRET = "webhook_secret"  # noqa: S105
    CLIENT_SECRET = "client_secret"  # noqa: S105


class CredentialAction(StrEnum):
    """`disabled`: the grace period of the one before ended. The last three are the vendor's own: a client may
    ask for them, and nothing here does them.
    """

    ROTATED = "rotated"
    ROLLBACK = "rollback"
    DISABLED = "disabled"
    ENABLED = "enabled"
    ACCESSED = "accessed"
    TESTED = "tested"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """One kind's credential as it stands. `grace_ends_at`: until then the one before works, too."""

    type: CredentialType
    created_at: datetime  # the first of its kind
    rotated_at: datetime | None
    used_at: datetime | None
    grace_ends_at: datetime | None


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: `partner`, `internal` (the product) or `system`, and from where."""

    kind: str
    ip_address: str | None = None
    user_agent: str | None = None


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """A new credential to take the place of the current one, which works on until `grace_ends_at`.

    `rollback_hash`: of the token that puts the old one back until then; None where there is none.
    """

    app_id: str
    type: CredentialType
    secret: Secret
    at: datetime
    grace_ends_at: datetime | None
    rollback_hash: bytes | None
    who: Who
    reason: str | None


class CredentialEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the history."""

    id: str
    app_id: str
    type: CredentialType
    action: CredentialAction
    who: Who
    reason: str | None
    at: datetime


class Keyring(Protocol):
    async def find_app_by_key(self, api_key_hash: bytes) -> App | None:
        """The app of an API key that works now."""

    async def note_used(self, api_key_hash: bytes, at: datetime) -> None: ...

    async def list_credentials(self, app_id: str) -> list[Credential]:
        """One for each type."""

    async def rotate(self, rotation: Rotation, *, answer: KeptAnswer | None) -> None:
        """Put a new credential in place of the current one; without a grace period all before it end at once.

        A new webhook secret is a change of the app: its version grows. Raises NotFound, AnswerExists, and
        Conflict where the API key is another app's, or too many before it are in their grace periods.
        """

    async def roll_back(
        self,
        app_id: str,
        kind: CredentialType,
        *,
        rollback_hash: bytes,
        who: Who,
        reason: str | None,
        answer: KeptAnswer | None,
    ) -> bool:
        """Put the credential before the current one back, which ends at once.

        Whether the token was that of a rotation in its grace period: nothing is done otherwise.
        Raises AnswerExists.
        """

    async def list_history(
        self,
        app_id: str,
        *,
        kind: CredentialType | None,
        action: CredentialAction | None,
        limit: int,
        offset: int,
    ) -> list[CredentialEvent]:
        """A page, newest first."""

    async def end_grace(self) -> int:
        """Forget credentials whose grace period is over; how many it was."""

"""The directory: apps with their automations, connections, settings, kept answers."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from adjourn.models import App, AppStatus, Connection, ConnectionStatus
from adjourn.storage.base.answers import KeptAnswer

__all__ = ["Backlog", "Directory", "KeyHashes"]


class Backlog(StrEnum):
    """What becomes of what waits for an app: abandoned at once, or delivered at a bounded rate.

    `Queue.discard` moves the rows of what is abandoned.
    """

    ABANDON = "abandon"
    DELIVER = "deliver"


class KeyHashes(msgspec.Struct, frozen=True, kw_only=True):
    """An app's keys as they are stored; the webhook secret is in App."""

    api_key_hash: bytes
    client_secret_hash: bytes


class Directory(Protocol):
    """Apps with their automations, connections, settings, and the answers kept for idempotency keys."""

    async def add_app(self, app: App, credentials: KeyHashes, *, answer: KeptAnswer | None) -> None:
        """Raises Conflict when the id, client id or API key is taken, and AnswerExists."""

    async def save_app(
        self, app: App, *, backlog: Backlog | None = None, answer: KeptAnswer | None = None
    ) -> App:
        """Store a changed app with its automations and wake its lanes; the answer carries the new version.

        Its secrets stay as they are: they are the Keyring's. `backlog` says what becomes of what waits for it
        now. Enabling begins its health anew, and tells the contact where it had not switched it off itself.
        Raises StaleApps when the stored version is not `app.version`, and AnswerExists.
        """

    async def find_owner(self, automation_id: str) -> str | None:
        """The app that an automation belongs to, or did before it was deleted; None where nobody knows it."""

    async def delete_app(self, app_id: str) -> None:
        """Remove an app, its keys and connections. What it still waits for is discarded. Raises NotFound."""

    async def get_app(self, app_id: str) -> App:
        """Raises NotFound."""

    async def load_apps(self, app_ids: Sequence[str]) -> list[App]:
        """Those of the apps that exist, in no order."""

    async def list_apps(self, *, status: AppStatus | None, limit: int, offset: int) -> tuple[list[App], int]:
        """A page, oldest first, and how many there are."""

    async def put_connections(
        self, connections: Sequence[Connection], *, new_id: Callable[[], str]
    ) -> list[bool]:
        """Connect users, or change their connection; for each, whether it is new.

        One given with an empty id keeps the one it has while it is active, or gets a new one. One that
        was revoked starts anew. Raises Conflict when an id is another user's.
        """

    async def find_connection(self, app_id: str, user_id: str) -> Connection | None: ...

    async def get_connection(self, app_id: str, connection_id: str) -> Connection:
        """Raises NotFound."""

    async def list_connections(
        self,
        app_id: str,
        *,
        user_id: str | None,
        status: ConnectionStatus | None,
        limit: int,
        offset: int,
    ) -> tuple[list[Connection], int]: ...

    async def connections_of(self, user_ids: Sequence[str]) -> list[Connection]:
        """Every connection of these users, active or not."""

    async def find_answer(self, scope: str, key: str) -> KeptAnswer | None: ...

    async def keep_answer(self, answer: KeptAnswer) -> None:
        """Keep an answer that came with no work. Does nothing when the key has one."""

    async def find_setting(self, name: str) -> bytes | None: ...

    async def add_setting(self, name: str, value: bytes) -> bool:
        """Set it if it is not set yet; whether it was."""

"""Keeping a receipt in the caller's own transaction."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from adjourn.errors import ConfigError
from adjourn.storage.base import Kept, NewReceipt

__all__ = ["AsyncConnection", "SyncConnection", "keep_in"]


class AsyncConnection(Protocol):
    """Of asyncpg, aiosqlite, or the asynchronous one of psycopg or SQLAlchemy."""

    @property
    def execute(self) -> Callable[..., Coroutine[Any, Any, Any]]: ...


class SyncConnection(Protocol):
    """Of sqlite3, psycopg or SQLAlchemy."""

    @property
    def execute(self) -> Callable[..., Any]: ...


def keep_in(connection: AsyncConnection | SyncConnection, new: NewReceipt) -> Kept | Awaitable[Kept]:
    """Raises ConfigError for a connection of another kind."""
    raise ConfigError(f"cannot keep in a transaction of {type(connection).__module__}")

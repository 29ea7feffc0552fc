"""The inbox's store: receipts in a SQLite file, or in a PostgreSQL database, whichever the URL names."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from adjourn.errors import ConfigError
from adjourn.storage.base import Receipts
from adjourn.storage.inbox.sqlite import open_file

__all__ = ["open_receipts"]

_SQLITE = "sqlite:///"
_POSTGRES = ("postgres://", "postgresql://")
_EXTRA = ("asyncpg", "greenlet")
_FORMS = "it looks like sqlite:///inbox.db, sqlite:////var/lib/inbox.db or postgresql://user@host/database"


async def open_receipts(
    url: str, *, clock: Callable[[], datetime] | None = None, create: bool = True
) -> Receipts:
    """Open the inbox that the URL names, and make its tables or bring them up to date.

    `sqlite:///inbox.db` is a file in the working folder, `sqlite:////var/lib/inbox.db` an absolute path.
    `clock`: a test's, instead of this machine's or the database's. Without `create` nothing is made where no
    inbox is: that is refused, too. Raises ConfigError, which says what is wrong, and shows no password.
    """
    if url.startswith(_SQLITE):
        return await open_file(_path(url), clock=clock or _wall_clock, create=create)
    if url.startswith(_POSTGRES):
        receipts: Receipts = await _postgres().open_database(_readable(url), clock=clock, create=create)
        return receipts
    raise ConfigError(f"an inbox's URL names its database, and {_shown(url)!r} names none: {_FORMS}")


def _wall_clock() -> datetime:
    return datetime.now(UTC)


def _path(url: str) -> Path:
    path = unquote(url.removeprefix(_SQLITE))
    if not path or path.endswith("/") or "?" in url or "\0" in path:
        raise ConfigError(f"the inbox's URL {url!r} names no file: {_FORMS}")
    return Path(path)


def _readable(url: str) -> str:
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ConfigError(f"the inbox's URL cannot be read: {_FORMS}") from None
    return url


def _shown(url: str) -> str:
    """Its beginning: it may have a password."""
    scheme, found, _ = url.partition("://")
    return f"{scheme}://..." if found else url


def _postgres() -> Any:
    try:
        return import_module("adjourn.storage.inbox.postgres")
    except ModuleNotFoundError as exc:
        if exc.name not in _EXTRA:
            raise
        raise ConfigError(
            f"an inbox in PostgreSQL needs pip install 'adjourn[postgres]' ({exc.name} is missing)"
        ) from exc

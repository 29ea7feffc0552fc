"""asyncpg's errors as ours: each one is translated here, and nowhere else."""

import asyncio
import ssl
from urllib.parse import unquote, urlsplit

import asyncpg

from adjourn.errors import AdjournError, ConfigError, InputError, StorageError

__all__ = ["FOREIGN", "is_blocked", "is_clash", "is_lost", "refusal", "translated"]

FOREIGN = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # it was told of its end between two statements
    OSError,
    asyncio.TimeoutError,
    EOFError,
)
"""What comes of a statement or a connection that fails."""

_CLASHES = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


def is_clash(exc: BaseException) -> bool:
    """Whether it would go well at once: two transactions were in each other's way, and the other goes on."""
    return isinstance(exc, _CLASHES)


def is_blocked(exc: BaseException) -> bool:
    """Whether somebody held a lock for so long that waiting was given up."""
    return isinstance(exc, asyncpg.LockNotAvailableError)


def is_lost(exc: BaseException) -> bool:
    """Whether the connection is of no use any more, and nobody knows what became of the statement."""
    if isinstance(exc, asyncpg.PostgresError):
        return exc.sqlstate is not None and exc.sqlstate[:2] in ("08", "57") and exc.sqlstate != "57014"
    if isinstance(exc, ValueError):  # asyncpg's own DataError: it was never sent
        return False
    return isinstance(exc, (*FOREIGN, asyncio.CancelledError))


def translated(what: str, exc: BaseException) -> AdjournError:
    """InputError for a value that PostgreSQL cannot keep, which is no use to repeat; else StorageError."""
    if isinstance(exc, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        return InputError("text must not hold the character U+0000: the database cannot keep it")
    if isinstance(exc, asyncpg.exceptions.DataError | ValueError):
        return InputError(f"the database cannot keep a value: {exc}")
    told = str(exc) or type(exc).__name__
    if isinstance(exc, TimeoutError):
        told = "no answer in time"
    return StorageError(f"{what}: {told}")


def refusal(url: str, exc: BaseException, named: str = "ADJOURN_DATABASE_URL") -> ConfigError:
    """Why a database cannot be opened, and what to do. Shows no password. `named`: where its URL is given."""
    parts = urlsplit(url)
    where = f"{parts.hostname or 'the local socket'}:{parts.port or 5432}"
    name = parts.path.lstrip("/") or parts.username or "postgres"
    told = str(exc) or type(exc).__name__
    for secret in {parts.password, unquote(parts.password or "")} - {None, ""}:
        told = told.replace(str(secret), "***")
    return ConfigError(
        f"cannot open the PostgreSQL database {name!r} at {where}: {told}; {_advice(exc, name, named)}"
    )


def _advice(exc: BaseException, name: str, named: str) -> str:
    if isinstance(exc, asyncpg.InvalidAuthorizationSpecificationError):  # a wrong password is one of these
        return f"check user and password in {named}, and the server's pg_hba.conf"
    if isinstance(exc, asyncpg.InvalidCatalogNameError):
        return f"make it with `createdb {name}`, or name another in {named}"
    if isinstance(exc, asyncpg.InsufficientPrivilegeError):
        return "its user must be allowed to make tables in the schema public: make it the database's owner"
    if isinstance(exc, asyncpg.TooManyConnectionsError):
        return "raise max_connections: each process uses up to 10"
    if isinstance(exc, asyncpg.CannotConnectNowError):
        return "it is starting up or shutting down: try again"
    if isinstance(exc, ssl.SSLError) or "SSL" in str(exc):
        return f"check sslmode and its certificates in {named}"
    if isinstance(exc, OSError | asyncio.TimeoutError):
        return f"is it running there, and may this machine reach it? {named} says where it is"
    return f"check {named}"

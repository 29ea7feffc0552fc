"""Secrets at rest: encrypted with Fernet keys (the newest first), or only hashed.

The server's part; a receiver needs none of it.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from adjourn.config import Secret
from adjourn.errors import ConfigError

__all__ = ["Vault", "digest_key"]


def digest_key(key: bytes) -> bytes:
    """What is stored of an API key or client secret, and what it is found by.

    Keys of ours carry 256 random bits, so a plain hash cannot be guessed back.
    """
    return hashlib.sha256(key).digest()


class Vault:
    """Seals and opens secrets. Several keys: the first seals, any opens (rotation)."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        try:
            fernets = [Fernet(key.reveal()) for key in keys]
            self._fernet = MultiFernet(fernets)
        except ValueError as exc:
            raise ConfigError(
                "ADJOURN_SECRET_KEY: each key must be 32 url-safe base64-encoded bytes; make one with "
                "`adjourn secret-key`"
            ) from exc
        self._newest = fernets[0]
        self._has_old_keys = len(fernets) > 1

    @classmethod
    def beside(cls, database: Path) -> "Vault":
        """The vault whose key lies in `<database>.key`, mode 0600; made there the first time.

        Raises ConfigError when that file cannot be made or read.
        """
        path = database.with_name(database.name + ".key")
        try:
            if not path.exists():
                if database.exists() and database.stat().st_size:
                    raise ConfigError(
                        f"the key file {path} is missing: restore it, or put its key into ADJOURN_SECRET_KEY"
                    )
                _write_once(path, Fernet.generate_key())
            key = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(f"cannot use the key file {path}: {exc}") from exc
        if not key:
            raise ConfigError(f"the key file {path} is empty: restore it from where you keep its copy")
        return cls([Secret(key)])

    def seal(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        """The plain bytes. Raises ConfigError when no key given opens them."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as exc:
            raise ConfigError(
                "ADJOURN_SECRET_KEY does not open this database's secrets: add the key they were sealed with"
            ) from exc

    @property
    def has_old_keys(self) -> bool:
        """Whether it opens what its newest key did not seal."""
        return self._has_old_keys

    def is_newest(self, sealed: bytes) -> bool:
        """Whether the key that seals now sealed that."""
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            return False
        return True


def _write_once(path: Path, content: bytes) -> None:
    """Make the file whole or not at all, for its owner alone; one that is there by then stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)

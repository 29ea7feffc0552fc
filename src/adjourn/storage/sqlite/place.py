"""Whether an open database's files still lie where they were opened.

SQLite goes on writing into files that were deleted or replaced meanwhile: what it commits then is gone when
they are closed, or laid over the pages of another file.
"""

import os
from pathlib import Path

from adjourn.errors import ConfigError, StorageError

__all__ = ["Place"]

_OWN = ("-wal", "-shm")  # SQLite's own, beside the file


class Place:
    """Of one file. Make it before its connections, `hold` it after that, and `check` it before commits."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._paths = [f"{file}{each}" for each in ("", *_OWN)]
        self._known = _identities(_find(self._paths[:1]))

    def hold(self) -> None:
        """While they are open, no other file has their numbers. Raises ConfigError."""
        found = _find(self._paths)
        if not found or _identities(found[:1]) != self._known:
            raise ConfigError(f"the database {self._file} was replaced while it was being opened: try again")
        self._known = _identities(found)

    def check(self) -> None:
        """Raises StorageError until they are back there.

        To open what lies there instead is not safe: SQLite takes a -wal and a -shm by their names, and those
        may be of the old file, or another process may have them open.
        """
        found = _find(self._paths)
        if _identities(found) != self._known or found[0].st_size == 0:
            raise StorageError(
                f"the database {self._file}, or its -wal or -shm file, was deleted or replaced while it was "
                "open: nothing is kept until all that have it open are stopped, and started again"
            )


def _find(paths: list[str]) -> list[os.stat_result]:
    """None where one is missing."""
    try:
        return [os.stat(each) for each in paths]
    except OSError:
        return []


def _identities(found: list[os.stat_result]) -> list[tuple[int, int]]:
    return [(each.st_dev, each.st_ino) for each in found]

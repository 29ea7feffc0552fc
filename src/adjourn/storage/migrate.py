"""Numbered SQL files, applied in order."""

import re
from importlib.resources import files
from typing import NamedTuple

__all__ = ["Migration", "Tables", "migrations"]


class Tables(NamedTuple):
    """Those that the migrations of `package` make; their version lies in the table `schema`.

    None: in the file's user_version, where it is SQLite's and all of it is ours. `missing`: what is said of a
    database without them; None: they are made there.
    """

    package: str
    schema: str | None
    missing: str | None = None


class Migration(NamedTuple):
    number: int
    name: str
    sql: str


def migrations(package: str) -> list[Migration]:
    """The migrations of `package`, ascending: `0001_engine.sql`, ..."""
    files_found = files(package).joinpath("migrations").iterdir()
    found = [
        Migration(int(match[1]), file.name, file.read_text("utf-8"))
        for file in files_found
        if (match := re.fullmatch(r"(\d{4})_\w+\.sql", file.name))
    ]
    return sorted(found)

"""Numbered SQL files, applied in order, each in a transaction of its own."""

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

__all__ = ["Migration", "migrations"]


class Migration(NamedTuple):
    number: int
    name: str
    sql: str


def migrations(package: str, *, after: int = 0) -> Iterator[Migration]:
    """The migrations of `package` with a number above `after`, ascending: `0001_engine.sql`, ..."""
    files_found = files(package).joinpath("migrations").iterdir()
    found = [
        Migration(int(match[1]), file.name, file.read_text("utf-8"))
        for file in files_found
        if (match := re.fullmatch(r"(\d{4})_\w+\.sql", file.name))
    ]
    yield from sorted(each for each in found if each.number > after)

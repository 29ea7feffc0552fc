"""Requests in files, each whole, as `adjourn verify --headers - --body -` takes it."""

import os
import re
from collections.abc import Iterable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Protocol

from adjourn.cli.failure import Exit, Failure

__all__ = ["Saver"]


class _Request(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def headers(self) -> Iterable[tuple[str, str]]: ...
    @property
    def body(self) -> bytes: ...


class Saver:
    """A file for each request in one folder, which is made. Nobody else may read them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise Failure(Exit.WRONG, f"cannot make the folder {folder}: {exc.strerror}") from exc

    def save(self, request: _Request, at: datetime) -> str:
        """The name of the file, or why there is none."""
        path = self._folder / f"{at:%Y%m%dT%H%M%SZ}-{os.getpid()}-{next(self._numbers):04}.http"
        target = re.sub(r"\s", "%20", request.target)
        lines = [
            f"{request.method} {target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in request.headers),
        ]
        head = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(head + b"\r\n" + request.body)
        except OSError as exc:
            return f"not saved: {exc.strerror}"
        return str(path)

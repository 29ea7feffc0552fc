"""Files that commands take: `-` is standard input."""

import sys
from pathlib import Path

from adjourn.cli.failure import Exit, Failure

__all__ = ["read_file"]


def read_file(name: str) -> bytes:
    """Raises Failure."""
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as exc:
        raise Failure(Exit.WRONG, f"cannot read {name}: {exc.strerror}") from exc

"""The command `adjourn`: `main` is its entry point.

It needs packages that the receiver library alone does without, and then it gets to say so.
"""

import sys
from collections.abc import Sequence

__all__ = ["main"]

_NOT_INSTALLED: str | None = None
try:
    from adjourn.cli.root import run
except ModuleNotFoundError as exc:
    if exc.name is None or exc.name.partition(".")[0] == "adjourn":
        raise  # a fault of ours, nothing that could be installed
    _NOT_INSTALLED = exc.name


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, `argv` without the program's name, and return its exit code (cli/failure.py, Exit)."""
    if _NOT_INSTALLED is not None:
        sys.stderr.write(f"the command needs pip install 'adjourn[cli]' ({_NOT_INSTALLED} is missing)\n")
        return 2
    return run(sys.argv[1:] if argv is None else argv)

"""Which inbox is meant: `MODULE:INBOX` of a user's code, or the URL of its database."""

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from urllib.parse import unquote

from adjourn.cli.failure import Exit, Failure
from adjourn.receiving.inbox import Inbox

__all__ = ["DEFAULT_FILE", "VARIABLE", "find_url", "load"]

VARIABLE = "ADJOURN_INBOX_URL"
DEFAULT_FILE = "inbox.db"

_SQLITE = "sqlite:///"
_ATTRIBUTE = "inbox"
_FRAMES = 3  # of a traceback, that say where a user's module failed


def find_url(named: str | None, url: str | None, *, app_dir: str) -> str:
    """The URL of the inbox that the options name, else the environment, else the file in this folder.

    An SQLite file is there when this returns: looking must not make an empty one. Raises Failure.
    """
    if named and url:
        raise Failure(Exit.WRONG, "which inbox? Give --inbox or --url, not both")
    found = load(named, app_dir=app_dir).url if named else url or os.environ.get(VARIABLE)
    if not found and not Path(DEFAULT_FILE).exists():
        raise Failure(
            Exit.WRONG,
            f"which inbox? There is no {DEFAULT_FILE} in this folder: give --inbox MODULE:INBOX "
            f"(myapp:inbox, say) or --url, or set {VARIABLE}",
        )
    found = found or f"{_SQLITE}{DEFAULT_FILE}"
    if found.startswith(_SQLITE) and not Path(path := unquote(found.removeprefix(_SQLITE))).exists():
        raise Failure(Exit.WRONG, f"there is no inbox yet: {path} is made with the first event")
    return found


def load(named: str, *, app_dir: str) -> Inbox:
    """The Inbox that `MODULE:INBOX` names; `MODULE` alone is `MODULE:inbox`. Raises Failure."""
    name, _, path = named.partition(":")
    if not name or name.startswith("."):
        raise Failure(Exit.WRONG, f"{named!r} names no inbox: give MODULE:INBOX, like myapp:inbox")
    module = _import(name, app_dir=app_dir)
    found: object = module
    for attribute in (path or _ATTRIBUTE).split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError as exc:
            raise Failure(Exit.WRONG, f"{name} has no {path or _ATTRIBUTE!r}{_meant(module)}") from exc
    if not isinstance(found, Inbox):
        kind = type(found).__name__
        raise Failure(
            Exit.WRONG, f"{name}:{path or _ATTRIBUTE} is no Inbox (its type is {kind}){_meant(module)}"
        )
    return found


def _meant(module: ModuleType) -> str:
    """The inboxes it has."""
    names = [f"{module.__name__}:{name}" for name, each in vars(module).items() if isinstance(each, Inbox)]
    return f"; did you mean {' or '.join(names)}?" if names else ""


def _import(name: str, *, app_dir: str) -> ModuleType:
    """As a web server does it: the folder's own modules come first."""
    folder = str(Path(app_dir).resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise _broken(name, exc) from exc
        raise Failure(
            Exit.WRONG,
            f"there is no module {exc.name!r} in {folder}, and none is installed",
            hint="run this in the folder that has it, or give --app-dir",
        ) from exc
    except (Exception, SystemExit) as exc:  # whatever a user's module does
        raise _broken(name, exc) from exc


def _broken(name: str, exc: BaseException) -> Failure:
    told = "".join(traceback.format_exception_only(exc)).strip().splitlines()[-1]
    return Failure(Exit.WRONG, f"{name} cannot be imported: {told}", hint=_where(exc.__traceback__))


def _where(trace: TracebackType | None) -> str:
    """The last lines of a traceback; nothing of ours, or of what imports."""
    frames = [
        each
        for each in traceback.extract_tb(trace)
        if each.filename != __file__ and "importlib" not in each.filename
    ]
    lines = [f"{each.filename}, line {each.lineno}, in {each.name}: {each.line}" for each in frames]
    return "\n".join(lines[-_FRAMES:])

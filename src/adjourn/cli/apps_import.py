"""`adjourn apps import`: many apps with their credentials and connections, from another system.

Credentials that the server makes are written down before anything else is asked of it, since it never shows
them again.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import msgspec
import typer

from adjourn.cli.failure import Exit, Failure, failure_of
from adjourn.cli.import_file import Entry, chunks, read_entries
from adjourn.cli.reading import read_file
from adjourn.cli.screen import Screen
from adjourn.cli.session import Session, command
from adjourn.client import Platform
from adjourn.errors import AdjournError, Fault
from adjourn.resources import CreatedApp

__all__ = ["register"]

_MEND_CONNECTIONS = Fault(
    "$", "the app itself was made: mend its connections and import it again with --existing-connections"
)
_OF_CHUNK = re.compile(r"\$\.connections\[(\d+)\]")

_Keep = Callable[[bytes], None]
"""Writes one line of JSON down."""


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one entry. `id` is None where it has none and none was given to it."""

    entry: str
    result: Literal["created", "existing", "failed"]
    id: str | None
    connections: int = 0
    failure: Failure | None = None

    @property
    def json(self) -> bytes:
        shape: dict[str, object] = {
            "entry": self.entry,
            "result": self.result,
            "id": self.id,
            "connections": self.connections,
        }
        if self.failure is not None:
            shape["error"] = msgspec.Raw(self.failure.json)
        return msgspec.json.encode(shape)


class _Counts(msgspec.Struct):
    created: int = 0
    existing: int = 0
    failed: int = 0
    connections: int = 0

    def add(self, result: _Result) -> None:
        setattr(self, result.result, getattr(self, result.result) + 1)
        self.connections += result.connections


def register(apps: typer.Typer) -> None:
    command(apps, "import")(import_apps)


def import_apps(
    session: Session,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="JSON; - is standard input.", show_default=False)
    ],
    *,
    credentials_out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Where the credentials go that the server makes: JSON lines, added."
        ),
    ] = None,
    existing_connections: Annotated[
        bool,
        typer.Option(
            "--existing-connections",
            help="Send the connections of apps that exist already, too.",
            show_default=False,
        ),
    ] = False,
) -> Exit | None:
    """Make many apps from a JSON array or JSON lines.

    Each entry is the body of POST /apps: name, company_name, primary_contact_email and, where there are
    such, id, created_at, credentials and options; and connections, a list of objects with user_id, email and
    perhaps id.

    An app that exists already is left as it is and counted. One that is refused is told and the rest go on;
    the exit code is then 1. With --json there is a line of JSON for each entry, one before it for credentials
    that were made, and the counts are the last line.
    """
    entries = read_entries(read_file(file))
    _check_credentials_are_kept(session, entries, credentials_out)
    counts = _Counts()
    try:
        with _keeping(session, credentials_out) as keep:
            importer = _Importer(session.api, keep, existing_connections=existing_connections)
            for result in _with_progress(session.screen, entries, importer):
                counts.add(result)
                _tell(session, result)
                if result.failure is not None and result.failure.exit_code is Exit.UNREACHABLE:
                    raise result.failure
    finally:
        _tell_counts(session, counts, len(entries))
    return Exit.REFUSED if counts.failed else None


class _Importer:
    def __init__(self, api: Platform, keep: _Keep, *, existing_connections: bool) -> None:
        self._api = api
        self._keep = keep
        self._existing_connections = existing_connections

    def run(self, entry: Entry) -> _Result:
        """Make one app and its connections. What the server refuses is in the result."""
        own_id = entry.app.get("id")
        try:
            made = self._api.import_app(entry.app)
        except AdjournError as exc:
            failure = failure_of(exc)
            result = _Result(entry=entry.place, result="failed", id=own_id, failure=failure)
            if not _is_there(failure):
                return result
            result = msgspec.structs.replace(result, result="existing")
            wanted = self._existing_connections and isinstance(own_id, str)
            return self._connect(entry, result) if wanted else result
        self._keep_credentials(entry, made)
        return self._connect(entry, _Result(entry=entry.place, result="created", id=made.app.id))

    def _keep_credentials(self, entry: Entry, made: CreatedApp) -> None:
        credentials = {name: getattr(made.credentials, name) for name in sorted(entry.missing_credentials)}
        if credentials:
            app = made.app
            line = {"entry": entry.place, "id": app.id, "name": app.name, "credentials": credentials}
            self._keep(msgspec.json.encode(line))

    def _connect(self, entry: Entry, result: _Result) -> _Result:
        sent = 0
        for first, chunk in chunks(entry.connections):
            try:
                self._api.connect_many(str(result.id), chunk)
            except AdjournError as exc:
                failure = _half_done(_of_whole_list(failure_of(exc), first))
                return msgspec.structs.replace(result, result="failed", connections=sent, failure=failure)
            sent += len(chunk)
        return msgspec.structs.replace(result, connections=sent)


def _is_there(failure: Failure) -> bool:
    """Whether the app is there under its own id: a key that is another app's is a refusal."""
    return failure.status == 409 and [fault.path for fault in failure.faults] == ["$.id"]


def _half_done(failure: Failure) -> Failure:
    """The app is there, and not all of its connections: what to do about it."""
    return Failure(
        failure.exit_code,
        str(failure),
        faults=[*(failure.faults or [Fault("$.connections", str(failure))]), _MEND_CONNECTIONS],
        status=failure.status,
        request_id=failure.request_id,
    )


def _of_whole_list(failure: Failure, first: int) -> Failure:
    """The same with the indices of the entry's list instead of the chunk's, which begins at `first`."""
    if first == 0 or not failure.faults:
        return failure

    def shifted(fault: Fault) -> Fault:
        path = _OF_CHUNK.sub(lambda at: f"$.connections[{int(at[1]) + first}]", fault.path, count=1)
        return Fault(path, fault.reason)

    return Failure(
        failure.exit_code,
        "nothing of this part of the connections was stored",
        faults=[shifted(fault) for fault in failure.faults],
        status=failure.status,
        request_id=failure.request_id,
    )


def _check_credentials_are_kept(session: Session, entries: list[Entry], credentials_out: str | None) -> None:
    making = sum(1 for entry in entries if entry.missing_credentials)
    if making and credentials_out is None and not session.as_json:
        reason = (
            f"{making} of {len(entries)} apps bring not all four credentials, and those made would be lost"
        )
        raise Failure(Exit.WRONG, f"{reason}: give --credentials-out FILE (or --json)")


@contextmanager
def _keeping(session: Session, credentials_out: str | None) -> Iterator[_Keep]:
    """To the file, which only its owner may read; else with the other JSON."""
    if credentials_out is None:
        yield session.screen.raw
        return
    try:
        file = os.fdopen(os.open(credentials_out, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab")
    except OSError as exc:
        raise Failure(Exit.WRONG, f"cannot write {credentials_out}: {exc.strerror}") from exc

    def keep(line: bytes) -> None:
        try:
            file.write(line + b"\n")
            file.flush()
        except OSError as exc:
            lost = "the credentials of the app just made are lost: delete it and import it again"
            raise Failure(Exit.WRONG, f"cannot write {credentials_out}: {exc.strerror}; {lost}") from exc

    with file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fchmod(file.fileno(), 0o600)  # it may have been there, and open to others
        yield keep


def _with_progress(screen: Screen, entries: list[Entry], importer: _Importer) -> Iterator[_Result]:
    with screen.progress() as progress:
        for entry in progress.track(entries, description="importing"):
            yield importer.run(entry)


def _tell(session: Session, result: _Result) -> None:
    if session.as_json:
        session.screen.raw(result.json)
    elif result.failure is not None:
        _tell_failure(session.screen, result, result.failure)


def _tell_failure(screen: Screen, result: _Result, failure: Failure) -> None:
    place = result.entry if result.id is None else f"{result.entry} ({result.id})"
    if result.result == "existing":
        screen.note(f"{place}: skipped, {failure}", style="yellow")
        return
    if not failure.faults:
        screen.note(f"{place}: {failure}", style="red")
    for fault in failure.faults:
        screen.note(f"{place}: {fault.path}: {fault.reason}", style="red")


def _tell_counts(session: Session, counts: _Counts, of: int) -> None:
    if session.as_json:
        session.screen.raw(msgspec.json.encode(counts))
        return
    done = counts.created + counts.existing + counts.failed
    parts = [f"{counts.created:,} made", f"{counts.existing:,} existed already", f"{counts.failed:,} failed"]
    rest = f", {of - done:,} not tried" if done < of else ""
    session.screen.line(f"{', '.join(parts)}{rest}; {counts.connections:,} connections sent")

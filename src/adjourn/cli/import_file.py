"""The file of `adjourn apps import`: read and checked as a whole before anything is sent. Pure."""

from collections.abc import Iterator
from typing import Any

import msgspec

from adjourn import wirejson
from adjourn.cli.failure import Exit, Failure
from adjourn.errors import Fault, JsonError

__all__ = ["Entry", "chunks", "read_entries"]

_MOST_FAULTS = 20  # that are told
_MOST_CONNECTIONS = 10_000  # in one request
_MOST_BYTES = 4 << 20  # of connections in one request: half of what the server takes

_CREDENTIALS = frozenset({"client_id", "api_key", "client_secret", "webhook_secret"})

Json = dict[str, Any]


class Entry(msgspec.Struct, frozen=True):
    """One app: the body of POST /apps, its connections, and where it stands in the file."""

    place: str
    app: Json
    connections: list[Any]

    @property
    def missing_credentials(self) -> frozenset[str]:
        """Those that the server will make up."""
        given = self.app.get("credentials")
        if not isinstance(given, dict):
            return _CREDENTIALS
        return _CREDENTIALS - {name for name, value in given.items() if value is not None}


def read_entries(text: bytes) -> list[Entry]:
    """A JSON array, JSON lines, or one object. Raises Failure with what is no JSON and where."""
    faults: list[Fault] = []
    entries = [*_entries(text, faults)]
    if faults:
        raise Failure(Exit.WRONG, "nothing was sent: the file has faults", faults=faults[:_MOST_FAULTS])
    return entries


def chunks(connections: list[Any]) -> Iterator[tuple[int, list[msgspec.Raw]]]:
    """Connections in the portions that one request may carry, each with the index of its first."""
    first, size, chunk = 0, 0, list[msgspec.Raw]()
    for index, connection in enumerate(connections):
        raw = msgspec.json.encode(connection)
        if chunk and (len(chunk) == _MOST_CONNECTIONS or size + len(raw) > _MOST_BYTES):
            yield first, chunk
            first, size, chunk = index, 0, []
        chunk.append(msgspec.Raw(raw))
        size += len(raw) + 1
    if chunk:
        yield first, chunk


def _entries(text: bytes, faults: list[Fault]) -> Iterator[Entry]:
    for place, value in _values(text, faults):
        if not isinstance(value, dict):
            faults.append(Fault(place, "must be an object, the body of POST /apps"))
            continue
        app = {**value}
        connections = app.pop("connections", [])
        if not isinstance(connections, list):
            faults.append(Fault(f"{place} $.connections", "must be an array"))
            continue
        yield Entry(place, app, connections)


def _values(text: bytes, faults: list[Fault]) -> Iterator[tuple[str, object]]:
    if text.lstrip().startswith(b"["):
        try:
            values = wirejson.loads(text)
        except JsonError as exc:
            faults.append(_fault("the file", exc))
            return
        assert isinstance(values, list)
        yield from ((f"entry {number}", value) for number, value in enumerate(values, 1))
        return
    if (single := _single(text)) is not None:
        yield "entry 1", single
        return
    for number, line in enumerate(text.split(b"\n"), 1):
        if line.strip():
            try:
                yield f"line {number}", wirejson.loads(line)
            except JsonError as exc:
                faults.append(_fault(f"line {number}", exc))


def _single(text: bytes) -> object:
    """One object over several lines; None when it is not that."""
    try:
        return wirejson.loads(text) if text.strip().count(b"\n") else None
    except JsonError:
        return None


def _fault(place: str, exc: JsonError) -> Fault:
    """Where in the file, and where in its JSON."""
    (fault,) = exc.faults
    return Fault(place if fault.path == "$" else f"{place} {fault.path}", fault.reason)

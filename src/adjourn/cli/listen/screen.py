"""What `adjourn listen` shows: a line for each request, or JSON lines; a count at the end."""

from http import HTTPStatus
from threading import Lock

import msgspec

from adjourn.cli.listen.arrivals import Arrival
from adjourn.cli.screen import Screen

__all__ = ["Teller"]

_LONGEST_SHOWN = 100  # characters of a type or an id


class Teller:
    """Safe to share between threads. What comes from requests is made harmless by the Screen."""

    def __init__(self, screen: Screen, *, as_json: bool) -> None:
        self._screen = screen
        self._as_json = as_json
        self._lock = Lock()
        self._verified = self._duplicates = self._refused = self._skipped = 0

    def tell(self, arrival: Arrival) -> None:
        with self._lock:
            self._verified += arrival.verified
            self._refused += not arrival.verified
            self._duplicates += bool(arrival.duplicate)
            if self._as_json:
                self._screen.raw(msgspec.json.encode(arrival))
            else:
                self._show(arrival)

    def skip(self, status: int, why: str) -> None:
        """What was no webhook at all."""
        with self._lock:
            self._skipped += 1
            if self._as_json:
                self._screen.raw(msgspec.json.encode({"verified": False, "answered": status, "error": why}))
            else:
                text = f"answered {status} {HTTPStatus(status).phrase}: {_short(why)}"
                self._screen.line(text, style="yellow")

    def end(self) -> None:
        """How many there were."""
        counts = {
            "verified": self._verified,
            "duplicates": self._duplicates,
            "refused": self._refused,
            "skipped": self._skipped,
        }
        if self._as_json:
            self._screen.raw(msgspec.json.encode({"ended": True, **counts}))
        else:
            skipped = f", {self._skipped} no webhooks" if self._skipped else ""
            self._screen.note(
                f"{self._verified} verified ({self._duplicates} of them duplicates), {self._refused} refused"
                + skipped
            )

    def _show(self, arrival: Arrival) -> None:
        at = f"{arrival.at.astimezone():%H:%M:%S}"
        if arrival.verified:
            known = "duplicate" if arrival.duplicate else "new"
            what = f"{_short(arrival.event_type)}  {_short(arrival.id)}  verified, {known}"
        else:
            what = f"not verified: {arrival.error}" if arrival.answered != 400 else f"{arrival.error}"
        line = f"{at}  {what}  {arrival.bytes:,} bytes  {_answer(arrival)}"
        self._screen.line(line, style=_style(arrival))
        if arrival.hint:
            self._screen.line(f"          {arrival.hint}")
        if arrival.saved:
            self._screen.line(f"          {arrival.saved}", style="dim")


def _answer(arrival: Arrival) -> str:
    forwarded = arrival.forwarded
    if forwarded is None:
        return f"answered {arrival.answered}"
    if forwarded.fault:
        return f"not forwarded, answered {arrival.answered}: {forwarded.fault}"
    return f"forwarded, {forwarded.status} in {forwarded.ms:,} ms"


def _style(arrival: Arrival) -> str:
    if not arrival.verified or not 200 <= arrival.answered < 300:
        return "red"
    return "yellow" if arrival.duplicate else "green"


def _short(text: str | None) -> str:
    shown = text or "-"
    return shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "..."

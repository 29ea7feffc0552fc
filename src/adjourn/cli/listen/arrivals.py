"""One request after the other: verified, known again, saved, forwarded, answered, told."""

from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from adjourn.cli.listen.forwarding import Answer, Forwarded, Forwarder
from adjourn.cli.listen.saving import Saver
from adjourn.errors import EventError
from adjourn.receiving import Received, Receiver, Refused

__all__ = ["Arrival", "Arrivals", "Reply", "Request"]

_MOST_IDS = 100_000  # remembered: what came before them is new again


class Request(Struct, frozen=True, kw_only=True):
    """As it came: `target` is the path and what follows it, headers in their order."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Arrival(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one request. `at` is UTC; `error`, `cause` and `hint` say why it was refused."""

    at: datetime
    verified: bool
    answered: int
    bytes: int
    event_type: str | None = None
    id: str | None = None
    duplicate: bool | None = None
    error: str | None = None
    cause: str | None = None
    hint: str | None = None
    forwarded: Forwarded | None = None
    saved: str | None = None


class Reply(NamedTuple):
    """How it is answered where nothing else does: with that status, after so many seconds."""

    status: int
    delay: float


class Arrivals:
    """Takes requests of one vendor. Safe to share between threads.

    `now` gives the time (UTC), `sleep` waits so many seconds, `tell` hears of each request, before it is
    answered.
    """

    def __init__(
        self,
        receiver: Receiver,
        *,
        reply: Reply,
        forwarder: Forwarder | None,
        forward_refused: bool,
        saver: Saver | None,
        now: Callable[[], datetime],
        sleep: Callable[[float], object],
        tell: Callable[[Arrival], object],
    ) -> None:
        self._receiver = receiver
        self._reply = reply
        self._forwarder = forwarder
        self._forward_refused = forward_refused
        self._saver = saver
        self._now = now
        self._sleep = sleep
        self._tell = tell
        self._seen: dict[str, None] = {}
        self._lock = Lock()

    def take(self, request: Request) -> Answer:
        arrival = self._verify(request, self._now())
        saved = None if self._saver is None else self._saver.save(request, arrival.at)
        forwarded, answer = self._answer(request, arrival)
        self._tell(replace(arrival, answered=answer.status, forwarded=forwarded, saved=saved))
        if self._reply.delay:
            self._sleep(self._reply.delay)
        return answer

    def _verify(self, request: Request, at: datetime) -> Arrival:
        """`answered` is how it is to be, where it is not forwarded."""
        size = len(request.body)
        try:
            received = self._receiver.receive(request.headers, request.body, now=at)
        except Refused as exc:
            cause, hint = exc.diagnosis.cause, exc.hint
            return Arrival(
                at=at, verified=False, answered=401, bytes=size, error=str(exc), cause=cause, hint=hint
            )
        except EventError as exc:
            error = f"the signature fits, but it is no event of {self._receiver.provider.title}: {exc}"
            return Arrival(at=at, verified=False, answered=400, bytes=size, error=error)
        return Arrival(
            at=at,
            verified=True,
            answered=self._reply.status,
            bytes=size,
            event_type=received.event_type,
            id=received.id,
            duplicate=self._had(received),
        )

    def _had(self, received: Received) -> bool:
        with self._lock:
            had = received.id in self._seen
            self._seen[received.id] = None
            if len(self._seen) > _MOST_IDS:
                del self._seen[next(iter(self._seen))]
            return had

    def _answer(self, request: Request, arrival: Arrival) -> tuple[Forwarded | None, Answer]:
        if self._forwarder is not None and (arrival.verified or self._forward_refused):
            return self._forwarder.forward(request.method, request.headers, request.body)
        if not arrival.verified or not 200 <= arrival.answered < 300:
            return None, Answer(status=arrival.answered)
        receipt = ("Adjourn-Receipt", "duplicate" if arrival.duplicate else "new")
        return None, Answer(status=arrival.answered, headers=(receipt,))

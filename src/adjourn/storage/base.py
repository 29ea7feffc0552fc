"""The ports of the store: what the engine asks of it, in a few batch verbs.

Queue moves deliveries (ENGINE.md, "Moves and their guards"), Directory keeps apps and connections,
Log answers the questions of the APIs. Every verb is one transaction: it happens whole, and is on disk
when it returns, or not at all. Each raises StorageError when the store could not do it; nothing was
changed then, and asking again is safe.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from adjourn.errors import AdjournError
from adjourn.models import (
    App,
    AppStatus,
    Attempt,
    Connection,
    ConnectionStatus,
    Delivery,
    DeliveryState,
    Event,
    Publication,
)

__all__ = [
    "AnswerExists",
    "Claim",
    "Claimed",
    "Credentials",
    "Directory",
    "Entry",
    "KeptAnswer",
    "Log",
    "NewDelivery",
    "Published",
    "Queue",
    "Recorded",
    "Result",
    "RetryAsked",
    "StaleApps",
    "Step",
    "Store",
]


class StaleApps(AdjournError):
    """The caller planned with an old version of these apps: reload them and plan again."""

    def __init__(self, app_ids: Sequence[str]) -> None:
        super().__init__(f"changed meanwhile: {', '.join(app_ids)}")
        self.app_ids = tuple(app_ids)


class AnswerExists(AdjournError):
    """An idempotency key's first answer is there already: replay it."""


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The first answer to an Idempotency-Key. `body` is sealed where it shows credentials."""

    scope: str  # caller, method and path
    key: str
    body_hash: bytes
    status: int
    body: bytes
    sealed: bool
    at: datetime


class NewDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery to be stored. Owned by `owner` from the start, or left to a job that is due now."""

    id: str
    app_id: str
    event_id: str
    event_type: str
    lane_id: int
    origin: str
    owner: str | None
    order_key: str | None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """All that one publish request stores, in one commit with the rest of its batch.

    `app_versions` are those it was planned with. `revokes` is the connection it ends.
    """

    publication: Publication
    events: Sequence[Event]
    deliveries: Sequence[NewDelivery]
    app_versions: Mapping[str, int]
    answer: KeptAnswer | None = None
    revokes: Connection | None = None


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery in this worker's memory, with all that an attempt needs but the app.

    `attempt_no` counts the attempts made before. `state` is FAILED when this is a scheduled retry.
    `from_job`: a job row waits behind it.
    """

    id: str
    app_id: str
    lane_id: int
    event_id: str
    event_type: str
    body: bytes
    state: DeliveryState = DeliveryState.PENDING
    attempt_no: int = 0
    retry_count: int = 0
    manual: bool = False
    order_key: str | None = None
    from_job: bool = False


class Claim(msgspec.Struct, frozen=True):
    """What a claim brought, and when the next lane wakes (None: none waits for a time)."""

    deliveries: Sequence[Claimed]
    next_wake: datetime | None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Where an attempt takes its delivery: the policy's decision, ready to be recorded.

    delivered: done. failed: again at `retry_at`. abandoned: never again. pending: stays as it was, after
    an extra attempt. `gone_url` answered 410: the app that still has it is switched off in the same commit.
    """

    state: DeliveryState
    retry_count: int
    retry_at: datetime | None = None
    gone_url: str | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that ended, and the step that follows."""

    claimed: Claimed
    attempt: Attempt
    step: Step


class Recorded(msgspec.Struct, frozen=True):
    """What recording moved beside the deliveries: apps switched off."""

    disabled: Sequence[str] = ()


class RetryAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery after a retry was asked for. `scheduled`: this ask made the attempt, due at `at`."""

    delivery: Delivery
    scheduled: bool
    at: datetime


class Queue(Protocol):
    """The moves of deliveries. `worker` is an id that its process made at start."""

    async def enlist(self, worker: str, *, lease: timedelta, floor: str) -> None:
        """Enter or renew a worker: it is alive until now + lease, that moment included.

        `floor`: it owns no unfinished delivery below this id that was claimed as it was published.
        One that takes something while it is not enlisted counts as entered with a lease that is over.
        """

    async def now(self) -> datetime:
        """The store's clock, which rules due times and leases."""

    async def publish(self, entries: Sequence[Entry]) -> None:
        """Store a batch: publications, events, deliveries, and jobs for those without an owner.

        All or nothing. Raises StaleApps when an app has another version than planned with, and
        AnswerExists when an idempotency key was used before.
        """

    async def claim(self, worker: str, *, room: Callable[[int], int], limit: int) -> Claim:
        """Take up to `limit` waiting deliveries that are due, oldest first within each lane.

        `room` is asked once for each lane reached, and that lane gives at most as many: so no lane
        delays another. Deliveries of an app that is off stay. Hidden from other workers until
        recorded, given back, or reaped. Empty when nothing is due.
        """

    async def record(self, worker: str, results: Sequence[Result]) -> Recorded:
        """Append attempts and move their deliveries.

        A success counts whoever reports it; a failure moves a delivery only when `worker` still
        owns it and no other attempt came between. A manual attempt that fails leaves state and
        schedule as they were. The attempt itself is always recorded, once for each (delivery, no,
        worker): recording the same again changes nothing.
        """

    async def give_back(self, worker: str, deliveries: Sequence[Claimed]) -> None:
        """Put deliveries that this worker holds, and has not tried, back to wait."""

    async def ask_retry(
        self,
        app_id: str,
        delivery_id: str,
        *,
        quiet: timedelta,
        keep: Callable[[RetryAsked], KeptAnswer | None],
    ) -> RetryAsked:
        """Schedule one extra attempt now, in any state.

        Nothing is scheduled while an attempt is under way or due, or within `quiet` of the last ask
        that scheduled one, its last moment included.
        `keep` renders the answer to be kept in the same commit. Raises NotFound and AnswerExists.
        """

    async def reap(self) -> int:
        """Put back what workers whose lease ran out held; how many deliveries that was."""

    async def discard(self, *, limit: int) -> int:
        """Abandon up to `limit` waiting deliveries that their app has discarded; how many it was."""

    async def sweep(self, *, answers_before: datetime) -> None:
        """Forget idempotency answers given before that moment, in commits of bounded size."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """An app's keys as they are stored: hashed, but for the webhook secret (in App)."""

    api_key_hash: bytes
    client_secret_hash: bytes


class Directory(Protocol):
    """Apps, connections, credentials, settings, and the answers kept for idempotency keys."""

    async def add_app(self, app: App, credentials: Credentials, *, answer: KeptAnswer | None) -> None:
        """Raises Conflict when the id, client id or API key is taken, and AnswerExists."""

    async def save_app(self, app: App, *, discard: bool = False) -> App:
        """Store a changed app and wake its lanes; the answer carries the new version.

        `discard`: whatever waits for it now is abandoned; `Queue.discard` moves the rows.
        Raises StaleApps when the stored version is not `app.version`.
        """

    async def delete_app(self, app_id: str) -> None:
        """Remove an app, its keys and connections. What it still waits for is discarded. Raises NotFound."""

    async def get_app(self, app_id: str) -> App:
        """Raises NotFound."""

    async def find_app_by_key(self, api_key_hash: bytes) -> App | None: ...

    async def load_apps(self, app_ids: Sequence[str]) -> list[App]:
        """Those of the apps that exist, in no order."""

    async def list_apps(self, *, status: AppStatus | None, limit: int, offset: int) -> tuple[list[App], int]:
        """A page, oldest first, and how many there are."""

    async def put_connections(
        self, connections: Sequence[Connection], *, new_id: Callable[[], str]
    ) -> list[bool]:
        """Connect users, or change their connection; for each, whether it is new.

        One given with an empty id keeps the one it has while it is active, or gets a new one. One that
        was revoked starts anew. Raises Conflict when an id is another user's.
        """

    async def find_connection(self, app_id: str, user_id: str) -> Connection | None: ...

    async def list_connections(
        self,
        app_id: str,
        *,
        user_id: str | None,
        status: ConnectionStatus | None,
        limit: int,
        offset: int,
    ) -> tuple[list[Connection], int]: ...

    async def connections_of(self, user_ids: Sequence[str]) -> list[Connection]:
        """Every connection of these users, active or not."""

    async def find_answer(self, scope: str, key: str) -> KeptAnswer | None: ...

    async def keep_answer(self, answer: KeptAnswer) -> None:
        """Keep an answer that came with no work. Does nothing when the key has one."""

    async def find_setting(self, name: str) -> bytes | None: ...

    async def add_setting(self, name: str, value: bytes) -> bool:
        """Set it if it is not set yet; whether it was."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A publication with what became of it since."""

    publication: Publication
    deliveries: Mapping[str, Delivery]
    apps: Mapping[str, App]
    others: Sequence[App]  # apps of that provider, there at the time, that it did not consider


class Log(Protocol):
    """Reads for the APIs: never in the way of the queue."""

    async def get_delivery(self, app_id: str | None, delivery_id: str) -> Delivery:
        """Of that app, or of any where it is None. Raises NotFound."""

    async def list_deliveries(
        self,
        app_id: str | None,
        *,
        state: DeliveryState | None,
        event_type: str | None,
        limit: int,
        offset: int,
    ) -> tuple[list[Delivery], int]:
        """A page, newest first, and how many there are; of every app where `app_id` is None."""

    async def list_attempts(self, delivery_id: str) -> list[Attempt]:
        """Oldest first."""

    async def find_published(self, key: str, *, others: int) -> Published | None:
        """By the publication's id or any event's; at most `others` apps that it did not consider."""

    async def list_publications(
        self, *, event_type: str | None, limit: int, offset: int
    ) -> tuple[list[Publication], int]:
        """A page, newest first, and how many there are."""


class Store(Protocol):
    """One opened database: the three ports, and its end."""

    @property
    def queue(self) -> Queue: ...
    @property
    def directory(self) -> Directory: ...
    @property
    def log(self) -> Log: ...

    async def close(self) -> None: ...

"""The ports of the store: what the engine asks of it, in a few batch verbs.

Queue moves deliveries (ENGINE.md, "Moves and their guards"), Directory keeps apps and connections, Keyring
their credentials, Infirmary their health, Replays what is retried in bulk, Subjects what their clients name,
Log answers the questions of the APIs. Every verb is one transaction: it happens whole, and is on disk when it
returns, or not at all. Each raises StorageError when the store could not do it; nothing was changed then, and
asking again is safe.
"""

from typing import Protocol

from adjourn.storage.base.answers import AnswerExists, KeptAnswer, StaleApps
from adjourn.storage.base.directory import Backlog, Directory, KeyHashes
from adjourn.storage.base.infirmary import Infirmary, Verdict
from adjourn.storage.base.keyring import (
    Credential,
    CredentialAction,
    CredentialEvent,
    CredentialType,
    Keyring,
    Rotation,
    Who,
)
from adjourn.storage.base.log import Log, Published, Waiting
from adjourn.storage.base.news import News
from adjourn.storage.base.queue import (
    Claim,
    Claimed,
    Entry,
    NewDelivery,
    Queue,
    Recorded,
    Result,
    RetryAsked,
    Step,
)
from adjourn.storage.base.receipts import (
    Handled,
    Kept,
    NewReceipt,
    ReceiptClaim,
    ReceiptFilter,
    Receipts,
)
from adjourn.storage.base.replays import Replays
from adjourn.storage.base.subjects import SubjectKey, Subjects
from adjourn.storage.base.work import WorkQueue

__all__ = [
    "AnswerExists",
    "Backlog",
    "Claim",
    "Claimed",
    "Credential",
    "CredentialAction",
    "CredentialEvent",
    "CredentialType",
    "Directory",
    "Entry",
    "Handled",
    "Infirmary",
    "Kept",
    "KeptAnswer",
    "KeyHashes",
    "Keyring",
    "Log",
    "NewDelivery",
    "NewReceipt",
    "News",
    "Published",
    "Queue",
    "ReceiptClaim",
    "ReceiptFilter",
    "Receipts",
    "Recorded",
    "Replays",
    "Result",
    "RetryAsked",
    "Rotation",
    "StaleApps",
    "Step",
    "Store",
    "SubjectKey",
    "Subjects",
    "Verdict",
    "Waiting",
    "Who",
    "WorkQueue",
]


class Store(Protocol):
    """One opened database: its ports, and its end."""

    @property
    def queue(self) -> Queue: ...
    @property
    def directory(self) -> Directory: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def infirmary(self) -> Infirmary: ...
    @property
    def replays(self) -> Replays: ...
    @property
    def subjects(self) -> Subjects: ...
    @property
    def log(self) -> Log: ...
    @property
    def news(self) -> News: ...

    async def close(self) -> None: ...

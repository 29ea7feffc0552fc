"""The one composition root: settings in, an engine out. The APIs are built upon it."""

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import msgspec

from adjourn.config import Secret, Settings
from adjourn.ids import Uuid7
from adjourn.providers import PROVIDERS
from adjourn.sending.addresses import AddressRule
from adjourn.sending.apps import AppCache
from adjourn.sending.automations import Automations
from adjourn.sending.credentials import Credentials
from adjourn.sending.health import HealthWatch
from adjourn.sending.http1 import Http1Sender
from adjourn.sending.lanes import Lanes, Limits
from adjourn.sending.mailer import Mailer, default_sender
from adjourn.sending.partners import Partners
from adjourn.sending.planner import Planner
from adjourn.sending.policy import Policy
from adjourn.sending.publisher import Publisher
from adjourn.sending.replays import Replays
from adjourn.sending.retries import Retries
from adjourn.sending.sender import Sender
from adjourn.sending.worker import Worker
from adjourn.storage.base import Directory, Store
from adjourn.storage.sqlite import SqliteStore
from adjourn.vault import Vault

__all__ = ["Engine", "open_engine"]

_GRACE = timedelta(seconds=10)  # for attempts in flight when the engine is asked to stop
_PLATFORM_KEY = "platform_key"  # the setting that keeps the digest of the key that was made


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Everything of one process but its HTTP surface.

    `platform_digest` is the SHA-256 of the platform key, and `made_key` that key if it was made just now.
    """

    settings: Settings
    vault: Vault
    ids: Uuid7
    store: Store
    apps: AppCache
    sender: Sender
    worker: Worker
    publisher: Publisher
    partners: Partners
    automations: Automations
    credentials: Credentials
    retries: Retries
    replays: Replays
    watch: HealthWatch
    mailer: Mailer
    platform_digest: bytes
    made_key: Secret | None

    async def start(self) -> None:
        await self.worker.start()
        for each in (self.credentials, self.replays, self.watch, self.mailer):
            each.start()

    async def stop(self) -> None:
        """Let what is in flight end, or give it back; then let go of the database."""
        await self.worker.drain(_GRACE)
        await asyncio.gather(
            *(each.stop() for each in (self.credentials, self.replays, self.watch, self.mailer))
        )
        await self.sender.close()
        await self.store.close()


async def open_engine(
    settings: Settings, *, limits: Limits | None = None, on_step: Callable[[str], None] = lambda step: None
) -> Engine:
    """Open the database and put an engine together; `start` it then.

    `on_step` watches the store's steps (storage/sqlite/database.py). Raises ConfigError.
    """
    path = settings.sqlite_path
    vault = Vault(settings.secret_keys) if settings.secret_keys else Vault.beside(path)
    store = await SqliteStore.open(path, vault, on_step=on_step)
    try:
        digest, made_key = await _platform_key(settings, store.directory)
        newest = await store.log.find_newest()
    except BaseException:
        await store.close()
        raise
    ids = Uuid7()
    if newest is not None:
        ids.start_above(newest)
    apps = AppCache(store.directory)
    sender = Http1Sender(AddressRule(settings.allow_networks))
    mailer = Mailer(
        infirmary=store.infirmary,
        apps=apps,
        smtp=settings.smtp,
        sender=settings.mail_from or (default_sender() if settings.smtp else ""),
        now=store.queue.now,
    )

    async def take_note(app_ids: Sequence[str]) -> None:
        await apps.reload(app_ids)
        mailer.poke()

    watch = HealthWatch(infirmary=store.infirmary, on_disabled=take_note, enabled=settings.auto_disable)
    worker = Worker(
        queue=store.queue,
        apps=apps,
        sender=sender,
        policies=_policies(settings),
        lanes=Lanes(limits or Limits()),
        ids=ids,
        rng=random.Random(),  # noqa: S311 - jitter
        backlog_rate=settings.backlog_rate,
        on_failures=watch.look_at,
    )
    planner = Planner(directory=store.directory, apps=apps, ids=ids)
    publisher = Publisher(queue=store.queue, planner=planner, apps=apps, worker=worker)
    replays = Replays(port=store.replays, apps=apps, ids=ids, poke=worker.poke, rate=settings.backlog_rate)

    def go_on() -> None:
        worker.poke()
        replays.poke()

    partners = Partners(
        directory=store.directory,
        queue=store.queue,
        apps=apps,
        publisher=publisher,
        ids=ids,
        on_change=go_on,
    )
    return Engine(
        settings=settings,
        vault=vault,
        ids=ids,
        store=store,
        apps=apps,
        sender=sender,
        worker=worker,
        publisher=publisher,
        partners=partners,
        automations=Automations(partners),
        credentials=Credentials(keyring=store.keyring, apps=apps),
        retries=Retries(queue=store.queue, worker=worker),
        replays=replays,
        watch=watch,
        mailer=mailer,
        platform_digest=digest,
        made_key=made_key,
    )


def _policies(settings: Settings) -> dict[str, Policy]:
    policies = {name: Policy(provider.retry_delays) for name, provider in PROVIDERS.items()}
    if settings.retry_delays is not None:
        policies["contio"] = msgspec.structs.replace(policies["contio"], retry_delays=settings.retry_delays)
    return policies


async def _platform_key(settings: Settings, directory: Directory) -> tuple[bytes, Secret | None]:
    """The digest of the platform key: of the one given, or of the one made the first time."""
    if settings.platform_key is not None:
        return sha256(settings.platform_key.reveal().encode()).digest(), None
    made = f"pk_{secrets.token_urlsafe(32)}"
    if await directory.add_setting(_PLATFORM_KEY, sha256(made.encode()).digest()):
        return sha256(made.encode()).digest(), Secret(made)
    stored = await directory.find_setting(_PLATFORM_KEY)
    return stored or b"", None

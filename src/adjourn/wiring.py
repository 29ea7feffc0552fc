"""The one composition root: settings in, an engine out. The APIs are built upon it."""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

import msgspec

from adjourn.config import Secret, Settings
from adjourn.ids import Uuid7
from adjourn.models import Policy
from adjourn.providers import PROVIDERS
from adjourn.sending.addresses import AddressRule
from adjourn.sending.apps import AppCache
from adjourn.sending.automations import Automations
from adjourn.sending.credentials import Credentials
from adjourn.sending.health import HealthWatch
from adjourn.sending.http1 import Http1Sender
from adjourn.sending.lanes import Lanes, Limits
from adjourn.sending.mailer import Mailer, MailPace, default_sender
from adjourn.sending.partners import Partners
from adjourn.sending.planner import Planner
from adjourn.sending.publisher import Publisher
from adjourn.sending.replays import Replays
from adjourn.sending.resends import Resends
from adjourn.sending.retries import Retries
from adjourn.sending.sender import Sender
from adjourn.sending.worker import Pace, Worker
from adjourn.storage.base import Directory, Store
from adjourn.storage.postgres.store import PostgresStore
from adjourn.storage.sqlite.store import SqliteStore
from adjourn.urlrule import UrlRule
from adjourn.vault import Vault

__all__ = ["Engine", "MakeSender", "open_engine", "prepare"]

MakeSender = Callable[[AddressRule], Sender]

_GRACE = timedelta(seconds=10)  # for attempts in flight when the engine is asked to stop
# A commit costs what many deliveries do; seconds:
_LINGER_PUBLISH = 0.005  # before requests that come one by one are committed
_LINGER_RECORD = 0.05  # before outcomes are
_USUAL_DELAYS = tuple(timedelta(minutes=each) for each in (1, 5, 30))  # what ADJOURN_RETRY_DELAYS replaces
_PLATFORM_KEY = "platform_key"  # the setting that keeps the digest of the key that was made


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Everything of one process but its HTTP surface.

    `platform_digest` is the SHA-256 of the platform key, and `made_key` that key if it was made just now.
    """

    settings: Settings
    urls: UrlRule
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
    resends: Resends
    watch: HealthWatch
    mailer: Mailer
    take_news: Callable[[Collection[str]], Awaitable[None]]
    platform_digest: bytes
    made_key: Secret | None

    async def start(self) -> None:
        """Raises StorageError."""
        await self.store.news.follow(self.take_news)
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


async def prepare(settings: Settings) -> Secret | None:
    """Bring the database up to date, and make the platform key if there is none: that one, to be shown.

    Raises ConfigError.
    """
    store, _ = await _open_store(settings, _vault(settings))
    try:
        _, made_key = await _platform_key(settings, store.directory)
    finally:
        await store.close()
    return made_key


async def open_engine(
    settings: Settings,
    *,
    limits: Limits | None = None,
    on_step: Callable[[str], None] = lambda step: None,
    sender: MakeSender | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Engine:
    """Open the database and put an engine together; `start` it then.

    `on_step` watches the store's steps (storage/sqlite/database.py). `sender` makes another one than ours.
    `clock` is a test's, instead of the store's own. Raises ConfigError.
    """
    vault = _vault(settings)
    store, ids = await _open_store(settings, vault, on_step=on_step, clock=clock)
    try:
        digest, made_key = await _platform_key(settings, store.directory)
    except BaseException:
        await store.close()
        raise
    apps = AppCache(store.directory, is_current=store.news.is_current)
    urls = UrlRule(require_https=settings.require_https, ports=settings.allow_ports)
    made_sender = (sender or partial(Http1Sender, urls=urls))(AddressRule(settings.allow_networks))
    mailer = Mailer(
        infirmary=store.infirmary,
        apps=apps,
        smtp=settings.smtp,
        sender=settings.mail_from or (default_sender() if settings.smtp else ""),
        now=store.queue.now,
        pace=MailPace(look=5.0) if settings.is_postgres else MailPace(),  # each process looks
    )

    async def take_note(app_ids: Sequence[str]) -> None:
        await apps.reload(app_ids)
        mailer.poke()

    watch = HealthWatch(infirmary=store.infirmary, on_disabled=take_note, enabled=settings.auto_disable)
    worker = Worker(
        queue=store.queue,
        apps=apps,
        sender=made_sender,
        policies=_policies(settings),
        lanes=Lanes(limits or Limits()),
        ids=ids,
        rng=random.Random(),  # noqa: S311 - jitter
        backlog_rate=settings.backlog_rate,
        on_failures=watch.look_at,
        is_current=store.news.is_current,
        callbacks_of=store.subjects.callbacks_of,
        pace=_pace(settings),
    )
    planner = Planner(directory=store.directory, apps=apps, ids=ids)
    publisher = Publisher(
        queue=store.queue, planner=planner, apps=apps, worker=worker, linger=_LINGER_PUBLISH
    )
    replays = Replays(
        port=store.replays,
        apps=apps,
        ids=ids,
        now=store.queue.now,
        newest=store.log.find_newest,
        poke=worker.poke,
        rate=settings.backlog_rate,
        nodes=lambda: worker.workers,
    )

    retries = Retries(queue=store.queue, worker=worker)

    def go_on() -> None:
        worker.poke()
        replays.poke()

    async def take_news(app_ids: Collection[str]) -> None:
        if await apps.take(app_ids):
            go_on()

    partners = Partners(
        directory=store.directory,
        queue=store.queue,
        apps=apps,
        publisher=publisher,
        ids=ids,
        on_change=go_on,
        urls=urls,
    )
    return Engine(
        settings=settings,
        urls=urls,
        vault=vault,
        ids=ids,
        store=store,
        apps=apps,
        sender=made_sender,
        worker=worker,
        publisher=publisher,
        partners=partners,
        automations=Automations(partners),
        credentials=Credentials(keyring=store.keyring, apps=apps),
        retries=retries,
        replays=replays,
        resends=Resends(
            subjects=store.subjects,
            log=store.log,
            retries=retries,
            ids=ids,
            now=store.queue.now,
            poke=worker.poke,
        ),
        watch=watch,
        mailer=mailer,
        take_news=take_news,
        platform_digest=digest,
        made_key=made_key,
    )


def _vault(settings: Settings) -> Vault:
    if settings.secret_keys or settings.is_postgres:
        return Vault(settings.secret_keys)
    return Vault.beside(settings.sqlite_path)


async def _open_store(
    settings: Settings,
    vault: Vault,
    *,
    on_step: Callable[[str], None] = lambda step: None,
    clock: Callable[[], datetime] | None = None,
) -> tuple[Store, Uuid7]:
    """And the ids to be given: in the order of time, though machines' clocks differ or are set back."""
    if settings.is_postgres:
        shared = await PostgresStore.open(
            settings.database_url,
            vault,
            clock=clock,
            retention=settings.retention,
            lease=settings.lease,
            on_step=on_step,
        )
        return shared, Uuid7(now_ms=_milliseconds(shared.clock))
    given = {} if clock is None else {"clock": clock}
    store = await SqliteStore.open(settings.sqlite_path, vault, on_step=on_step, **given)
    ids = Uuid7()
    try:
        newest = await store.log.find_newest()
    except BaseException:
        await store.close()
        raise
    if newest is not None:
        ids.start_above(newest)
    return store, ids


def _milliseconds(clock: Callable[[], datetime]) -> Callable[[], int]:
    """That clock, asked once a second: in between this machine's own goes on from there."""
    ask_at, ahead = 0, 0  # nanoseconds

    def now_ms() -> int:
        nonlocal ask_at, ahead
        now = time.monotonic_ns()
        if now >= ask_at:
            ask_at = now + 1_000_000_000
            ahead = int(clock().timestamp() * 1e9) - now
        return (now + ahead) // 1_000_000

    return now_ms


def _pace(settings: Settings) -> Pace:
    if not settings.is_postgres:
        return Pace(linger=_LINGER_RECORD)
    lease = settings.lease.total_seconds()
    return Pace(lease=lease, heartbeat=lease / 4, linger=_LINGER_RECORD)


def _policies(settings: Settings) -> dict[str, Policy]:
    return {name: _policy(provider.policy, settings.retry_delays) for name, provider in PROVIDERS.items()}


def _policy(policy: Policy, delays: Sequence[timedelta] | None) -> Policy:
    """With those delays, where it has the usual ones: a schedule of a provider's own stays."""
    if delays is None or policy.retry_delays != _USUAL_DELAYS:
        return policy
    return msgspec.structs.replace(policy, retry_delays=tuple(delays))


async def _platform_key(settings: Settings, directory: Directory) -> tuple[bytes, Secret | None]:
    """The digest of the platform key: of the one given, or of the one made the first time."""
    if settings.platform_key is not None:
        return sha256(settings.platform_key.reveal().encode()).digest(), None
    made = f"pk_{secrets.token_urlsafe(32)}"
    if await directory.add_setting(_PLATFORM_KEY, sha256(made.encode()).digest()):
        return sha256(made.encode()).digest(), Secret(made)
    stored = await directory.find_setting(_PLATFORM_KEY)
    return stored or b"", None

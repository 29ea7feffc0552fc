"""The partner apps and their users: made, changed, connected, ended.

Every change is in the cache before it is answered, so no later publish or attempt uses the old value.
"""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from adjourn.config import Secret
from adjourn.errors import Fault, InputError, NotFound, StorageError
from adjourn.ids import Uuid7
from adjourn.models import (
    App,
    AppOptions,
    AppStatus,
    Audience,
    Connection,
    ConnectionStatus,
    Disabled,
    DisabledBy,
    Filter,
)
from adjourn.providers import PROVIDERS
from adjourn.sending.apps import AppCache
from adjourn.sending.publisher import Publisher
from adjourn.sending.signers import check_signer
from adjourn.sending.submission import Submission
from adjourn.signing import new_secret
from adjourn.storage.base import Backlog, Directory, KeptAnswer, KeyHashes, Queue, StaleApps
from adjourn.urlrule import USUAL, UrlRule
from adjourn.vault import digest_key
from adjourn.wirejson import dumps

__all__ = ["Keys", "NewApp", "Partners"]

_DISCARDED_AT_ONCE = 1000  # deliveries whose rows follow before the answer; the worker moves the rest


class Keys(msgspec.Struct, frozen=True):
    """An app's credentials in plain: shown once, when it is made."""

    client_id: str
    api_key: str
    client_secret: str
    webhook_secret: str

    def __repr__(self) -> str:
        return f"Keys(client_id={self.client_id!r}, ***)"

    @classmethod
    def new(cls) -> "Keys":
        return cls(
            client_id=f"client_{secrets.token_hex(12)}",
            api_key=f"ak_{secrets.token_urlsafe(32)}",
            client_secret=f"cs_{secrets.token_urlsafe(32)}",
            webhook_secret=new_secret().reveal(),
        )


class NewApp(msgspec.Struct, frozen=True, kw_only=True):
    """What an app is made of; whatever identifies it is made up where it is not given."""

    name: str
    company_name: str
    primary_contact_email: str
    keys: Keys
    id: str | None = None
    provider: str = "contio"
    description: str | None = None
    webhook_url: str | None = None
    slug: str | None = None
    status: AppStatus = AppStatus.ACTIVE
    webhook_enabled: bool = True
    webhook_filter: Filter | None = None
    options: AppOptions | None = None  # the defaults of its provider
    created_at: datetime | None = None


class Partners:
    """`on_change` is called after a change that may let waiting deliveries go."""

    def __init__(
        self,
        *,
        directory: Directory,
        apps: AppCache,
        publisher: Publisher,
        ids: Uuid7,
        on_change: Callable[[], None],
        queue: Queue,
        urls: UrlRule = USUAL,
    ) -> None:
        self._urls = urls
        self._queue = queue
        self._on_change = on_change
        self._directory = directory
        self._apps = apps
        self._publisher = publisher
        self._ids = ids

    async def create_app(
        self, new: NewApp, *, keep: Callable[[App], KeptAnswer | None] = lambda app: None
    ) -> App:
        """Raises Conflict when its id, client id or API key is taken, AnswerExists, and InputError for a
        webhook secret that its provider cannot sign with, or a URL that nothing may be sent to.
        """
        self._check_url(new.webhook_url)
        now = datetime.now(UTC)
        app = App(
            id=new.id or self._ids(),
            version=1,
            provider=new.provider,
            name=new.name,
            description=new.description,
            company_name=new.company_name,
            client_id=new.keys.client_id,
            primary_contact_email=new.primary_contact_email,
            webhook_url=new.webhook_url,
            webhook_enabled=new.webhook_enabled,
            webhook_filter=new.webhook_filter,
            status=new.status,
            slug=new.slug,
            options=new.options or PROVIDERS[new.provider].options(),
            webhook_secret=Secret(new.keys.webhook_secret),
            created_at=new.created_at or now,
            updated_at=now,
        )
        check_signer(app, fault_path="$.credentials.webhook_secret")
        hashes = KeyHashes(
            api_key_hash=digest_key(new.keys.api_key.encode()),
            client_secret_hash=digest_key(new.keys.client_secret.encode()),
        )
        await self._directory.add_app(app, hashes, answer=keep(app))
        await self._apps.reload([app.id])
        return app

    async def change_app(
        self,
        app_id: str,
        change: Callable[[App], App],
        *,
        backlog: Backlog | None = None,
        keep: Callable[[App], KeptAnswer | None] = lambda app: None,
    ) -> App:
        """Apply `change` to the app as it is now; where it changes nothing, nothing is done.

        `backlog`: what becomes of what waits, with the change. `keep` renders the answer to be kept in the
        same commit. Raises NotFound, AnswerExists, InputError for a new URL that nothing may be sent to, and
        whatever `change` raises.
        """
        while True:
            app = await self._apps.get(app_id)
            changed = change(app)
            if changed == app:
                return app
            if changed.webhook_url != app.webhook_url:
                self._check_url(changed.webhook_url)
            try:
                saved = await self._directory.save_app(changed, backlog=backlog, answer=keep(changed))
            except StaleApps:
                await self._apps.reload([app_id])
                continue
            self._apps.put(saved)
            if backlog is Backlog.ABANDON or len(changed.automations) < len(app.automations):
                await self._discard_some()
            self._on_change()
            return saved

    async def enable(self, app_id: str, backlog: Backlog) -> App:
        """Let an app's webhooks go again. Nothing happens to one whose webhooks are on."""

        def change(app: App) -> App:
            return msgspec.structs.replace(app, webhook_enabled=True, disabled=None)

        return await self.change_app(app_id, change, backlog=backlog)

    async def disable(self, app_id: str, by: DisabledBy) -> App:
        """Hold an app's webhooks. One whose webhooks are off stays as it is."""
        disabled = Disabled(by=by, at=datetime.now(UTC), reason=f"the {by} switched them off")

        def change(app: App) -> App:
            if not app.webhook_enabled:
                return app
            return msgspec.structs.replace(app, webhook_enabled=False, disabled=disabled)

        return await self.change_app(app_id, change)

    async def delete_app(self, app_id: str) -> None:
        """Raises NotFound."""
        await self._directory.delete_app(app_id)
        self._apps.forget(app_id)
        await self._discard_some()

    def _check_url(self, url: str | None) -> None:
        if (fault := self._urls.find_fault(url)) is not None:
            raise InputError("nothing may be sent to that URL", faults=[Fault("$.webhook_url", fault)])

    async def _discard_some(self) -> None:
        """The change is stored: whatever goes wrong with its rows now, the worker moves them later."""
        with suppress(StorageError):
            await self._queue.discard(limit=_DISCARDED_AT_ONCE)

    async def connect(self, app_id: str, connections: Sequence[Connection]) -> list[bool]:
        """Connect users to an app; for each, whether it is new. Raises NotFound and Conflict."""
        await self._apps.get(app_id)
        return await self._directory.put_connections(connections, new_id=self._ids)

    async def disconnect(self, app_id: str, user_id: str) -> None:
        """End a connection and tell its app, where its provider does, in one commit. Raises NotFound."""
        app = await self._apps.get(app_id)
        connection = await self._directory.find_connection(app_id, user_id)
        if connection is None or connection.status is ConnectionStatus.REVOKED:
            raise NotFound("connection", user_id)
        provider = PROVIDERS[app.provider]
        told = provider.disconnected(connection.id, at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}Z")
        if told is None:
            revoked = msgspec.structs.replace(connection, status=ConnectionStatus.REVOKED)
            await self._directory.put_connections([revoked], new_id=self._ids)
            return
        name, data = told
        submission = Submission(
            provider=provider,
            event_type=provider.event_types[name],
            data=data,
            data_json=dumps(data),
            audience=Audience(user_ids=(user_id,), partner_app_ids=(app_id,)),
            revokes=connection,
        )
        await self._publisher.publish([submission])

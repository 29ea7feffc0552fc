"""An app's credentials: rotated with a grace period for the one before, and put back."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from adjourn.config import Secret
from adjourn.models import App
from adjourn.repeating import Repeating
from adjourn.sending.apps import AppCache
from adjourn.sending.partners import Keys
from adjourn.signing import find_public_key, new_signing_key
from adjourn.storage.base import CredentialType, KeptAnswer, Keyring, Rotation, Who
from adjourn.vault import digest_key

__all__ = ["Credentials", "Rotated"]


_EVERY = 60.0  # seconds
_GRACE = timedelta(seconds=5)  # for a step under way, when it is to stop
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """A credential rotated just now. Its secrets are shown this once.

    `secret` is what the app's partner is to hold: of a key pair the public key, which is none.
    """

    type: CredentialType
    secret: Secret
    grace_ends_at: datetime | None
    rollback_token: Secret | None


class Credentials:
    """Also ends grace periods, and writes down when API keys were used: `start` it, then `stop` it."""

    def __init__(self, *, keyring: Keyring, apps: AppCache, every: float = _EVERY) -> None:
        self._keyring = keyring
        self._apps = apps
        self._every = timedelta(seconds=every)
        self._used: dict[bytes, datetime] = {}  # by a key's hash, not yet written down
        self._written: dict[bytes, datetime] = {}
        self._tending = Repeating(self._tend, every=every, after_error=1.0)

    def start(self) -> None:
        self._tending.start()

    async def stop(self) -> None:
        await self._tending.stop(_GRACE)

    def note_used(self, api_key_hash: bytes) -> None:
        """A request came with this key. The first is written down at once, others once a minute."""
        now = datetime.now(UTC)
        self._used[api_key_hash] = now
        if now - self._written.get(api_key_hash, _LONG_AGO) >= self._every:
            self._tending.wake()

    async def _tend(self) -> None:
        used, self._used = self._used, {}
        now = datetime.now(UTC)
        recent = {key: at for key, at in self._written.items() if now - at < self._every}
        self._written = recent | used
        for api_key_hash, at in used.items():
            await self._keyring.note_used(api_key_hash, at)
        await self._keyring.end_grace()

    async def rotate(
        self,
        app_id: str,
        kind: CredentialType,
        *,
        grace: timedelta,
        who: Who,
        reason: str | None,
        keep: Callable[[Rotated], KeptAnswer | None] = lambda rotated: None,
    ) -> Rotated:
        """Make a new credential; the one before works on for as long as `grace`.

        Without a grace period, and for webhook secrets, there is no token to put it back with. In place of a
        private key (`whsk_`) comes another, which nobody is shown.
        Raises NotFound and AnswerExists.
        """
        app = await self._apps.get(app_id)
        secret = _new_secret(kind, app)
        public = find_public_key(secret)
        now = datetime.now(UTC)
        has_way_back = grace and kind is not CredentialType.WEBHOOK_SECRET
        rotated = Rotated(
            type=kind,
            secret=secret if public is None else Secret(public),
            grace_ends_at=now + grace if grace else None,
            rollback_token=Secret(f"rb_{secrets.token_urlsafe(32)}") if has_way_back else None,
        )
        token = rotated.rollback_token
        rotation = Rotation(
            app_id=app_id,
            type=kind,
            secret=secret,
            at=now,
            grace_ends_at=rotated.grace_ends_at,
            rollback_hash=None if token is None else digest_key(token.reveal().encode()),
            who=who,
            reason=reason,
        )
        await self._keyring.rotate(rotation, answer=keep(rotated))
        await self._apps.reload([app_id])
        return rotated

    async def roll_back(
        self,
        app_id: str,
        kind: CredentialType,
        *,
        token: str,
        who: Who,
        reason: str | None,
        answer: KeptAnswer | None,
    ) -> bool:
        """Put the one before back. Whether the token was that of a rotation in its grace period."""
        done = await self._keyring.roll_back(
            app_id,
            kind,
            rollback_hash=digest_key(token.encode("utf-8", "surrogatepass")),
            who=who,
            reason=reason,
            answer=answer,
        )
        await self._apps.reload([app_id])
        return done


def _new_secret(kind: CredentialType, app: App) -> Secret:
    """A webhook secret is of the kind that the present one is: a key pair's in place of a key pair's."""
    if kind is CredentialType.WEBHOOK_SECRET and find_public_key(app.webhook_secret) is not None:
        return new_signing_key()
    keys = Keys.new()
    made = {
        CredentialType.API_KEY: keys.api_key,
        CredentialType.WEBHOOK_SECRET: keys.webhook_secret,
        CredentialType.CLIENT_SECRET: keys.client_secret,
    }
    return Secret(made[kind])

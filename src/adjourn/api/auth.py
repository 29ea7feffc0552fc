"""Who is asking: the product by its platform key, a partner by its API key."""

import hmac
from hashlib import sha256

from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp

from adjourn.api.problems import Unauthorized
from adjourn.models import App
from adjourn.sending.credentials import Credentials
from adjourn.storage.base import Keyring
from adjourn.vault import digest_key

__all__ = ["PartnerAuth", "PartnerOnly", "PlatformAuth"]


class PlatformAuth:
    """Compares a bearer token with the platform key, of which only the digest is known."""

    def __init__(self, digest: bytes) -> None:
        self._digest = digest

    def check(self, authorization: bytes) -> None:
        """Raises Unauthorized."""
        scheme, _, token = authorization.partition(b" ")
        given = sha256(token.strip()).digest()
        if scheme.lower() != b"bearer" or not token:
            raise Unauthorized("send Authorization: Bearer <platform key>", scheme="Bearer")
        if not hmac.compare_digest(given, self._digest):
            raise Unauthorized("this is not the platform key", scheme="Bearer")


class PartnerAuth:
    """Finds the app of an X-API-Key, and checks X-Client-ID where it is sent.

    `credentials` is told of each key that was let in.
    """

    def __init__(self, keyring: Keyring, credentials: Credentials, *, require_client_id: bool) -> None:
        self._keyring = keyring
        self._credentials = credentials
        self._require_client_id = require_client_id

    async def find(self, headers: dict[bytes, bytes]) -> App:
        """Raises Unauthorized."""
        app, key_hash = await self._find(headers.get(b"x-api-key", b""), header="X-API-Key")
        client_id = headers.get(b"x-client-id")
        if client_id is None and self._require_client_id:
            raise Unauthorized("send X-Client-ID beside X-API-Key", scheme="ApiKey")
        if client_id is not None and not hmac.compare_digest(client_id, app.client_id.encode()):
            raise Unauthorized("X-Client-ID is not that of this X-API-Key", scheme="ApiKey")
        self._credentials.note_used(key_hash)
        return app

    async def find_by_key(self, key: bytes, *, header: str) -> App:
        """Of a vendor's client that sends the key in a header of its own. Raises Unauthorized."""
        app, key_hash = await self._find(key, header=header)
        self._credentials.note_used(key_hash)
        return app

    async def _find(self, key: bytes, *, header: str) -> tuple[App, bytes]:
        """And the digest of its key."""
        key_hash = digest_key(key)
        app = await self._keyring.find_app_by_key(key_hash) if key else None
        if app is None:
            raise Unauthorized(f"send a valid {header}", scheme="ApiKey")
        return app, key_hash


class PartnerOnly(AbstractAuthenticationMiddleware):
    """The framework's middleware: `request.user` is the App that the state's `partner_auth` finds."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, exclude_http_methods=())  # OPTIONS, too, needs a key

    async def authenticate_request(self, connection: ASGIConnection) -> AuthenticationResult:  # type: ignore[type-arg]
        auth: PartnerAuth = connection.scope["state"]["partner_auth"]
        return AuthenticationResult(user=await auth.find(dict(connection.scope["headers"])), auth=None)

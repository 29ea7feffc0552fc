"""Build the request of one attempt: the stored body, signed now."""

from datetime import datetime

from adjourn import __version__
from adjourn.config import Secret
from adjourn.models import App
from adjourn.providers import PROVIDERS
from adjourn.sending.policy import Policy
from adjourn.sending.sender import Request
from adjourn.signing import Signer
from adjourn.storage.base import Claimed

__all__ = ["RequestBuilder"]

_USER_AGENT = f"Adjourn/{__version__}"

_Secrets = tuple[Secret, ...]


class RequestBuilder:
    """Keeps the signers of each app version: their HMAC state is computed once."""

    def __init__(self) -> None:
        self._signers: dict[str, tuple[int, dict[_Secrets, Signer]]] = {}

    def build(
        self, app: App, claimed: Claimed, policy: Policy, *, url: str, now: datetime, old_first: bool = False
    ) -> Request:
        """`old_first`: signed by the secret before the present one, where its grace period runs."""
        old = app.secrets_in_grace(now)
        secrets = (*old, app.webhook_secret) if old_first else (app.webhook_secret, *old)
        signed = self._signer(app, secrets).sign(
            claimed.body, event_id=claimed.event_id, timestamp=int(now.timestamp())
        )
        return Request(
            url=url,
            headers={"Content-Type": "application/json", "User-Agent": _USER_AGENT, **signed},
            body=claimed.body,
            timeout=policy.timeout,
        )

    def _signer(self, app: App, secrets: _Secrets) -> Signer:
        version, signers = self._signers.get(app.id, (-1, {}))
        if version != app.version:
            signers = {}
            self._signers[app.id] = (app.version, signers)
        if secrets not in signers:
            signers[secrets] = PROVIDERS[app.provider].signer(app, secrets)
        return signers[secrets]

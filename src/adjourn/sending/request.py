"""Build the request of one attempt: the stored body, signed now."""

from datetime import datetime

from adjourn import __version__
from adjourn.models import App
from adjourn.providers import PROVIDERS
from adjourn.sending.policy import Policy
from adjourn.sending.sender import Request
from adjourn.signing import Signer
from adjourn.storage.base import Claimed

__all__ = ["RequestBuilder"]

_USER_AGENT = f"Adjourn/{__version__}"


class RequestBuilder:
    """Keeps one signer for each app version: its HMAC state is computed once."""

    def __init__(self) -> None:
        self._signers: dict[str, tuple[int, Signer]] = {}

    def build(self, app: App, claimed: Claimed, policy: Policy, *, url: str, now: datetime) -> Request:
        signed = self._signer(app).sign(
            claimed.body, event_id=claimed.event_id, timestamp=int(now.timestamp())
        )
        return Request(
            url=url,
            headers={"Content-Type": "application/json", "User-Agent": _USER_AGENT, **signed},
            body=claimed.body,
            timeout=policy.timeout,
        )

    def _signer(self, app: App) -> Signer:
        known = self._signers.get(app.id)
        if known is None or known[0] != app.version:
            known = self._signers[app.id] = (app.version, PROVIDERS[app.provider].signer(app))
        return known[1]

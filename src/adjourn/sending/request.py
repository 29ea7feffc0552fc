"""Build the request of one attempt: the stored body, signed now."""

from datetime import datetime

from adjourn import __version__
from adjourn.config import Secret
from adjourn.models import App, Callback, Policy
from adjourn.providers import PROVIDERS
from adjourn.sending.sender import Request, header_lines
from adjourn.signing import Signer
from adjourn.storage.base import Claimed

__all__ = ["RequestBuilder"]

_CONSTANT = f"Content-Type: application/json\r\nUser-Agent: Adjourn/{__version__}\r\n"

_Secrets = tuple[Secret, ...]


class RequestBuilder:
    """Keeps the signers of each app version: their HMAC state is computed once."""

    def __init__(self) -> None:
        self._signers: dict[str, tuple[int, dict[_Secrets, Signer]]] = {}
        self._usual: dict[str, tuple[App, Signer]] = {}  # of apps with one secret
        self._now: datetime | None = None
        self._seconds = 0  # since the epoch, `_now`

    def build(
        self, app: App, claimed: Claimed, policy: Policy, *, url: str, now: datetime, old_first: bool = False
    ) -> Request:
        """`old_first`: signed by the secret before the present one, where its grace period runs."""
        if claimed.callback is not None:
            return _call_back(app, claimed, claimed.callback, policy)
        known, signer = self._usual.get(app.id, (None, None))
        if signer is None or known is not app:
            signer = self._signer(app, now, old_first=old_first)
        if self._now is not now:  # attempts that start together have the same
            self._now, self._seconds = now, int(now.timestamp())
        signed = signer.lines(claimed.body, event_id=claimed.event_id, timestamp=self._seconds)
        return Request(url=url, lines=_CONSTANT + signed, body=claimed.body, timeout=policy.timeout)

    def _signer(self, app: App, now: datetime, *, old_first: bool) -> Signer:
        old = app.secrets_in_grace(now)
        secrets = (*old, app.webhook_secret) if old_first else (app.webhook_secret, *old)
        version, signers = self._signers.get(app.id, (-1, {}))
        if version != app.version:
            signers = {}
            self._signers[app.id] = (app.version, signers)
        if secrets not in signers:
            signers[secrets] = PROVIDERS[app.provider].signer(app, secrets)
        if not app.old_secrets:
            self._usual[app.id] = (app, signers[secrets])
        return signers[secrets]


def _call_back(app: App, claimed: Claimed, callback: Callback, policy: Policy) -> Request:
    """Unsigned: it proves itself by the secret that its receiver gave."""
    lines, callbacks = _CONSTANT, PROVIDERS[app.provider].callbacks
    if callback.secret is not None and callbacks is not None:
        lines += header_lines({callbacks.secret_header: callback.secret.reveal()})
    return Request(
        url=callback.url, lines=lines, body=claimed.body, timeout=policy.timeout, method=callback.method
    )

"""Whether an app's webhooks can be signed: asked when its secret or options change, never when sending."""

from adjourn.errors import ConfigError, Fault, InputError
from adjourn.models import App
from adjourn.providers import PROVIDERS
from adjourn.signing import new_secret

__all__ = ["check_signer"]


def check_signer(app: App, *, fault_path: str = "$") -> None:
    """Raises InputError unless the signature of its provider, with these options, can use its secrets.

    The fault is at `fault_path`, or at `$` where no secret would do.
    """
    secrets = (app.webhook_secret, *(old.secret for old in app.old_secrets))
    provider = PROVIDERS[app.provider]
    path = "$"
    try:
        provider.signer(app, (new_secret(),))
        path = fault_path
        provider.signer(app, secrets)
    except ConfigError as exc:
        raise InputError("the app's webhooks could not be signed", faults=[Fault(path, str(exc))]) from exc

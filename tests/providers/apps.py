"""An app to sign for."""

from datetime import UTC, datetime

from adjourn.config import Secret
from adjourn.models import App, AppOptions, AppStatus

__all__ = ["app_of"]

_THEN = datetime(2026, 1, 1, tzinfo=UTC)


def app_of(provider: str, options: AppOptions) -> App:
    return App(
        id="app",
        version=1,
        provider=provider,
        name="Acme",
        description=None,
        company_name="Acme",
        client_id="client",
        primary_contact_email="dev@example.com",
        webhook_url=None,
        webhook_enabled=True,
        webhook_filter=None,
        status=AppStatus.ACTIVE,
        slug=None,
        options=options,
        webhook_secret=Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        created_at=_THEN,
        updated_at=_THEN,
    )

"""What a provider's requests carry beside their body, by example: asked of its own signer. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from adjourn import wirejson
from adjourn.config import Secret
from adjourn.models import App, AppOptions, AppStatus
from adjourn.providers.provider import EventType, Provider

__all__ = ["EXAMPLE_SECRET", "example_app", "signature_headers"]

EXAMPLE_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - that of the vectors of Standard Webhooks
_EVENT_ID = "evt-550e8400-e29b-41d4-a716-446655440000"
_AT = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)


def signature_headers(provider: Provider, event_type: EventType) -> Mapping[str, str]:
    """The headers that prove the type's sample, for an app that has no options set; none, if none do."""
    signer = provider.signer(example_app(provider), [Secret(EXAMPLE_SECRET)])
    body = wirejson.dumps(event_type.sample)
    event_id = event_type.sample.get("event_id") or event_type.sample.get("id") or _EVENT_ID
    return signer.sign(body, event_id=event_id, timestamp=int(_AT.timestamp()))


def example_app(provider: Provider, options: AppOptions | None = None) -> App:
    """An app of that provider, with those options, or with none set."""
    return App(
        id="app-550e8400-e29b-41d4-a716-446655440000",
        version=1,
        provider=provider.name,
        name="Example",
        description=None,
        company_name="Example",
        client_id="example",
        primary_contact_email="dev@example.com",
        webhook_url="https://example.com/webhooks",
        webhook_enabled=True,
        webhook_filter=None,
        status=AppStatus.ACTIVE,
        slug=None,
        options=provider.options() if options is None else options,
        webhook_secret=Secret(EXAMPLE_SECRET),
        created_at=_AT,
        updated_at=_AT,
    )

"""A vendor that nobody knew: test_a_fourth_vendor.py puts this file among the providers, and nothing else."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from msgspec import Struct

from adjourn import wirejson
from adjourn.config import Secret
from adjourn.models import App, Policy
from adjourn.providers.provider import EventType, Facts, Provider, Timestamp, body_key, doc
from adjourn.signing import Signer, StandardSigner, StandardVerifier, Verified, Verifier


class CallEndedData(Struct, frozen=True, kw_only=True):
    call_id: Annotated[str, doc("The call that ended")]
    ended_at: Annotated[Timestamp, doc("When it ended")]


class CallEnded(Struct, frozen=True, kw_only=True, tag_field="kind", tag="call.ended"):
    """Sent when a call ends"""

    id: Annotated[str, doc("The event's id")]
    data: CallEndedData


_CALL_ENDED = EventType(
    name="call.ended",
    group="Call",
    title="Call ended",
    since="1.0",
    description="Sent when a call ends",
    note=None,
    data=CallEndedData,
    event=CallEnded,
    sample={
        "kind": "call.ended",
        "id": "evt_1",
        "data": {"call_id": "call_1", "ended_at": "2026-01-20T10:30:17Z"},
    },
)


class Fourth(Provider):
    def head(self, facts: Facts) -> bytes:
        text = wirejson.quoted
        return f'{{"kind":{text(facts.event_type)},"id":{text(facts.event_id)},"data":'.encode()

    def signer(self, app: App, secrets: Sequence[Secret]) -> Signer:
        return StandardSigner(*secrets)

    def verifier(self, *secrets: Secret | str) -> Verifier:
        return StandardVerifier(*secrets)

    def dedupe_key(self, event: Struct, verified: Verified, body: bytes) -> str:
        return verified.event_id or body_key(body)


PROVIDER = Fourth(
    name="fourth",
    title="The Fourth",
    source="its page",
    signature="As Standard Webhooks says.",
    event_types={_CALL_ENDED.name: _CALL_ENDED},
    policy=Policy(retry_delays=(timedelta(seconds=1), timedelta(minutes=1))),
)

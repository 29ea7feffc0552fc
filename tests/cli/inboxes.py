"""An inbox to look at, for the tests of `adjourn inbox`."""

from datetime import UTC, datetime, timedelta

from adjourn import contio, quil
from adjourn.models import Handling, Receipt, ReceiptState
from adjourn.storage.base import Handled, NewReceipt, Receipts
from adjourn.storage.inbox import open_receipts
from adjourn.testing import sample

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
ERROR = "myapp.save: ValueError: \x1b[31mno title"
BODY = sample(contio, "meeting.completed", title="Top secret")


def new(event_id: str, *, provider: str = "contio", minute: int = 0) -> NewReceipt:
    body = BODY if provider == "contio" else sample(quil, "meeting.completed")
    return NewReceipt(
        provider=provider,
        id=event_id,
        event_type="meeting.completed",
        order_key=None,
        scheme="contio",
        profile="documented",
        received_at=NOW + timedelta(minutes=minute),
        body=body,
    )


async def fill(url: str) -> None:
    """Four receipts, a minute apart: 1 handled, 2 failed, 3 (of Quil) dead, 4 new."""
    receipts = await open_receipts(url, clock=lambda: NOW + timedelta(minutes=5))
    await receipts.keep([new("evt-1"), new("evt-2", minute=1), new("q-1", provider="quil", minute=2)])
    await handle(receipts, {1: ReceiptState.HANDLED, 2: ReceiptState.FAILED, 3: ReceiptState.DEAD})
    await receipts.keep([new("evt-4", minute=3)])
    await receipts.close()


async def handle(receipts: Receipts, states: dict[int, ReceiptState]) -> None:
    """As a worker would that ends then."""
    await receipts.enlist("w", lease=timedelta(seconds=30))
    claim = await receipts.claim("w", limit=1000)
    assert {each.seq for each in claim.receipts} == states.keys()
    await receipts.record("w", [ended(each, states[each.seq]) for each in claim.receipts])
    await receipts.end("w")


def ended(receipt: Receipt, state: ReceiptState) -> Handled:
    is_handled = state is ReceiptState.HANDLED
    return Handled(
        receipt=receipt,
        attempt=Handling(
            no=receipt.attempt_no + 1,
            at=NOW + timedelta(minutes=5),
            duration_ms=12,
            error="" if is_handled else ERROR,
        ),
        state=state,
        retry_count=0,
        due=NOW + timedelta(days=36500) if state is ReceiptState.FAILED else None,
        done=("myapp.save",) if is_handled else (),
    )

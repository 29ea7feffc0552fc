"""The fixture `webhooks`: a vendor's events, kept and handled in a database of the test's."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from adjourn.errors import ConfigError
from adjourn.models import Receipt, ReceiptState
from adjourn.providers import Provider
from adjourn.receiving.inbox import Inbox
from adjourn.receiving.receiver import Received, Receiver, Vendor
from adjourn.rehearsal.here import run_here
from adjourn.rehearsal.watched import Call, Failures, watched
from adjourn.storage.base import ReceiptFilter
from adjourn.testing import encode, sample, sign

__all__ = ["SignedRequest", "Webhooks"]

Event = str | bytes | Mapping[str, Any]

_FORGERS_SECRET = "whsec_d2hhdCBhIGZvcmdlciBtYXkgaGF2ZSBndWVzc2Vk"  # noqa: S105
_STALE = timedelta(hours=1)  # every vendor's tolerance is some minutes
_PAGE = 1000


class SignedRequest(NamedTuple):
    """What a vendor would POST."""

    headers: dict[str, str]
    body: bytes


class Webhooks:
    """Signs a vendor's events, and delivers them to the handlers of an inbox.

    Each inbox has a database of its own here, in `folder`; the user's is never touched. An `event` is a type
    of the catalog, whose sample it is, with `changes` in its `data`; or a whole event, as a mapping or bytes.
    With the same changes it is the same event, with the same id; with others it is another one.
    """

    def __init__(self, secret: str, *, folder: Path) -> None:
        self.secret = secret
        self._folder = folder
        self._inboxes: list[Inbox] = []
        self._isolated = ExitStack()
        self._ahead = timedelta(0)

    def __enter__(self) -> "Webhooks":
        return self

    def __exit__(self, *exc: object) -> None:
        self._isolated.close()

    # requests, for the test client of a framework

    def request(self, vendor: Provider | Vendor, event: Event, /, **changes: Any) -> SignedRequest:
        """Signed now, with `secret`. Raises CatalogError for a type, or a change, that the vendor has not."""
        body = _body(vendor, event, changes)
        return SignedRequest(sign(vendor, body, self.secret), body)

    def forged(self, vendor: Provider | Vendor, event: Event, /, **changes: Any) -> SignedRequest:
        """Signed with another secret: to be answered with 401."""
        body = _body(vendor, event, changes)
        return SignedRequest(sign(vendor, body, _FORGERS_SECRET), body)

    def stale(self, vendor: Provider | Vendor, event: Event, /, **changes: Any) -> SignedRequest:
        """Signed an hour ago: to be answered with 401 where the time of sending is signed."""
        body = _body(vendor, event, changes)
        return SignedRequest(sign(vendor, body, self.secret, at=datetime.now(UTC) - _STALE), body)

    def isolate(self, inbox: Inbox) -> None:
        """Until the test ends, have the inbox keep in the test's database, and handle nothing by itself.

        For tests that post to an app, which has its inbox: `handle` then handles what the app took in.
        Raises ConfigError while the inbox is open.
        """
        self._isolated.enter_context(inbox.kept_elsewhere(self._url(inbox)))

    # deliveries

    def deliver(self, inbox: Inbox, vendor: Provider | Vendor, event: Event, /, **changes: Any) -> Receipt:
        """Have an event verified, kept, and handled if it was not there before; its receipt.

        What a handler raises is raised here, of several as an ExceptionGroup. Coroutine functions run in an
        event loop of their own, other handlers in the test's own thread. In an async test: `adeliver`.
        """
        __tracebackhide__ = True
        received, failures = self._receive(vendor, event, changes), Failures()
        receipt = run_here(lambda call: self._deliver(inbox, received, failures, call))
        failures.throw()
        return receipt

    async def adeliver(
        self, inbox: Inbox, vendor: Provider | Vendor, event: Event, /, **changes: Any
    ) -> Receipt:
        """`deliver` in the test's event loop; handlers that are no coroutine functions run in threads."""
        __tracebackhide__ = True
        received, failures = self._receive(vendor, event, changes), Failures()
        receipt = await self._deliver(inbox, received, failures, asyncio.to_thread)
        failures.throw()
        return receipt

    def handle(self, inbox: Inbox, *, after: timedelta = timedelta(0)) -> list[Receipt]:
        """Handle what is due; all receipts of this test, as they are then, the oldest first.

        `after`: as if so much time had passed, so that retries are due. Otherwise as `deliver`.
        """
        __tracebackhide__ = True
        self._ahead += after
        failures = Failures()
        receipts = run_here(lambda call: self._handle(inbox, failures, call))
        failures.throw()
        return receipts

    async def ahandle(self, inbox: Inbox, *, after: timedelta = timedelta(0)) -> list[Receipt]:
        """`handle` in the test's event loop."""
        __tracebackhide__ = True
        self._ahead += after
        failures = Failures()
        receipts = await self._handle(inbox, failures, asyncio.to_thread)
        failures.throw()
        return receipts

    # within

    def _receive(self, vendor: Provider | Vendor, event: Event, changes: Mapping[str, Any]) -> Received:
        request = self.request(vendor, event, **changes)
        return Receiver(vendor, self.secret).receive(request.headers, request.body)

    async def _deliver(self, inbox: Inbox, received: Received, failures: Failures, call: Call) -> Receipt:
        mine = self._rehearsed(inbox, failures, call)
        try:
            kept = await mine.keep(received)
            await _settle(mine, failures)
            return await mine.receipts.get(kept.seq)
        finally:
            await mine.close(grace=timedelta(0))

    async def _handle(self, inbox: Inbox, failures: Failures, call: Call) -> list[Receipt]:
        mine = await self._rehearsed(inbox, failures, call).open()
        try:
            await _settle(mine, failures)
            return await _all(mine)
        finally:
            await mine.close(grace=timedelta(0))

    def _rehearsed(self, inbox: Inbox, failures: Failures, call: Call) -> Inbox:
        handlers = inbox.handlers.mapped(lambda each: watched(each, failures, call))
        return inbox.rehearsed(
            self._url(inbox), handlers=handlers, clock=lambda: datetime.now(UTC) + self._ahead
        )

    def _url(self, inbox: Inbox) -> str:
        if inbox not in self._inboxes:
            self._inboxes.append(inbox)
        path = self._folder / f"inbox-{self._inboxes.index(inbox)}.db"
        return f"sqlite:///{quote(path.as_posix())}"


async def _settle(inbox: Inbox, failures: Failures) -> None:
    """Handle what is due."""
    before = {each.seq: each.attempt_no for each in await _all(inbox)}
    await inbox.settle()
    for each in await _all(inbox):
        is_unhandled = each.attempt_no > before[each.seq] and each.state is not ReceiptState.HANDLED
        if is_unhandled and not failures:
            failures.add(AssertionError(each.error))  # what no handler raised: it took too long, say


async def _all(inbox: Inbox) -> list[Receipt]:
    """Oldest first."""
    found: list[Receipt] = []
    below = None
    while page := await inbox.receipts.list_receipts(ReceiptFilter(), limit=_PAGE, below=below):
        found += page
        below = page[-1].seq
    return found[::-1]


def _body(vendor: Provider | Vendor, event: Event, changes: Mapping[str, Any]) -> bytes:
    """Raises CatalogError, and ConfigError for changes of a whole event."""
    if isinstance(event, str):
        return sample(vendor, event, **changes)
    if changes:
        raise ConfigError("changes are for the sample of a type: a whole event is taken as it is")
    return event if isinstance(event, bytes) else encode(event)

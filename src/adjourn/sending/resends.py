"""What a vendor's clients ask for by the id of a bot: its last webhook once more, or its callback."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from adjourn.endpoint import lane_id, parse_endpoint
from adjourn.errors import Conflict, NotFound
from adjourn.ids import Uuid7
from adjourn.models import App, Callback, Subject, callback_target, lane_target
from adjourn.sending.retries import QUIET, Retries
from adjourn.storage.base import Log, NewDelivery, RetryAsked, Subjects

__all__ = ["Resends"]

_LOOKS = 8
_BETWEEN_LOOKS = 0.25  # seconds


class Resends:
    """`now`: the store's clock. `poke`: something waits in the store, and is due."""

    def __init__(
        self,
        *,
        subjects: Subjects,
        log: Log,
        retries: Retries,
        ids: Uuid7,
        now: Callable[[], Awaitable[datetime]],
        poke: Callable[[], None],
    ) -> None:
        self._subjects = subjects
        self._log = log
        self._retries = retries
        self._ids = ids
        self._now = now
        self._poke = poke

    async def webhook(self, app: App, subject_id: str) -> RetryAsked:
        """One more attempt of its final event at the app's URL, in the same bytes, under the same id.

        Raises NotFound, and Conflict where it has no final event yet or that went nowhere.
        """
        subject = await self._ended(app, subject_id)
        if subject.delivery_id is None:
            raise Conflict(
                f"the last event of bot {subject_id!r} was not sent as a webhook: "
                "there was no webhook URL then, or the filter left it out"
            )
        return await self._ask(app.id, subject.delivery_id)

    async def callback(self, app: App, subject_id: str, callback: Callback | None) -> RetryAsked | None:
        """One more attempt of its final event at its callback. `callback` takes the place of the one it has.

        None where it had not gone to a callback before: then it goes now. Nothing changes where the last ask
        was a moment ago. Raises NotFound, and Conflict where it has no final event yet, or no callback.
        """
        subject = await self._ended(app, subject_id)
        if callback is not None:
            if (repeated := await self._repeated(app, subject.callback_delivery_id)) is not None:
                return repeated
            subject = await self._subjects.set_callback(app.id, subject_id, callback)
        if subject.callback is None:
            raise Conflict(f"bot {subject_id!r} has no callback: send one as the body")
        if subject.callback_delivery_id is None:
            if await self._call_back(app, subject, subject.callback):
                self._poke()
                return None
            subject = await self._known(app, subject_id)  # it has one by now
        if subject.callback_delivery_id is None:
            raise Conflict(f"bot {subject_id!r} has just had another last event: ask again")
        return await self._ask(app.id, subject.callback_delivery_id)

    async def _repeated(self, app: App, delivery_id: str | None) -> RetryAsked | None:
        if delivery_id is None:
            return None
        delivery = await self._log.get_delivery(app.id, delivery_id)
        asked_at = delivery.retry_asked_at
        if asked_at is None or not timedelta(0) <= await self._now() - asked_at <= QUIET:
            return None
        return RetryAsked(delivery=delivery, scheduled=False, at=asked_at, is_repeated=True)

    async def _ask(self, app_id: str, delivery_id: str) -> RetryAsked:
        """Whoever got the webhook may ask before its outcome is on record: that is waited for a while."""
        asked = await self._retries.ask(app_id, delivery_id)
        for _ in range(_LOOKS):
            if asked.scheduled or asked.is_repeated:
                break
            await asyncio.sleep(_BETWEEN_LOOKS)
            asked = await self._retries.ask(app_id, delivery_id)
        return asked

    async def _known(self, app: App, subject_id: str) -> Subject:
        subject = await self._subjects.find(app.id, subject_id)
        if subject is None:
            raise NotFound("bot", subject_id)
        return subject

    async def _ended(self, app: App, subject_id: str) -> Subject:
        subject = await self._known(app, subject_id)
        if subject.event_id is None:
            raise Conflict(f"bot {subject_id!r} has not ended, or its last event went nowhere")
        return subject

    async def _call_back(self, app: App, subject: Subject, callback: Callback) -> bool:
        sent = await self._log.get_delivery(app.id, subject.delivery_id or "")
        origin, target = parse_endpoint(callback.url).origin, callback_target(subject.id)
        delivery = NewDelivery(
            id=self._ids(),
            app_id=app.id,
            event_id=subject.event_id or "",
            event_type=sent.event_type,
            lane_id=lane_id(app.id, origin, lane_target(target)),
            origin=origin,
            target=target,
            owner=None,
            order_key=None,
        )
        return await self._subjects.call_back(app.id, subject.id, delivery)

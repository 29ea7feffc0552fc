"""POST /v1/platform/events and /events/batch: plain handlers, in front of the framework."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from adjourn.api.front import Incoming, Told
from adjourn.api.idempotency import Call, Idempotency, Keep
from adjourn.api.inputs import read_json
from adjourn.api.problems import Answer
from adjourn.api.shapes import accepted_shape
from adjourn.errors import CatalogError, Fault, InputError, TooLarge
from adjourn.sending.apps import AppCache, Strangers
from adjourn.sending.fanout import FanOut
from adjourn.sending.publisher import Publisher
from adjourn.sending.submission import ProvidersOf, Submission, parse_submission
from adjourn.urlrule import USUAL, UrlRule

__all__ = ["Publishing"]

_MOST_EVENTS = 1000
_MOST_APPS = 10_000  # each would get a delivery: of one request ENGINE.md allows no more
_MOST_FAULTS = 100  # of a batch that are told

_encode = msgspec.json.Encoder().encode

Read = Callable[[object, ProvidersOf], list[Submission]]
Shape = Callable[[Sequence[FanOut]], Any]


class Publishing:
    """`urls`: where callbacks may lead."""

    def __init__(
        self, publisher: Publisher, apps: AppCache, idempotency: Idempotency, *, urls: UrlRule = USUAL
    ) -> None:
        read_one, read_batch = partial(_read_one, urls=urls), partial(_read_batch, urls=urls)
        self.one = _Publish(publisher, apps, idempotency, read=read_one, shape=_one_shape)
        self.batch = _Publish(publisher, apps, idempotency, read=read_batch, shape=_batch_shape)


class _Publish:
    """One of the two routes: it runs as a whole, or starts and is told the end."""

    def __init__(
        self, publisher: Publisher, apps: AppCache, idempotency: Idempotency, *, read: Read, shape: Shape
    ) -> None:
        self._publisher = publisher
        self._apps = apps
        self._looking: set[asyncio.Task[None]] = set()
        self._idempotency = idempotency
        self._read = read
        self._shape = shape

    async def __call__(self, incoming: Incoming) -> Answer:
        async def work(keep: Keep) -> Answer:
            raw = read_json(incoming.body, incoming.header(b"content-type") or "")
            submissions = await self._look_and_read(raw)
            fan_outs = await self._publisher.publish(
                submissions, keep=lambda fan_outs: keep(self._answer(fan_outs))
            )
            return self._answer(fan_outs)

        call = Call(
            caller="platform",
            method=incoming.method,
            path=incoming.path,
            key=incoming.header(b"idempotency-key"),
            body=incoming.body,
            request_id=incoming.request_id,
        )
        return await self._idempotency.run(call, work)

    def start(self, body: bytes, content_type: str, told: Told) -> None:
        """The same without an Idempotency-Key: `told` gets the answer, or what went wrong, after this call.

        Raises what is wrong with the request; then `told` hears nothing.
        """

        def stored(outcome: Sequence[FanOut] | Exception) -> None:
            told(outcome if isinstance(outcome, Exception) else self._answer(outcome))

        raw = read_json(body, content_type)
        try:
            submissions = self._read(raw, self._apps.providers_of)
        except Strangers:
            task = asyncio.get_running_loop().create_task(self._look_and_submit(raw, stored))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)
        else:
            self._publisher.submit(submissions, stored)

    async def _look_and_submit(
        self, raw: object, stored: Callable[[Sequence[FanOut] | Exception], None]
    ) -> None:
        try:
            self._publisher.submit(await self._look_and_read(raw), stored)
        except Exception as exc:  # whoever asked is told
            stored(exc)

    async def _look_and_read(self, raw: object) -> list[Submission]:
        """With the apps in memory whose provider decides what an event is. Raises as `start` does."""
        try:
            return self._read(raw, self._apps.providers_of)
        except Strangers:
            named = _apps_named(raw)
            if len(named) > _MOST_APPS:
                raise TooLarge(f"one request addresses at most {_MOST_APPS:,} apps") from None
            await self._apps.load(named)
        return self._read(raw, self._of_known)

    def _of_known(self, app_ids: Sequence[str]) -> set[str]:
        return self._apps.providers_of([each for each in app_ids if self._apps.find(each) is not None])

    def _answer(self, fan_outs: Sequence[FanOut]) -> Answer:
        return Answer(202, _encode(self._shape(fan_outs)))


def _one_shape(fan_outs: Sequence[FanOut]) -> object:
    return accepted_shape(fan_outs[0])


def _batch_shape(fan_outs: Sequence[FanOut]) -> object:
    return {"events": [accepted_shape(each) for each in fan_outs]}


def _apps_named(raw: Any) -> set[str]:
    """By the audiences in a request whose form was not checked."""
    events = raw.get("events") if isinstance(raw, dict) else None
    named: set[str] = set()
    for event in events if isinstance(events, list) else [raw]:
        audience = event.get("audience") if isinstance(event, dict) else None
        app_ids = audience.get("partner_app_ids") if isinstance(audience, dict) else None
        if not isinstance(app_ids, list):
            continue
        named.update(each for each in app_ids if isinstance(each, str))
    return named


def _read_one(raw: object, providers_of: ProvidersOf, *, urls: UrlRule = USUAL) -> list[Submission]:
    return [parse_submission(raw, providers_of=providers_of, urls=urls)]


def _read_batch(raw: object, providers_of: ProvidersOf, *, urls: UrlRule = USUAL) -> list[Submission]:
    """Every event of a batch, or the faults of all of them."""
    events = raw.get("events") if isinstance(raw, dict) else None
    if not isinstance(events, list) or len(raw) != 1:  # type: ignore[arg-type]
        raise InputError(
            "no batch", faults=[Fault("$", 'must be an object with one field, "events", an array')]
        )
    if not 0 < len(events) <= _MOST_EVENTS:
        raise InputError("no batch", faults=[Fault("$.events", f"must have 1 to {_MOST_EVENTS:,} events")])
    submissions: list[Submission] = []
    faults: list[Fault] = []
    refused: list[CatalogError] = []
    for index, event in enumerate(events):
        try:
            path = f"$.events[{index}]"
            submissions.append(parse_submission(event, path=path, providers_of=providers_of, urls=urls))
        except InputError as exc:
            faults += exc.faults
            refused += [exc] if isinstance(exc, CatalogError) else []
            if len(faults) >= _MOST_FAULTS:
                break
    if faults:
        raise _refusal(faults[:_MOST_FAULTS], refused)
    return submissions


def _refusal(faults: Sequence[Fault], refused: Sequence[CatalogError]) -> InputError:
    """The error of a whole batch: where one type alone is refused, that of this type."""
    types = {(each.provider, each.event_type) for each in refused}
    if len(types) == 1:
        provider, event_type = types.pop()
        return CatalogError(event_type, faults=faults, provider=provider)
    return InputError("nothing of the batch was stored", faults=faults)

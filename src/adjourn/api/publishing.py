"""POST /v1/platform/events and /events/batch: plain handlers, in front of the framework."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from adjourn.api.front import Incoming, Told
from adjourn.api.idempotency import Call, Idempotency, Keep
from adjourn.api.inputs import read_json
from adjourn.api.problems import Answer
from adjourn.api.shapes import accepted_shape
from adjourn.errors import Fault, InputError
from adjourn.sending.fanout import FanOut
from adjourn.sending.publisher import Publisher
from adjourn.sending.submission import Submission, parse_submission

__all__ = ["Publishing"]

_MOST_EVENTS = 1000
_MOST_FAULTS = 100  # of a batch that are told

_encode = msgspec.json.Encoder().encode

Read = Callable[[object], list[Submission]]
Shape = Callable[[Sequence[FanOut]], Any]


class Publishing:
    def __init__(self, publisher: Publisher, idempotency: Idempotency) -> None:
        self.one = _Publish(publisher, idempotency, read=_read_one, shape=_one_shape)
        self.batch = _Publish(publisher, idempotency, read=_read_batch, shape=_batch_shape)


class _Publish:
    """One of the two routes: it runs as a whole, or starts and is told the end."""

    def __init__(self, publisher: Publisher, idempotency: Idempotency, *, read: Read, shape: Shape) -> None:
        self._publisher = publisher
        self._idempotency = idempotency
        self._read = read
        self._shape = shape

    async def __call__(self, incoming: Incoming) -> Answer:
        async def work(keep: Keep) -> Answer:
            submissions = self._read(read_json(incoming.body, incoming.header(b"content-type") or ""))
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

        self._publisher.submit(self._read(read_json(body, content_type)), stored)

    def _answer(self, fan_outs: Sequence[FanOut]) -> Answer:
        return Answer(202, _encode(self._shape(fan_outs)))


def _one_shape(fan_outs: Sequence[FanOut]) -> object:
    return accepted_shape(fan_outs[0])


def _batch_shape(fan_outs: Sequence[FanOut]) -> object:
    return {"events": [accepted_shape(each) for each in fan_outs]}


def _read_one(raw: object) -> list[Submission]:
    return [parse_submission(raw)]


def _read_batch(raw: object) -> list[Submission]:
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
    for index, event in enumerate(events):
        try:
            submissions.append(parse_submission(event, path=f"$.events[{index}]"))
        except InputError as exc:
            faults += exc.faults
            if len(faults) >= _MOST_FAULTS:
                break
    if faults:
        raise InputError("nothing of the batch was stored", faults=faults[:_MOST_FAULTS])
    return submissions

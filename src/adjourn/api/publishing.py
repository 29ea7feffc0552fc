"""POST /v1/platform/events and /events/batch: plain handlers, in front of the framework."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from adjourn.api.front import Incoming
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

Shape = Callable[[Sequence[FanOut]], Any]


class Publishing:
    def __init__(self, publisher: Publisher, idempotency: Idempotency) -> None:
        self._publisher = publisher
        self._idempotency = idempotency

    async def one(self, incoming: Incoming) -> Answer:
        def read(raw: object) -> list[Submission]:
            return [parse_submission(raw)]

        return await self._run(incoming, read, lambda fan_outs: accepted_shape(fan_outs[0]))

    async def batch(self, incoming: Incoming) -> Answer:
        def shape(fan_outs: Sequence[FanOut]) -> object:
            return {"events": [accepted_shape(each) for each in fan_outs]}

        return await self._run(incoming, _read_batch, shape)

    async def _run(
        self, incoming: Incoming, read: Callable[[object], list[Submission]], shape: Shape
    ) -> Answer:
        async def work(keep: Keep) -> Answer:
            submissions = read(read_json(incoming.body, incoming.header(b"content-type") or ""))

            def answer(fan_outs: Sequence[FanOut]) -> Answer:
                return Answer(202, msgspec.json.encode(shape(fan_outs)))

            fan_outs = await self._publisher.publish(
                submissions, keep=lambda fan_outs: keep(answer(fan_outs))
            )
            return answer(fan_outs)

        call = Call(
            caller="platform",
            method=incoming.method,
            path=incoming.path,
            key=incoming.header(b"idempotency-key"),
            body=incoming.body,
            request_id=incoming.request_id,
        )
        return await self._idempotency.run(call, work)


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

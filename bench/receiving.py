"""What receiving costs: verify and read with ours, beside standardwebhooks and pydantic.

    python -m bench.receiving [--seconds 0.5] [--rounds 5] [--json]

The same requests for both: Quil's meeting.completed, signed after Standard Webhooks; as it is, and with notes
of 32 KiB; with the headers of a real request. Both end in a typed event with every field. They take turns,
and the least of the rounds counts: so the ratio holds on a noisy machine. Then our receiver alone: of every
vendor, and with headers as ASGI has them.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field
from standardwebhooks import Webhook

from adjourn import Receiver, contio, meetingbaas, quil
from adjourn.receiving.receiver import Vendor
from adjourn.signing import new_secret
from adjourn.testing import encode, sample, sign
from bench.bench import Bench
from bench.row import Row

__all__ = ["FASTEST", "OTHER", "SAMPLE", "measure_receiving"]

SAMPLE = "quil meeting.completed"
OTHER = ", by standardwebhooks and pydantic"
FASTEST = ", by these, pydantic parsing the JSON"

_LONG_NOTE = 32 << 10  # characters
_WARM = 200  # calls
_SECRET = new_secret().reveal()


class Meeting(BaseModel):
    id: str
    name: str
    start_time: str = Field(alias="startTime")
    owner_name: str = Field(alias="ownerName")
    participants: list[str]
    ats_record_name: str | None = Field(None, alias="atsRecordName")
    is_private: bool = Field(alias="isPrivate")


class Organization(BaseModel):
    account_id: str = Field(alias="accountId")
    team_id: str = Field(alias="teamId")


class DatabaseNote(BaseModel):
    name: str
    note: str


class FollowUp(BaseModel):
    name: str
    txt_url: str | None = Field(None, alias="txtUrl")
    pdf_url: str | None = Field(None, alias="pdfUrl")


class Assets(BaseModel):
    transcription_url: str | None = Field(None, alias="transcriptionUrl")
    recording_url: str | None = Field(None, alias="recordingUrl")
    action_items_url: str | None = Field(None, alias="actionItemsUrl")
    database_notes: list[DatabaseNote] | str | None = Field(None, alias="databaseNotes")
    follow_up_materials: list[FollowUp] | None = Field(None, alias="followUpMaterials")


class Data(BaseModel):
    meeting: Meeting
    organization: Organization
    assets: Assets


class MeetingCompleted(BaseModel):
    """As one writes it by Quil's document."""

    id: str
    event_type: Literal["meeting.completed"] = Field(alias="eventType")
    created_at: int = Field(alias="createdAt")
    data: Data


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds of a request, the least of the rounds.

    `other_us`: of standardwebhooks and pydantic as their documents show them. `fastest_us`: of the same, if
    pydantic parses the JSON in standardwebhooks' stead.
    """

    name: str
    body_bytes: int
    ours_us: float
    other_us: float | None = None
    fastest_us: float | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.other_us is None else self.other_us / self.ours_us


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="of each, in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    costs = [*_beside(options.seconds, options.rounds), *_alone(options.seconds, options.rounds)]
    if options.json:
        print(json.dumps([{**msgspec.to_builtins(cost), "ratio": cost.ratio} for cost in costs]))
        return 0
    print(f"{'':34}{'bytes':>8}{'ours us':>10}{'other us':>10}{'ratio':>8}{'its fastest us':>16}")
    for cost in costs:
        figures = "".join(
            "" if each is None else f"{each:{width}.1f}"
            for each, width in ((cost.other_us, 10), (cost.ratio, 8), (cost.fastest_us, 16))
        )
        print(f"{cost.name:34}{cost.body_bytes:8}{cost.ours_us:10.1f}{figures}")
    return 0


def measure_receiving(bench: Bench) -> Iterator[Row]:
    """A row for each way and request: CPU of a request."""
    seconds = bench.scale.load / 16
    for cost in (*_beside(seconds, 5), *_alone(seconds, 5)):
        for way, us in (("", cost.ours_us), (OTHER, cost.other_us), (FASTEST, cost.fastest_us)):
            if us is not None:
                yield Row(part="receiving", name=cost.name + way, app_us=us)


def _beside(seconds: float, rounds: int) -> Iterator[Cost]:
    for name, body in (
        (SAMPLE, _body(0)),
        ("the same, notes of 32 KiB", _body(_LONG_NOTE)),
    ):
        headers = _headers(quil, body)
        receiver, webhook = Receiver(quil, _SECRET), Webhook(_SECRET)

        def ours(receiver: Receiver = receiver, headers: Any = headers, body: bytes = body) -> object:
            return receiver.receive(headers, body).event

        def other(webhook: Webhook = webhook, headers: Any = headers, body: bytes = body) -> object:
            return MeetingCompleted.model_validate(webhook.verify(body, headers))

        def fastest(webhook: Webhook = webhook, headers: Any = headers, body: bytes = body) -> object:
            webhook.verify(body, headers, json_parse=False)
            return MeetingCompleted.model_validate_json(body)

        least = _least([ours, other, fastest], seconds, rounds)
        yield Cost(name=name, body_bytes=len(body), ours_us=least[0], other_us=least[1], fastest_us=least[2])


def _alone(seconds: float, rounds: int) -> Iterator[Cost]:
    quils = _body(0)
    raw = [(name.encode(), value.encode()) for name, value in _headers(quil, quils).items()]
    meeting = sample(contio, "meeting.completed")
    bot = sample(meetingbaas, "bot.completed")
    for name, vendor, body, headers in (
        ("quil, ASGI's raw pairs", quil, quils, raw),
        ("contio meeting.completed", contio, meeting, _headers(contio, meeting)),
        ("contio, sdk profile", contio, meeting, _headers(contio, meeting, signature_profile="sdk")),
        ("meetingbaas bot.completed", meetingbaas, bot, _headers(meetingbaas, bot)),
    ):
        receiver = Receiver(vendor, _SECRET)

        def ours(receiver: Receiver = receiver, headers: Any = headers, body: bytes = body) -> object:
            return receiver.receive(headers, body).event

        (least,) = _least([ours], seconds, rounds)
        yield Cost(name=name, body_bytes=len(body), ours_us=least)


def _headers(vendor: Vendor, body: bytes, **options: Any) -> dict[str, str]:
    """As a request has them when Adjourn's sender made it, their names in lower case as ASGI has them."""
    every = {
        "Host": "partner.example.com",
        "User-Agent": "Adjourn",
        "Content-Length": str(len(body)),
        **sign(vendor, body, _SECRET, **options),
    }
    return {name.lower(): value for name, value in every.items()}


def _body(note: int) -> bytes:
    event = json.loads(sample(quil, "meeting.completed"))
    event["data"].setdefault("assets", event.pop("assets", {}))
    if note:
        event["data"]["assets"]["databaseNotes"] = [{"name": "Summary", "note": "We agreed. " * (note // 11)}]
    return encode(event)


def _least(calls: Sequence[Callable[[], object]], seconds: float, rounds: int) -> list[float]:
    """Microseconds of CPU for each, in turns."""
    least = [float("inf")] * len(calls)
    for call in calls:
        for _ in range(_WARM):
            call()
    for _ in range(rounds):
        for index, call in enumerate(calls):
            least[index] = min(least[index], _once(call, seconds))
    return least


def _once(call: Callable[[], object], seconds: float) -> float:
    count, began, until = 0, time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < until:
        for _ in range(100):
            call()
        count += 100
    return (time.process_time() - began) / count * 1e6


if __name__ == "__main__":
    raise SystemExit(main())

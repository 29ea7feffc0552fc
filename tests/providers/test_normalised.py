"""One form for three vendors. Values are written by hand from the vendors' examples, and the tables of
docs/events.md are held against both: each field has a row, and each row says what happens."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adjourn.errors import EventError, Fault
from adjourn.providers import (
    PROVIDERS,
    CalendarChanged,
    CalendarInstance,
    MeetingEnded,
    Person,
    contio,
    meetingbaas,
    quil,
)

Json = dict[str, Any]

EXAMPLES = Path(__file__).parent.parent / "examples"
DOCS = Path(__file__).parent.parent.parent / "docs" / "events.md"


def example(path: str) -> Json:
    event: Json = json.loads((EXAMPLES / f"{path}.json").read_bytes())
    return event


def normalised(provider: str, event: Json) -> MeetingEnded | CalendarChanged | None:
    return PROVIDERS[provider].normalise(PROVIDERS[provider].read(json.dumps(event).encode()))


def ended(provider: str, event: Json) -> MeetingEnded:
    found = normalised(provider, event)
    assert isinstance(found, MeetingEnded)
    return found


def changed(provider: str, event: Json) -> CalendarChanged:
    found = normalised(provider, event)
    assert isinstance(found, CalendarChanged)
    return found


def with_data(event: Json, **change: Any) -> Json:
    return event | {"data": event["data"] | change}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


CONTIO = example("contio/meeting.completed")
BOT = example("meetingbaas/BotWebhookCompleted")
QUIL = example("quil/meeting.completed")
LINKS = "https://artifacts.example.com/2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21"
SIGNED = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=14400&X-Amz-Signature=0f3c"


# --- MeetingEnded


def test_contios_meeting() -> None:
    found = ended("contio", CONTIO)
    assert isinstance(found.raw, contio.MeetingCompleted)
    assert found == MeetingEnded(
        provider="contio",
        meeting_id="mtg-550e8400-e29b-41d4-a716-446655440000",
        title="Weekly Team Sync",
        available_at=utc(2025, 1, 15, 10, 30),
        raw=found.raw,
    )


def test_meeting_baas_bot() -> None:
    found = ended("meetingbaas", BOT)
    assert isinstance(found.raw, meetingbaas.BotCompleted)
    assert found == MeetingEnded(
        provider="meetingbaas",
        meeting_id="2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21",
        calendar_event_id="9a1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5d",
        started_at=utc(2026, 1, 20, 10, 0, 12, 345000),
        ended_at=utc(2026, 1, 20, 10, 30, 17),
        available_at=utc(2026, 1, 20, 10, 33, 2, 118000),
        duration=timedelta(minutes=30, seconds=5),
        participants=(Person(name="Ada Lovelace", id="1"), Person(name="Grace Hopper")),
        recording_url=f"{LINKS}/video.mp4{SIGNED}",
        transcript_url=f"{LINKS}/output_transcription.json{SIGNED}",
        expires_at=utc(2026, 1, 20, 14, 33, 2, 118000),
        raw=found.raw,
    )


def test_a_callback_without_a_video_has_its_audio() -> None:
    found = ended("meetingbaas", example("meetingbaas/CallbackCompleted"))
    assert found == MeetingEnded(
        provider="meetingbaas",
        meeting_id="2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21",
        started_at=utc(2026, 1, 20, 10, 0, 12, 345000),
        ended_at=utc(2026, 1, 20, 10, 30, 17),
        available_at=utc(2026, 1, 20, 10, 33, 2, 118000),
        duration=timedelta(seconds=1805),
        participants=(),
        recording_url=f"{LINKS}/audio.flac{SIGNED}",
        expires_at=utc(2026, 1, 20, 14, 33, 2, 118000),
        raw=found.raw,
    )


def test_participants_that_are_names() -> None:
    found = ended("meetingbaas", with_data(BOT, participants=["Ada Lovelace", "Grace Hopper"]))
    assert found.participants == (Person(name="Ada Lovelace"), Person(name="Grace Hopper"))


def test_what_is_null_is_none() -> None:
    nothing = dict.fromkeys(
        ["event_id", "joined_at", "exited_at", "duration_seconds", "participants", "video", "audio"]
    )
    found = ended("meetingbaas", with_data(BOT, **nothing, transcription=None))
    assert found == MeetingEnded(
        provider="meetingbaas",
        meeting_id="2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21",
        available_at=utc(2026, 1, 20, 10, 33, 2, 118000),
        expires_at=utc(2026, 1, 20, 14, 33, 2, 118000),
        raw=found.raw,
    )


def test_quils_meeting() -> None:
    found = ended("quil", QUIL)
    assert isinstance(found.raw, quil.MeetingCompleted)
    assert found == MeetingEnded(
        provider="quil",
        meeting_id="mtg_01H2J3K4L",
        title="Project Sync: Q4 Roadmap",
        started_at=utc(2025, 10, 10, 10, 23, 27),
        available_at=utc(2025, 12, 8, 12, 56, 24, 697000),
        organiser=Person(name="Alex Rivers"),
        participants=(Person(id="+12345678900"),),
        recording_url="https://api.provider.com/v1/recordings/abc123.mp4",
        transcript_url="https://api.provider.com/v1/transcripts/abc123.txt",
        summary="Discussed budget and timeline for the upcoming launch.",
        action_items_url="https://api.provider.com/v1/actions/abc123.json",
        raw=found.raw,
    )


@pytest.mark.parametrize(
    ("notes", "summary"),
    [
        ([{"name": "Next", "note": "a"}, {"name": "SUMMARY", "note": "b"}], "b"),
        ([{"name": "Next", "note": "a"}], None),
        ([], None),
        ("https://api.provider.com/notes/abc123", None),
    ],
)
def test_a_summary_is_the_note_of_that_name(notes: object, summary: str | None) -> None:
    assert ended("quil", QUIL | {"assets": {"databaseNotes": notes}}).summary == summary


def test_a_meeting_of_quil_without_assets_has_no_links() -> None:
    found = ended("quil", QUIL | {"assets": {}})
    links = (found.recording_url, found.transcript_url, found.action_items_url, found.summary)
    assert links == (None, None, None, None)


# --- CalendarChanged

SYNC = CalendarInstance(
    id="9a1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5d",
    title="Weekly sync",
    starts_at=utc(2026, 1, 27, 10),
    ends_at=utc(2026, 1, 27, 10, 30),
    is_all_day=False,
    status="confirmed",
    meeting_url="https://meet.google.com/abc-defg-hij",
)
LATER = msgspec.structs.replace(
    SYNC,
    id="0b7c5d2e-8f41-4c3a-b6d9-1a2b3c4d5e6f",
    starts_at=utc(2026, 2, 3, 10),
    ends_at=utc(2026, 2, 3, 10, 30),
)
CALENDAR = "7b0e4f7e-3a0d-4c57-8a5d-5a3c0f2b9e10"
SERIES = "c3d9a8f2-1b4e-4f60-9c7d-2e8f5a6b7c81"
MOVED = msgspec.structs.replace(
    SYNC, starts_at=utc(2026, 1, 27, 11), ends_at=utc(2026, 1, 27, 11, 30), status="tentative"
)
GONE = msgspec.structs.replace(LATER, status="cancelled", meeting_url=None)


@pytest.mark.parametrize(
    ("file", "change", "series_id", "instances"),
    [
        ("CalendarWebhookEventCreated", "created", SERIES, (SYNC, LATER)),
        ("CalendarWebhookEventUpdated", "updated", SERIES, (MOVED,)),
        ("CalendarWebhookEventCancelled", "deleted", None, (GONE,)),
    ],
)
def test_meeting_baas_calendars(
    file: str, change: str, series_id: str | None, instances: tuple[CalendarInstance, ...]
) -> None:
    found = changed("meetingbaas", example(f"meetingbaas/{file}"))
    assert (found.provider, found.change, found.calendar_id) == ("meetingbaas", change, CALENDAR)
    assert (found.series_id, found.instances) == (series_id, instances)


@pytest.mark.parametrize("change", ["created", "updated"])
def test_contios_calendars(change: str) -> None:
    event = example(f"contio/calendar_event.{change}")
    data = event["data"]
    found = changed("contio", event)
    assert (found.provider, found.change, found.calendar_id, found.series_id) == (
        "contio",
        change,
        None,
        None,
    )
    assert found.instances == (
        CalendarInstance(
            id=data["calendar_event_id"],
            title=data["title"],
            starts_at=datetime.fromisoformat(data["start_time"]),
            ends_at=datetime.fromisoformat(data["end_time"]),
            is_all_day=False,
            attendee_count=data["attendee_count"],
        ),
    )


def test_of_an_event_that_contio_deleted_only_the_id_is_told() -> None:
    event = example("contio/calendar_event.deleted")
    found = changed("contio", event)
    assert found.change == "deleted"
    assert found.instances == (CalendarInstance(id=event["data"]["calendar_event_id"]),)


# --- nothing of the kind, and times that are none

TOLD = {
    "contio": {
        *("meeting.completed", "calendar_event.created", "calendar_event.updated", "calendar_event.deleted"),
    },
    "meetingbaas": {
        *("bot.completed", "calendar.event_created", "calendar.event_updated", "calendar.event_cancelled"),
    },
    "quil": {"meeting.completed"},
}


@pytest.mark.parametrize("provider", TOLD)
def test_other_events_are_nothing_of_the_kind(provider: str) -> None:
    types = PROVIDERS[provider].event_types
    assert {name for name in types if normalised(provider, types[name].sample) is not None} == TOLD[provider]


@pytest.mark.parametrize(
    ("provider", "event", "fault"),
    [
        (
            "contio",
            with_data(CONTIO, completed_at="soon"),
            Fault("$.data.completed_at", "is no date-time: 'soon'"),
        ),
        (
            "meetingbaas",
            with_data(BOT, sent_at="9999-12-31T23:00:00Z"),
            Fault("$.data.sent_at", "is out of range"),
        ),
        (
            "meetingbaas",
            with_data(BOT, duration_seconds=10**15),
            Fault("$.data.duration_seconds", "is out of range"),
        ),
        ("quil", QUIL | {"createdAt": 10**18}, Fault("$.createdAt", "is out of range")),
        ("quil", QUIL | {"createdAt": 10**25}, Fault("$.createdAt", "is out of range")),
    ],
)
def test_a_time_that_is_none_is_told_with_its_path(provider: str, event: Json, fault: Fault) -> None:
    with pytest.raises(EventError) as raised:
        normalised(provider, event)
    assert raised.value.faults == (fault,)


def test_a_time_of_an_instance_is_told_with_its_path() -> None:
    event = example("meetingbaas/CalendarWebhookEventCreated")
    event["data"]["instances"][1]["end"] = "later"
    with pytest.raises(EventError) as raised:
        normalised("meetingbaas", event)
    assert raised.value.faults == (Fault("$.data.instances[1].end", "is no date-time: 'later'"),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-10-10T10:23:27", utc(2025, 10, 10, 10, 23, 27)),
        ("2025-10-10T12:23:27+02:00", utc(2025, 10, 10, 10, 23, 27)),
        ("2025-10-10T10:23:27.123456789z", utc(2025, 10, 10, 10, 23, 27, 123456)),
    ],
)
def test_times_are_in_utc(text: str, expected: datetime) -> None:
    event = QUIL | {"data": QUIL["data"] | {"meeting": QUIL["data"]["meeting"] | {"startTime": text}}}
    assert ended("quil", event).started_at == expected


# --- the tables of the docs

ROW = re.compile(r"^\| `(\w+)` \|(.+)\|$", re.MULTILINE)
VENDORS = ("contio", "meetingbaas", "quil")


def table(heading: str) -> dict[str, list[str]]:
    """The first table below that heading: by field, its cells but the type's."""
    text = DOCS.read_text("utf-8").split(f"{heading}\n", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert rows is not None
    return {name: [cell.strip() for cell in cells.split("|")][1:] for name, cells in ROW.findall(rows[0])}


def paths(cell: str) -> list[str]:
    """Those that it names in the event: dotted."""
    return re.findall(r"`([\w.]+)`", cell)


def at(event: Any, path: str) -> Any:
    for step in path.split("."):
        event = event[step]
    return event


def told(value: object) -> object:
    """A value of the normalised form as the vendor may spell it; a list of persons by their names or ids."""
    match value:
        case datetime():
            return value
        case timedelta():
            return value.total_seconds()
        case Person():
            return value.name or value.id
        case tuple():
            return [told(each) for each in value]
        case _:
            return value


def spelled(value: object) -> object:
    match value:
        case str() if re.match(r"\d{4}-\d\d-\d\dT", value):
            return datetime.fromisoformat(value)
        case list():
            return [each.get("name") if isinstance(each, dict) else each for each in value]
        case _:
            return value


SAMPLES: Mapping[str, Json] = {
    "contio": CONTIO,
    "meetingbaas": BOT,
    "quil": quil.PROVIDER.event_types["meeting.completed"].sample,
}
# Cells that say more than where a value stands: what they come to, from the examples.
SAYS = {
    ("available_at", "quil"): utc(2025, 12, 8, 12, 56, 24, 697000),
    ("expires_at", "meetingbaas"): utc(2026, 1, 20, 14, 33, 2, 118000),
    ("summary", "quil"): "Discussed budget and timeline for the upcoming launch.",
}
MEETING = table("## MeetingEnded")


def test_the_table_of_meetings_has_every_field_and_vendor() -> None:
    assert [*MEETING] == [*MeetingEnded.__struct_fields__]
    assert {len(cells) for cells in MEETING.values()} == {3}
    assert all(cell for cells in MEETING.values() for cell in cells)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("field", MEETING)
def test_the_table_of_meetings_is_true(field: str, vendor: str) -> None:
    cell = MEETING[field][VENDORS.index(vendor)]
    found = ended(vendor, SAMPLES[vendor])
    value = getattr(found, field)
    if field == "provider":
        assert cell == f"`{value}`"
    elif field == "raw":
        assert cell == "the event"
        assert isinstance(value, PROVIDERS[vendor].event_types[SAMPLES[vendor][TAGS[vendor]]].event)
    elif cell == "-":
        assert value is None
    elif (field, vendor) in SAYS:
        assert at(SAMPLES[vendor], paths(cell)[0])
        assert value == SAYS[field, vendor]
    else:
        assert told(value) == spelled(at(SAMPLES[vendor], paths(cell)[0]))


TAGS = {"contio": "event_type", "meetingbaas": "event", "quil": "eventType"}

CHANGED = table("## CalendarChanged")
INSTANCE = table("and each of its `instances`:\n")


def test_the_tables_of_calendars_have_every_field() -> None:
    assert [*CHANGED] == [*CalendarChanged.__struct_fields__]
    assert [*INSTANCE] == [*CalendarInstance.__struct_fields__]
    assert {len(cells) for cells in (*CHANGED.values(), *INSTANCE.values())} == {2}


@pytest.mark.parametrize("field", INSTANCE)
def test_the_table_of_instances_is_true(field: str) -> None:
    of_contio, of_bot = INSTANCE[field]
    event = example("contio/calendar_event.created")
    value = getattr(changed("contio", event).instances[0], field)
    assert told(value) == (None if of_contio == "-" else spelled(at(event, paths(of_contio)[0])))
    event = example("meetingbaas/CalendarWebhookEventCreated")
    value = getattr(changed("meetingbaas", event).instances[0], field)
    expected = None if of_bot == "-" else spelled(event["data"]["instances"][0][paths(of_bot)[0]])
    assert told(value) == expected


@pytest.mark.parametrize("field", ["calendar_id", "series_id"])
def test_the_table_of_calendars_is_true(field: str) -> None:
    of_contio, of_bot = CHANGED[field]
    assert of_contio == "-"
    assert getattr(changed("contio", example("contio/calendar_event.updated")), field) is None
    event = example("meetingbaas/CalendarWebhookEventUpdated")
    assert getattr(changed("meetingbaas", event), field) == at(event, paths(of_bot)[0])


def test_the_lists_of_instances_are_those_of_the_table() -> None:
    names = [path.removeprefix("data.") for path in paths(CHANGED["instances"][1])]
    files = ["EventCreated", "EventUpdated", "EventCancelled"]
    for name, file in zip(names, files, strict=True):
        event = example(f"meetingbaas/CalendarWebhook{file}")
        found = changed("meetingbaas", event).instances
        assert [each.id for each in found] == [each["event_id"] for each in event["data"][name]]

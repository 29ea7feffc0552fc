"""Meeting BaaS's catalog against its sources: the twelve examples, CONTRACTS 2 and the document's index.

Every expectation is written by hand from those or read from the files in tests/examples/meetingbaas.
"""

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import new as hmac
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.providers.apps import app_of

from adjourn import wirejson
from adjourn.config import Secret
from adjourn.errors import ConfigError, Fault
from adjourn.models import AppOptions, Policy
from adjourn.providers import PROVIDERS, EventType, check_data, meetingbaas, order_key
from adjourn.providers.provider import Facts, OwnForm
from adjourn.signing import Verified

PROVIDER = meetingbaas.PROVIDER
FILES = sorted((Path(__file__).parent.parent / "examples" / "meetingbaas").glob("*.json"))
EXAMPLES = {path.stem: json.loads(path.read_bytes()) for path in FILES}

# The document's index, with the file that shows each type.
INDEX = """
Bot | bot.completed | Bot Completed | BotWebhookCompleted
Bot | bot.failed | Bot Failed | BotWebhookFailed
Bot | bot.status_change | Bot Status Change | BotWebhookStatusChange
Calendar | calendar.connection_created | Calendar Connection Created | CalendarWebhookConnectionCreated
Calendar | calendar.connection_deleted | Calendar Connection Deleted | CalendarWebhookConnectionDeleted
Calendar | calendar.connection_updated | Calendar Connection Updated | CalendarWebhookConnectionUpdated
Calendar | calendar.event_cancelled | Calendar Event Cancelled | CalendarWebhookEventCancelled
Calendar | calendar.event_created | Calendar Event Created | CalendarWebhookEventCreated
Calendar | calendar.event_updated | Calendar Event Updated | CalendarWebhookEventUpdated
Calendar | calendar.events_synced | Calendar Events Synced | CalendarWebhookEventsSynced
"""
ROWS = [tuple(row.split(" | ")) for row in INDEX.strip().splitlines()]
FILE_OF = {name: file for _, name, _, file in ROWS}
DATA: dict[str, dict[str, Any]] = {name: EXAMPLES[file]["data"] for name, file in FILE_OF.items()}

# CONTRACTS 2: "/null" in the table. No field of data itself is optional.
NULLABLE = {
    "bot.completed": {
        *("event_id", "duration_seconds", "joined_at", "exited_at", "video", "audio", "diarization"),
        *("raw_transcription", "transcription", "transcription_provider", "transcription_ids"),
        *("participants", "speakers"),
    },
    "bot.failed": {"event_id"},
    "bot.status_change": {"event_id"},
    "calendar.event_created": {"series_id"},
    "calendar.event_updated": {"series_id"},
    "calendar.event_cancelled": {"series_id"},
}
FIELDS = [(name, field) for name, data in DATA.items() for field in data]

UUID = "must be a UUID, like 2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21"
URI = "must be an absolute URI, like https://example.com/recording.mp4"
TIME = "must be an RFC 3339 date-time in UTC ending in Z, like 2025-01-15T10:30:00Z"

BOT = "2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21"


def type_of(name: str) -> EventType:
    event_type = PROVIDER.resolve(name)
    assert event_type is not None
    return event_type


def faults(name: str, data: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.path, fault.reason) for fault in check_data(type_of(name), data)]


# --- the index


def test_the_catalog_is_the_documents_index() -> None:
    types = PROVIDER.event_types.values()
    assert [(each.group, each.name, each.title) for each in types] == [row[:3] for row in ROWS]
    assert {each.since for each in types} == {None}  # the document names no versions
    assert PROVIDERS["meetingbaas"] is PROVIDER
    assert PROVIDER.title == "Meeting BaaS"
    assert all(each.description.startswith("Sent when ") for each in types)


def test_each_type_is_listed_under_its_own_name() -> None:
    for name, event_type in PROVIDER.event_types.items():
        config = event_type.event.__struct_config__
        assert (event_type.name, config.tag, config.tag_field) == (name, name, "event")


def test_there_are_twelve_examples_of_ten_types() -> None:
    assert len(EXAMPLES) == 12
    assert {example["event"] for example in EXAMPLES.values()} == PROVIDER.event_types.keys()


@pytest.mark.parametrize("name", DATA)
def test_the_sample_is_the_example_as_it_goes_over_the_wire(name: str) -> None:
    sample = type_of(name).sample
    assert sample == EXAMPLES[FILE_OF[name]]
    assert list(sample) == (["event", "extra", "data"] if name.startswith("bot.") else ["event", "data"])


@pytest.mark.parametrize(
    ("name", "field", "description"),
    [
        (
            "bot.completed",
            "video",
            "Signed URL to download the video recording. Valid for 4 hours. Null if video recording is not "
            "available or has been deleted",
        ),
        ("bot.failed", "bot_id", "The UUID of the bot that failed"),
        (
            "calendar.event_updated",
            "is_exception",
            "Whether the updated instance is an exception to a recurring series. True if this instance has "
            "been modified differently from the recurring pattern",
        ),
    ],
)
def test_descriptions_are_the_documents(name: str, field: str, description: str) -> None:
    (root,) = (each for each in (msgspec.inspect.type_info(type_of(name).data),))
    assert isinstance(root, msgspec.inspect.StructType)
    (found,) = (each.type for each in root.fields if each.name == field)
    assert isinstance(found, msgspec.inspect.Metadata)
    assert (found.extra_json_schema or {})["description"] == description


# --- the twelve files, there and back


@pytest.mark.parametrize("file", EXAMPLES)
def test_an_example_is_valid(file: str) -> None:
    assert faults(EXAMPLES[file]["event"], EXAMPLES[file]["data"]) == []


@pytest.mark.parametrize("file", EXAMPLES)
def test_an_example_is_read_and_written_again_as_it_was(file: str) -> None:
    event = PROVIDER.read(json.dumps(EXAMPLES[file]).encode())
    assert type(event) is type_of(EXAMPLES[file]["event"]).event
    assert json.loads(msgspec.json.encode(event)) == EXAMPLES[file]


@pytest.mark.parametrize("file", EXAMPLES)
def test_an_example_is_sent_as_it_is(file: str) -> None:
    example = EXAMPLES[file]
    data, found = PROVIDER.prepare(example["event"], example["data"], path="$.data")
    assert found == []
    extra = json.dumps(example["extra"]).encode() if "extra" in example else None
    facts = Facts(example["event"], "evt", "2026-01-20T10:00:00Z", "app", None, None, extra)
    body = PROVIDER.head(facts) + wirejson.dumps(data) + b"}"
    assert json.loads(body) == example
    assert msgspec.json.decode(body, type=meetingbaas.Event).event == example["event"]


# --- required, absent, null


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_every_field_of_data_is_required(name: str, field: str) -> None:
    data = {key: value for key, value in DATA[name].items() if key != field}
    assert faults(name, data) == [(f"$.data.{field}", "is required")]


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_null_is_a_fault_unless_the_table_allows_it(name: str, field: str) -> None:
    found = faults(name, DATA[name] | {field: None})
    if field in NULLABLE.get(name, ()):
        assert found == []
    else:
        ((path, reason),) = found
        assert path == f"$.data.{field}"
        assert reason.endswith(", got null")


@pytest.mark.parametrize("name", DATA)
def test_a_key_that_is_not_in_the_catalog_is_refused(name: str) -> None:
    assert faults(name, DATA[name] | {"new": 1}) == [("$.data.new", "unknown field")]


INSTANCE = DATA["calendar.event_created"]["instances"][0]
INSTANCES = {
    "calendar.event_created": "instances",
    "calendar.event_updated": "affected_instances",
    "calendar.event_cancelled": "cancelled_instances",
}


@pytest.mark.parametrize(("name", "where"), INSTANCES.items())
@pytest.mark.parametrize("field", INSTANCE)
def test_an_instance_has_every_field_and_only_a_meeting_may_be_null(
    name: str, where: str, field: str
) -> None:
    path = f"$.data.{where}[0].{field}"
    without = {key: value for key, value in INSTANCE.items() if key != field}
    assert faults(name, DATA[name] | {where: [without]}) == [(path, "is required")]
    found = faults(name, DATA[name] | {where: [INSTANCE | {field: None}]})
    assert [each[0] for each in found] == ([] if field in ("meeting_url", "meeting_platform") else [path])


@pytest.mark.parametrize("field", DATA["calendar.events_synced"]["events"][0])
def test_a_synced_series_has_every_field_and_only_its_id_may_be_null(field: str) -> None:
    series = DATA["calendar.events_synced"]["events"][0]
    path = f"$.data.events[1].{field}"

    def found(second: dict[str, Any]) -> list[tuple[str, str]]:
        return faults("calendar.events_synced", DATA["calendar.events_synced"] | {"events": [series, second]})

    assert found({key: value for key, value in series.items() if key != field}) == [(path, "is required")]
    nulled = found(series | {field: None})
    assert [each[0] for each in nulled] == ([] if field == "series_id" else [path])


@pytest.mark.parametrize("where", ["instances", "affected_instances", "cancelled_instances"])
def test_an_event_without_instances_is_fine(where: str) -> None:
    name = next(name for name, field in INSTANCES.items() if field == where)
    assert faults(name, DATA[name] | {where: []}) == []


# --- a bot's status


def with_status(**status: Any) -> list[tuple[str, str]]:
    known = {"code": "waiting_room", "created_at": "2026-01-20T10:00:15.004Z"}
    return faults("bot.status_change", DATA["bot.status_change"] | {"status": known | status})


def test_a_status_needs_its_code_and_time_alone_and_codes_are_open() -> None:
    assert with_status() == with_status(code="something new") == []
    data = DATA["bot.status_change"] | {"status": {}}
    assert faults("bot.status_change", data) == [
        ("$.data.status.code", "is required"),
        ("$.data.status.created_at", "is required"),
    ]


def test_a_status_may_have_keys_of_its_own() -> None:
    assert with_status(region="eu", details={"deep": [None]}) == []


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        ("start_time", 1768903215, "1768903215"),
        ("error_message", "no answer", 5),
        ("attempt", 1, 1.5),
        ("max", 3, True),
    ],
)
def test_what_is_known_of_a_status_is_typed_and_never_null(field: str, right: object, wrong: object) -> None:
    assert with_status(**{field: right}) == []
    for value in (wrong, None):
        ((path, reason),) = with_status(**{field: value})
        assert path == f"$.data.status.{field}"
        assert reason.startswith(("must be an integer, got", "must be a string, got"))


# --- formats and closed values

BAD_UUIDS = [
    "",
    "examplebot_id",
    "2f6c1f0a6f0e4d579a530f6a7c1f7b21",
    "{2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21}",
    "2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b2",
    "2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21\n",
    "2f6c1f0g-6f0e-4d57-9a53-0f6a7c1f7b21",
]


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, field) for name, field in FIELDS if field in ("bot_id", "event_id", "calendar_id", "series_id")],
)
def test_ids_are_uuids(name: str, field: str) -> None:
    for value in BAD_UUIDS:
        assert faults(name, DATA[name] | {field: value}) == [(f"$.data.{field}", UUID)]
    for value in (BOT.upper(), "019500f0-0000-7000-8000-000000000000"):
        assert faults(name, DATA[name] | {field: value}) == []


@pytest.mark.parametrize("field", ["video", "audio", "diarization", "raw_transcription", "transcription"])
def test_links_are_uris(field: str) -> None:
    for value in ("https://a.example/x?y=1&z=%20#end", "http://[::1]:8080/", "s3://bucket/key.mp4"):
        assert faults("bot.completed", DATA["bot.completed"] | {field: value}) == []
    for value in (
        "",
        "video.mp4",
        "/video.mp4",
        "//a.example/x",
        "https://",
        "https://a.example/a b",
        "a:b\n",
    ):
        assert faults("bot.completed", DATA["bot.completed"] | {field: value}) == [(f"$.data.{field}", URI)]


@pytest.mark.parametrize(("name", "field"), [each for each in FIELDS if each[1].endswith("_at")])
def test_times_are_in_utc_and_end_in_z(name: str, field: str) -> None:
    for value in ("2026-01-20T10:00:12Z", "2026-01-20T10:00:12.3456789Z"):
        assert faults(name, DATA[name] | {field: value}) == []
    for value in (
        *("2026-01-20T10:00:12+00:00", "2026-01-20t10:00:12z", "2026-01-20T10:00:12", "2026-01-20", "now"),
        *("2026-02-29T10:00:12Z", "2026-01-20T24:00:00Z", "2026-01-20 10:00:12Z", "2026-01-20T10:00:12Z\n"),
    ):
        assert faults(name, DATA[name] | {field: value}) == [(f"$.data.{field}", TIME)]


@pytest.mark.parametrize("field", ["start", "end"])
def test_an_instances_times_are_in_utc_too(field: str) -> None:
    data = DATA["calendar.event_created"] | {"instances": [INSTANCE | {field: "2026-01-27T10:00:00+01:00"}]}
    assert faults("calendar.event_created", data) == [(f"$.data.instances[0].{field}", TIME)]


@pytest.mark.parametrize(
    ("name", "field", "allowed"),
    [
        ("calendar.connection_created", "calendar_platform", ["google", "microsoft"]),
        ("calendar.connection_updated", "calendar_platform", ["google", "microsoft"]),
        ("calendar.connection_deleted", "calendar_platform", ["google", "microsoft"]),
        ("calendar.connection_created", "status", ["active", "error", "revoked", "permission_denied"]),
        ("calendar.connection_updated", "status", ["active", "error", "revoked", "permission_denied"]),
        ("calendar.event_created", "event_type", ["one_off", "recurring"]),
        ("calendar.event_updated", "event_type", ["one_off", "recurring"]),
        ("calendar.event_cancelled", "event_type", ["one_off", "recurring"]),
    ],
)
def test_closed_values(name: str, field: str, allowed: list[str]) -> None:
    for value in allowed:
        assert faults(name, DATA[name] | {field: value}) == []
    ((path, reason),) = faults(name, DATA[name] | {field: "other"})
    assert path == f"$.data.{field}"
    assert sorted(reason.removeprefix("must be one of ").split(", ")) == sorted(allowed)


@pytest.mark.parametrize(
    ("field", "allowed"),
    [
        ("status", ["confirmed", "cancelled", "tentative"]),
        ("meeting_platform", ["zoom", "meet", "teams"]),
    ],
)
def test_closed_values_of_an_instance(field: str, allowed: list[str]) -> None:
    def found(value: str) -> list[tuple[str, str]]:
        data = DATA["calendar.event_created"] | {"instances": [INSTANCE | {field: value}]}
        return faults("calendar.event_created", data)

    assert [found(value) for value in allowed] == [[] for _ in allowed]
    assert [path for path, _ in found("webex")] == [f"$.data.instances[0].{field}"]


def test_other_values_stay_open() -> None:
    assert faults("bot.failed", DATA["bot.failed"] | {"error_code": "NEW"}) == []
    assert faults("bot.completed", DATA["bot.completed"] | {"transcription_provider": "new"}) == []
    assert (
        faults("calendar.connection_created", DATA["calendar.connection_created"] | {"account_email": ""})
        == []
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [(0, None), (86400, None), (-1, "must be at least 0"), (0.5, "must be an integer or null, got a number")],
)
def test_a_duration_is_whole_seconds_from_zero(value: object, reason: str | None) -> None:
    found = faults("bot.completed", DATA["bot.completed"] | {"duration_seconds": value})
    assert found == ([] if reason is None else [("$.data.duration_seconds", reason)])


# --- participants and speakers, in both forms

NAMES = ["Ada Lovelace", "Grace Hopper"]


@pytest.mark.parametrize("field", ["participants", "speakers"])
def test_participants_are_taken_as_names_as_objects_or_as_null(field: str) -> None:
    for value in (NAMES, [{"name": "Ada", "id": 1}, "Grace"], [], None):
        assert faults("bot.completed", DATA["bot.completed"] | {field: value}) == []
    wrong = [{"name": "Ada"}, {"name": None, "id": "1"}, {"name": "A", "id": 1, "email": "a@b.c"}, 5]
    assert faults("bot.completed", DATA["bot.completed"] | {field: wrong}) == [
        (f"$.data.{field}[0].id", "is required"),
        (f"$.data.{field}[1].name", "must be a string, got null"),
        (f"$.data.{field}[1].id", "must be an integer or null, got a string"),
        (f"$.data.{field}[2].email", "unknown field"),
        (f"$.data.{field}[3]", "must be an object or a string, got a number"),
    ]


@pytest.mark.parametrize("field", ["display_name", "profile_picture"])
def test_what_a_participant_may_have_is_absent_never_null(field: str) -> None:
    data = DATA["bot.completed"] | {"speakers": [{"name": "Ada", "id": 1, field: None}]}
    assert faults("bot.completed", data) == [(f"$.data.speakers[0].{field}", "must be a string, got null")]


def test_objects_are_sent_whatever_was_published() -> None:
    published = DATA["bot.completed"] | {
        "participants": ["Ada", {"name": "Grace", "id": 2, "display_name": "G"}],
        "speakers": None,
    }
    data, found = PROVIDER.prepare("bot.completed", published, path="$.data")
    assert found == []
    assert data["participants"] == [
        {"name": "Ada", "id": None},
        {"name": "Grace", "id": 2, "display_name": "G"},
    ]
    assert data["speakers"] == []
    assert list(data) == list(published)
    assert published["speakers"] is None  # the publisher's own stays as it was


def test_faults_are_told_and_nothing_is_changed() -> None:
    published = DATA["bot.completed"] | {"participants": ["Ada", 5]}
    data, found = PROVIDER.prepare("bot.completed", published, path="$.events[3].data")
    assert data is published
    assert found == [Fault("$.events[3].data.participants[1]", "must be an object or a string, got a number")]


def test_an_app_may_have_the_documented_form() -> None:
    options = meetingbaas.MeetingBaasOptions(participants="names")
    data, _ = PROVIDER.prepare("bot.completed", DATA["bot.completed"], path="$.data")
    own = PROVIDER.own_form(options, "bot.completed", data)
    assert own == OwnForm("bot.completed", data | {"participants": NAMES, "speakers": ["Ada Lovelace"]})
    assert faults("bot.completed", own.data) == []
    empty, _ = PROVIDER.prepare("bot.completed", EXAMPLES["CallbackCompleted"]["data"], path="$.data")
    assert PROVIDER.own_form(options, "bot.completed", empty) == OwnForm("bot.completed", empty)


@pytest.mark.parametrize("options", [meetingbaas.MeetingBaasOptions(), AppOptions()])
def test_others_get_events_as_they_are(options: AppOptions) -> None:
    assert PROVIDER.own_form(options, "bot.completed", DATA["bot.completed"]) is None
    names = meetingbaas.MeetingBaasOptions(participants="names")
    assert PROVIDER.own_form(names, "bot.failed", DATA["bot.failed"]) is None


@pytest.mark.parametrize("named", [NAMES, [{"name": "Ada", "id": None, "later": True}], None])
def test_either_form_is_read(named: object) -> None:
    event = EXAMPLES["BotWebhookCompleted"] | {
        "data": DATA["bot.completed"] | {"participants": named, "speakers": named}
    }
    read = PROVIDER.read(json.dumps(event).encode())
    assert isinstance(read, meetingbaas.BotCompleted)
    expected = [meetingbaas.Participant(name="Ada", id=None)] if named not in (NAMES, None) else named
    assert read.data.participants == read.data.speakers == expected


# --- the provider


def head(name: str, extra: bytes | None = None) -> bytes:
    facts = Facts(name, "evt-1", "2026-01-20T10:33:02.118Z", "app", ("user", "u@x.y"), "actor", extra)
    return PROVIDER.head(facts)


@pytest.mark.parametrize(
    ("name", "extra", "expected"),
    [
        ("bot.completed", None, b'{"event":"bot.completed","extra":null,"data":'),
        ("bot.failed", b'{"a":1}', b'{"event":"bot.failed","extra":{"a":1},"data":'),
        ("bot.status_change", b"null", b'{"event":"bot.status_change","extra":null,"data":'),
        ("calendar.events_synced", None, b'{"event":"calendar.events_synced","data":'),
        ("calendar.event_created", b'{"a":1}', b'{"event":"calendar.event_created","data":'),
    ],
)
def test_the_envelope_has_the_documented_keys_alone(name: str, extra: bytes | None, expected: bytes) -> None:
    assert head(name, extra) == expected


@pytest.mark.parametrize("name", DATA)
def test_bots_carry_extra_and_are_what_later_calls_name(name: str) -> None:
    of_a_bot = name.startswith("bot.")
    assert PROVIDER.carries_extra(name) is of_a_bot
    assert PROVIDER.subject_of(name, DATA[name]) == (BOT if of_a_bot else None)
    assert order_key(DATA[name]) == (BOT if of_a_bot else None)


def test_the_policy_of_webhooks() -> None:
    assert PROVIDER.policy == Policy(
        retry_delays=(
            timedelta(seconds=5),
            timedelta(seconds=10),
            timedelta(minutes=5),
            timedelta(minutes=15),
            timedelta(minutes=30),
            timedelta(hours=2),
        ),
        timeout=timedelta(seconds=30),
        earlier=0.2,
        later=0.2,
        after_pressure=timedelta(seconds=60),
        only_broken=False,
    )


def test_the_policy_of_callbacks() -> None:
    callbacks = PROVIDER.callbacks
    assert callbacks is not None
    assert callbacks.event_types == {"bot.completed", "bot.failed"}
    assert callbacks.secret_header == "x-mb-secret"
    assert callbacks.policy == Policy(
        retry_delays=(timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=15)),
        timeout=timedelta(seconds=30),
        earlier=0.0,
        later=0.0,
        after_pressure=timedelta(0),
        only_broken=True,
        gone_switches_off=False,
    )


# --- signatures: Svix's headers, computed here by hand

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"event":"bot.failed","extra":null,"data":{}}'
NOW = datetime(2026, 1, 20, 10, 0, tzinfo=UTC)


def test_requests_have_the_headers_of_svix() -> None:
    app = app_of("meetingbaas", meetingbaas.MeetingBaasOptions())
    stamp = int(NOW.timestamp())
    headers = PROVIDER.signer(app, [Secret(SECRET)]).sign(BODY, event_id="evt-1", timestamp=stamp)
    assert headers.keys() == {"svix-id", "svix-timestamp", "svix-signature"}
    assert (headers["svix-id"], headers["svix-timestamp"]) == ("evt-1", str(stamp))
    key = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    digest = hmac(key, f"evt-1.{stamp}.".encode() + BODY, sha256).digest()
    assert b64decode(headers["svix-signature"].removeprefix("v1,")) == digest
    verified = PROVIDER.verifier(SECRET).verify(headers, BODY, now=NOW)
    assert (verified.event_id, verified.timestamp) == ("evt-1", NOW)


def test_a_callback_is_known_by_its_secret() -> None:
    verified = PROVIDER.callback_verifier("hush").verify({"X-MB-Secret": "hush"}, BODY, now=NOW)
    assert verified.event_id is None
    with pytest.raises(ConfigError):
        PROVIDER.callback_verifier()
    with pytest.raises(ConfigError):
        PROVIDER.callback_verifier("hush", unsigned=True)
    assert PROVIDER.callback_verifier(unsigned=True).verify({}, BODY, now=NOW).event_id is None


# --- dropping duplicates

WEBHOOK = Verified(scheme="standard", profile="v1", event_id="msg_1")
CALLBACK = Verified(scheme="secret-header", profile="x-mb-secret")


def key_of(file: str, verified: Verified, body: bytes | None = None) -> str:
    body = json.dumps(EXAMPLES[file]).encode() if body is None else body
    return PROVIDER.dedupe_key(PROVIDER.read(body), verified, body)


@pytest.mark.parametrize("file", EXAMPLES)
def test_a_webhook_is_known_by_its_svix_id(file: str) -> None:
    assert key_of(file, WEBHOOK) == "msg_1"


def test_a_callback_is_known_by_its_bot_event_and_body() -> None:
    body = json.dumps(EXAMPLES["CallbackCompleted"]).encode()
    assert key_of("", CALLBACK, body) == f"{BOT}:bot.completed:sha256:{sha256(body).hexdigest()}"
    keys = {key_of(file, CALLBACK) for file in ("CallbackCompleted", "CallbackFailed", "BotWebhookCompleted")}
    assert len(keys) == 3
    other = b'{"event":"bot.later"}'
    assert key_of("", CALLBACK, other) == f"sha256:{sha256(other).hexdigest()}"

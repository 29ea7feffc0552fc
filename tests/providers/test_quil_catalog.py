"""Quil's catalog against its sources: the document's sample, with its assets beside data, and CONTRACTS 3."""

import copy
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import new as hmac
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.providers.apps import app_of

from adjourn import wirejson
from adjourn.check import check
from adjourn.config import Secret
from adjourn.errors import ConfigError, EventError, Fault, VerificationError
from adjourn.models import AppOptions, Policy
from adjourn.providers import PROVIDERS, check_data, order_key, quil
from adjourn.providers.provider import Facts
from adjourn.signing import Verified

PROVIDER = quil.PROVIDER
TYPE = PROVIDER.event_types["meeting.completed"]
# Word for word as the document prints it.
DOCUMENTED: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "examples" / "quil" / "meeting.completed.json").read_bytes()
)
ASSETS: dict[str, Any] = DOCUMENTED["assets"]
DATA: dict[str, Any] = DOCUMENTED["data"] | {"assets": ASSETS}
SENT = {key: value for key, value in DOCUMENTED.items() if key != "assets"} | {"data": DATA}

URI = "must be an absolute URI, like https://example.com/recording.mp4"


def changed(path: str, *value: object) -> dict[str, Any]:
    """The documented data with the value at that path; without one, without that key."""
    data = copy.deepcopy(DATA)
    *steps, last = path.split(".")
    place: Any = data
    for step in steps:
        place = place[int(step)] if step.isdigit() else place[step]
    if value:
        place[last] = value[0]
    else:
        del place[last]
    return data


def faults(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.path, fault.reason) for fault in check_data(TYPE, data)]


# --- the catalog


def test_there_is_one_type() -> None:
    assert [*PROVIDER.event_types] == ["meeting.completed"]
    assert PROVIDERS["quil"] is PROVIDER
    assert (PROVIDER.title, TYPE.since, TYPE.note) == ("Quil", None, None)
    assert TYPE.description == (
        "Sent whenever a meeting has finished and its associated assets (recordings, transcripts, and notes) "
        "have been processed"
    )


def test_the_sample_is_the_documents_with_assets_under_data() -> None:
    assert TYPE.sample == SENT
    assert faults(DATA) == []


REQUIRED = [
    *("meeting", "organization", "assets", "organization.accountId", "organization.teamId"),
    *("meeting.id", "meeting.name", "meeting.startTime", "meeting.ownerName", "meeting.participants"),
    *("meeting.isPrivate", "assets.databaseNotes.0.name", "assets.databaseNotes.0.note"),
    "assets.followUpMaterials.0.name",
]
OPTIONAL = [
    *("meeting.atsRecordName", "assets.transcriptionUrl", "assets.recordingUrl", "assets.actionItemsUrl"),
    *("assets.databaseNotes", "assets.followUpMaterials"),
    *("assets.followUpMaterials.0.txtUrl", "assets.followUpMaterials.0.pdfUrl"),
]


def json_path(path: str) -> str:
    return "$.data." + path.replace(".0", "[0]")


@pytest.mark.parametrize("path", REQUIRED)
def test_what_is_required(path: str) -> None:
    assert faults(changed(path)) == [(json_path(path), "is required")]


@pytest.mark.parametrize("path", OPTIONAL)
def test_what_is_optional_may_be_absent(path: str) -> None:
    assert faults(changed(path)) == []


@pytest.mark.parametrize("path", REQUIRED + OPTIONAL)
def test_nothing_may_be_null(path: str) -> None:
    ((found, reason),) = faults(changed(path, None))
    assert found == json_path(path)
    assert reason.endswith(", got null")


@pytest.mark.parametrize("path", ["new", "meeting.new", "organization.new", "assets.new"])
def test_an_unknown_key_is_refused(path: str) -> None:
    assert faults(changed(path, 1)) == [(json_path(path), "unknown field")]


def test_assets_are_published_under_data_alone() -> None:
    whole = DOCUMENTED["data"]
    assert faults(whole) == [("$.data.assets", "is required")]
    assert faults(DATA | {"assets": {}}) == []


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("meeting.participants", [], None),
        ("meeting.participants", [5], None),
        ("meeting.startTime", "2025-10-10T12:23:27+02:00", None),
        (
            "meeting.startTime",
            "2025-10-10",
            "must be an RFC 3339 date-time with an offset, like 2025-01-15T10:30:00Z",
        ),
        ("assets.recordingUrl", "recording.mp4", URI),
        ("assets.databaseNotes", "https://api.provider.com/notes/abc123", None),
        ("assets.databaseNotes", "notes", URI),
        ("assets.databaseNotes", [], None),
        ("assets.databaseNotes", 5, "must be an array or a string, got a number"),
    ],
)
def test_values(path: str, value: object, reason: str | None) -> None:
    expected = [] if reason is None else [(json_path(path), reason)]
    if value == [5]:
        expected = [("$.data.meeting.participants[0]", "must be a string, got a number")]
    assert faults(changed(path, value)) == expected


@pytest.mark.parametrize(
    "notes", [ASSETS["databaseNotes"], "https://api.provider.com/notes/abc123", [], None]
)
def test_notes_are_kept_as_given(notes: object) -> None:
    published = changed("assets.databaseNotes", *([] if notes is None else [notes]))
    data, found = PROVIDER.prepare("meeting.completed", published, path="$.data")
    assert (data, found) == (published, [])
    event = PROVIDER.read(json.dumps(SENT | {"data": data}).encode())
    assert isinstance(event, quil.MeetingCompleted)
    assert json.loads(msgspec.json.encode(event)) == SENT | {"data": data}


# --- the envelope


@pytest.mark.parametrize(
    ("timestamp", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2025-12-08T12:56:24.697Z", 1765198584697),
        ("2025-12-08T12:56:24Z", 1765198584000),
        ("2025-12-08T12:56:24.6979999999Z", 1765198584697),
        ("1969-12-31T23:59:59.9995Z", -1),
        ("9999-12-31T23:59:59.999Z", 253402300799999),
    ],
)
def test_the_envelope_tells_the_time_in_unix_milliseconds(timestamp: str, milliseconds: int) -> None:
    facts = Facts("meeting.completed", 'e"1', timestamp, "app", ("user", "u@x.y"), "actor", b'{"a":1}')
    assert PROVIDER.head(facts) == (
        b'{"id":"e\\"1","eventType":"meeting.completed","createdAt":%d,"data":' % milliseconds
    )


def test_the_documented_event_is_sent_with_assets_under_data() -> None:
    facts = Facts("meeting.completed", "evt_789456123", "2025-12-08T12:56:24.697Z", "app", None, None)
    assert json.loads(PROVIDER.head(facts) + wirejson.dumps(DATA) + b"}") == SENT


def test_events_of_a_meeting_are_in_order_and_are_no_bots() -> None:
    assert order_key(DATA) == "mtg_01H2J3K4L"
    assert PROVIDER.subject_of("meeting.completed", DATA) is None
    assert not PROVIDER.carries_extra("meeting.completed")
    assert PROVIDER.callbacks is None
    with pytest.raises(ConfigError):
        PROVIDER.callback_verifier("secret")


def test_retries_are_contios() -> None:
    assert PROVIDER.policy == Policy(
        retry_delays=(timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30)),
        timeout=timedelta(seconds=30),
        earlier=0.0,
        later=0.1,
        old_secret_again=True,
    )


# --- reading assets in either place


def test_assets_are_read_in_either_place() -> None:
    beside = PROVIDER.read(json.dumps(DOCUMENTED).encode())
    under = PROVIDER.read(json.dumps(SENT).encode())
    assert isinstance(beside, quil.MeetingCompleted)
    assert beside == under
    assert beside.data.assets.transcription_url == "https://api.provider.com/v1/transcripts/abc123.txt"
    assert (beside.event_type, beside.created_at) == ("meeting.completed", 1765198584697)


def test_those_under_data_count_first() -> None:
    other = SENT | {"assets": {"recordingUrl": "https://other.example/"}}
    event = PROVIDER.read(json.dumps(other).encode())
    assert isinstance(event, quil.MeetingCompleted)
    assert event.data.assets.recording_url == ASSETS["recordingUrl"]
    empty = other | {"data": DATA | {"assets": None}}
    event = PROVIDER.read(json.dumps(empty).encode())
    assert isinstance(event, quil.MeetingCompleted)
    assert event.data.assets.recording_url == "https://other.example/"


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        (SENT | {"data": DOCUMENTED["data"]}, Fault("$.data.assets", "is required")),
        (DOCUMENTED | {"assets": []}, Fault("$.data.assets", "Expected `object`, got `array`")),
        (DOCUMENTED | {"data": []}, Fault("$.data", "Expected `object`, got `array`")),
    ],
)
def test_an_event_without_them_is_none(event: dict[str, Any], fault: Fault) -> None:
    with pytest.raises(EventError) as raised:
        PROVIDER.read(json.dumps(event).encode())
    assert raised.value.faults == (fault,)
    assert raised.value.event_type == "meeting.completed"


# --- signatures

NOW = datetime(2025, 12, 8, 12, 57, tzinfo=UTC)
STAMP = int(NOW.timestamp())
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps(SENT).encode()
DIGEST = hmac(SECRET.encode(), BODY, sha256).digest()


def signed(**options: Any) -> dict[str, str]:
    app = app_of("quil", quil.QuilOptions(**options))
    return PROVIDER.signer(app, [Secret(SECRET)]).sign(BODY, event_id="evt", timestamp=STAMP)


def test_requests_are_signed_as_standard_webhooks_says_unless_asked_otherwise() -> None:
    headers = signed()
    assert headers.keys() == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert PROVIDER.verifier(SECRET).verify(headers, BODY, now=NOW).event_id == "evt"
    assert signed(signature="standard", signature_header="X-Other") == headers


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({"signature": "hmac-hex"}, {"X-Webhook-Signature": DIGEST.hex()}),
        ({"signature": "hmac-base64"}, {"X-Webhook-Signature": b64encode(DIGEST).decode()}),
        (
            {"signature": "hmac-hex", "signature_header": "X-Quil", "signature_prefix": "sha256="},
            {"X-Quil": f"sha256={DIGEST.hex()}"},
        ),
        ({"signature": "none"}, {}),
    ],
)
def test_an_apps_options_say_how_its_requests_are_signed(
    options: dict[str, str], headers: dict[str, str]
) -> None:
    assert signed(**options) == headers


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ({"signature": "hmac-hex"}, {"signature": "hmac-hex"}),
        (
            {"signature": "hmac-base64", "signature_header": "X-Q", "signature_prefix": "v0="},
            {"signature": "hmac-base64", "header": "X-Q", "prefix": "v0="},
        ),
    ],
)
def test_the_verifier_has_the_same_settings(sent: dict[str, Any], received: dict[str, Any]) -> None:
    verifier = PROVIDER.verifier(SECRET, **received)
    verifier.verify(signed(**sent), BODY, now=NOW)
    with pytest.raises(VerificationError):
        verifier.verify(signed(**sent), BODY + b" ", now=NOW)


def test_receiving_unsigned_must_be_asked_for_by_name() -> None:
    with pytest.raises(ConfigError):
        PROVIDER.verifier()
    with pytest.raises(ConfigError):
        PROVIDER.verifier(SECRET, unsigned=True)
    assert PROVIDER.verifier(unsigned=True).verify({}, BODY, now=NOW).event_id is None


def test_an_app_of_no_options_of_quils_has_the_defaults() -> None:
    headers = PROVIDER.signer(app_of("quil", AppOptions()), [Secret(SECRET)]).sign(
        BODY, event_id="evt", timestamp=STAMP
    )
    assert headers == signed()


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({}, []),
        ({"signature": "hmac-hex", "signature_header": "x-sig", "signature_prefix": "sha256="}, []),
        (
            {"signature": "md5"},
            [Fault("$.signature", "must be one of hmac-base64, hmac-hex, none, standard")],
        ),
        (
            {"signature_header": "X Sig"},
            [Fault("$.signature_header", "must be the name of a header, like X-Webhook-Signature")],
        ),
        (
            {"signature_header": ""},
            [Fault("$.signature_header", "must be the name of a header, like X-Webhook-Signature")],
        ),
        *(
            (
                {"signature_header": name},
                [Fault("$.signature_header", "is a header of every request: a signature needs another")],
            )
            for name in ("Content-Length", "host", "CONTENT-TYPE", "Transfer-Encoding", "Connection")
        ),
        (
            {"signature_prefix": "a\r\nX: y"},
            [
                Fault(
                    "$.signature_prefix",
                    "must be printable ASCII without line breaks, and without spaces at its ends",
                )
            ],
        ),
        ({"signature_prefix": "x" * 65}, [Fault("$.signature_prefix", "must have at most 64 characters")]),
    ],
)
def test_options_are_checked(options: dict[str, str], faults: list[Fault]) -> None:
    assert check(quil.QuilOptions, options) == faults


# --- dropping duplicates


def test_an_event_is_known_by_its_id() -> None:
    standard = Verified(scheme="standard", profile="v1", event_id="msg_1")
    for event in (DOCUMENTED, SENT, SENT | {"eventType": "meeting.later", "data": {}}):
        body = json.dumps(event).encode()
        assert PROVIDER.dedupe_key(PROVIDER.read(body), standard, body) == "evt_789456123"
    body = b'{"eventType":"meeting.later","id":7}'
    assert PROVIDER.dedupe_key(PROVIDER.read(body), standard, body) == f"sha256:{sha256(body).hexdigest()}"

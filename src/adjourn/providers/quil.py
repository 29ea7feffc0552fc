"""Quil: one event type, meeting.completed, and the provider made of it.

Descriptions are those of meeting-completed-webhook.txt, word for word where it has one. It puts `assets`
under `data` in its schema and beside it in its sample: they are sent under `data`, and read in either place.
It documents no signature: each app's options say which one it gets. CONTRACTS 3.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from inspect import cleandoc
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from adjourn import wirejson
from adjourn.config import Secret
from adjourn.models import App, AppOptions, Policy
from adjourn.providers.normalised import MeetingEnded, Person, later, read_moment, read_span
from adjourn.providers.provider import (
    EventType,
    Facts,
    JsonObject,
    OptionalStr,
    Provider,
    Timestamp,
    Uri,
    body_key,
    doc,
    unsigned_verifier,
)
from adjourn.providers.reading import ReceivedEvent, UnknownEvent
from adjourn.signing import (
    BodyHmacSigner,
    BodyHmacVerifier,
    Encoding,
    Signer,
    StandardSigner,
    StandardVerifier,
    Unsigned,
    Verified,
    Verifier,
)

# --- the event


class Meeting(Struct, frozen=True, kw_only=True, rename="camel"):
    """Details about the meeting (ID, name, participants, etc.)."""

    id: Annotated[str, doc("Unique identifier of the meeting")]
    name: Annotated[str, doc("Name of the meeting")]
    start_time: Annotated[Timestamp, doc("ISO 8601 timestamp of when the meeting began.")]
    owner_name: Annotated[str, doc("Name of the meeting's owner")]
    participants: Annotated[list[str], doc("An array of phone numbers or identifiers for attendees.")]
    ats_record_name: Annotated[
        OptionalStr,
        doc("The name of the record as it appears in your Applicant Tracking System (if integrated)."),
    ] = UNSET
    is_private: Annotated[bool, doc("Boolean indicating if the meeting is restricted to specific users.")]


class Organization(Struct, frozen=True, kw_only=True, rename="camel"):
    """Identifiers for the account and team associated with the meeting."""

    account_id: Annotated[str, doc("Identifier of the account")]
    team_id: Annotated[str, doc("Identifier of the team")]


class DatabaseNote(Struct, frozen=True, kw_only=True):
    """One of the notes captured during the session."""

    name: Annotated[str, doc("Name of the note (e.g. Summary)")]
    note: Annotated[str, doc("Text of the note")]


class FollowUp(Struct, frozen=True, kw_only=True, rename="camel"):
    """One generated summary or document."""

    name: Annotated[str, doc("Name of the document")]
    txt_url: Annotated[Uri | UnsetType, doc("Link to the document in .txt format")] = UNSET
    pdf_url: Annotated[Uri | UnsetType, doc("Link to the document in .pdf format")] = UNSET


class Assets(Struct, frozen=True, kw_only=True, rename="camel"):
    """Links to meeting deliverables like transcripts and recordings."""

    transcription_url: Annotated[Uri | UnsetType, doc("Permanent link to the full text transcript.")] = UNSET
    recording_url: Annotated[Uri | UnsetType, doc("Permanent link to the video/audio recording.")] = UNSET
    action_items_url: Annotated[Uri | UnsetType, doc("Link to the meeting's action items")] = UNSET
    database_notes: Annotated[
        list[DatabaseNote] | Uri | UnsetType,
        doc("Structured notes captured during the session. Or the URL where they are"),
    ] = UNSET
    follow_up_materials: Annotated[
        list[FollowUp] | UnsetType,
        doc("Links to generated summaries or documents in .txt or .pdf formats."),
    ] = UNSET


class MeetingCompletedData(Struct, frozen=True, kw_only=True):
    meeting: Annotated[Meeting, doc("Details about the meeting (ID, name, participants, etc.).")]
    organization: Annotated[
        Organization, doc("Identifiers for the account and team associated with the meeting.")
    ]
    assets: Annotated[Assets, doc("Links to meeting deliverables like transcripts and recordings.")]


class MeetingCompleted(
    ReceivedEvent, frozen=True, kw_only=True, rename="camel", tag_field="eventType", tag="meeting.completed"
):
    """Sent whenever a meeting has finished and its associated assets (recordings, transcripts, and notes)
    have been processed
    """

    id: Annotated[str, doc("Unique identifier for the webhook event.")]
    created_at: Annotated[int, doc("Unix timestamp (milliseconds) when the event was generated.")]
    data: Annotated[MeetingCompletedData, doc("Contains the core meeting and asset information.")]

    @property
    def event_type(self) -> str:
        """The type of event (e.g., meeting.completed)."""
        return str(self.__struct_config__.tag)


class DataAsReceived(Struct, frozen=True, kw_only=True):
    meeting: Annotated[Meeting, doc("Details about the meeting (ID, name, participants, etc.).")]
    organization: Annotated[
        Organization, doc("Identifiers for the account and team associated with the meeting.")
    ]
    assets: Annotated[
        Assets | UnsetType, doc("Links to meeting deliverables like transcripts and recordings.")
    ] = UNSET


class MeetingCompletedAsReceived(
    Struct, frozen=True, kw_only=True, rename="camel", tag_field="eventType", tag="meeting.completed"
):
    """The same with its assets in either place: the schema has them in data, the sample beside it"""

    id: Annotated[str, doc("Unique identifier for the webhook event.")]
    created_at: Annotated[int, doc("Unix timestamp (milliseconds) when the event was generated.")]
    data: Annotated[DataAsReceived, doc("Contains the core meeting and asset information.")]
    assets: Annotated[Assets | UnsetType, doc("The same as data.assets, where they are not there.")] = UNSET


_EVENT_TYPE = EventType(
    name="meeting.completed",
    group="Meeting",
    title="Meeting Completed",
    since=None,
    description=" ".join(cleandoc(MeetingCompleted.__doc__ or "").split()),
    note=None,
    data=MeetingCompletedData,
    event=MeetingCompleted,
    received=MeetingCompletedAsReceived,
    sample=msgspec.json.decode(resources.files(__package__).joinpath("quil_sample.json").read_bytes()),
)

# --- the provider

SignatureScheme = Literal["standard", "hmac-hex", "hmac-base64", "none"]

_HEADER = "X-Webhook-Signature"
_ENCODINGS: Mapping[str, Encoding] = {"hmac-hex": "hex", "hmac-base64": "base64"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class QuilOptions(AppOptions, frozen=True, kw_only=True):
    """What differs between apps: how requests are signed.

    `standard`: the headers of Standard Webhooks. `hmac-hex`, `hmac-base64`: `signature_prefix` and the
    HMAC-SHA256 of the body in the header `signature_header`. `none`: nothing.
    """

    signature: SignatureScheme = "standard"
    signature_header: Annotated[str, Meta(extra_json_schema={"format": "header-name"})] = _HEADER
    signature_prefix: Annotated[str, Meta(max_length=64, extra_json_schema={"format": "header-value"})] = ""


class Quil(Provider):
    """Quil's contract: CONTRACTS section 3."""

    def head(self, facts: Facts) -> bytes:
        text = wirejson.quoted
        created_at = (datetime.fromisoformat(facts.timestamp) - _EPOCH) // timedelta(milliseconds=1)
        return (
            f'{{"id":{text(facts.event_id)},"eventType":{text(facts.event_type)},'
            f'"createdAt":{created_at},"data":'
        ).encode()

    def signer(self, app: App, secrets: Sequence[Secret]) -> Signer:
        options = app.options if isinstance(app.options, QuilOptions) else QuilOptions()
        match options.signature:
            case "standard":
                return StandardSigner(*secrets)
            case "none":
                return Unsigned()
            case "hmac-hex" | "hmac-base64":
                return BodyHmacSigner(
                    *secrets,
                    header=options.signature_header,
                    encoding=_ENCODINGS[options.signature],
                    prefix=options.signature_prefix,
                )

    def verifier(
        self,
        *secrets: Secret | str,
        signature: Literal["standard", "hmac-hex", "hmac-base64"] = "standard",
        header: str = _HEADER,
        prefix: str = "",
        unsigned: bool = False,
    ) -> Verifier:
        """`signature`, `header` and `prefix` as the options of the app say; `unsigned`: anyone's pass."""
        if unsigned:
            return unsigned_verifier(*secrets)
        if signature == "standard":
            return StandardVerifier(*secrets)
        return BodyHmacVerifier(*secrets, header=header, encoding=_ENCODINGS[signature], prefix=prefix)

    def mend(self, name: str, event: JsonObject) -> JsonObject:
        """With `assets` under data, where they came beside it."""
        data, assets = event.get("data"), event.get("assets")
        if not isinstance(data, dict) or assets is None or data.get("assets") is not None:
            return event
        return event | {"data": data | {"assets": assets}}

    def dedupe_key(self, event: Struct, verified: Verified, body: bytes) -> str:
        """The id in the body, which every signature covers."""
        if isinstance(event, MeetingCompleted):
            return event.id
        found = event.raw.get("id") if isinstance(event, UnknownEvent) else None
        return found if isinstance(found, str) and found else body_key(body)

    def normalise(self, event: Struct) -> MeetingEnded | None:
        if not isinstance(event, MeetingCompleted):
            return None
        meeting, assets = event.data.meeting, event.data.assets
        since_epoch = read_span(event.created_at, timedelta(milliseconds=1), path="$.createdAt")
        return MeetingEnded(
            provider=self.name,
            meeting_id=meeting.id,
            title=meeting.name,
            started_at=read_moment(meeting.start_time, path="$.data.meeting.startTime"),
            available_at=later(_EPOCH, since_epoch, path="$.createdAt"),
            organiser=Person(name=meeting.owner_name),
            participants=tuple(Person(id=each) for each in meeting.participants),
            recording_url=assets.recording_url or None,
            transcript_url=assets.transcription_url or None,
            summary=_summary(assets),
            action_items_url=assets.action_items_url or None,
            raw=event,
        )


def _summary(assets: Assets) -> str | None:
    """Of the notes, that with this name; notes that are only a link tell none."""
    if not isinstance(assets.database_notes, list):
        return None
    return next((each.note for each in assets.database_notes if each.name.lower() == "summary"), None)


PROVIDER = Quil(
    name="quil",
    title="Quil",
    source="meeting-completed-webhook.txt",
    signature=(  # CONTRACTS 3: header name and scheme are settings
        "Quil documents no signature. Unless an app is set to another header or to none, it is that of "
        "Standard Webhooks 1.0: webhook-signature is v1, and the base64 of the HMAC-SHA256 of webhook-id, "
        "webhook-timestamp and the body, joined by full stops."
    ),
    event_types=MappingProxyType({_EVENT_TYPE.name: _EVENT_TYPE}),
    policy=Policy(  # CONTRACTS 3, "Retries as Contio's"
        retry_delays=(timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30)),
        timeout=timedelta(seconds=30),
        old_secret_again=True,  # an HMAC's header holds one signature only
    ),
    options=QuilOptions,
)
